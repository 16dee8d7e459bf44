"""Where a theme comes from and what became of it, and its numbered definitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.triage import Decision
from closedloop.models import (
    AuditEvent,
    DefinitionSet,
    EmergingTheme,
    RunPart,
    Theme,
    ThemeChange,
    ThemeDefinition,
    TriageDecision,
)
from closedloop.models.curation import ChangeKind


class StepKind(StrEnum):
    """What happened to a theme."""

    BORN = "born"
    SPLIT_FROM = "split from"
    SPLIT_OFF = "split off"
    CONTINUED = "continued"
    MERGED_FROM = "merged with"
    MERGED_INTO = "merged into"
    RETIRED = "retired"
    RESTORED = "restored"


@dataclass(frozen=True)
class Step:
    """One step of a theme's life; with the other theme where there is one."""

    at: datetime
    kind: StepKind
    text: str
    other_key: str = ""
    other_name: str = ""


@dataclass(frozen=True)
class DefinitionRow:
    """One numbered definition of a theme.

    Attributes
    ----------
    labels : int
        Groups of contacts that are its own in the set.
    languages : tuple of str
        ISO 639-1 codes, most spoken first; empty where they could not be told.
    is_latest : bool
    """

    number: int
    set_number: int
    created_at: datetime
    encoder: str
    labels: int
    languages: tuple[str, ...]
    reason: str
    assigned_at: datetime | None
    is_latest: bool


def list_definitions(session: Session, theme_id: int) -> tuple[DefinitionRow, ...]:
    """Return the numbered definitions of a theme, newest first."""
    rows = session.execute(
        sa.select(
            ThemeDefinition.number,
            DefinitionSet.number,
            ThemeDefinition.created_at,
            DefinitionSet.encoder,
            ThemeDefinition.labels,
            ThemeDefinition.languages,
            DefinitionSet.reason,
            DefinitionSet.assigned_at,
        )
        .join(DefinitionSet, DefinitionSet.id == ThemeDefinition.definition_set_id)
        .where(ThemeDefinition.theme_id == theme_id)
        .order_by(ThemeDefinition.number.desc())
    ).all()
    return tuple(
        DefinitionRow(number, in_set, at, encoder, len(labels), tuple(spoken), reason, done, not i)
        for i, (number, in_set, at, encoder, labels, spoken, reason, done) in enumerate(rows)
    )


def get_lineage(session: Session, theme: Theme) -> tuple[Step, ...]:
    """Return the steps of a theme's life, oldest first."""
    steps = [*_births(session, theme), *_definitions(session, theme), *_mergers(session, theme)]
    steps += [*_splits(session, theme), *_ends(session, theme)]
    order = list(StepKind)
    return tuple(sorted(steps, key=lambda step: (step.at, order.index(step.kind))))


def _births(session: Session, theme: Theme) -> list[Step]:
    """Return its birth: split from another one, found by a run, or taken while it emerged."""
    parts = session.execute(
        sa.select(RunPart, Theme.key, Theme.name)
        .join(Theme, Theme.id == RunPart.theme_id)
        .where(
            RunPart.run_id == theme.run_id,
            RunPart.kind == PartKind.SPLIT,
            RunPart.state == PartState.ACCEPTED,
        )
    ).all()
    for part, key, name in parts:
        if part.detail.get("became") == theme.id:
            said = f"by an accepted part of run {part.run_id}"
            return [Step(theme.created_at, StepKind.SPLIT_FROM, said, key, name)]
    change = session.execute(
        sa.select(ThemeChange.changed_by, Theme.key, Theme.name)
        .join(Theme, Theme.id == ThemeChange.theme_id)
        .where(ThemeChange.other_id == theme.id, ThemeChange.kind == ChangeKind.SPLIT)
        .order_by(ThemeChange.id)
        .limit(1)
    ).one_or_none()
    if change:
        by, key, name = change
        return [Step(theme.created_at, StepKind.SPLIT_FROM, f"by {by}", key, name)]
    return [Step(theme.created_at, StepKind.BORN, _say_birth(session, theme))]


def _say_birth(session: Session, theme: Theme) -> str:
    if theme.run_id:
        return f"found by run {theme.run_id}"
    row = session.execute(
        sa.select(EmergingTheme.name, EmergingTheme.decided_by).where(
            EmergingTheme.theme_id == theme.id
        )
    ).first()
    if row is None:
        row = _find_taking(session, theme)
    return f"emerging theme “{row[0]}”, taken by {row[1]}" if row else "added"


def _find_taking(session: Session, theme: Theme) -> sa.Row[str, str] | None:
    """Return the name of what emerged and who took it, where that was taken back since."""
    change = session.scalars(
        sa.select(ThemeChange)
        .where(ThemeChange.theme_id == theme.id, ThemeChange.kind == ChangeKind.PARTS)
        .order_by(ThemeChange.id)
        .limit(1)
    ).first()
    if change is None or "emerging" not in change.detail:
        return None
    return session.execute(
        sa.select(EmergingTheme.name, sa.literal(change.changed_by)).where(
            EmergingTheme.id == change.detail["emerging"]
        )
    ).one()


def _definitions(session: Session, theme: Theme) -> list[Step]:
    rows = session.execute(
        sa.select(ThemeDefinition.number, ThemeDefinition.created_at, DefinitionSet.reason)
        .join(DefinitionSet, DefinitionSet.id == ThemeDefinition.definition_set_id)
        .where(ThemeDefinition.theme_id == theme.id, ThemeDefinition.number > 1)
    )
    return [
        Step(at, StepKind.CONTINUED, f"as definition {number}: {reason}")
        for number, at, reason in rows
    ]


