"""Jobs as people see them: what runs, how far it is, how long is left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.domain.jobs import JobKind, JobState
from closedloop.models import Job, Leader

OF_FILES = (JobKind.IMPORT_CONTACTS, JobKind.TRY_IMPORT, JobKind.ROLL_BACK_IMPORT)
"""Jobs that go through a file, or take out what one brought, and then count in another unit."""

_OPEN = (JobState.QUEUED, JobState.RUNNING)
_COUNTS_A_FILE = re.compile(r"rows (read|looked at)|contacts taken out")


def get_job(session: Session, job_id: int) -> Job:
    """Return one job.

    Raises
    ------
    NotFound
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job. Ended jobs are kept for 90 days.")
    return job


def find_job(session: Session, job_id: int) -> Job | None:
    """Return one job, None when there is no such or it was deleted with the old ones."""
    return session.get(Job, job_id)


def list_jobs(
    session: Session,
    *,
    limit: int = 50,
    before_id: int | None = None,
) -> Sequence[Job]:
    """Return jobs, newest first, below `before_id` when given."""
    statement = sa.select(Job).order_by(Job.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(Job.id < before_id)
    return session.scalars(statement).all()


def last_runs(session: Session) -> dict[JobKind, Job]:
    """Return the newest job of each kind that has one."""
    newest = sa.select(sa.func.max(Job.id)).group_by(Job.kind)
    jobs = session.scalars(sa.select(Job).where(Job.id.in_(newest))).all()
    return {job.kind: job for job in jobs}


def find_leader(session: Session) -> Leader | None:
    """Return who leads the clock now, None when nobody does."""
    return session.scalar(sa.select(Leader).where(Leader.lease_until > utc_now()))


def find_open_job(session: Session, kind: JobKind) -> Job | None:
    """Return the oldest job of a kind that waits or runs and was asked for without arguments."""
    open_jobs = sa.select(Job).where(Job.state.in_(_OPEN), Job.kind == kind).order_by(Job.id)
    return next((job for job in session.scalars(open_jobs) if not job.arguments), None)


def is_slot_taken(session: Session, start: str) -> bool:
    """Return whether there is a job of a slot that starts so."""
    taken = sa.exists().where(Job.slot.startswith(start, autoescape=True))
    return bool(session.scalar(sa.select(taken)))


def find_job_of_import(session: Session, batch_id: int) -> Job | None:
    """Return the job that waits to read an import or to take it out, or does so; None without."""
    waiting = sa.select(Job).where(Job.state.in_(_OPEN), Job.kind.in_(OF_FILES)).order_by(Job.id)
    jobs = (job for job in session.scalars(waiting) if job.arguments.get("batch_id") == batch_id)
    return next(jobs, None)


def seconds_left(job: Job, now: datetime) -> float | None:
    """Return how long a running job still needs at its mean rate, None while unknown.

    Once a file is read, its contacts get their themes, counted in another unit: then no time
    left is claimed.
    """
    if job.state is not JobState.RUNNING or not job.started_at or not job.progress_total:
        return None
    if job.progress_done <= 0 or (job.kind in OF_FILES and not _COUNTS_A_FILE.search(job.doing)):
        return None
    elapsed = (now - job.started_at).total_seconds()
    return elapsed / job.progress_done * (job.progress_total - job.progress_done)


def has_had_leader(session: Session) -> bool:
    """Return whether any process ever kept the schedule."""
    return bool(session.scalar(sa.select(sa.exists(sa.select(Leader.name)))))
