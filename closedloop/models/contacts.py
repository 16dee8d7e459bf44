"""Contacts, the customers behind them, how they came in, and the daily roll-up."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.models.base import BigId, Model, big_pk, by_value, int_pk

if TYPE_CHECKING:
    from closedloop.models.themes import Theme


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
    mapping: Mapped[dict[str, Any]]
    state: Mapped[BatchState] = mapped_column(by_value(BatchState), default=BatchState.RUNNING)
    rows_read: Mapped[int] = mapped_column(default=0, comment="Rows, good and bad.")
    rows_done: Mapped[int] = mapped_column(
        default=0, comment="Rows committed; a resumed run skips as many."
    )
    added: Mapped[int] = mapped_column(default=0, comment="Rows new to this source.")
    unchanged: Mapped[int] = mapped_column(default=0, comment="Rows seen before, the same.")
    changed: Mapped[int] = mapped_column(
        default=0, comment="Rows seen before with other content; the first stays."
    )
    rejected: Mapped[int] = mapped_column(default=0, comment="Rows in quarantine.")
    unidentified: Mapped[int] = mapped_column(default=0, comment="Added rows without customer.")
    redactions: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="Token to count.")
    started_by: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(String(500), default="")


class ImportReject(Model):
    """A row that could not be taken in: where it is, and why. The row itself is redacted."""

    __tablename__ = "import_rejects"
    __table_args__ = (sa.UniqueConstraint("batch_id", "line"),)

    id: Mapped[big_pk]
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column(comment="Physical line in the file, from 1.")
    reason: Mapped[str] = mapped_column(String(500))
    raw: Mapped[str] = mapped_column(sa.Text, comment="The row as read, redacted, at most 2,000.")


class Customer(Model):
    """Who contacted us: a keyed hash; the key lies outside the database."""

    __tablename__ = "customers"

    id: Mapped[big_pk]
    key_hash: Mapped[str] = mapped_column(
        String(64), unique=True, comment="HMAC-SHA-256 of the customer id, hex."
    )


class Contact(Model):
    """One arrival by a customer: legs, transfers and messages within a session gap included.

    Gaps and flags are kept by `services/contacts.py`; they are null while unknown or when there
    is no such neighbour. All gaps are whole seconds between starts, 0 or more.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        sa.UniqueConstraint("source", "source_contact_id"),
        sa.Index("ix_contacts_customer_started", "customer_id", "started_at", "id"),
        sa.Index("ix_contacts_started", "started_at", "id"),
        sa.Index("ix_contacts_local_day", "local_day"),
        sa.Index("ix_contacts_theme_started", "theme_id", "started_at", "id"),
        sa.Index("ix_contacts_theme_day", "theme_id", "local_day"),
        sa.Index("ix_contacts_chain", "chain_id"),
        sa.Index("ix_contacts_batch", "batch_id"),
        sa.CheckConstraint("handle_seconds >= 0", name="handle_seconds_not_negative"),
    )

    id: Mapped[big_pk]
    source: Mapped[str] = mapped_column(String(60))
    source_contact_id: Mapped[str] = mapped_column(String(120))
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batches.id"))
    content_hash: Mapped[str] = mapped_column(
        String(64), comment="SHA-256 of the redacted row, to tell a repeat of it from a change."
    )
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    started_at: Mapped[datetime]
    local_day: Mapped[date] = mapped_column(comment="Reporting day, local midnight to midnight.")
    channel: Mapped[str] = mapped_column(String(60), default="")
    queue: Mapped[str] = mapped_column(String(60), default="")
    agent: Mapped[str] = mapped_column(String(60), default="")
    disposition: Mapped[str] = mapped_column(String(120), default="")
    handle_seconds: Mapped[int | None]
    csat: Mapped[float | None]
    message_count: Mapped[int] = mapped_column(default=1)

    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"))
    cluster: Mapped[int | None] = mapped_column(
        comment="Label under the current definition set; -1 left over, null not yet assigned."
    )
    theme_confidence: Mapped[float | None]

    previous_gap_seconds: Mapped[int | None] = mapped_column(comment="To the one before, any.")
    next_gap_seconds: Mapped[int | None] = mapped_column(comment="To the one after, any.")
    previous_same_gap_seconds: Mapped[int | None] = mapped_column(comment="Same theme.")
    next_same_gap_seconds: Mapped[int | None] = mapped_column(comment="Same theme.")
    chain_id: Mapped[int | None] = mapped_column(
        BigId, comment="Id of the first contact of the episode (headline window, any reason)."
    )
    chain_position: Mapped[int | None] = mapped_column(comment="1 is the first of the episode.")

    text: Mapped[ContactText | None] = relationship(back_populates="contact")
    theme: Mapped[Theme | None] = relationship()
    batch: Mapped[ImportBatch] = relationship()