def _mergers(session: Session, theme: Theme) -> list[Step]:
    merged_here = sa.select(Theme.id).where(Theme.merged_into_id == theme.id)
    rows = session.execute(
        sa.select(TriageDecision, Theme)
        .join(
            Theme,
            Theme.id
            == sa.case(
                (TriageDecision.theme_id == theme.id, theme.merged_into_id or 0),
                else_=TriageDecision.theme_id,
            ),
        )
        .where(
            TriageDecision.decision == Decision.MERGE,
            TriageDecision.undone_at.is_(None),
            sa.or_(TriageDecision.theme_id == theme.id, TriageDecision.theme_id.in_(merged_here)),
        )
    )
    return [
        Step(
            decision.decided_at,
            StepKind.MERGED_INTO if decision.theme_id == theme.id else StepKind.MERGED_FROM,
            f"by {decision.decided_by}",
            other.key,
            other.name,
        )
        for decision, other in rows
    ]


def _splits(session: Session, theme: Theme) -> list[Step]:
    by_hand = session.execute(
        sa.select(ThemeChange.changed_at, ThemeChange.changed_by, Theme.key, Theme.name)
        .join(Theme, Theme.id == ThemeChange.other_id)
        .where(
            ThemeChange.theme_id == theme.id,
            ThemeChange.kind == ChangeKind.SPLIT,
            ThemeChange.undone_at.is_(None),
        )
    )
    steps = [Step(at, StepKind.SPLIT_OFF, f"by {by}", key, name) for at, by, key, name in by_hand]
    parts = session.scalars(
        sa.select(RunPart).where(
            RunPart.theme_id == theme.id,
            RunPart.kind == PartKind.SPLIT,
            RunPart.state == PartState.ACCEPTED,
        )
    ).all()
    became = {part.detail.get("became"): part for part in parts if part.detail.get("became")}
    others = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name).where(Theme.id.in_(sorted(became)))
    )
    for number, key, name in others:
        part = became[number]
        at = part.decided_at or theme.created_at
        steps.append(Step(at, StepKind.SPLIT_OFF, f"by {part.decided_by}", key, name))
    return steps


def _ends(session: Session, theme: Theme) -> list[Step]:
    """Return where it went out of use and came back; what was taken back since is left out."""
    changes = _ending_changes(session, theme)
    undone = [change for change in changes if change.undone_at is not None]
    return [
        *_dismissals(session, theme),
        *_retired_by_hand(changes),
        *_retired_by_runs(session, theme),
        *_births_taken_back(theme, undone),
    ]


def _ending_changes(session: Session, theme: Theme) -> Sequence[ThemeChange]:
    """Return its retirements, its birth by a split, and the few parts that were taken back."""
    kinds = (ChangeKind.RETIRE, ChangeKind.RESTORE)
    return session.scalars(
        sa.select(ThemeChange)
        .where(
            sa.or_(
                sa.and_(ThemeChange.theme_id == theme.id, ThemeChange.kind.in_(kinds)),
                sa.and_(ThemeChange.other_id == theme.id, ThemeChange.kind == ChangeKind.SPLIT),
                sa.and_(ThemeChange.kind == ChangeKind.PARTS, ThemeChange.undone_at.is_not(None)),
            )
        )
        .order_by(ThemeChange.id)
    ).all()


def _dismissals(session: Session, theme: Theme) -> list[Step]:
    rows = session.execute(
        sa.select(TriageDecision.decided_at, TriageDecision.decided_by).where(
            TriageDecision.theme_id == theme.id,
            TriageDecision.decision == Decision.DISMISS,
            TriageDecision.undone_at.is_(None),
        )
    )
    return [Step(at, StepKind.RETIRED, f"dismissed by {by}") for at, by in rows]


def _retired_by_hand(changes: Iterable[ThemeChange]) -> list[Step]:
    kinds = {ChangeKind.RETIRE: StepKind.RETIRED, ChangeKind.RESTORE: StepKind.RESTORED}
    return [
        Step(change.changed_at, kinds[change.kind], f"by {change.changed_by}")
        for change in changes
        if change.kind in kinds and change.undone_at is None
    ]


def _retired_by_runs(session: Session, theme: Theme) -> list[Step]:
    """Return where a run, or an accepted part of one, took a candidate out of use."""
    events = session.scalars(
        sa.select(AuditEvent)
        .where(
            AuditEvent.target_kind == "theme",
            AuditEvent.target_id == theme.id,
            AuditEvent.verb.in_(("themes.retired", "themes.brought_back")),
        )
        .order_by(AuditEvent.id)
    )
    steps: list[Step] = []
    for event in events:
        if event.verb == "themes.brought_back":
            del steps[-1:]
        elif "change" not in event.detail:  # else a person did it, who can take it back
            steps.append(Step(event.at, StepKind.RETIRED, f"by {event.actor_name}"))
    return steps


def _births_taken_back(theme: Theme, undone: Iterable[ThemeChange]) -> list[Step]:
    """Return where the split, or the taking, that it came from was taken back, which ended it."""
    # parts accepted together are taken back together, at one moment
    ends = {
        change.undone_at: f"{change.undone_by} took its "
        f"{'taking' if 'emerging' in change.detail else 'split'} back"
        for change in undone
        if change.kind is ChangeKind.SPLIT or theme.id in change.detail.get("pieces", ())
    }
    return [Step(at, StepKind.RETIRED, said) for at, said in ends.items() if at]
