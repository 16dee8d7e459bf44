"""Long jobs and the leader of the clock: rows that are claimed, leased and finished.

At-least-once: a job whose worker died is claimed again when its lease has run out. `attempt` is
the fencing token: whoever holds an older one can neither report nor finish.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import InvalidTransition, NotFound
from closedloop.domain.jobs import LEASE_SECONDS, MAX_ATTEMPTS, JobKind, JobState, Progress
from closedloop.models import Job, Leader, SignInAttempt
from closedloop.queries.imports import get_batch
from closedloop.queries.jobs import find_job_of_import, find_open_job
from closedloop.services.audit import record_event
from closedloop.services.import_holds import is_being_read

LEADER = "scheduler"


def queue_job(
    session: Session,
    *,
    kind: JobKind,
    arguments: Mapping[str, Any] | None = None,
    by: Actor,
    slot: str | None = None,
) -> Job:
    """Put a job into the queue.

    Parameters
    ----------
    slot : str, optional
        "job id @ scheduled minute": a second job of the same slot is the first one.
    """
    if slot is not None:
        existing = session.scalar(sa.select(Job).where(Job.slot == slot))
        if existing:
            return existing
    job = Job(
        kind=kind,
        arguments=dict(arguments or {}),
        slot=slot,
        max_attempts=MAX_ATTEMPTS,
        queued_by=by.name,
        run_at=utc_now(),
    )
    try:
        with session.begin_nested():
            session.add(job)
            session.flush()  # another process may have taken the slot in between
    except IntegrityError:
        return session.scalars(sa.select(Job).where(Job.slot == slot)).one()
    record_event(
        session,
        by=by,
        verb="jobs.queued",
        target_kind="job",
        target_id=job.id,
        summary=f"queued: {kind.label.lower()}",
    )
    return job


def queue_by_hand(session: Session, *, kind: JobKind, by: Actor) -> tuple[Job, bool]:
    """Put a job into the queue unless one that does the same waits or runs already.

    Returns
    -------
    tuple of Job and bool
        Whether it is new.
    """
    if (job := find_open_job(session, kind)) is not None:
        return job, False
    return queue_job(session, kind=kind, by=by), True


def claim_job(session: Session, *, worker: str) -> Job | None:
    """Claim the oldest job that waits or whose worker went silent; None when there is none.

    On PostgreSQL other workers skip the row being claimed; on SQLite the writing transaction is
    exclusive anyway.
    """
    now = utc_now()
    _give_up_on_lost(session, now)
    waiting = sa.or_(
        sa.and_(Job.state == JobState.QUEUED, Job.run_at <= now),
        sa.and_(Job.state == JobState.RUNNING, Job.lease_until < now),
    )
    job = session.scalar(
        sa.select(Job)
        .where(waiting, Job.attempt < Job.max_attempts)
        .order_by(Job.run_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return None
    job.state = JobState.RUNNING
    job.attempt += 1
    job.worker = worker
    job.started_at = job.started_at or now
    job.lease_until = now + timedelta(seconds=LEASE_SECONDS)
    session.flush()
    return job


def _give_up_on_lost(session: Session, now: datetime) -> None:
    session.execute(
        sa.update(Job)
        .where(
            Job.state == JobState.RUNNING,
            Job.lease_until < now,
            Job.attempt >= Job.max_attempts,
        )
        .values(
            state=JobState.FAILED,
            finished_at=now,
            error="The worker stopped three times without finishing. See its log, then run again.",
        )
    )


def report_progress(
    session: Session, *, job_id: int, attempt: int, progress: Progress | None
) -> bool:
    """Renew the lease and say how far the job is; return whether the worker should go on.

    False when the lease was lost to another worker or people asked to cancel.
    """
    values: dict[str, Any] = {"lease_until": utc_now() + timedelta(seconds=LEASE_SECONDS)}
    if progress is not None:
        values |= {
            "progress_done": progress.done,
            "progress_total": progress.total,
            "doing": progress.doing[:200],
        }
    row = session.execute(
        sa.update(Job)
        .where(Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING)
        .values(**values)
        .returning(Job.is_cancel_asked)
    ).one_or_none()
    return row is not None and not row[0]


def finish_job(
    session: Session,
    *,
    job_id: int,
    attempt: int,
    state: JobState,
    result: Mapping[str, Any] | None = None,
    error: str = "",
    by: Actor,
) -> bool:
    """Close a job; return False when another worker holds it by now."""
    job = session.scalar(
        sa.select(Job).where(
            Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING
        )
    )
    if job is None:
        return False
    job.state, job.result, job.error = state, dict(result or {}), error[:500]
    job.finished_at, job.lease_until = utc_now(), None
    record_event(
        session,
        by=by,
        verb=f"jobs.{state.value}",
        target_kind="job",
        target_id=job.id,
        summary=f"{job.kind.label.lower()}: {state.value}",
    )
    return True


def cancel_job(session: Session, *, job_id: int, by: Actor) -> Job:
    """Ask a job to stop: at once when it waits, at its next report when it runs.

    Raises
    ------
    NotFound, InvalidTransition
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    if job.state is JobState.QUEUED:
        job.state, job.finished_at = JobState.CANCELLED, utc_now()
    elif job.state is JobState.RUNNING:
        job.is_cancel_asked = True
    else:
        raise InvalidTransition("This job has ended; there is nothing to cancel.")
    record_event(
        session,
        by=by,
        verb="jobs.cancelled",
        target_kind="job",
        target_id=job.id,
        summary=f"asked to stop: {job.kind.label.lower()}",
    )
    return job


