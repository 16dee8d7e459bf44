"""One action's impact: its measurements with their paths, the plan, the comebacks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.comebacks import ComebackOutcome
from closedloop.domain.errors import NotFound, PartNotFound
from closedloop.domain.payback import Costs
from closedloop.models import Action, Comeback, ImpactMeasurement, Intervention
from closedloop.queries.go_lives import stands
from closedloop.queries.impact import ShippedAction, list_shipped
from closedloop.queries.impact_measured import Measured, list_measured, list_measurements
from closedloop.queries.sign_offs import SignOffNote, list_sign_offs
from closedloop.queries.taken_back import TakenBack, list_taken_back

RUNNING_ROWS = 10
"""Running estimates on one page of the history."""


@dataclass(frozen=True)
class ComebackNote:
    """An alarm of the comeback watch.

    `excess` are the contacts above the level that the fix had reached, from `since_on` to
    `alarm_on`; `outcome` is what the case review said, None before it.
    """

    alarm_on: date
    since_on: date
    excess: float
    reasons: tuple[str, ...]
    outcome: ComebackOutcome | None = None
    reviewed_by: str = ""
    review_note: str = ""

    @property
    def stands(self) -> bool:
        """Whether the rise is taken for a comeback: not reviewed yet, or found to be real."""
        return self.outcome in (None, ComebackOutcome.REAL)


@dataclass(frozen=True)
class FullMeasurement:
    """A measurement with everything it wrote down beside its numbers.

    Attributes
    ----------
    detail : dict
        Paths, checks, neighbours; see services/impact_rows.py.
    definition_set_id : int
        Row of the definitions under which its contacts were counted.
    input_sha256 : str
        Of the inputs that it keeps to be made again.
    """

    measured: Measured
    detail: dict[str, Any]
    definition_set_id: int
    input_sha256: str


@dataclass(frozen=True)
class ImpactPage:
    """The impact of one action.

    Attributes
    ----------
    plan : dict
        Frozen at ship; see services/action_plan.py.
    recorded_at : datetime
        When it was shipped here.
    costs : Costs
        Of the fix, and of what the measurement spoken of was measured as one with.
    look : FullMeasurement or None
        The newest look, whose verdict is in force.
    newest : FullMeasurement or None
        The newest measurement: the look itself, or the running estimate after it.
    stood : FullMeasurement or None
        The measurement asked for by its id: the page shows it as it stood.
    looks : tuple of Measured
        Every look, newest first.
    running : tuple of Measured
        One page of running estimates, newest first.
    has_more_running : bool
    comebacks : tuple of ComebackNote
        Newest first.
    sign_offs : tuple of SignOffNote
        Of the measurement that is spoken of.
    taken_back : tuple of TakenBack
        Earlier go-lives of the action that no longer count, newest first.
    """

    action: ShippedAction
    plan: dict[str, Any]
    recorded_at: datetime
    costs: Costs
    look: FullMeasurement | None
    newest: FullMeasurement | None
    stood: FullMeasurement | None
    looks: tuple[Measured, ...]
    running: tuple[Measured, ...]
    has_more_running: bool
    comebacks: tuple[ComebackNote, ...]
    sign_offs: tuple[SignOffNote, ...]
    taken_back: tuple[TakenBack, ...] = ()

    @property
    def spoken(self) -> FullMeasurement | None:
        """What the answer is made of: what was asked for, the look, or what runs before it."""
        return self.stood or self.look or self.newest

    @property
    def charted(self) -> FullMeasurement | None:
        """What the charts show: what was asked for, or the newest days."""
        return self.stood or self.newest


def get_impact_page(
    session: Session,
    key: str,
    *,
    measurement_id: int | None = None,
    older_than: tuple[date, int] | None = None,
) -> ImpactPage:
    """Return the impact page of an action.

    Parameters
    ----------
    measurement_id : int, optional
        The measurement to show as it stood.
    older_than : (date, int), optional
        Last data day and id of the last running estimate seen.

    Raises
    ------
    NotFound
        When there is no such action or measurement, or the action was not shipped.
    """
    action = find_shipped(session, key)
    asked = None if measurement_id is None else _find_stood(session, action, measurement_id)
    full = _list_full(session, [one for one in (asked, action.look, action.running) if one])
    stood = full[asked.id] if asked else None
    look = full[action.look.id] if action.look else None
    newest = full[action.running.id] if action.running else look
    running = list_measurements(
        session,
        action.intervention_id,
        is_look=False,
        after=older_than,
        limit=RUNNING_ROWS + 1,
    )
    spoken = stood or look or newest
    plan, recorded_at = _read_plan(session, action)
    return ImpactPage(
        action=action,
        plan=plan,
        recorded_at=recorded_at,
        costs=get_costs(session, action.intervention_id, spoken.measured.joint if spoken else ()),
        look=look,
        newest=newest,
        stood=stood,
        looks=tuple(list_measurements(session, action.intervention_id, is_look=True)),
        running=tuple(running[:RUNNING_ROWS]),
        has_more_running=len(running) > RUNNING_ROWS,
        comebacks=_comebacks(
            session, action.intervention_id, spoken.measured.joint if spoken else ()
        ),
        sign_offs=list_sign_offs(session, spoken.measured.id) if spoken else (),
        taken_back=list_taken_back(session, key),
    )


def _find_stood(session: Session, action: ShippedAction, measurement_id: int) -> Measured:
    """Return one measurement of this action; that of another is not found here."""
    for known in (action.look, action.running):
        if known is not None and known.id == measurement_id:
            return known
    found = list_measured(session, [measurement_id]).get(measurement_id)
    if found is None or found.intervention_id != action.intervention_id:
        raise NotFound(f"{action.key} has no measurement {measurement_id}.")
    return found


def _read_plan(session: Session, action: ShippedAction) -> tuple[dict[str, Any], datetime]:
    """Return the plan as frozen when the action was shipped, and when that was."""
    row = session.execute(
        sa.select(Intervention.plan, Intervention.recorded_at).where(
            Intervention.id == action.intervention_id
        )
    ).one()
    return row.plan or {}, row.recorded_at


def get_costs(session: Session, intervention_id: int, joint: Collection[int]) -> Costs:
    """Return what a change cost, and each of those that were measured as one with it.

    Parameters
    ----------
    joint : collection of int
        Interventions measured as one, its own among them; empty when it was alone.
    """
    others = sorted(set(joint) - {intervention_id})
    rows = session.execute(
        sa.select(Intervention.id, Action.cost_low, Action.cost_high)
        .join(Action, Action.id == Intervention.action_id)
        .where(Intervention.id.in_([intervention_id, *others]))
    )
    found = {
        row.id: (row.cost_low, row.cost_high)
        for row in rows
        if row.cost_low is not None and row.cost_high is not None
    }
    return Costs(found.get(intervention_id), tuple(found.get(one) for one in others))


def find_shipped(session: Session, key: str) -> ShippedAction:
    """Return one shipped action.

    Raises
    ------
    NotFound
    PartNotFound
        If the action is not live, or no longer.
    """
    found = list_shipped(session, key=key)
    if found:
        return found[0]
    exists = session.scalar(sa.select(Action.id).where(Action.key == key))
    if exists is None:
        raise NotFound(f"There is no action {key}. Look for it in the list of actions.")
    taken_back = sa.select(Intervention.id).where(Intervention.action_id == exists).limit(1)
    if session.scalar(taken_back) is not None:
        raise PartNotFound(
            f"The go-live of {key} was taken back, so there is nothing to measure. The page of the "
            "action says when and why, and what had been measured."
        )
    raise PartNotFound(f"{key} has not been shipped yet, so there is nothing to measure.")


def _list_full(session: Session, measured: Collection[Measured]) -> dict[int, FullMeasurement]:
    """Return measurements with their paths, checks and neighbours, by id."""
    by_id = {one.id: one for one in measured}
    if not by_id:
        return {}
    m = ImpactMeasurement
    rows = session.execute(
        sa.select(m.id, m.detail, m.definition_set_id, m.input_sha256).where(
            m.id.in_(sorted(by_id))
        )
    )
    return {
        row.id: FullMeasurement(
            by_id[row.id], row.detail or {}, row.definition_set_id, row.input_sha256
        )
        for row in rows
    }


def get_measured_key(session: Session, measurement_id: int) -> str:
    """Return the key of the action that a measurement is of.

    Raises
    ------
    NotFound
    """
    key = session.scalar(
        sa.select(Action.key)
        .join(Intervention, Intervention.action_id == Action.id)
        .join(ImpactMeasurement, ImpactMeasurement.intervention_id == Intervention.id)
        .where(ImpactMeasurement.id == measurement_id)
    )
    if key is None:
        raise NotFound(f"There is no measurement {measurement_id}.")
    return key


def get_measurement(session: Session, measurement_id: int) -> tuple[str, FullMeasurement]:
    """Return the key of the action that a measurement is of, and the measurement.

    Raises
    ------
    NotFound
    """
    key = get_measured_key(session, measurement_id)
    measured = list_measured(session, [measurement_id])
    return key, _list_full(session, measured.values())[measurement_id]


def _comebacks(
    session: Session, intervention_id: int, joint: Collection[int]
) -> tuple[ComebackNote, ...]:
    """Return the alarms raised of a change, or of one that was measured as one with it."""
    rows = session.scalars(
        sa.select(Comeback)
        .join(Intervention, Intervention.id == Comeback.intervention_id)
        .where(
            Comeback.intervention_id.in_(sorted({intervention_id, *joint})),
            sa.or_(Comeback.intervention_id == intervention_id, stands()),
        )
        .order_by(Comeback.alarm_on.desc(), Comeback.id.desc())
    )
    return tuple(
        ComebackNote(
            alarm_on=row.alarm_on,
            since_on=row.since_on,
            excess=row.excess,
            reasons=tuple(row.reasons),
            outcome=ComebackOutcome(row.outcome) if row.outcome else None,
            reviewed_by=row.reviewed_by,
            review_note=row.review_note,
        )
        for row in rows
    )
