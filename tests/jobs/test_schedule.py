"""The clock: each slot once, caught up when it was missed, never one round beside another."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.clock import as_if
from closedloop.domain.jobs import LEASE_SECONDS, JobKind, JobState
from closedloop.jobs.schedule import Clock
from closedloop.services.jobs import claim_job, finish_job, queue_job

EVENING = datetime(2026, 5, 11, 20, 0, tzinfo=UTC)
NIGHT = datetime(2026, 5, 12, 2, 15, tzinfo=UTC)
ROUND = "jobs.nightly_round @ 2026-05-12 02:15"


@pytest.fixture
def settings(settings):
    """Settings of a site in Greenwich."""
    return dataclasses.replace(settings, reporting_zone="UTC")


@pytest.fixture
def tick(database, settings):
    """Let a clock, a new one unless it is given, tick at a moment and give what it queued."""

    def at(moment: datetime, clock: Clock | None = None) -> list[str]:
        with as_if(moment):
            return (clock or Clock(database, settings)).tick()

    return at


def end_every_job(database):
    while True:
        with database.transaction() as session:
            job = claim_job(session, worker="w")
            if job is None:
                return
            finish_job(
                session, job_id=job.id, attempt=job.attempt, state=JobState.DONE, by=COMMAND_LINE
            )


def test_the_night_is_queued_when_it_is_due_and_once(database, settings, tick):
    clock = Clock(database, settings)

    assert tick(NIGHT - timedelta(seconds=1), clock) == []
    assert tick(NIGHT, clock) == [ROUND]
    assert tick(NIGHT + timedelta(seconds=20), clock) == []


def test_a_night_that_passed_while_the_scheduler_was_away_is_caught_up(tick):
    tick(EVENING)

    assert tick(NIGHT + timedelta(hours=1)) == [ROUND]


def test_a_night_is_caught_up_when_its_leader_died_just_before(database, settings, tick):
    dead, standby = Clock(database, settings), Clock(database, settings)
    tick(NIGHT - timedelta(seconds=10), dead)

    assert tick(NIGHT, standby) == []
    assert tick(NIGHT + timedelta(seconds=LEASE_SECONDS), standby) == [ROUND]


def test_what_was_due_long_ago_is_left_to_the_next_night(tick):
    tick(EVENING)

    assert ROUND not in tick(NIGHT + timedelta(hours=7))


def test_a_new_site_has_missed_nothing(tick):
    assert tick(NIGHT + timedelta(hours=1)) == []


def test_a_late_tick_after_midnight_leaves_the_next_night_its_slot(database, settings, tick):
    clock = Clock(database, dataclasses.replace(settings, nightly_at="23:59"))
    late = datetime(2026, 5, 12, 0, 30, tzinfo=UTC)
    tick(EVENING, clock)

    assert tick(late, clock) == ["jobs.nightly_round @ 2026-05-11 23:59"]
    end_every_job(database)
    due = late.replace(hour=23, minute=59)
    assert tick(due, clock) == ["jobs.nightly_round @ 2026-05-12 23:59"]


def test_a_round_that_runs_still_gets_no_second_one_beside_it(database, settings, tick):
    clock = Clock(database, settings)
    tick(EVENING, clock)
    with database.transaction() as session:
        queue_job(session, kind=JobKind.NIGHTLY_ROUND, by=COMMAND_LINE)

    assert tick(NIGHT, clock) == []
    end_every_job(database)
    assert tick(NIGHT + timedelta(minutes=5), clock) == [ROUND]


def test_a_clock_that_is_put_back_runs_no_night_twice(database, settings, tick):
    clock = Clock(database, settings)
    tick(EVENING, clock)
    tick(NIGHT, clock)
    end_every_job(database)

    assert tick(NIGHT - timedelta(hours=1), clock) == []
    assert tick(NIGHT, clock) == []


@pytest.mark.parametrize("hours", [0, 1])
def test_a_night_whose_hour_comes_twice_runs_once(database, settings, tick, hours):
    clock = Clock(database, dataclasses.replace(settings, reporting_zone="Europe/Berlin"))
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)  # 02:15 before and 02:15 after the change
    tick(first - timedelta(hours=3), clock)

    queued = tick(first, clock)
    end_every_job(database)
    queued += tick(first + timedelta(hours=hours), clock)

    assert queued == ["jobs.nightly_round @ 2026-10-25 02:15"]


def test_a_night_whose_hour_is_left_out_runs_all_the_same(database, settings, tick):
    clock = Clock(database, dataclasses.replace(settings, reporting_zone="Europe/Berlin"))
    left_out = datetime(2026, 3, 29, 1, 15, tzinfo=UTC)
    tick(left_out - timedelta(hours=3), clock)

    assert tick(left_out, clock) == ["jobs.nightly_round @ 2026-03-29 02:15"]
