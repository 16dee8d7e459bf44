"""The form of an action: reading what people typed, and what it starts from."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from closedloop.domain.accounts import Role
from closedloop.domain.actions import TITLE_LENGTH, may_own
from closedloop.domain.themes import Strategy
from closedloop.extensions import current_settings
from closedloop.queries.accounts import list_departments, list_users
from closedloop.queries.action_page import list_themes_to_act_on
from closedloop.web.amounts import read_amount, write_amount
from closedloop.web.filters import day as day_words

FIELDS = (
    "theme_id",
    "title",
    "description",
    "strategy",
    "department_id",
    "owner_id",
    "due_on",
    "expected_drop",
    "smallest_drop",
    "cost_low",
    "cost_high",
)

STRATEGY_SENTENCES: dict[Strategy, str] = {
    Strategy.ELIMINATE: "Remove what goes wrong at its source, so that nobody has to ask.",
    Strategy.INFORM: "Tell customers before they ask, while the work is under way.",
    Strategy.SELF_SERVE: "Let customers find or do it themselves, when they want to.",
    Strategy.ASSIST: "An agent, or a team that owns the problem to its end, helps at once.",
}
"""In the order in which demand is handled: the source first, an agent last."""


@dataclass(frozen=True)
class ReadForm:
    """What a form holds: arguments for the service, and what could not be read."""

    arguments: dict[str, Any]
    problems: dict[str, str]


def read_form(form: Mapping[str, str], *, with_theme: bool) -> ReadForm:
    """Read a form; each field that cannot be read gets a sentence.

    Percentages are typed as people write them ("20", "20 %", "12,5") and come out as shares. The
    sentences come in the order of the form.
    """
    problems: dict[str, str] = {}
    theme_id = _number(form, "theme_id", "Choose a theme.", problems) if with_theme else None
    if not form.get("title", "").strip():
        problems["title"] = f"Say in at most {TITLE_LENGTH} characters what will be done."
    arguments: dict[str, Any] = {
        "title": form.get("title", ""),
        "description": form.get("description", ""),
        "strategy": form.get("strategy", ""),
        "department_id": _number(form, "department_id", "Choose a department.", problems),
        "owner_id": _number(form, "owner_id", "", problems),
        "due_on": read_day(form, "due_on", "Write the day as 2026-03-31.", problems),
        "expected_drop": _share(form, "expected_drop", "the drop you expect", problems),
        "smallest_drop": _share(form, "smallest_drop", "the smallest drop worth having", problems),
        "cost_low": read_cost(form, "cost_low", problems),
        "cost_high": read_cost(form, "cost_high", problems),
    }
    if with_theme:
        arguments["theme_id"] = theme_id
    return ReadForm(arguments, problems)


def read_day(
    form: Mapping[str, str], name: str, sentence: str, problems: dict[str, str]
) -> date | None:
    """Return the day of a field, None when it is empty; what is no day is said in `problems`."""
    raw = form.get(name, "").strip()
    if not raw:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        problems[name] = f"“{raw[:20]}” is not a day. {sentence}"
        return None


def read_count(form: Mapping[str, str], name: str, what: str, problems: dict[str, str]) -> int:
    """Return the whole number of a field, 0 when it is empty."""
    raw = form.get(name, "").strip() or "0"
    if not (raw.isascii() and raw.isdigit() and len(raw) < 6):
        problems[name] = f"Write {what} as a whole number, such as 3; 0 for none."
        return 0
    return int(raw)


def _number(
    form: Mapping[str, str], name: str, required: str, problems: dict[str, str]
) -> int | None:
    raw = form.get(name, "").strip()
    if raw.isascii() and raw.isdigit() and len(raw) < 10:
        return int(raw)
    if required or raw:
        problems[name] = required or "Choose one of the list."
    return None


def _share(form: Mapping[str, str], name: str, what: str, problems: dict[str, str]) -> float:
    raw = form.get(name, "").replace("%", "").replace(",", ".").strip()
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problems[name] = f"Write {what} as per cent, such as 20."
        return math.nan
    return value / 100


def read_cost(form: Mapping[str, str], name: str, problems: dict[str, str]) -> float | None:
    """Return an amount of a field in minor units, None when it is empty."""
    raw = form.get(name, "").strip()
    if not raw:
        return None
    try:
        return read_amount(raw, current_settings().currency)
    except ValueError:
        problems[name] = f"“{raw[:20]}” is no amount. Write it like 2500 or 2,500.50."
        return None


def cost_field(pence: float | None) -> str:
    """Write minor units as the form takes them."""
    return write_amount(pence, current_settings().currency)


def typed(form: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed, to show it again."""
    return {name: form.get(name, "") for name in FIELDS}


