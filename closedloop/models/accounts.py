"""Departments, users, their sessions and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.accounts import Role
from closedloop.domain.clock import utc_now
from closedloop.models.base import Model, TimestampMixin, by_value, int_pk


class Department(TimestampMixin, Model):
    """A part of the company that can own the cause of a theme."""

    __tablename__ = "departments"

    id: Mapped[int_pk]
    name: Mapped[str] = mapped_column(String(80), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class User(TimestampMixin, Model):
    """Someone who signs in to closedloop; never a customer."""

    __tablename__ = "users"
    __table_args__ = (sa.CheckConstraint("email = lower(email)", name="email_lower_case"),)

    id: Mapped[int_pk]
    email: Mapped[str] = mapped_column(String(254), unique=True, comment="In lower case.")
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(200), comment="argon2id.")
    role: Mapped[Role] = mapped_column(by_value(Role))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    last_looked_at: Mapped[datetime | None] = mapped_column(
        comment="When home was last opened before this visit; 'what changed' starts here."
    )

    department: Mapped[Department | None] = relationship()


class SignIn(Model):
    """One session of a user, kept here so that it can be revoked."""

    __tablename__ = "sign_ins"

    id: Mapped[str] = mapped_column(
        String(64), primary_key=True, comment="SHA-256 of the token in the cookie, hex."
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    browser: Mapped[str] = mapped_column(String(200), default="")

    user: Mapped[User] = relationship()


class SignInAttempt(Model):
    """A wrong password, for throttling; the key is a hash, never the address itself."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (sa.Index("ix_sign_in_attempts_key_at", "key", "at"),)

    id: Mapped[int_pk]
    key: Mapped[str] = mapped_column(String(64), comment="SHA-256 of e-mail or client address.")
    at: Mapped[datetime] = mapped_column(default=utc_now)


class ApiToken(Model):
    """A token for the JSON door."""

    __tablename__ = "api_tokens"

    id: Mapped[int_pk]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True, comment="SHA-256, hex.")
    scopes: Mapped[list[Any]] = mapped_column(comment="'read' and, or, 'write'.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()


class SiteSetting(Model):
    """A setting people change in the interface; the rest comes from the environment."""

    __tablename__ = "site_settings"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(comment="{'value': …}")
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
