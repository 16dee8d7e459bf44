"""Claim jobs and run them: lease kept by a heartbeat, progress written down, failures told.

A worker claims one job at a time. While the job runs a thread renews the lease, so work that
reports rarely is not taken for dead; `kill -9` stops the heartbeat and another worker goes on.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from typing import Any

from closedloop.config import Settings
from closedloop.domain.audit import NIGHTLY_ROUND, Actor, ActorKind
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import LEASE_SECONDS, JobKind, JobState, Progress
from closedloop.extensions import Database
from closedloop.jobs.steps import PartlyDone
from closedloop.jobs.troubles import Trouble
from closedloop.jobs.work import WORK, Work
from closedloop.services.jobs import claim_job, finish_job, report_progress
from closedloop.services.long_work import Cancelled

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0
REPORT_SECONDS = 0.5


def worker_name() -> str:
    """Return a name no other worker has: host, process, six letters."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"


class _Reporter:
    """Writes progress at most twice a second, and stops the work when people ask."""

    def __init__(self, database: Database, job_id: int, attempt: int) -> None:
        self.database, self.job_id, self.attempt = database, job_id, attempt
        self.last_written = 0.0
        self.stop = threading.Event()
        self.may_go_on = True

    def __call__(self, progress: Progress) -> None:
        """Tell how far the work is.

        Raises
        ------
        Cancelled
            When people asked to stop, or another worker holds the job.
        """
        if time.monotonic() - self.last_written >= REPORT_SECONDS:
            self.write(progress)
        if not self.may_go_on:
            raise Cancelled("Stopped because somebody asked for it. What was done so far stays.")

    def write(self, progress: Progress | None) -> None:
        self.last_written = time.monotonic()
        with self.database.transaction() as session:
            self.may_go_on &= report_progress(
                session, job_id=self.job_id, attempt=self.attempt, progress=progress
            )

    def beat(self) -> None:
        while not self.stop.wait(LEASE_SECONDS / 4):
            try:
                self.write(None)
            except Exception:  # the database is away; the lease decides
                logger.warning("heartbeat of job %s failed", self.job_id, exc_info=True)


def run_next_job(
    database: Database,
    settings: Settings,
    *,
    worker: str,
    work: dict[JobKind, Work] | None = None,
) -> bool:
    """Claim one job and run it to its end; return whether there was one."""
    with database.transaction() as session:
        job = claim_job(session, worker=worker)
        if job is None:
            return False
        job_id, attempt, kind = job.id, job.attempt, job.kind
        arguments, queued_by = dict(job.arguments), job.queued_by
    logger.info("job %s (%s) attempt %s starts", job_id, kind.value, attempt)
    reporter = _Reporter(database, job_id, attempt)
    heart = threading.Thread(target=reporter.beat, name=f"heart of job {job_id}", daemon=True)
    heart.start()
    actor = _actor_of(kind, queued_by)
    try:
        state, result, error = _run(
            (work or WORK)[kind], database, settings, arguments, actor, reporter
        )
    finally:
        reporter.stop.set()
        heart.join()
    with database.transaction() as session:
        finished = finish_job(
            session,
            job_id=job_id,
            attempt=attempt,
            state=state,
            result=result,
            error=error,
            by=actor,
        )
    logger.info("job %s ends: %s%s", job_id, state.value, "" if finished else " (lease was lost)")
    return True


def _actor_of(kind: JobKind, queued_by: str) -> Actor:
    if queued_by == NIGHTLY_ROUND.name:
        return NIGHTLY_ROUND
    return Actor(f"{queued_by} ({kind.label[0].lower()}{kind.label[1:]})"[:120], ActorKind.JOB)


def _run(
    work: Work,
    database: Database,
    settings: Settings,
    arguments: dict[str, Any],
    actor: Actor,
    report: _Reporter,
) -> tuple[JobState, dict[str, Any], str]:
    try:
        return JobState.DONE, work(database, settings, arguments, actor, report), ""
    except Cancelled as stopped:
        return JobState.CANCELLED, {}, stopped.sentence
    except PartlyDone as partly:
        return JobState.FAILED, dict(partly.result), partly.sentence
    except Refusal as refusal:
        return JobState.FAILED, {}, refusal.sentence
    except Exception as error:
        logger.exception("job failed unexpectedly")
        return (
            JobState.FAILED,
            {},
            f"Something went wrong on our side ({type(error).__name__}); the log says more. "
            "Nothing was half-saved: run it again.",
        )


def work_until(database: Database, settings: Settings, *, stop: threading.Event) -> None:
    """Run jobs until `stop` is set; a database that is away is waited for."""
    worker = worker_name()
    trouble = Trouble(logger, "the worker cannot reach its queue")
    while not stop.is_set():
        try:
            busy = run_next_job(database, settings, worker=worker)
            trouble.over()
        except Exception as error:
            trouble.met(error)
            busy = False
        if not busy:
            stop.wait(POLL_SECONDS)
