"""The daily roll-up of contacts, and which of its days are out of date."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.models.base import Model, big_pk


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