def percent_field(share: float) -> str:
    """Write a share as the form takes it: .125 is "12.5"."""
    return f"{share * 100:.6g}"


def stored_values(action: Any) -> dict[str, Any]:
    """Return what the form of an action starts from."""
    return {
        "title": action.title,
        "description": action.description,
        "strategy": action.strategy.value,
        "department_id": action.department_id,
        "owner_id": action.owner_id or "",
        "due_on": action.due_on.isoformat() if action.due_on else "",
        "expected_drop": percent_field(action.expected_drop),
        "smallest_drop": percent_field(action.smallest_drop),
        "cost_low": cost_field(action.cost_low),
        "cost_high": cost_field(action.cost_high),
    }


def what_stands_now(
    stored: Mapping[str, Any],
    values: Mapping[str, Any],
    choices: Mapping[str, Any],
    changed: Collection[str],
) -> dict[str, str]:
    """Return a sentence per field that somebody else changed to something not typed here."""
    return {
        name: f"{_stands(name, stored[name], choices)} stands here now. "
        "Saving puts what you see in its place."
        for name in (*FIELDS, "also", "driver")
        if name in changed and name in stored and not _is_same(name, stored[name], values[name])
    }


def _is_same(name: str, stored: Any, typed_value: Any) -> bool:
    if name == "also":
        return sorted(stored) == sorted(typed_value)
    if name in {"expected_drop", "smallest_drop"}:
        typed_value = typed_value.replace("%", "").replace(",", ".").strip()
    return str(stored).split() == str(typed_value).split()


def _stands(name: str, value: Any, choices: Mapping[str, Any]) -> str:
    """Write one answer as people read it."""
    if name == "also":
        words = dict(choices["also"])
        return ", ".join(words.get(one, "a theme") for one in value) or "No other theme"
    lists = {"department_id": "departments", "owner_id": "owners", "driver": "drivers"}
    if name in lists:
        of_list: dict[str, str] = dict(choices[lists[name]])
        return of_list.get(str(value), "What is not on the list any more")
    if name == "strategy":
        return f"“{Strategy(value).label}”"
    if name == "due_on" and value:
        return day_words(date.fromisoformat(value))
    unit = " %" if name.endswith("_drop") else ""
    return f"“{value}{unit}”" if value else "Nothing"


def form_choices(
    session: Session, values: Mapping[str, Any], *, with_theme: bool, owner: Any = None
) -> dict[str, Any]:
    """Return pairs (value, words) of each select of the form; `owner` is who owns it now."""
    departments = [(str(d.id), d.name) for d in list_departments(session)]
    owners = [
        (str(user.id), f"{user.name} ({_belongs(user)})")
        for user in list_users(session, active_only=True)
        if _could_own(user)
    ]
    if owner is not None and str(owner.id) not in dict(owners):
        why = _belongs(owner) if owner.is_active else "no longer signs in"
        owners.append((str(owner.id), f"{owner.name} ({why})"))
    themes = list_themes_to_act_on(session) if with_theme else []
    return {
        "departments": [("", "Choose a department"), *departments],
        "owners": [("", "Nobody yet"), *owners],
        "themes": [("", "Choose a theme"), *((str(t.id), f"{t.key} {t.name}") for t in themes)],
        "strategies": [(s.value, s.label, STRATEGY_SENTENCES[s]) for s in Strategy],
        "values": values,
        "currency": current_settings().currency,
    }


def _belongs(user: Any) -> str:
    return user.department.name if user.department else Role(user.role).label


def _could_own(user: Any) -> bool:
    department = user.department_id or 0
    return may_own(user.role, user_department_id=department, department_id=department)
