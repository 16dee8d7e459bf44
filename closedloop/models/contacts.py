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


class Customer(Model):
    """Who contacted us; known by one keyed hash or, once linked, by several."""

    __tablename__ = "customers"

    id: Mapped[big_pk]
    key_hash: Mapped[str] = mapped_column(
        String(64), unique=True, comment="HMAC-SHA-256 of the customer id, hex."
    )
    key_version: Mapped[int] = mapped_column(
        sa.SmallInteger, default=1, server_default="1", comment="Keys applied, one upon the other."
    )
    merged_into_id: Mapped[int | None] = mapped_column(
        BigId,
        index=True,
        comment="The customer this one was linked with, who is linked with nobody further.",
    )


class CustomerKey(Model):
    """Another identifier of a customer (phone, e-mail, account).

    Without a link run it was seen in an imported row beside the customer, and several customers
    may have been seen with it; whether it links them is for the match rules to say.
    """

    __tablename__ = "customer_keys"

    key_hash: Mapped[str] = mapped_column(
        String(64), primary_key=True, comment="HMAC-SHA-256 of the normalised identifier, hex."
    )
    customer_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(20), comment="phone, email, account …")
    link_run_id: Mapped[int | None] = mapped_column(ForeignKey("link_runs.id"), index=True)
    key_version: Mapped[int] = mapped_column(sa.SmallInteger, default=1, server_default="1")


class LinkRun(Model):
    """One use of a match-rule file: what it joined."""

    __tablename__ = "link_runs"

    id: Mapped[int_pk]
    file_name: Mapped[str] = mapped_column(String(255))
    rules: Mapped[dict[str, Any]] = mapped_column(comment="As the file gave them.")
    report: Mapped[dict[str, Any]] = mapped_column(comment="Counts of what was joined and not.")
    started_by: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str] = mapped_column(String(120), default="")


