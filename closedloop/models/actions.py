"""Actions: pieces of work with an owner and a due date."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import Strategy
from closedloop.models.accounts import Department, User
from closedloop.models.base import Model, TimestampMixin, by_value, int_pk
from closedloop.models.themes import Theme


class Action(TimestampMixin, Model):
    """What a department does about a theme, and what it expects of it."""

    __tablename__ = "actions"
    __table_args__ = (
        sa.CheckConstraint("expected_drop > 0 AND expected_drop <= 1", name="expected_drop_share"),
        sa.CheckConstraint("smallest_drop > 0 AND smallest_drop <= 1", name="smallest_drop_share"),
        sa.Index("ix_actions_status", "status"),
    )

    id: Mapped[int_pk]
    key: Mapped[str] = mapped_column(String(20), unique=True, comment="A-027; lasts for ever.")
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    title: Mapped[str] = mapped_column(String(160))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    strategy: Mapped[Strategy] = mapped_column(by_value(Strategy))
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    due_on: Mapped[date | None] = mapped_column(comment="Last day in time.")
    status: Mapped[ActionStatus] = mapped_column(
        by_value(ActionStatus), default=ActionStatus.PROPOSED
    )
    status_since: Mapped[datetime]
    expected_drop: Mapped[float] = mapped_column(comment="Share of the theme's contacts, 0–1.")
    smallest_drop: Mapped[float] = mapped_column(comment="Smallest drop worth having, 0–1.")
    hand_back_reason: Mapped[str] = mapped_column(sa.Text, default="")
    cost_low: Mapped[float | None] = mapped_column(comment="Pence the fix costs, at least.")
    cost_high: Mapped[float | None] = mapped_column(comment="Pence the fix costs, at most.")
    driver: Mapped[str] = mapped_column(
        String(60), default="", comment="Driver volume that effects are held against; or none."
    )

    theme: Mapped[Theme] = relationship()
    department: Mapped[Department] = relationship()
    owner: Mapped[User | None] = relationship()
    also: Mapped[list[ActionTheme]] = relationship(cascade="all, delete-orphan")


class ActionTheme(Model):
    """Another theme that an action touches: measured together with the action's own."""

    __tablename__ = "action_themes"

    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"), primary_key=True)
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), primary_key=True, index=True)

    theme: Mapped[Theme] = relationship()
