"""One night's round of measuring: looks first and judged together, then the running estimates.

Looks that fall due in one round are read and estimated before any is written, because each is
judged among all of them. What a round reads of all themes it reads once; what it computes it
may compute in several processes, with the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.cluster import open_executor
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Refusal
from closedloop.domain.impact import (
    FOLLOW_UP_DAYS,
    REMEASURE_DAYS,
    RUNNING_EVERY_DAYS,
    looks,
)
from closedloop.domain.impact_judging import (
    TESTED,
    LookBeside,
    p_values_of_others,
    remeasure_days,
)
from closedloop.domain.impact_overlap import superseded_on
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ImpactMeasurement, Intervention, Theme
from closedloop.queries.go_lives import list_go_lives, stands
from closedloop.queries.series import get_series_span
from closedloop.services.impact_estimates import Estimates, judge_among
from closedloop.services.impact_packing import MeasurementInputs
from closedloop.services.impact_pool import Estimators, open_estimators
from closedloop.services.impact_readings import read_for_measuring, read_once
from closedloop.services.impact_shared import SharedReads
from closedloop.services.impact_writing import (
    Prepared,
    find_held_on,
    find_measurement,
    has_spoken,
    judged_inputs,
    list_looks_beside,
    lock_intervention,
    measured_as_one,
    prepare,
    write_measurement,
)
from closedloop.services.long_work import Report, Transactions, tell_nobody

logger = logging.getLogger(__name__)

CHUNK = 64  # measurements that are read before they are computed and written


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


@dataclass(frozen=True)
class _Due:
    """One measurement that is due."""

    intervention_id: int
    as_of: date
    is_look: bool


@dataclass
class _Round:
    """What a round is given, and what it did so far."""

    transactions: Transactions
    settings: Settings
    by: Actor
    report: Report
    estimators: Estimators
    shared: SharedReads | None
    total: int
    done: int = 0
    measured: int = 0
    looks: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)

    def tell(self, done: int = 0) -> None:
        """Report how far it is; people may stop it here."""
        self.done += done
        self.report(Progress(min(self.done, self.total), self.total, "measuring impact"))


def measure_due(
    transactions: Transactions,
    *,
    settings: Settings,
    as_of: date,
    by: Actor,
    report: Report = tell_nobody,
    executor: Executor | None = None,
) -> MeasureSummary:
    """Measure every intervention that is followed up: looks that are due, then the running one.

    Each has a transaction of its own, so a round that dies keeps what it did, and one that
    breaks does not stop the rest. A look is measured with data to its own day, even when the
    night comes late, and so is what is measured again some days after a theme held. Of several
    looks of one intervention each is written before the next is read, which asks what it said.

    Parameters
    ----------
    as_of : date
        Last complete reporting day, inclusive; never later than the last day with contacts.
    executor : Executor, optional
        Computes the estimates; by default the cluster of the settings does, processes beside or
        this one.
    """
    with transactions() as session:
        due, interventions = _list_due(session, as_of)
        shared = read_once(session, [one.intervention_id for one in due], as_of)
    with ExitStack() as ending:
        if executor is None:
            executor = ending.enter_context(open_executor(settings.dask_scheduler if due else ""))
        estimators = ending.enter_context(open_estimators(len(due), executor))
        round_ = _Round(transactions, settings, by, report, estimators, shared, len(due))
        round_.tell()
        for wave in _waves([one for one in due if one.is_look]):
            _measure_looks(round_, wave)
        for chunk in _chunks([one for one in due if not one.is_look]):
            _measure_running(round_, chunk)
        round_.done = round_.total
        round_.tell()
    return MeasureSummary(
        interventions,
        round_.measured,
        round_.looks,
        tuple(Refused(one, sentence) for one, sentence in sorted(round_.refused.items())),
        tuple(sorted(round_.failed)),
    )


def _waves(due: list[_Due]) -> Iterator[list[_Due]]:
    """Yield the first look of each intervention, then the second of those that have one, ..."""
    of_each: dict[int, list[_Due]] = {}
    for one in due:
        of_each.setdefault(one.intervention_id, []).append(one)
    for wave in zip_longest(*of_each.values()):
        yield [one for one in wave if one is not None]


def _chunks(due: list[_Due]) -> Iterator[list[_Due]]:
    for start in range(0, len(due), CHUNK):
        yield due[start : start + CHUNK]


# what is due


def _list_due(session: Session, as_of: date) -> tuple[list[_Due], int]:
    """Return what is to be measured, and of how many interventions."""
    last_day = get_series_span(session).last_day
    cut = min(as_of, last_day) if last_day else as_of
    rows = session.execute(
        sa.select(Intervention.id, Intervention.went_live_on, Intervention.rollout_days)
        .join(Theme, Theme.id == Intervention.theme_id)
        .where(Theme.status != ThemeStatus.MERGED, Intervention.went_live_on <= cut, stands())
        .order_by(Intervention.id)
    ).all()
    known = list_go_lives(session)
    by_id = {one.id: one for one in known}
    spoken, newest = _what_stands(session)
    due: list[_Due] = []
    interventions = 0
    for intervention_id, go_live, rollout in rows:
        days = looks(go_live, rollout)
        mine = [
            _Due(intervention_id, day, is_look=True)
            for number, day in enumerate(days, 1)
            if day <= cut and (intervention_id, number) not in spoken
        ]
        is_followed = cut <= days[-1] + timedelta(days=max(REMEASURE_DAYS))
        between = set(_remeasure_days(session, intervention_id, cut)) if is_followed else set()
        if _is_running(go_live, days[-1], cut, newest.get(intervention_id)):
            between.add(cut)
        mine += [_Due(intervention_id, day, False) for day in sorted(between - set(days))]
        end = superseded_on(by_id[intervention_id], known) if mine else None
        mine = [one for one in mine if end is None or one.as_of < end]
        interventions += bool(mine)
        due += mine
    return due, interventions


def _what_stands(session: Session) -> tuple[set[tuple[int, int]], dict[int, date]]:
    """Return which looks of which interventions were spoken, and the newest data day of each."""
    m = ImpactMeasurement
    spoken = session.execute(sa.select(m.intervention_id, m.look).where(m.is_look))
    newest = session.execute(
        sa.select(m.intervention_id, sa.func.max(m.as_of)).group_by(m.intervention_id)
    )
    return {(one, look) for one, look in spoken}, {row[0]: row[1] for row in newest}


def _remeasure_days(session: Session, intervention_id: int, cut: date) -> list[date]:
    """Return days by `cut`, inclusive, on which a theme that held is still to be measured again."""
    held_on = find_held_on(session, intervention_id, cut)
    days = [day for day in remeasure_days(held_on) if day <= cut] if held_on else []
    if not days:
        return []
    measured = sa.select(ImpactMeasurement.as_of).where(
        ImpactMeasurement.intervention_id == intervention_id, ImpactMeasurement.as_of.in_(days)
    )
    return sorted(set(days) - set(session.scalars(measured)))


def _is_running(go_live: date, last_look: date, cut: date, newest: date | None) -> bool:
    """Return whether the running estimate is due: every night, later weekly, to the last look.

    What was measured with the same data day is offered again: late contacts may have come.
    """
    if cut <= go_live + timedelta(days=FOLLOW_UP_DAYS):
        return True
    if cut > last_look:
        return False
    return newest is None or newest == cut or (cut - newest).days >= RUNNING_EVERY_DAYS


# measuring


def _measure_looks(round_: _Round, due: list[_Due]) -> None:
    """Read and estimate every look, then judge each among all of them and write it."""
    read = _read_all(round_, due)
    found = _estimate_all(round_, read)
    tested = [
        LookBeside(one.changes, one.due.as_of, estimates.own.p_value)
        for one, estimates in zip(read, found, strict=True)
        if estimates is not None and estimates.verdict in TESTED
    ]
    for one, estimates in zip(read, found, strict=True):
        if estimates is not None:
            others = p_values_of_others(one.changes, [*tested, *one.beside])
            inputs = judged_inputs(one.prepared.reading, others)
            judged = judge_among(estimates, inputs.others)
            _write(round_, one, inputs, judged)
        round_.tell(1)


def _measure_running(round_: _Round, due: list[_Due]) -> None:
    """Read, estimate and write running estimates."""
    read = _read_all(round_, due)
    for one, estimates in zip(read, _estimate_all(round_, read), strict=True):
        if estimates is not None:
            _write(round_, one, one.prepared.reading.inputs, estimates)
        round_.tell(1)


@dataclass(frozen=True, eq=False)
class _Read:
    """One measurement that was read; `beside` are looks of its day that stand."""

    due: _Due
    prepared: Prepared
    beside: Sequence[LookBeside]

    @property
    def changes(self) -> frozenset[int]:
        """Interventions that are measured as one with it, its own among them."""
        return measured_as_one(self.due.intervention_id, self.prepared.reading)


def _read_all(round_: _Round, due: list[_Due]) -> list[_Read]:
    """Read what is due, each in a transaction of its own; what cannot be read is told apart."""
    read = []
    for one in due:
        try:
            with round_.transactions() as session:
                found = _read(session, round_, one)
        except Refusal as refusal:
            round_.refused.setdefault(one.intervention_id, refusal.sentence)
        except Exception as error:  # whatever it is, the others are measured
            _note_failure(round_, one, error)
        else:
            read += [found] if found else []
    return read


def _read(session: Session, round_: _Round, due: _Due) -> _Read | None:
    """Read one measurement; None where it stands already."""
    intervention = session.get_one(Intervention, due.intervention_id)
    reading = read_for_measuring(session, round_.settings, intervention, due.as_of, round_.shared)
    prepared = prepare(reading)
    if find_measurement(session, due.intervention_id, prepared) is not None:
        return None
    beside = list_looks_beside(session, due.intervention_id, due.as_of) if due.is_look else []
    return _Read(due, prepared, beside)


def _estimate_all(round_: _Round, read: list[_Read]) -> list[Estimates | None]:
    """Return what each says; None where the program broke, which is noted."""
    answers: list[Estimates | None] = []
    inputs = [one.prepared.reading.inputs for one in read]
    for one, answer in zip(read, round_.estimators.estimate(inputs), strict=True):
        if isinstance(answer, Exception):
            _note_failure(round_, one.due, answer)
            answers.append(None)
        else:
            answers.append(answer)
    return answers


def _write(round_: _Round, read: _Read, inputs: MeasurementInputs, estimates: Estimates) -> None:
    due = read.due
    try:
        with round_.transactions() as session:
            intervention = lock_intervention(session, due.intervention_id)
            if find_measurement(session, due.intervention_id, read.prepared) is not None:
                return  # somebody was faster
            if due.is_look and has_spoken(session, due.intervention_id, read.prepared.reading.look):
                return  # with other data, and a look is spoken once
            write_measurement(
                session,
                intervention,
                read.prepared,
                inputs,
                estimates,
                settings=round_.settings,
                by=round_.by,
            )
    except Refusal as refusal:
        round_.refused.setdefault(due.intervention_id, refusal.sentence)
    except Exception as error:  # whatever it is, the others are measured
        _note_failure(round_, due, error)
    else:
        round_.measured += 1
        round_.looks += due.is_look


def _note_failure(round_: _Round, due: _Due, error: Exception) -> None:
    logger.error(
        "Intervention %s could not be measured: %s", due.intervention_id, type(error).__name__
    )
    round_.failed.add(due.intervention_id)
