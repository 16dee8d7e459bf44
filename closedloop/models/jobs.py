"""Long jobs, and who leads the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import JobKind, JobState
from closedloop.models.base import Model, by_value, int_pk


class Job(Model):
    """Something a worker runs: leased, heart-beaten, resumable, seen by people.

    `attempt` is the fencing token: a worker that lost its lease cannot finish the job.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        sa.Index("ix_jobs_claim", "state", "run_at"),
        sa.CheckConstraint("progress_done >= 0", name="progress_not_negative"),
    )

    id: Mapped[int_pk]
    kind: Mapped[JobKind] = mapped_column(by_value(JobKind))
    slot: Mapped[str | None] = mapped_column(
        String(60), unique=True, comment="'job id @ scheduled minute': a slot fires once."
    )
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[JobState] = mapped_column(by_value(JobState), default=JobState.QUEUED)
    run_at: Mapped[datetime] = mapped_column(default=utc_now)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    worker: Mapped[str] = mapped_column(String(80), default="")
    lease_until: Mapped[datetime | None]
    progress_done: Mapped[int] = mapped_column(default=0)
    progress_total: Mapped[int] = mapped_column(default=0, comment="0 when unknown.")
    doing: Mapped[str] = mapped_column(String(200), default="")
    checkpoint: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(String(500), default="", comment="A sentence for people.")
    is_cancel_asked: Mapped[bool] = mapped_column(default=False)
    queued_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Leader(Model):
    """Which process may fire the schedule, and until when."""

    __tablename__ = "leaders"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    lease_until: Mapped[datetime]
