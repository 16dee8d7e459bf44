"""Jobs: claimed once, resumed after a kill, fenced, cancelled, and told in sentences."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND
from closedloop.domain.clock import as_if, utc_now
from closedloop.domain.errors import Conflict, InvalidTransition
from closedloop.domain.jobs import LEASE_SECONDS, JobKind, JobState, Progress
from closedloop.jobs import runner
from closedloop.jobs.runner import run_next_job, work_until
from closedloop.jobs.troubles import Trouble
from closedloop.models import AuditEvent, Job
from closedloop.services.jobs import (
    cancel_job,
    claim_job,
    finish_job,
    queue_job,
    report_progress,
    retry_job,
    take_lead,
)

KIND = JobKind.HOUSEKEEPING


@pytest.fixture
def queued(database):
    """The id of one queued job."""
    with database.transaction() as session:
        return queue_job(session, kind=KIND, by=COMMAND_LINE).id


def job(database, job_id) -> Job:
    with database.reading() as session:
        return session.get_one(Job, job_id)


def test_a_job_is_claimed_once_and_finished(database, settings, queued):
    def work(database, settings, arguments, by, report):
        return {"rows": 3}

    assert run_next_job(database, settings, worker="w1", work={KIND: work})
    assert not run_next_job(database, settings, worker="w2", work={KIND: work})

    done = job(database, queued)
    assert (done.state, done.result, done.attempt) == (JobState.DONE, {"rows": 3}, 1)
    with database.reading() as session:
        verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["jobs.queued", "jobs.done"]


def test_what_a_job_does_is_done_by_the_night_or_for_whoever_asked(database, settings):
    actors = []

    def work(database, settings, arguments, by, report):
        actors.append(by.name)
        return {}

    for by in (NIGHTLY_ROUND, COMMAND_LINE):
        with database.transaction() as session:
            queue_job(session, kind=KIND, by=by)
        run_next_job(database, settings, worker="w", work={KIND: work})

    assert actors == [NIGHTLY_ROUND.name, f"{COMMAND_LINE.name} ({KIND.label.lower()})"]


def test_a_refusal_fails_the_job_with_its_sentence(database, settings, queued):
    def work(*_):
        raise Conflict("The file was read already.")

    run_next_job(database, settings, worker="w", work={KIND: work})
    failed = job(database, queued)
    assert (failed.state, failed.error) == (JobState.FAILED, "The file was read already.")


def test_an_unexpected_error_shows_no_stack_trace_to_people(database, settings, queued):
    def work(*_):
        raise ZeroDivisionError("secret detail")

    run_next_job(database, settings, worker="w", work={KIND: work})
    failed = job(database, queued)
    assert failed.state is JobState.FAILED
    assert "secret detail" not in failed.error
    assert "run it again" in failed.error


def test_progress_is_written_down(database, settings, queued):
    seen = []

    def work(database, settings, arguments, by, report):
        report(Progress(30, 120, "Reading rows"))
        seen.append(job(database, queued))
        return {}

    run_next_job(database, settings, worker="w", work={KIND: work})
    assert (seen[0].progress_done, seen[0].progress_total) == (30, 120)
    assert seen[0].doing == "Reading rows"


def test_cancelling_a_running_job_stops_it_at_its_next_report(database, settings, queued):
    reached = []

    def work(database, settings, arguments, by, report):
        with database.transaction() as session:
            cancel_job(session, job_id=queued, by=COMMAND_LINE)
        report(Progress(1, 2, "half-way"))
        reached.append(True)
        return {}

    run_next_job(database, settings, worker="w", work={KIND: work})
    assert job(database, queued).state is JobState.CANCELLED
    assert not reached


def test_a_waiting_job_is_cancelled_at_once_and_can_run_again(database, settings, queued):
    with database.transaction() as session:
        cancel_job(session, job_id=queued, by=COMMAND_LINE)
    assert not run_next_job(database, settings, worker="w", work={})
    with database.transaction() as session:
        with pytest.raises(InvalidTransition, match="has ended"):
            cancel_job(session, job_id=queued, by=COMMAND_LINE)
        again = retry_job(session, job_id=queued, by=COMMAND_LINE)
    assert again.id != queued


def test_a_job_whose_worker_went_silent_is_claimed_again_and_the_old_worker_is_fenced(
    database, queued
):
    with database.transaction() as session:
        first = claim_job(session, worker="dies")
        assert claim_job(session, worker="too early") is None
    with as_if(utc_now() + timedelta(seconds=LEASE_SECONDS + 1)):
        with database.transaction() as session:
            second = claim_job(session, worker="takes over")
            assert (second.id, second.attempt) == (first.id, 2)
        with database.transaction() as session:
            assert not report_progress(
                session, job_id=queued, attempt=1, progress=Progress(9, 9, "late")
            )
            assert not finish_job(
                session, job_id=queued, attempt=1, state=JobState.DONE, by=COMMAND_LINE
            )
            assert report_progress(session, job_id=queued, attempt=2, progress=None)


def test_a_job_that_kills_its_worker_three_times_is_given_up(database, queued):
    moment = utc_now()
    for _ in range(3):
        moment += timedelta(seconds=LEASE_SECONDS + 1)
        with as_if(moment), database.transaction() as session:
            assert claim_job(session, worker="dies") is not None
    with as_if(moment + timedelta(seconds=LEASE_SECONDS + 1)), database.transaction() as session:
        assert claim_job(session, worker="w") is None
    assert job(database, queued).state is JobState.FAILED


def test_a_slot_fires_once_whoever_asks(database):
    with database.transaction() as session:
        first = queue_job(session, kind=KIND, by=COMMAND_LINE, slot="x @ 2026-05-12 02:15")
    with database.transaction() as session:
        second = queue_job(session, kind=KIND, by=COMMAND_LINE, slot="x @ 2026-05-12 02:15")
    assert first.id == second.id


def test_one_process_leads_until_its_lease_runs_out(database):
    def lead(holder):
        with database.transaction() as session:
            return take_lead(session, holder=holder)

    assert lead("one")
    assert lead("one")
    assert not lead("two")
    with as_if(utc_now() + timedelta(seconds=LEASE_SECONDS + 1)):
        assert lead("two")
        assert not lead("one")


CHILD = """
import sys, time
from pathlib import Path
from closedloop.config import Settings
from closedloop.domain.jobs import JobKind, Progress
from closedloop.extensions import Database
from closedloop.jobs import runner
settings = Settings(instance=Path(sys.argv[2]), secret_key="s" * 40, customer_key="c" * 40,
                    database_url=sys.argv[1])
