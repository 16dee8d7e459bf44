"""One action's impact: its measurements with their paths, the plan, the comebacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.models import Action, Comeback, ImpactMeasurement, Intervention
from closedloop.queries.impact import (
    Measured,
    ShippedAction,
    list_shipped,
    measured_of,
    select_measured,
)

RUNNING_ROWS = 5
"""Running estimates shown beside the looks until somebody asks for all of them."""


@dataclass(frozen=True)
class ComebackNote:
    """An alarm of the comeback watch.

    `excess` are the contacts above the level that the fix had reached, from `since_on` to
    `alarm_on`.
    """

    alarm_on: date
    since_on: date
    excess: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class FullMeasurement:
    """A measurement with everything it wrote down beside its numbers."""

    measured: Measured
    detail: dict[str, Any]


@dataclass(frozen=True)
class ImpactPage:
    """The impact of one action.

    Attributes
    ----------
    plan : dict
        Frozen at ship; see services/action_plan.py.
    look : FullMeasurement or None
        The newest look, whose verdict is in force.
    newest : FullMeasurement or None
        The newest measurement: the look itself, or the running estimate after it.
    history : tuple of Measured
        Newest first, every look and the newest running estimates.
    more_history : int
        Running estimates that are not in `history`.
    comebacks : tuple of ComebackNote
        Newest first.
    """

    action: ShippedAction
    plan: dict[str, Any]
    look: FullMeasurement | None
    newest: FullMeasurement | None
    history: tuple[Measured, ...]
    more_history: int
    comebacks: tuple[ComebackNote, ...]

    @property
    def spoken(self) -> FullMeasurement | None:
        """What the answer is made of: the look, or what runs before the first one."""
        return self.look or self.newest


def get_impact_page(session: Session, key: str, *, whole_history: bool = False) -> ImpactPage:
    """Return the impact page of an action.

    Parameters
    ----------
    whole_history : bool, optional
        Every running estimate, not only the newest few.

    Raises
    ------
    NotFound
        When there is no such action, or it was not shipped.
    """
    action = find_shipped(session, key)
    history, more = _history(
        session, action.intervention_id, None if whole_history else RUNNING_ROWS
    )
    look = get_detail(session, action.look) if action.look else None
    newest = get_detail(session, action.running) if action.running else look
    plan = session.scalar(
        sa.select(Intervention.plan).where(Intervention.id == action.intervention_id)
    )
    return ImpactPage(
        action=action,
        plan=plan or {},
        look=look,
        newest=newest,
        history=history,
        more_history=more,
        comebacks=_comebacks(session, action.intervention_id),
    )


def find_shipped(session: Session, key: str) -> ShippedAction:
    """Return one shipped action.

    Raises
    ------
    NotFound
    """
    found = list_shipped(session, key=key)
    if found:
        return found[0]
    exists = session.scalar(sa.select(Action.id).where(Action.key == key))
    if exists is None:
        raise NotFound(f"There is no action {key}. Look for it in the list of actions.")
    raise NotFound(f"{key} has not been shipped yet, so there is nothing to measure.")


def get_detail(session: Session, measured: Measured) -> FullMeasurement:
    """Return a measurement with its paths, checks and neighbours."""
    detail = session.scalar(
        sa.select(ImpactMeasurement.detail).where(ImpactMeasurement.id == measured.id)
    )
    return FullMeasurement(measured, detail or {})


@dataclass(frozen=True)
class MeasurementPage:
    """One stored measurement, as it was written."""

    action: ShippedAction
    full: FullMeasurement
    definition_set_id: int
    input_sha256: str
    plan: dict[str, Any]


def get_measurement_page(session: Session, measurement_id: int) -> MeasurementPage:
    """Return one stored measurement.

    Raises
    ------
    NotFound
    """
    row = session.execute(
        select_measured()
        .add_columns(
            ImpactMeasurement.detail,
            ImpactMeasurement.definition_set_id,
            ImpactMeasurement.input_sha256,
            Action.key.label("action_key"),
            Intervention.plan,
        )
        .join(Intervention, Intervention.id == ImpactMeasurement.intervention_id)
        .join(Action, Action.id == Intervention.action_id)
        .where(ImpactMeasurement.id == measurement_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no measurement {measurement_id}.")
    return MeasurementPage(
        action=find_shipped(session, row.action_key),
        full=FullMeasurement(measured_of(row), row.detail),
        definition_set_id=row.definition_set_id,
        input_sha256=row.input_sha256,
        plan=row.plan or {},
    )


def _history(
    session: Session, intervention_id: int, running: int | None
) -> tuple[tuple[Measured, ...], int]:
    """Return every look and the newest running rows, and how many running rows are left out."""
    mine = ImpactMeasurement.intervention_id == intervention_id
    newest = (
        sa.select(ImpactMeasurement.id)
        .where(mine, sa.not_(ImpactMeasurement.is_look))
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
        .limit(running)
        .subquery()
    )
    rows = session.execute(
        select_measured()
        .add_columns(
            sa.select(sa.func.count(ImpactMeasurement.id))
            .where(mine)
            .scalar_subquery()
            .label("everything")
        )
        .where(mine, sa.or_(ImpactMeasurement.is_look, ImpactMeasurement.id.in_(sa.select(newest))))
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
    ).all()
    more = rows[0].everything - len(rows) if rows else 0
    return tuple(measured_of(row) for row in rows), more


def _comebacks(session: Session, intervention_id: int) -> tuple[ComebackNote, ...]:
    rows = session.execute(
        sa.select(Comeback.alarm_on, Comeback.since_on, Comeback.excess, Comeback.reasons)
        .where(Comeback.intervention_id == intervention_id)
        .order_by(Comeback.alarm_on.desc(), Comeback.id.desc())
    )
    return tuple(
        ComebackNote(alarm_on, since_on, excess, tuple(reasons))
        for alarm_on, since_on, excess, reasons in rows
    )
