"""Themes, the definitions that say what belongs to them, and the runs that find them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, orm
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models.accounts import Department, User
from closedloop.models.base import BigId, Model, TimestampMixin, by_value, int_pk
from closedloop.models.contact_drivers import ContactDriver


class ThemeRun(Model):
    """One discovery: what it read, with which parameters, what it found."""

    __tablename__ = "theme_runs"

    id: Mapped[int_pk]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
    first_day: Mapped[date] = mapped_column(comment="First day read, inclusive.")
    last_day: Mapped[date] = mapped_column(comment="Last day read, inclusive.")
    encoder: Mapped[str] = mapped_column(String(120))
    seed: Mapped[int]
    texts: Mapped[int] = mapped_column(comment="Repeat contacts with text that were read.")
    found: Mapped[int] = mapped_column(default=0, comment="Themes found.")
    left_over: Mapped[int] = mapped_column(default=0, comment="Texts in no theme.")
    manifest: Mapped[dict[str, Any]] = mapped_column(default=dict)


class DefinitionSet(Model):
    """Everything needed to assign a contact: prototypes, thresholds, and whose they are.

    Immutable but for `is_current` and `assigned_at`. A change of any definition makes a new set.
    """

    __tablename__ = "definition_sets"
    __table_args__ = (
        sa.Index(
            "uq_definition_sets_current",
            "is_current",
            unique=True,
            sqlite_where=sa.text("is_current"),
            postgresql_where=sa.text("is_current"),
        ),
    )

    id: Mapped[int_pk]
    number: Mapped[int] = mapped_column(unique=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("theme_runs.id"))
    encoder: Mapped[str] = mapped_column(String(120))
    model: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True, comment="ThemeModel, npz.")
    label_themes: Mapped[list[Any]] = mapped_column(
        comment="Theme id of label 0, 1, …; null where a label belongs to no theme."
    )
    is_current: Mapped[bool] = mapped_column(default=False)
    assigned_at: Mapped[datetime | None] = mapped_column(
        comment="When the whole history stood under this set."
    )
    reason: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Theme(TimestampMixin, Model):
    """A cluster that people named and accepted, or one that waits for them (candidate)."""

    __tablename__ = "themes"
    __table_args__ = (
        sa.CheckConstraint(
            "(status = 'merged') = (merged_into_id IS NOT NULL)", name="merged_says_into_what"
        ),
        sa.CheckConstraint(
            "(customer_values IS NULL) = (company_values IS NULL)", name="quadrant_whole"
        ),
        sa.Index("ix_themes_status", "status"),
    )

    id: Mapped[int_pk]
    key: Mapped[str] = mapped_column(String(20), unique=True, comment="T-014; lasts for ever.")
    name: Mapped[str] = mapped_column(String(160))
    is_named_by_person: Mapped[bool] = mapped_column(default=False)
    keywords: Mapped[list[Any]] = mapped_column(default=list)
    status: Mapped[ThemeStatus] = mapped_column(
        by_value(ThemeStatus), default=ThemeStatus.CANDIDATE
    )
    scenario: Mapped[str] = mapped_column(
        sa.Text, default="", comment="What goes wrong for the customer, in one sentence."
    )
    cause: Mapped[str] = mapped_column(
        sa.Text, default="", comment="What we do that makes it happen."
    )
    demand_type: Mapped[DemandType | None] = mapped_column(by_value(DemandType))
    customer_values: Mapped[bool | None]
    company_values: Mapped[bool | None]
    strategy: Mapped[Strategy | None] = mapped_column(by_value(Strategy))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"), index=True)
    parked_until: Mapped[date | None] = mapped_column(comment="First day it returns to triage.")
    review_on: Mapped[date | None] = mapped_column(comment="When an accepted theme is looked at.")
    run_id: Mapped[int | None] = mapped_column(ForeignKey("theme_runs.id"))
    driver_id: Mapped[int | None] = mapped_column(
        index=True, comment="Its contact driver; those rows are never deleted."
    )
    is_driver_by_person: Mapped[bool] = mapped_column(
        default=False,
        server_default=sa.false(),
        comment="Somebody decided about its driver; no run does.",
    )
    summary_contact_id: Mapped[int | None] = mapped_column(
        sa.BigInteger, comment="Says in a sentence what it is about; while it is in the theme."
    )
    triaged_at: Mapped[datetime | None]
    waiting_since: Mapped[datetime] = mapped_column(
        default=utc_now, comment="When it was found, or came back from parking, for a decision."
    )

    department: Mapped[Department | None] = relationship()
    owner: Mapped[User | None] = relationship()
    driver: Mapped[ContactDriver | None] = relationship(
        primaryjoin=lambda: orm.foreign(Theme.driver_id) == ContactDriver.id, viewonly=True
    )
    merged_into: Mapped[Theme | None] = relationship(remote_side="Theme.id")
    stats: Mapped[ThemeStats | None] = relationship(back_populates="theme")


class ThemeDefinition(Model):
    """The numbered definition of one theme: which labels of which set are its own."""

    __tablename__ = "theme_definitions"
    __table_args__ = (sa.UniqueConstraint("theme_id", "number"),)

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"))
    number: Mapped[int]
    definition_set_id: Mapped[int] = mapped_column(ForeignKey("definition_sets.id"), index=True)
    labels: Mapped[list[Any]]
    languages: Mapped[list[Any]] = mapped_column(
        default=list, comment="Those its texts are mainly in, most spoken first; ISO 639-1."
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ThemeStats(Model):
    """Figures of the last `STATS_DAYS` days to `as_of`, renewed with the roll-up."""

    __tablename__ = "theme_stats"

    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), primary_key=True)
    as_of: Mapped[date] = mapped_column(comment="Last day counted, inclusive.")
    contacts: Mapped[int]
    customers: Mapped[int] = mapped_column(comment="Distinct known ones.")
    unidentified: Mapped[int] = mapped_column(
        default=0, comment="Contacts whose customer is not known."
    )
    mature: Mapped[int] = mapped_column(comment="Identified contacts whose 7 days have passed.")
    repeats_any: Mapped[int] = mapped_column(comment="Of the mature, followed within 7 days.")
    repeats_same: Mapped[int] = mapped_column(comment="Of the mature, by the same theme.")
    handled: Mapped[int] = mapped_column(default=0, comment="Contacts that have a handle time.")
    handle_seconds: Mapped[int] = mapped_column(sa.BigInteger)
    contacts_4_weeks: Mapped[int] = mapped_column(comment="Last 28 days.")
    contacts_4_weeks_before: Mapped[int] = mapped_column(comment="The 28 days before those.")
    weekly: Mapped[list[Any]] = mapped_column(comment="Contacts in 13 whole weeks, oldest first.")
    priority: Mapped[float] = mapped_column(default=0.0, comment="0 to 100.")

    theme: Mapped[Theme] = relationship(back_populates="stats")

    @hybrid_property
    def people(self) -> int:
        """How many people the figures describe, for the privacy threshold.

        Nobody knows better, so a contact without a customer counts as one of its own.
        """
        return self.customers + self.unidentified


class EvidenceKind(StrEnum):
    """Why a quote stands on a theme's page."""

    TYPICAL = "typical"
    BOUNDARY = "boundary"
    CONTRARY = "contrary"


class ThemeEvidence(Model):
    """A contact picked as evidence for or against a theme, renewed at each assignment."""

    __tablename__ = "theme_evidence"
    __table_args__ = (sa.UniqueConstraint("theme_id", "kind", "rank"),)

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id", ondelete="CASCADE"))
    kind: Mapped[EvidenceKind] = mapped_column(by_value(EvidenceKind))
    rank: Mapped[int]
    contact_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("contacts.id", ondelete="CASCADE"), index=True
    )
    confidence: Mapped[float]


class ThemeLikeness(Model):
    """How near two themes are: cosine of their centres, the nearest few of each."""

    __tablename__ = "theme_likeness"

    theme_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True
    )
    other_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True
    )
    likeness: Mapped[float]
    customers_in_both: Mapped[int] = mapped_column(default=0)
