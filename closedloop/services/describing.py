"""What people write about a theme is kept with what stood there before, so that it can go back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.models import Action, Theme, ThemeChange, TriageDecision
from closedloop.models.curation import ChangeKind

CHANGED = {
    ChangeKind.SPLIT: "split",
    ChangeKind.MOVE: "given or taken contacts",
    ChangeKind.RETIRE: "retired",
    ChangeKind.RESTORE: "restored",
    ChangeKind.DESCRIBE: "described",
    ChangeKind.PARTS: "made anew from a run",
}
"""Finishes "T-001 was …"."""


def say_changed(change: ThemeChange) -> str:
    """Return what finishes "T-001 was …" about one change."""
    is_taking = change.kind is ChangeKind.PARTS and "emerging" in change.detail
    return "taken while it emerged" if is_taking else CHANGED[change.kind]


OWNING = (ChangeKind.SPLIT, ChangeKind.RETIRE, ChangeKind.RESTORE, ChangeKind.PARTS)
"""These change which labels a theme owns."""


def written_since(theme: Theme, field: str, *, seen: str | None, text: str) -> str:
    """Return a sentence where somebody wrote something else into a field since it was shown.

    Parameters
    ----------
    field : str
        `name`, `scenario` or `cause`.
    seen : str or None
        What stood in the form; None where nobody knows, and then nothing is held against it.
    text : str
        What is to be written; what stands there already is no conflict.
    """
    stands = getattr(theme, field)
    known = {" ".join(one.split()) for one in (stands if seen is None else seen, text)}
    return "" if " ".join(stands.split()) in known else say_rewritten(stands)


def say_rewritten(stands: str) -> str:
    """Say what stands in a field that somebody else wrote since its form was opened."""
    return (
        f"Somebody changed this since you opened the page. It says now: “{stands}” What "
        "you typed is still here and not saved: put both together, then save again."
    )


def note_change(
    session: Session,
    *,
    theme: Theme,
    kind: ChangeKind,
    by: Actor,
    contacts: int = 0,
    detail: dict[str, Any],
    other: Theme | None = None,
) -> ThemeChange:
    """Write a change down, with how far actions and decisions had come when it was made.

    Parameters
    ----------
    theme : Theme
    kind : ChangeKind
    by : Actor
    contacts : int
        How many it moved.
    detail : dict
        What takes it back, as JSON.
    other : Theme, optional
        The theme that was split off or moved to.
    """
    last_action = session.scalar(sa.select(sa.func.max(Action.id))) or 0
    last_decision = session.scalar(sa.select(sa.func.max(TriageDecision.id))) or 0
    change = ThemeChange(
        theme_id=theme.id,
        other_id=other.id if other is not None else None,
        kind=kind,
        contacts=contacts,
        detail={**detail, "last_action": last_action, "last_decision": last_decision},
        changed_by=by.name,
    )
    session.add(change)
    session.flush()  # corrections and the undo refer to its id
    return change


def note_description(
    session: Session, *, theme: Theme, before: dict[str, Any], by: Actor
) -> ThemeChange:
    """Write down that fields of a theme were changed; `before` holds them as they were."""
    after = {name: getattr(theme, name) for name in before}
    detail = {"before": before, "after": after}
    return note_change(session, theme=theme, kind=ChangeKind.DESCRIBE, by=by, detail=detail)
