"""Go-lives that were taken back, with the verdicts that were spoken of them until then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Action, ImpactMeasurement, Intervention
from closedloop.queries.impact_measured import Measured, list_measurements

MOST_NAMED = 3
"""Go-lives that are named beside their number."""


@dataclass(frozen=True)
class TakenBack:
    """A go-live that no longer counts.

    Attributes
    ----------
    taken_back_by : str
        Name of whoever did it.
    looks : tuple of Measured
        Every verdict that was spoken of it, newest first.
    measurements : int
        All rows that were kept of it, looks and running estimates.
    """

    intervention_id: int
    went_live_on: date
    taken_back_at: datetime
    taken_back_by: str
    reason: str
    looks: tuple[Measured, ...]
    measurements: int


def list_taken_back(session: Session, key: str) -> tuple[TakenBack, ...]:
    """Return the go-lives of an action that were taken back, the newest first."""
    kept = (
        sa.select(sa.func.count(ImpactMeasurement.id))
        .where(ImpactMeasurement.intervention_id == Intervention.id)
        .correlate(Intervention)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Intervention, kept.label("kept"))
        .join(Action, Action.id == Intervention.action_id)
        .where(Action.key == key, Intervention.taken_back_at.is_not(None))
        .order_by(Intervention.id.desc())
    )
    return tuple(
        TakenBack(
            intervention_id=row.Intervention.id,
            went_live_on=row.Intervention.went_live_on,
            taken_back_at=row.Intervention.taken_back_at,
            taken_back_by=row.Intervention.taken_back_by,
            reason=row.Intervention.taken_back_reason,
            looks=tuple(list_measurements(session, row.Intervention.id, is_look=True)),
            measurements=row.kept,
        )
        for row in rows.all()
    )


@dataclass(frozen=True)
class TakenBackCount:
    """Go-lives that were taken back: all, those of which a look had spoken, the newest by key."""

    go_lives: int = 0
    judged: int = 0
    keys: tuple[str, ...] = ()


def count_taken_back(
    session: Session,
    *,
    department_id: int | None = None,
    live_from: date | None = None,
    live_until: date | None = None,
) -> TakenBackCount:
    """Return how many go-lives were taken back, how many after a verdict, and the newest of them.

    Parameters
    ----------
    department_id : int, optional
        Only of actions of one department.
    live_from, live_until : date, optional
        Only go-lives on or after the one and on or before the other.
    """
    spoken = sa.exists().where(
        ImpactMeasurement.intervention_id == Intervention.id, ImpactMeasurement.is_look
    )
    statement = (
        sa.select(
            Action.key,
            sa.func.count().over(),
            sa.func.sum(sa.case((spoken, 1), else_=0)).over(),
        )
        .select_from(Intervention)
        .join(Action, Action.id == Intervention.action_id)
        .where(Intervention.taken_back_at.is_not(None))
        .order_by(Intervention.taken_back_at.desc(), Intervention.id.desc())
        .limit(MOST_NAMED)
    )
    if department_id is not None:
        statement = statement.where(Action.department_id == department_id)
    if live_from is not None:
        statement = statement.where(Intervention.went_live_on >= live_from)
    if live_until is not None:
        statement = statement.where(Intervention.went_live_on <= live_until)
    rows = session.execute(statement).all()
    if not rows:
        return TakenBackCount()
    _, go_lives, judged = rows[0]
    return TakenBackCount(int(go_lives), int(judged), tuple(dict.fromkeys(r[0] for r in rows)))


def is_of_taken_back(session: Session, measurement_id: int) -> bool:
    """Return whether a measurement is of a go-live that was taken back."""
    statement = (
        sa.select(ImpactMeasurement.id)
        .join(Intervention, Intervention.id == ImpactMeasurement.intervention_id)
        .where(ImpactMeasurement.id == measurement_id, Intervention.taken_back_at.is_not(None))
    )
    return session.scalar(statement) is not None


def find_taken_back_at(session: Session, intervention_id: int) -> datetime | None:
    """Return when a go-live was taken back, None where it stands."""
    return session.scalar(
        sa.select(Intervention.taken_back_at).where(Intervention.id == intervention_id)
    )