class ContactText(Model):
    """What was said, redacted; expires before the contact does."""

    __tablename__ = "contact_texts"
    __table_args__ = (sa.Index("ix_contact_texts_hash", "text_hash"),)

    contact_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True
    )
    turns: Mapped[list[Any]] = mapped_column(
        comment="[[speaker, text], …] or [[speaker, text, message id, sent at], …]"
    )
    issue_text: Mapped[str] = mapped_column(sa.Text, comment="What is embedded.")
    text_hash: Mapped[str] = mapped_column(String(64), comment="SHA-256 of issue_text, hex.")

    contact: Mapped[Contact] = relationship(back_populates="text")


class Message(Model):
    """One message of a messaging contact: keeps each source id unique across sessions."""

    __tablename__ = "messages"
    __table_args__ = (
        sa.UniqueConstraint("source", "source_message_id"),
        sa.Index("ix_messages_contact", "contact_id"),
    )

    id: Mapped[big_pk]
    source: Mapped[str] = mapped_column(String(60))
    source_message_id: Mapped[str] = mapped_column(String(120))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    sent_at: Mapped[datetime]
    content_hash: Mapped[str] = mapped_column(String(64))


class EncodedText(Model):
    """A vector, encoded once per encoder and text."""

    __tablename__ = "encoded_texts"

    encoder: Mapped[str] = mapped_column(String(120), primary_key=True)
    text_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    vector: Mapped[bytes] = mapped_column(
        sa.LargeBinary, comment="float16, little-endian, `dimensions` of them."
    )


class DailyRollup(Model):
    """Contacts of one day, theme, channel, queue and disposition: feeds every chart.

    For window w: `any_w` and `same_w` count identified contacts followed by another within w;
    `opening_any_w` and `opening_same_w` those with none in the w before (they open a matter),
    `resolved_any_w` and `resolved_same_w` those of them not followed within w. Whether the
    day is mature for w is the reader's to check.
    """

    __tablename__ = "daily_rollups"
    __table_args__ = (
        sa.Index("ix_daily_rollups_day", "day"),
        sa.Index("ix_daily_rollups_theme_day", "theme_id", "day"),
    )

    id: Mapped[big_pk]
    day: Mapped[date]
    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"))
    channel: Mapped[str] = mapped_column(String(60))
    queue: Mapped[str] = mapped_column(String(60))
    disposition: Mapped[str] = mapped_column(String(120))
    contacts: Mapped[int]
    identified: Mapped[int]
    handled: Mapped[int] = mapped_column(comment="Contacts that have a handle time.")
    handle_seconds: Mapped[int] = mapped_column(sa.BigInteger)
    any_24h: Mapped[int]
    any_72h: Mapped[int]
    any_7d: Mapped[int]
    any_14d: Mapped[int]
    any_30d: Mapped[int]
    same_24h: Mapped[int]
    same_72h: Mapped[int]
    same_7d: Mapped[int]
    same_14d: Mapped[int]
    same_30d: Mapped[int]
    opening_any_24h: Mapped[int]
    opening_any_72h: Mapped[int]
    opening_any_7d: Mapped[int]
    opening_any_14d: Mapped[int]
    opening_any_30d: Mapped[int]
    opening_same_24h: Mapped[int]
    opening_same_72h: Mapped[int]
    opening_same_7d: Mapped[int]
    opening_same_14d: Mapped[int]
    opening_same_30d: Mapped[int]
    resolved_any_24h: Mapped[int]
    resolved_any_72h: Mapped[int]
    resolved_any_7d: Mapped[int]
    resolved_any_14d: Mapped[int]
    resolved_any_30d: Mapped[int]
    resolved_same_24h: Mapped[int]
    resolved_same_72h: Mapped[int]
    resolved_same_7d: Mapped[int]
    resolved_same_14d: Mapped[int]
    resolved_same_30d: Mapped[int]
