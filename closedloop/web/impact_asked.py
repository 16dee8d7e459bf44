"""Which shipped actions an address asks for, and links that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import url_for

from closedloop.queries.impact import ShippedAction, Standing
from closedloop.queries.impact_measured import Measured
from closedloop.web.asked import short_number, write_day_cursor

_NAMES = ("department", "verdict", "from", "to")


@dataclass(frozen=True)
class Asked:
    """The filters of the portfolio.

    Attributes
    ----------
    standing : Standing or None
    live_from, live_until : date or None
        When the change went live, both inclusive.
    values : dict of str to str
        As the address gave them, those that made no sense left out.
    problems : list of str
        A sentence for each part of the address that made no sense.
    """

    department_id: int | None
    standing: Standing | None
    live_from: date | None
    live_until: date | None
    values: dict[str, str]
    problems: list[str]

    @property
    def filters(self) -> dict[str, Any]:
        """The filters as `list_shipped` and `get_portfolio` take them."""
        return {
            "department_id": self.department_id,
            "standing": self.standing,
            "live_from": self.live_from,
            "live_until": self.live_until,
        }

    def url(self, endpoint: str = "impact.index", **changes: str) -> str:
        """Return this page, or another one, with some filters changed; "" takes one away."""
        values: dict[str, Any] = {k: v for k, v in {**self.values, **changes}.items() if v}
        return url_for(endpoint, **values)


def read_asked(args: Mapping[str, str]) -> Asked:
    """Read the filters of an address; what makes no sense is said and left out."""
    values = {name: args[name].strip() for name in _NAMES if args.get(name, "").strip()}
    problems: list[str] = []
    first, last = (_read_day(values, name, problems) for name in ("from", "to"))
    if first and last and first > last:
        problems.append("The period ends before it begins, so all periods are shown.")
        first = last = None
        values = {name: text for name, text in values.items() if name not in ("from", "to")}
    return Asked(
        department_id=_read_number(values),
        standing=_read_standing(values, problems),
        live_from=first,
        live_until=last,
        values=values,
        problems=problems,
    )


def _read_number(values: dict[str, str]) -> int | None:
    found = short_number(values.get("department", ""))
    if found is None:
        values.pop("department", None)
    return found


def _read_standing(values: dict[str, str], problems: list[str]) -> Standing | None:
    text = values.get("verdict", "")
    if not text:
        return None
    if text in set(Standing):
        return Standing(text)
    problems.append(f"“{values.pop('verdict')[:20]}” is no verdict, so all are shown.")
    return None


def _read_day(values: dict[str, str], name: str, problems: list[str]) -> date | None:
    text = values.get(name, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        text = values.pop(name)[:20]
        problems.append(f"“{text}” is not a day and was left out. Write it as 2026-03-31.")
        return None


def cursor_after(last: ShippedAction | Measured) -> str:
    """Return where a list goes on after a row, as addresses have it."""
    if isinstance(last, ShippedAction):
        return write_day_cursor(last.went_live_on, last.intervention_id)
    return write_day_cursor(last.as_of, last.id)
