"""What may not have happened to a theme since a change, so that the change can be taken back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import Conflict
from closedloop.models import Action, Theme, ThemeChange, TriageDecision
from closedloop.models.curation import ChangeKind
from closedloop.services.decisions import DONE, theme_ids
from closedloop.services.describing import say_changed


def themes_of(change: ThemeChange) -> set[int]:
    """Return the themes a change is about."""
    return {change.theme_id, change.other_id or change.theme_id}


def check_no_change_since(
    session: Session, change: ThemeChange, themes: Collection[int], kinds: Collection[ChangeKind]
) -> None:
    """Refuse when one of the themes was changed in one of these ways after a change.

    Raises
    ------
    Conflict
    """
    later = session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.id > change.id,
            ThemeChange.undone_at.is_(None),
            ThemeChange.kind.in_(kinds),
            sa.or_(ThemeChange.theme_id.in_(themes), ThemeChange.other_id.in_(themes)),
        )
        .order_by(ThemeChange.id.desc())
        .limit(1)
    ).first()
    if later is not None:
        key = session.get_one(Theme, min(themes_of(later) & set(themes))).key
        raise Conflict(
            f"{key} was {say_changed(later)} since, by {later.changed_by}. Undo that change first."
        )


def check_no_decision_since(session: Session, change: ThemeChange, themes: Collection[int]) -> None:
    """Refuse when one of the themes was decided on at triage after a change.

    Raises
    ------
    Conflict
    """
    later = session.scalars(
        sa.select(TriageDecision)
        .where(
            TriageDecision.id > change.detail["last_decision"],
            TriageDecision.undone_at.is_(None),
        )
        .order_by(TriageDecision.id)
    )
    for decision in later:
        if shared := set(themes) & theme_ids(decision):
            key = session.get_one(Theme, min(shared)).key
            raise Conflict(
                f"{key} was decided on since ({DONE[decision.decision]}, by "
                f"{decision.decided_by}). Undo that decision first."
            )


def check_not_written_since(session: Session, change: ThemeChange, theme: Theme) -> None:
    """Refuse to take back a text that a later change or decision wrote over.

    Only what stands counts: it does not matter what the field holds now.

    Raises
    ------
    Conflict
    """
    fields = {"name", "scenario", "cause"} & change.detail["after"].keys()
    changes = session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.id > change.id,
            ThemeChange.theme_id == theme.id,
            ThemeChange.kind == ChangeKind.DESCRIBE,
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id.desc())
    )
    for later in changes:
        for name in sorted(fields & later.detail["after"].keys()):
            raise Conflict(
                f"The {name} of {theme.key} was changed again since, by {later.changed_by}. "
                "Undo that change first."
            )
    decisions = session.scalars(
        sa.select(TriageDecision)
        .where(
            TriageDecision.id > change.detail["last_decision"],
            TriageDecision.theme_id == theme.id,
            TriageDecision.undone_at.is_(None),
        )
        .order_by(TriageDecision.id.desc())
    )
    for decision in decisions:
        after = decision.detail["after"]
        for name in sorted(fields & after.keys()):
            if after[name] != decision.before[name]:
                raise Conflict(
                    f"The {name} of {theme.key} was changed again since, when it was "
                    f"{DONE[decision.decision]} by {decision.decided_by}. Undo that decision first."
                )


def check_no_action(session: Session, theme: Theme, so: str) -> None:
    """Refuse when an action was proposed for a theme; `so` says what cannot be done.

    Raises
    ------
    Conflict
    """
    key: Any = session.scalar(
        sa.select(Action.key).where(Action.theme_id == theme.id).order_by(Action.id).limit(1)
    )
    if key:
        raise Conflict(f"The action {key} was proposed for {theme.key} since. {so}")
