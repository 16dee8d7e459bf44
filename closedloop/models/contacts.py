"""Contacts: what came in, where each stands among those of its customer, and what was said."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.models.base import BigId, Model, big_pk

if TYPE_CHECKING:
    from closedloop.models.imports import ImportBatch
    from closedloop.models.themes import Theme


class Contact(Model):
    """One arrival by a customer: legs, transfers and messages within a session gap included.

    Where it stands among the contacts of its customer is its `ContactLink`.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        sa.UniqueConstraint("source", "source_contact_id"),
        sa.Index("ix_contacts_customer_started", "customer_id", "started_at", "id"),
        sa.Index("ix_contacts_started", "started_at", "id"),
        # wide enough that the customers of a period are counted, and the contacts of a language
        # found, without a look at the rows
        sa.Index(
            "ix_contacts_day_channel_theme_customer_language",
            *("local_day", "channel", "theme_id", "customer_id", "language"),
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