def work(database, settings, arguments, by, report):
    for step in range(1000):
        report(Progress(step + 1, 1000, "stepping"))
        time.sleep(0.05)
    return {}
runner.run_next_job(Database().open(settings.url), settings, worker="child",
                    work={JobKind.HOUSEKEEPING: work})
"""


def test_killing_a_worker_loses_nothing(database, database_url, settings, queued, tmp_path):
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen([sys.executable, "-c", CHILD, database_url, str(tmp_path)], cwd=root)
    try:
        deadline = time.monotonic() + 120
        while job(database, queued).progress_done == 0:
            assert time.monotonic() < deadline, "the worker never reported"
            time.sleep(0.1)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

    assert job(database, queued).state is JobState.RUNNING
    with as_if(utc_now() + timedelta(seconds=LEASE_SECONDS + 1)):
        assert run_next_job(
            database, settings, worker="heir", work={KIND: lambda *_: {"finished": True}}
        )
    done = job(database, queued)
    assert (done.state, done.attempt, done.result) == (JobState.DONE, 2, {"finished": True})


def test_a_database_that_is_away_for_long_is_logged_once_and_when_it_is_back(
    database, settings, monkeypatch, caplog
):
    stop = threading.Event()
    away = OperationalError("SELECT 1", {}, psycopg.OperationalError("server closed\nthe socket"))
    tries = iter([away] * 50 + [None])

    def run_next(*_given, **_named):
        if (trouble := next(tries)) is not None:
            raise trouble
        stop.set()
        return False

    monkeypatch.setattr(runner, "POLL_SECONDS", 0)
    monkeypatch.setattr(runner, "run_next_job", run_next)

    work_until(database, settings, stop=stop)

    told, back = caplog.records
    assert told.getMessage().startswith("the worker cannot reach its queue and tries on: ")
    assert told.exc_info is None
    assert back.getMessage().startswith("over after 0 seconds")


def test_a_trouble_of_another_kind_is_logged_with_where_it_came_from(caplog):
    trouble = Trouble(logging.getLogger("closedloop.test"), "it cannot go on")
    for error in (ValueError("one"), ValueError("one"), KeyError("two")):
        trouble.met(error)
    assert [type(record.exc_info[1]) for record in caplog.records] == [ValueError, KeyError]