def cancel_import(session: Session, *, batch_id: int, by: Actor) -> Job:
    """Ask the job to stop that reads an import or takes it out; what it committed stays.

    Raises
    ------
    NotFound
        If there is no such import.
    InvalidTransition
        If no job works on it.
    """
    batch = get_batch(session, batch_id)
    job = find_job_of_import(session, batch_id)
    if job is not None:
        return cancel_job(session, job_id=job.id, by=by)
    if is_being_read(batch):
        raise InvalidTransition(
            "A command on the server reads this import, no job does. Stop it there with Ctrl-C."
        )
    raise InvalidTransition("No job works on this import; there is nothing to cancel.")


def retry_job(session: Session, *, job_id: int, by: Actor) -> Job:
    """Queue a failed or cancelled job again as a new one.

    Raises
    ------
    NotFound, InvalidTransition
    """
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    if job.state not in {JobState.FAILED, JobState.CANCELLED}:
        raise InvalidTransition("Only a job that failed or was cancelled can run again.")
    return queue_job(session, kind=job.kind, arguments=job.arguments, by=by)


def take_lead(session: Session, *, holder: str) -> bool:
    """Hold or take the leadership of the clock for one lease; return whether we lead."""
    now = utc_now()
    until = now + timedelta(seconds=LEASE_SECONDS)
    row = session.execute(
        sa.update(Leader)
        .where(Leader.name == LEADER, sa.or_(Leader.holder == holder, Leader.lease_until < now))
        .values(holder=holder, lease_until=until)
        .returning(Leader.name)
    ).one_or_none()
    if row is not None:
        return True
    if session.get(Leader, LEADER) is not None:
        return False
    try:
        with session.begin_nested():
            session.add(Leader(name=LEADER, holder=holder, lease_until=until))
            session.flush()  # the first two processes of a site may start together
    except IntegrityError:
        return False
    return True


def clean_up(session: Session, *, days: int = 90) -> int:
    """Delete ended jobs and sign-in tries older than `days`; return how many jobs went."""
    before = utc_now() - timedelta(days=days)
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.at < before))
    ended = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
    return len(
        session.execute(
            sa.delete(Job).where(Job.state.in_(ended), Job.finished_at < before).returning(Job.id)
        ).all()
    )