class LinkMove(Model):
    """A customer whose contacts a link run gave to another one: what undoing it restores."""

    __tablename__ = "link_moves"

    link_run_id: Mapped[int] = mapped_column(ForeignKey("link_runs.id"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    before_id: Mapped[int | None] = mapped_column(BigId, comment="Linked with before; null: none.")
    after_id: Mapped[int] = mapped_column(BigId, comment="Linked with now.")


class Contact(Model):
    """One arrival by a customer: legs, transfers and messages within a session gap included.

    Where it stands among the contacts of its customer is its `ContactLink`.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        sa.UniqueConstraint("source", "source_contact_id"),
        sa.Index("ix_contacts_customer_started", "customer_id", "started_at", "id"),
        sa.Index("ix_contacts_started", "started_at", "id"),
        # wide enough that the customers of a period are counted without a look at the rows
        sa.Index(
            "ix_contacts_day_channel_theme_customer",
            *("local_day", "channel", "theme_id", "customer_id"),
        ),
        sa.Index("ix_contacts_theme_started", "theme_id", "started_at", "id"),
        sa.Index("ix_contacts_theme_day", "theme_id", "local_day"),
        sa.Index("ix_contacts_batch_started", "batch_id", "started_at", "id"),
        sa.Index(
            "ix_contacts_own_customer",
            "own_customer_id",
            sqlite_where=sa.text("own_customer_id IS NOT NULL"),
            postgresql_where=sa.text("own_customer_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_contacts_follows",
            "follows_contact_id",
            sqlite_where=sa.text("follows_contact_id <> ''"),
            postgresql_where=sa.text("follows_contact_id <> ''"),
        ),
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
    own_customer_id: Mapped[int | None] = mapped_column(
        BigId, comment="Whose it was before customers were linked; null: customer_id."
    )
    started_at: Mapped[datetime]
    local_day: Mapped[date] = mapped_column(comment="Reporting day, local midnight to midnight.")
    channel: Mapped[str] = mapped_column(String(60), default="")
    queue: Mapped[str] = mapped_column(String(60), default="")
    agent: Mapped[str] = mapped_column(String(60), default="")
    disposition: Mapped[str] = mapped_column(String(120), default="")
    handle_seconds: Mapped[int | None]
    csat: Mapped[float | None]
    message_count: Mapped[int] = mapped_column(default=1)

    team: Mapped[str] = mapped_column(String(60), default="", comment="Team of the agent.")
    language: Mapped[str] = mapped_column(
        String(8), default="", comment="ISO 639-1, said by the source or detected; empty unknown."
    )
    wait_seconds: Mapped[int | None] = mapped_column(comment="In the queue before an answer.")
    abandoned: Mapped[bool | None] = mapped_column(comment="Gave up in the queue.")
    transfers: Mapped[int | None] = mapped_column(comment="Times handed on; legs of one contact.")
    resolved: Mapped[bool | None] = mapped_column(comment="Resolved, says the source.")
    survey_resolved: Mapped[bool | None] = mapped_column(comment="Resolved, says the customer.")
    nps: Mapped[int | None] = mapped_column(sa.SmallInteger, comment="0 to 10.")
    ces: Mapped[float | None] = mapped_column(comment="1 to 7, 7 is easy.")
    follows_contact_id: Mapped[str] = mapped_column(
        String(120), default="", comment="Source id of what this follows up or was merged into."
    )

    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"))
    cluster: Mapped[int | None] = mapped_column(
        comment="Label under the current definition set; -1 left over, null not yet assigned."
    )
    theme_confidence: Mapped[float | None]

    link: Mapped[ContactLink | None] = relationship(
        primaryjoin="Contact.id == foreign(ContactLink.contact_id)", viewonly=True, uselist=False
    )
    text: Mapped[ContactText | None] = relationship(back_populates="contact")
    theme: Mapped[Theme | None] = relationship()
    batch: Mapped[ImportBatch] = relationship()


class ContactLink(Model):
    """Where a contact stands among those of its customer: gaps and episode.

    Kept by `services/repeats.py` for identified contacts only; a table of its own because it is
    rewritten whole, which must not touch the contacts, and without a foreign key, whose check
    would take longer than all the rest: `delete_contacts` takes care of it. Gaps are whole
    seconds between starts, 0 or more, null where there is no such neighbour.
    """

    __tablename__ = "contact_links"

    contact_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    local_day: Mapped[date] = mapped_column(comment="Of the contact; tells which days change.")
    previous_gap_seconds: Mapped[int | None] = mapped_column(comment="To the one before, any.")
    next_gap_seconds: Mapped[int | None] = mapped_column(comment="To the one after, any.")
    previous_same_gap_seconds: Mapped[int | None] = mapped_column(comment="Same theme or case.")
    next_same_gap_seconds: Mapped[int | None] = mapped_column(comment="Same theme or case.")
    chain_id: Mapped[int] = mapped_column(
        BigId, comment="Id of the first contact of the episode (headline window, any reason)."
    )
    chain_position: Mapped[int] = mapped_column(comment="1 is the first of the episode.")


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


class ContactVersion(Model):
    """What a contact was before a later import of its source replaced it; redacted as it was.

    The versions of a contact follow each other by id; what stands now is the contact itself, and
    `batch_id` of either is the import that brought it. So an import that is taken out gives way
    to the version before it.
    """

    __tablename__ = "contact_versions"
    __table_args__ = (sa.Index("ix_contact_versions_contact", "contact_id", "id"),)

    id: Mapped[big_pk]
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    batch_id: Mapped[int] = mapped_column(
        ForeignKey("import_batches.id"), index=True, comment="The import that brought it."
    )
    customer_id: Mapped[int | None] = mapped_column(
        BigId, index=True, comment="Whose it was before customers were linked."
    )
    local_day: Mapped[date]
    content_hash: Mapped[str] = mapped_column(String(64))
    follows_contact_id: Mapped[str] = mapped_column(String(120), default="")
    said: Mapped[dict[str, Any]] = mapped_column(comment="The other columns that a source fills.")
    turns: Mapped[list[Any]] = mapped_column(comment="As in contact_texts; empty: none, or expired")
    issue_text: Mapped[str] = mapped_column(sa.Text, default="")
    text_hash: Mapped[str] = mapped_column(String(64), default="")


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
    batch_id: Mapped[int | None] = mapped_column(index=True, comment="The import that brought it.")
    details: Mapped[dict[str, Any] | None] = mapped_column(
        comment="What it said of its contact, so that the others can be told without it."
    )


class EncodedText(Model):
    """A vector, encoded once per encoder and text."""

    __tablename__ = "encoded_texts"

    encoder: Mapped[str] = mapped_column(String(120), primary_key=True)
    text_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    vector: Mapped[bytes] = mapped_column(
        sa.LargeBinary, comment="float16, little-endian, `dimensions` of them."
    )


class RollupFigures:
    """The figures a roll-up adds up, each a whole number that fits four bytes on one day.

    For window w: `any_w` and `same_w` count identified contacts followed by another within w;
    `opening_any_w` and `opening_same_w` those with none in the w before (they open a matter),
    `resolved_any_w` and `resolved_same_w` those of them not followed within w;
    `beyond_seconds_w` is the handle time of identified contacts that had one in the w before,
    for any reason. Whether the day is mature for w is the reader's to check.
    """

    contacts: Mapped[int]
    identified: Mapped[int]
    themed: Mapped[int] = mapped_column(comment="Identified contacts that have a theme.")
    handled: Mapped[int] = mapped_column(comment="Contacts that have a handle time.")
    handle_seconds: Mapped[int] = mapped_column(sa.BigInteger)
    queued: Mapped[int] = mapped_column(comment="Of which it is known whether they gave up.")
    abandoned: Mapped[int]
    transferable: Mapped[int] = mapped_column(comment="Of which transfers are known.")
    transferred: Mapped[int] = mapped_column(comment="Handed on at least once.")
    resolution_known: Mapped[int] = mapped_column(comment="Of which the source says it.")
    resolution_yes: Mapped[int]
    survey_answers: Mapped[int] = mapped_column(comment="Was it resolved? Answers of customers.")
    survey_yes: Mapped[int]
    csat_answers: Mapped[int]
    csat_satisfied: Mapped[int] = mapped_column(comment="4 or 5 of 5.")
    nps_answers: Mapped[int]
    nps_promoters: Mapped[int] = mapped_column(comment="9 or 10.")
    nps_detractors: Mapped[int] = mapped_column(comment="0 to 6.")
    ces_answers: Mapped[int]
    ces_hundredths: Mapped[int] = mapped_column(comment="Sum of CES times 100.")
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
    beyond_seconds_24h: Mapped[int]
    beyond_seconds_72h: Mapped[int]
    beyond_seconds_7d: Mapped[int]
    beyond_seconds_14d: Mapped[int]
    beyond_seconds_30d: Mapped[int]


_THEN = ("day", "channel", "language", "contacts")


class DailyRollup(RollupFigures, Model):
    """Contacts of one day, theme, channel, queue, disposition, team and language."""

    __tablename__ = "daily_rollups"
    __table_args__ = (
        # a channel or a language is never asked for alone: behind the others it keeps rows from
        # being looked at, and how many contacts there are is told without a look at any
        sa.Index(
            "ix_daily_rollups_day_channel_language_theme",
            *("day", "channel", "language", "theme_id", "contacts"),
        ),
        sa.Index("ix_daily_rollups_theme_day", "theme_id", "day"),
        sa.Index("ix_daily_rollups_queue_day_channel_language", "queue", *_THEN),
        sa.Index("ix_daily_rollups_disposition_day_channel_language", "disposition", *_THEN),
        sa.Index("ix_daily_rollups_team_day_channel_language", "team", *_THEN),
    )

    id: Mapped[big_pk]
    day: Mapped[date]
    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"))
    channel: Mapped[str] = mapped_column(String(60))
    queue: Mapped[str] = mapped_column(String(60))
    disposition: Mapped[str] = mapped_column(String(120))
    team: Mapped[str] = mapped_column(String(60))
    language: Mapped[str] = mapped_column(String(8))


class DailySlice(RollupFigures, Model):
    """Contacts of one day under one value of one dimension: small whatever the history.

    `kind` is a dimension (`theme`, `channel`, `queue`, `disposition`, `team`, `language`) or
    `all`, whose value is empty. A theme's value is its id in decimal, empty for none.
    """

    __tablename__ = "daily_slices"
    __table_args__ = (
        sa.Index("ix_daily_slices_kind_value_day_contacts", "kind", "value", "day", "contacts"),
    )

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(120), primary_key=True)


class DueDay(Model):
    """A reporting day whose roll-up is out of date; written with what changed it."""

    __tablename__ = "due_days"

    day: Mapped[date] = mapped_column(primary_key=True)
