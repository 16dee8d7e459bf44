"""Watch themes that held: when their contacts come back, the loop starts again."""

from __future__ import annotations

import logging
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Refusal
from closedloop.domain.impact import Displacement, Verdict
from closedloop.domain.impact_words import spelt
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Action, Comeback, ImpactMeasurement, Intervention, Theme
from closedloop.queries.go_lives import stands
from closedloop.services.audit import record_event
from closedloop.services.impact_packing import MeasurementInputs
from closedloop.services.impact_readings import read_for_measuring, read_once
from closedloop.services.impact_shared import SharedReads
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.theme_moves import move_theme
from ml.impact import ComebackWatch, watch_for_comeback

logger = logging.getLogger(__name__)
_WATCHED = (ThemeStatus.HELD, ThemeStatus.CLOSED)


def watch_comebacks(
    transactions: Transactions,
    *,
    settings: Settings,
    as_of: date,
    by: Actor,
    report: Report = tell_nobody,
) -> int:
    """Raise an alarm for each theme that had fallen and whose contacts are lastingly back.

    Watched are themes that held or were closed, by the last fix that worked. An alarm reopens
    the theme; the action stays effective with the evidence it had, its next look tells.
    Each has a transaction of its own, and what was looked into is not raised again.

    Parameters
    ----------
    as_of : date
        Last complete reporting day, inclusive.

    Returns
    -------
    int
        Alarms raised now.
    """
    with transactions() as session:
        watched = _list_watched(session)
        shared = read_once(session, watched, as_of)
    raised = 0
    for number, intervention_id in enumerate(watched):
        report(Progress(number, len(watched), "watching for comebacks"))
        try:
            with transactions() as session:
                raised += _watch_one(session, settings, shared, intervention_id, as_of, by)
        except Refusal as refusal:
            logger.info(
                "Intervention %s is not watched: %s", intervention_id, type(refusal).__name__
            )
        except Exception as error:  # whatever it is, the others are watched
            logger.error(
                "Intervention %s could not be watched: %s", intervention_id, type(error).__name__
            )
    report(Progress(len(watched), len(watched), "watching for comebacks"))
    return raised


def _list_watched(session: Session) -> list[int]:
    """Return the last intervention of each theme that held which worked, or had worked.

    A fix whose fall a quarterly look no longer shows, because its range grew vague, is watched
    on: the watch reads the newest weeks, which that look cannot.
    """
    m = ImpactMeasurement
    had_fallen = sa.exists().where(
        m.intervention_id == Intervention.id,
        m.is_look,
        m.verdict == Verdict.FELL,
        m.detail["displacement"].as_string() != Displacement.MOVED.value,
    )
    worked = sa.or_(
        Action.status == ActionStatus.EFFECTIVE,
        sa.and_(Action.status == ActionStatus.CANNOT_TELL, had_fallen),
    )
    rows = session.execute(
        sa.select(Intervention.theme_id, Intervention.id)
        .join(Theme, Theme.id == Intervention.theme_id)
        .join(Action, Action.id == Intervention.action_id)
        .where(Theme.status.in_(_WATCHED), worked, stands())
        .order_by(Intervention.went_live_on, Intervention.id)
    )
    last: dict[int, int] = {}
    for theme_id, intervention_id in rows:
        last[theme_id] = intervention_id  # a later one takes the place of an earlier
    return sorted(last.values())


def _watch_one(
    session: Session,
    settings: Settings,
    shared: SharedReads | None,
    intervention_id: int,
    as_of: date,
    by: Actor,
) -> int:
    intervention = session.get_one(
        Intervention, intervention_id, with_for_update=True, populate_existing=True
    )
    theme = session.get_one(
        Theme, intervention.theme_id, with_for_update=True, populate_existing=True
    )
    if theme.status not in _WATCHED or intervention.taken_back_at is not None:
        return 0  # somebody was faster
    inputs = read_for_measuring(session, settings, intervention, as_of, shared).inputs
    watch = _watch(inputs, _last_alarm(session, intervention_id))
    if not watch.alarm or watch.alarm_date is None or watch.since_date is None:
        return 0
    comeback = Comeback(
        intervention_id=intervention_id,
        theme_id=theme.id,
        alarm_on=watch.alarm_date,
        since_on=watch.since_date,
        excess=watch.excess,
        reasons=list(watch.reasons),
    )
    session.add(comeback)
    session.flush()  # the event needs its id
    _record(session, comeback, by)
    why = f"contacts have been coming back since {spelt(comeback.since_on)}"
    move_theme(session, theme=theme, wanted=ThemeStatus.REOPENED, why=why, by=by)
    session.flush()
    return 1


def _last_alarm(session: Session, intervention_id: int) -> date | None:
    return session.scalar(
        sa.select(sa.func.max(Comeback.alarm_on)).where(Comeback.intervention_id == intervention_id)
    )


def _watch(inputs: MeasurementInputs, last_alarm: date | None) -> ComebackWatch:
    after = last_alarm + timedelta(days=1) if last_alarm else inputs.first_day
    return watch_for_comeback(
        inputs.counts,
        inputs.n_pre,
        inputs.first_day,
        inputs.holidays,
        inputs.controls if inputs.controls.shape[1] else None,
        skip=inputs.skip,
        driver=inputs.driver,
        prior=inputs.prior,
        watch_from=max(0, (after - inputs.first_day).days),
    )


def _record(session: Session, comeback: Comeback, by: Actor) -> None:
    record_event(
        session,
        by=by,
        verb="impact.comeback_raised",
        target_kind="intervention",
        target_id=comeback.intervention_id,
        summary=(
            f"raised an alarm on {spelt(comeback.alarm_on)}: about "
            f"{comeback.excess:,.0f} contacts more than the fix had left since "
            f"{spelt(comeback.since_on)}"
        ),
        detail={
            "comeback_id": comeback.id,
            "theme_id": comeback.theme_id,
            "alarm_on": comeback.alarm_on.isoformat(),
            "since_on": comeback.since_on.isoformat(),
        },
    )
