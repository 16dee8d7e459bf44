"""What a decision leaves behind so that it can be taken back, and whether it still can."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import Conflict
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.domain.triage import Decision
from closedloop.models import Action, Theme, ThemeChange, TriageDecision
from closedloop.models.curation import ChangeKind
from closedloop.services.describing import OWNING, say_changed

RESTORED = (
    "name",
    "is_named_by_person",
    "status",
    "scenario",
    "demand_type",
    "customer_values",
    "company_values",
    "strategy",
    "department_id",
    "owner_id",
    "merged_into_id",
    "parked_until",
    "triaged_at",
)
"""Fields a decision may change, and undoing it restores."""

_WRITTEN = {"name", "is_named_by_person", "scenario"}
"""Of these, what people write about a theme outside triage as well."""

_ENUMS: dict[str, type[StrEnum]] = {
    "status": ThemeStatus,
    "demand_type": DemandType,
    "strategy": Strategy,
}

DONE = {
    Decision.ACCEPT: "accepted",
    Decision.MERGE: "merged",
    Decision.DISMISS: "dismissed",
    Decision.PARK: "parked",
}


def status_in_words(status: ThemeStatus) -> str:
    """Return a status as it stands in a sentence."""
    return status.replace("_", " ")


def snapshot(theme: Theme) -> dict[str, Any]:
    """Return the fields a decision may change, as JSON can hold them."""
    return {name: _plain(getattr(theme, name)) for name in RESTORED}


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _rich(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _ENUMS:
        return _ENUMS[name](value)
    if name == "parked_until":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value) if name == "triaged_at" else value


def restore(session: Session, theme: Theme, decision: TriageDecision) -> None:
    """Give back what the decision changed; a field changed by hand since then stays.

    Taking that change back leads to what stood before the decision from now on.
    """
    after = decision.detail["after"]
    changed = {name: value for name, value in decision.before.items() if value != after[name]}
    for name, value in changed.items():
        if _plain(getattr(theme, name)) == after[name]:
            setattr(theme, name, _rich(name, value))
    for name in sorted(_WRITTEN & changed.keys()):
        _lead_past(session, theme, decision, name)


def _lead_past(session: Session, theme: Theme, decision: TriageDecision, name: str) -> None:
    """Let the first change of a field since a decision be taken back to what stood before both."""
    later = session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.theme_id == theme.id,
            ThemeChange.kind == ChangeKind.DESCRIBE,
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id)
    )
    for change in later:
        stood = change.detail["before"]
        is_since = change.detail["last_decision"] >= decision.id
        if is_since and stood.get(name) == decision.detail["after"][name]:
            change.detail = {**change.detail, "before": {**stood, name: decision.before[name]}}
            return


def theme_ids(decision: TriageDecision) -> set[int]:
    """Return the themes a decision is about: two for a merge."""
    return {decision.theme_id, decision.detail.get("into", decision.theme_id)}


def check_nothing_built_on(session: Session, decision: TriageDecision, theme: Theme) -> None:
    """Refuse to take back what something was built on since.

    Raises
    ------
    Conflict
        With a sentence that names it.
    """
    if theme.status != decision.detail["after"]["status"]:
        raise Conflict(
            f"{theme.key} has moved on since: it is {status_in_words(theme.status)}. "
            "This decision can no longer be undone."
        )
    themes = theme_ids(decision)
    later = session.scalars(
        sa.select(TriageDecision)
        .where(TriageDecision.id > decision.id, TriageDecision.undone_at.is_(None))
        .order_by(TriageDecision.id)
    )
    for other in later:
        if shared := themes & theme_ids(other):
            key = session.get_one(Theme, min(shared)).key
            raise Conflict(
                f"{key} was decided on again since ({DONE[other.decision]}, by "
                f"{other.decided_by}). Undo that decision first."
            )
    if decision.decision is Decision.MERGE:
        _check_not_curated_since(session, decision, themes)
    new_actions = _new_actions(session, themes, decision)
    if new_actions:
        raise Conflict(
            f"The action {new_actions[0]} was proposed since, on the strength of this decision. "
            "It can no longer be undone."
        )


def _check_not_curated_since(session: Session, decision: TriageDecision, themes: set[int]) -> None:
    """Refuse to take a merge apart whose labels were split or taken away since."""
    later = session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.theme_id.in_(themes),
            ThemeChange.kind.in_(OWNING),
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id.desc())
    )
    for change in later:
        if change.detail["last_decision"] >= decision.id:
            raise Conflict(
                f"{change.theme.key} was {say_changed(change)} since, by {change.changed_by}. "
                "Undo that change first."
            )


def _new_actions(session: Session, themes: set[int], decision: TriageDecision) -> list[str]:
    keys = session.scalars(
        sa.select(Action.key)
        .where(Action.theme_id.in_(sorted(themes)), Action.id > decision.detail["last_action"])
        .order_by(Action.id)
    )
    return list(keys)
