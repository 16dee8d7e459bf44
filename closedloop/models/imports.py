"""Imports: a row for each run over a file, its refused rows, and mappings saved by name."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.domain.clock import utc_now
from closedloop.models.base import Model, big_pk, by_value, int_pk


class BatchState(StrEnum):
    """Where an import stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ImportBatch(Model):
    """One run over one file."""

    __tablename__ = "import_batches"

    id: Mapped[int_pk]
    source: Mapped[str] = mapped_column(String(60), index=True)
    file_name: Mapped[str] = mapped_column(String(255))
    file_sha256: Mapped[str] = mapped_column(String(64))
    format: Mapped[str] = mapped_column(String(40), default="csv", comment="Name of the reader.")
    origin: Mapped[str] = mapped_column(
        String(20), default="command", comment="upload, command, api or folder."
    )
    mapping: Mapped[dict[str, Any]]
    mapping_name: Mapped[str] = mapped_column(String(80), default="", comment="If it was saved.")
    replay_of_id: Mapped[int | None] = mapped_column(
        comment="The import whose quarantine this one tries again."
    )
    rolled_back_at: Mapped[datetime | None] = mapped_column(
        comment="When what it added was taken out again."
    )
    rolled_back_by: Mapped[str] = mapped_column(String(120), default="")
    state: Mapped[BatchState] = mapped_column(by_value(BatchState), default=BatchState.RUNNING)
    rows_read: Mapped[int] = mapped_column(default=0, comment="Rows, good and bad.")
    rows_done: Mapped[int] = mapped_column(
        default=0, comment="Rows committed; a resumed run skips as many."
    )
    added: Mapped[int] = mapped_column(default=0, comment="Rows new to this source.")
    unchanged: Mapped[int] = mapped_column(default=0, comment="Rows seen before, the same.")
    changed: Mapped[int] = mapped_column(default=0, comment="Rows seen before with other content.")
    renewed: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="Changed rows that replaced what was stored."
    )
    rejected: Mapped[int] = mapped_column(default=0, comment="Rows in quarantine.")
    unidentified: Mapped[int] = mapped_column(default=0, comment="Added rows without customer.")
    redactions: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="Token to count.")
    started_by: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
    held_by: Mapped[str] = mapped_column(
        String(120), default="", comment="Process that reads the file: host:pid:random."
    )
    beat_at: Mapped[datetime | None] = mapped_column(comment="When it last wrote.")
    message: Mapped[str] = mapped_column(String(500), default="")

    @property
    def left_out(self) -> int:
        """Rows that are no contact of their own: not from customers, or later events of one."""
        return self.rows_read - self.added - self.unchanged - self.changed - self.rejected


class ImportReject(Model):
    """A row that could not be taken in: where it is, and why. The row itself is redacted."""

    __tablename__ = "import_rejects"
    __table_args__ = (sa.UniqueConstraint("batch_id", "line"),)

    id: Mapped[big_pk]
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column(comment="Physical line in the file, from 1.")
    reason: Mapped[str] = mapped_column(String(500))
    raw: Mapped[str] = mapped_column(sa.Text, comment="The row as read, redacted, at most 2,000.")
    code: Mapped[str] = mapped_column(String(40), default="", comment="A word for counting.")
    customer_key: Mapped[str | None] = mapped_column(
        String(64), index=True, comment="Keyed hash where the row names a customer: erased with it."
    )
    settled_by_id: Mapped[int | None] = mapped_column(
        comment="The import that took the corrected row in."
    )


class SavedMapping(Model):
    """A mapping somebody saved by name, for the next file of the same shape."""

    __tablename__ = "saved_mappings"

    id: Mapped[int_pk]
    name: Mapped[str] = mapped_column(String(80), unique=True)
    format: Mapped[str] = mapped_column(String(40))
    columns_hash: Mapped[str] = mapped_column(
        String(64), index=True, comment="SHA-256 of the sorted column names it was made on, hex."
    )
    mapping: Mapped[dict[str, Any]]
    saved_by: Mapped[str] = mapped_column(String(120))
    saved_at: Mapped[datetime] = mapped_column(default=utc_now)
