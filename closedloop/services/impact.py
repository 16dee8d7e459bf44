"""Measure what a change avoided, night after night, and let the data judge the action."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotFound, Refusal
from closedloop.domain.impact import FOLLOW_UP_DAYS, looks
from closedloop.domain.impact_words import spelt
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import ThemeStatus, check_theme_move
from closedloop.models import ImpactMeasurement, Intervention, Theme
from closedloop.queries.series import get_series_span
from closedloop.queries.site import get_pence_per_minute
from closedloop.services.askers import require_permission
from closedloop.services.audit import record_event
from closedloop.services.comebacks import watch_comebacks
from closedloop.services.impact_estimates import make_estimates
from closedloop.services.impact_inputs import fingerprint, pack_inputs
from closedloop.services.impact_readings import Reading, read_for_measuring
from closedloop.services.impact_rows import (
    Reproduction,
    describe_measurement,
    reproduce_measurement,
)
from closedloop.services.impact_verdicts import speak_look
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.theme_moves import move_theme
from ml.impact import METHOD_VERSION

__all__ = [
    "METHOD_VERSION",
    "MeasureSummary",
    "Refused",
    "Reproduction",
    "close_theme",
    "measure_due",
    "measure_intervention",
    "reproduce_measurement",
    "watch_comebacks",
]

logger = logging.getLogger(__name__)


def measure_intervention(
    session: Session, *, settings: Settings, intervention_id: int, as_of: date, by: Actor
) -> ImpactMeasurement:
    """Estimate the contacts an intervention has avoided so far, and record it for ever.

    On the last data day of a look the verdict is spoken: action and theme follow it. Between
    looks the estimate runs and moves nothing. The same inputs return the row that stands.

    Parameters
    ----------
    settings : Settings
        Holiday calendar and the cost of a minute until finance sets it.
    as_of : date
        Last reporting day to read, inclusive; a day past the last contacts is read as that
        last day.

    Returns
    -------
    ImpactMeasurement
        Numbers in contacts over the counted days since the roll-out, with a 95 % range.

    Raises
    ------
    NotFound
    NotMeasurable
        If definitions or contacts are missing, unassigned or out of reach; the sentence says
        what to do.
    """
    intervention = _get_intervention(session, intervention_id)
    reading = read_for_measuring(session, settings, intervention, as_of)
    packed = pack_inputs(reading.inputs)
    key = fingerprint(packed)
    if existing := _find_measurement(session, intervention_id, reading, key):
        return existing
    estimates = make_estimates(reading.inputs)
    pence = get_pence_per_minute(session, settings.pence_per_minute)
    measurement = describe_measurement(reading, estimates, pence)
    measurement.intervention = intervention
    measurement.inputs, measurement.input_sha256 = packed, key
    session.add(measurement)
    session.flush()  # the event needs its id
    _record_measured(session, measurement, by)
    if measurement.is_look:
        speak_look(session, measurement, estimates.displacement, by)
        session.flush()
    return measurement


def _get_intervention(session: Session, intervention_id: int) -> Intervention:
    """Return the intervention, locked: two measurements at once would be two looks."""
    intervention = session.scalar(
        sa.select(Intervention).where(Intervention.id == intervention_id).with_for_update()
    )
    if intervention is None:
        raise NotFound(f"There is no intervention {intervention_id}.")
    return intervention


def _find_measurement(
    session: Session, intervention_id: int, reading: Reading, key: str
) -> ImpactMeasurement | None:
    return session.scalar(
        sa.select(ImpactMeasurement).where(
            ImpactMeasurement.intervention_id == intervention_id,
            ImpactMeasurement.as_of == reading.window.as_of,
            ImpactMeasurement.definition_set_id == reading.inputs.definition_set_id,
            ImpactMeasurement.input_sha256 == key,
        )
    )


def _record_measured(session: Session, measurement: ImpactMeasurement, by: Actor) -> None:
    what = f"look {measurement.look}" if measurement.is_look else "running"
    record_event(
        session,
        by=by,
        verb="impact.measured",
        target_kind="intervention",
        target_id=measurement.intervention_id,
        summary=(
            f"measured to {spelt(measurement.as_of)} ({what}): {measurement.verdict.label.lower()}"
        ),
        detail={
            "measurement_id": measurement.id,
            "look": measurement.look,
            "is_look": measurement.is_look,
            "verdict": measurement.verdict.value,
        },
    )


def close_theme(session: Session, *, theme_id: int, by: Actor) -> Theme:
    """Close a theme that has held; the comeback watch stays on.

    Raises
    ------
    InvalidTransition
        If the data have not said that it held.
    NotAllowed, NotFound
    """
    require_permission(
        session, by, "themes.curate", "Only a CX manager closes a theme; ask one of them."
    )
    theme = session.get(Theme, theme_id, with_for_update=True, populate_existing=True)
    if theme is None:
        raise NotFound(f"There is no theme {theme_id}.")
    check_theme_move(theme.status, ThemeStatus.CLOSED)
    move_theme(session, theme=theme, wanted=ThemeStatus.CLOSED, why="it has held", by=by)
    session.flush()
    return theme


@dataclass(frozen=True)
class Refused:
    """An intervention that could not be measured, and the sentence that says why."""

    intervention_id: int
    sentence: str


@dataclass(frozen=True)
class MeasureSummary:
    """What one round of measuring did.

    Attributes
    ----------
    interventions : int
        That were due.
    measured : int
        Rows added.
    looks : int
        Of them those that spoke a verdict.
    refused : tuple of Refused
    failed : tuple of int
        Interventions that broke the program; the log says which error.
    """

    interventions: int
    measured: int
    looks: int
    refused: tuple[Refused, ...]
    failed: tuple[int, ...]


def measure_due(
    transactions: Transactions,
    *,
    settings: Settings,
    as_of: date,
    by: Actor,
    report: Report = tell_nobody,
) -> MeasureSummary:
    """Measure every intervention that is followed up: looks that are due, then the running one.

    Each has a transaction of its own, so a round that dies keeps what it did, and one that
    breaks does not stop the rest. A look is measured with data to its own day, even when the
    night comes late.

    Parameters
    ----------
    as_of : date
        Last complete reporting day, inclusive; never later than the last day with contacts.
    """
    due, cut = _list_due(transactions, as_of)
    measured = spoken = 0
    refused: list[Refused] = []
    failed: list[int] = []
    for number, intervention_id in enumerate(due):
        report(Progress(number, len(due), "measuring impact"))
        try:
            with transactions() as session:
                added, looked = _measure_one(session, settings, intervention_id, cut, by)
        except Refusal as refusal:
            refused.append(Refused(intervention_id, refusal.sentence))
        except Exception as error:  # whatever it is, the others are measured
            logger.error(
                "Intervention %s could not be measured: %s", intervention_id, type(error).__name__
            )
            failed.append(intervention_id)
        else:
            measured, spoken = measured + added, spoken + looked
    report(Progress(len(due), len(due), "measuring impact"))
    return MeasureSummary(len(due), measured, spoken, tuple(refused), tuple(failed))


def _list_due(transactions: Transactions, as_of: date) -> tuple[list[int], date]:
    with transactions() as session:
        last_day = get_series_span(session).last_day
        cut = min(as_of, last_day) if last_day else as_of
        rows = session.execute(
            sa.select(Intervention.id, Intervention.went_live_on, Intervention.rollout_days)
            .join(Theme, Theme.id == Intervention.theme_id)
            .where(Theme.status != ThemeStatus.MERGED, Intervention.went_live_on <= cut)
            .order_by(Intervention.id)
        ).all()
        spoken = _list_spoken(session)
    due = [
        intervention_id
        for intervention_id, go_live, rollout in rows
        if cut <= go_live + timedelta(days=FOLLOW_UP_DAYS)
        or any(
            day <= cut and (intervention_id, number) not in spoken
            for number, day in enumerate(looks(go_live, rollout), 1)
        )
    ]
    return due, cut


def _list_spoken(session: Session, intervention_id: int | None = None) -> set[tuple[int, int]]:
    """Return which looks of which interventions have been spoken."""
    query = sa.select(ImpactMeasurement.intervention_id, ImpactMeasurement.look).where(
        ImpactMeasurement.is_look
    )
    if intervention_id is not None:
        query = query.where(ImpactMeasurement.intervention_id == intervention_id)
    return {(one, look) for one, look in session.execute(query)}


def _measure_one(
    session: Session, settings: Settings, intervention_id: int, cut: date, by: Actor
) -> tuple[int, int]:
    """Return how many rows were added, and how many of them spoke a verdict."""
    intervention = _get_intervention(session, intervention_id)
    before = _count_measurements(session, intervention_id)
    days = list(_days_due(session, intervention, cut))
    looked = 0
    for day in days:
        measurement = measure_intervention(
            session, settings=settings, intervention_id=intervention_id, as_of=day, by=by
        )
        looked += measurement.is_look and day == measurement.as_of
    added = _count_measurements(session, intervention_id) - before
    return added, min(looked, added)


def _days_due(session: Session, intervention: Intervention, cut: date) -> Iterator[date]:
    spoken = _list_spoken(session, intervention.id)
    went_live = intervention.went_live_on
    look_days = looks(went_live, intervention.rollout_days)
    for number, day in enumerate(look_days, 1):
        if day <= cut and (intervention.id, number) not in spoken:
            yield day
    running = cut not in look_days or (intervention.id, look_days.index(cut) + 1) in spoken
    if running and cut <= went_live + timedelta(days=FOLLOW_UP_DAYS):
        yield cut


def _count_measurements(session: Session, intervention_id: int) -> int:
    query = sa.select(sa.func.count()).where(ImpactMeasurement.intervention_id == intervention_id)
    return session.scalar(query) or 0
