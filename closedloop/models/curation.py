"""What people put right about themes, what runs propose, and what nightly looks find."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.domain.leftovers import EmergingState
from closedloop.domain.runs import PartKind, PartState
from closedloop.models.base import BigId, Model, by_value, int_pk
from closedloop.models.themes import Theme


class ChangeKind(StrEnum):
    """What somebody did to a theme outside triage; `parts` took over what a run said of it."""

    SPLIT = "split"
    MOVE = "move"
    RETIRE = "retire"
    RESTORE = "restore"
    DESCRIBE = "describe"
    PARTS = "parts"


class ThemeChange(Model):
    """One change of a theme; undoing it fills `undone_at` and restores what `detail` holds."""

    __tablename__ = "theme_changes"

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    other_id: Mapped[int | None] = mapped_column(
        ForeignKey("themes.id"), index=True, comment="The theme that was split off or moved to."
    )
    kind: Mapped[ChangeKind] = mapped_column(by_value(ChangeKind))
    contacts: Mapped[int] = mapped_column(default=0, comment="How many it moved.")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    changed_by: Mapped[str] = mapped_column(String(120))
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
    undone_by: Mapped[str] = mapped_column(String(120), default="")
    undone_at: Mapped[datetime | None]

    theme: Mapped[Theme] = relationship(foreign_keys=[theme_id])
    other: Mapped[Theme | None] = relationship(foreign_keys=[other_id])


class ThemeCorrection(Model):
    """What somebody said about one contact: it belongs to a theme, or it does not.

    Stands above what the definitions say, in every later run, until it is taken back. By text,
    too: a contact with the same words is meant as well.
    """

    __tablename__ = "theme_corrections"
    __table_args__ = (
        sa.Index("ix_theme_corrections_text", "text_hash"),
        sa.Index("ix_theme_corrections_contact", "contact_id"),
    )

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    text_hash: Mapped[str] = mapped_column(String(64), comment="Of what the contact said.")
    belongs: Mapped[bool]
    change_id: Mapped[int | None] = mapped_column(ForeignKey("theme_changes.id"), index=True)
    said_by: Mapped[str] = mapped_column(String(120))
    said_at: Mapped[datetime] = mapped_column(default=utc_now)
    taken_back_at: Mapped[datetime | None]


class QuoteRejection(Model):
    """A quote somebody does not want to see as evidence of a theme."""

    __tablename__ = "quote_rejections"

    theme_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True
    )
    contact_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    rejected_by: Mapped[str] = mapped_column(String(120))
    rejected_at: Mapped[datetime] = mapped_column(default=utc_now)


class MembershipCheck(Model):
    """A contact drawn at random from a theme, and whether a reviewer found it belongs there."""

    __tablename__ = "membership_checks"
    __table_args__ = (sa.UniqueConstraint("theme_id", "round", "contact_id"),)

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id", ondelete="CASCADE"), index=True)
    round: Mapped[int] = mapped_column(comment="1, 2, …; a new draw is a new round.")
    definition_set_id: Mapped[int] = mapped_column(ForeignKey("definition_sets.id"))
    contact_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("contacts.id", ondelete="CASCADE"), index=True
    )
    drawn_at: Mapped[datetime] = mapped_column(default=utc_now)
    belongs: Mapped[bool | None] = mapped_column(comment="Null: not looked at yet.")
    checked_by: Mapped[str] = mapped_column(String(120), default="")
    checked_at: Mapped[datetime | None]


class RunPart(Model):
    """One thing a run found beside, or instead of, what stands; nothing until accepted."""

    __tablename__ = "run_parts"

    id: Mapped[int_pk]
    run_id: Mapped[int] = mapped_column(ForeignKey("theme_runs.id"), index=True)
    kind: Mapped[PartKind] = mapped_column(by_value(PartKind))
    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"), index=True)
    name: Mapped[str] = mapped_column(String(160), default="")
    score: Mapped[float] = mapped_column(comment="Overlap with what stands, Jaccard, 0 to 1.")
    contacts: Mapped[int] = mapped_column(comment="Of the contacts read, in the cluster.")
    would_move: Mapped[int] = mapped_column(default=0, comment="Contacts whose theme would change.")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[PartState] = mapped_column(by_value(PartState), default=PartState.PROPOSED)
    decided_by: Mapped[str] = mapped_column(String(120), default="")
    decided_at: Mapped[datetime | None]


class RunLabels(Model):
    """Which text went into which cluster of a run, so that runs can be compared."""

    __tablename__ = "run_labels"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("theme_runs.id", ondelete="CASCADE"), primary_key=True
    )
    hashes: Mapped[bytes] = mapped_column(sa.LargeBinary, comment="32 bytes a text, sorted.")
    labels: Mapped[bytes] = mapped_column(sa.LargeBinary, comment="int32 a text, -1 left over.")
    counts: Mapped[bytes] = mapped_column(sa.LargeBinary, comment="int32 a text: contacts read.")
    themes: Mapped[bytes] = mapped_column(
        sa.LargeBinary, comment="int32 a text: theme before the run, 0 none."
    )
    names: Mapped[list[Any]] = mapped_column(default=list, comment="Of label 0, 1, ….")
    model: Mapped[bytes | None] = mapped_column(sa.LargeBinary, deferred=True)


class ThemeWeek(Model):
    """How surely the contacts of a week fit their themes: what ageing is seen by."""

    __tablename__ = "theme_weeks"

    theme_id: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="0: contacts with text in no theme."
    )
    week: Mapped[date] = mapped_column(primary_key=True, comment="Monday.")
    definition_set_id: Mapped[int] = mapped_column(ForeignKey("definition_sets.id"))
    contacts: Mapped[int] = mapped_column(comment="With text.")
    customers: Mapped[int] = mapped_column(comment="Distinct; each unidentified contact is one.")
    confidence: Mapped[float] = mapped_column(comment="Sum over them.")


class EmergingTheme(Model):
    """A dense spot among contacts in no theme, whose customers are becoming more."""

    __tablename__ = "emerging_themes"

    id: Mapped[int_pk]
    found_on: Mapped[date] = mapped_column(comment="Reporting day of the first night.")
    seen_on: Mapped[date] = mapped_column(comment="Reporting day of the last night.")
    name: Mapped[str] = mapped_column(String(160))
    keywords: Mapped[list[Any]] = mapped_column(default=list)
    contacts: Mapped[int]
    customers: Mapped[int] = mapped_column(comment="Distinct, in the later span.")
    customers_before: Mapped[int] = mapped_column(comment="Distinct, in the span before it.")
    p_value: Mapped[float] = mapped_column(comment="Of that rise by chance.")
    prototype: Mapped[bytes] = mapped_column(sa.LargeBinary, deferred=True, comment="float32.")
    members: Mapped[list[Any]] = mapped_column(default=list, comment="Contact ids, nearest first.")
    state: Mapped[EmergingState] = mapped_column(
        by_value(EmergingState), default=EmergingState.PROPOSED
    )
    theme_id: Mapped[int | None] = mapped_column(ForeignKey("themes.id"), index=True)
    decided_by: Mapped[str] = mapped_column(String(120), default="")
    decided_at: Mapped[datetime | None]


class ThemeFollower(Model):
    """How often one theme is the next contact after another within the window."""

    __tablename__ = "theme_followers"

    theme_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True
    )
    next_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True
    )
    as_of: Mapped[date] = mapped_column(comment="Last day counted, inclusive.")
    contacts: Mapped[int] = mapped_column(comment="Mature identified contacts of the theme.")
    followed: Mapped[int] = mapped_column(comment="Of these, by the other theme next.")
    customers: Mapped[int] = mapped_column(comment="Distinct among the followed.")
    expected: Mapped[float] = mapped_column(comment="Followed if it were as after any contact.")


class ThemeMap(Model):
    """A picture of contacts in two dimensions under one definition set."""

    __tablename__ = "theme_maps"

    id: Mapped[int_pk]
    definition_set_id: Mapped[int] = mapped_column(ForeignKey("definition_sets.id"), index=True)
    as_of: Mapped[date]
    n_points: Mapped[int]
    points: Mapped[bytes] = mapped_column(
        sa.LargeBinary, deferred=True, comment="npz: x, y, label a contact; theme_id a label."
    )
    made_at: Mapped[datetime] = mapped_column(default=utc_now)


class ThemeSuggestion(Model):
    """A name and a summary that a language model wrote; people accept the name or dismiss both."""

    __tablename__ = "theme_suggestions"

    theme_id: Mapped[int] = mapped_column(
        ForeignKey("themes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(String(60))
    summary: Mapped[str] = mapped_column(String(160))
    model: Mapped[str] = mapped_column(String(120), comment="Who wrote it.")
    asked_by: Mapped[str] = mapped_column(String(120))
    written_at: Mapped[datetime] = mapped_column(default=utc_now)
    dismissed_by: Mapped[str] = mapped_column(String(120), default="")
    dismissed_at: Mapped[datetime | None]
