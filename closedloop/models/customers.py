"""Customers: keyed hashes of who contacted us, and which of them were found to be one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.domain.clock import utc_now
from closedloop.models.base import BigId, Model, big_pk, int_pk


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
