"""What metrics are held against: driver volumes, costs, goals, and lists fixed in advance."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.domain.clock import utc_now
from closedloop.models.base import Model, int_pk


class DriverDay(Model):
    """What drives contacts, a day: orders, active customers, bills."""

    __tablename__ = "driver_days"

    driver: Mapped[str] = mapped_column(String(60), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    volume: Mapped[float]


class ChannelCost(Model):
    """What a minute of a channel costs from a day on, as finance set it; rows are only added."""

    __tablename__ = "channel_costs"
    __table_args__ = (sa.Index("ix_channel_costs_channel_day", "channel", "valid_from"),)

    id: Mapped[int_pk]
    channel: Mapped[str] = mapped_column(String(60), comment="Empty is every other channel.")
    valid_from: Mapped[date]
    pence_per_minute: Mapped[float]
    set_by: Mapped[str] = mapped_column(String(120))
    set_at: Mapped[datetime] = mapped_column(default=utc_now)


class MetricGoal(Model):
    """A goal for a metric from a day on; rows are only added, so its history stays."""

    __tablename__ = "metric_goals"
    __table_args__ = (sa.Index("ix_metric_goals_metric_day", "metric", "valid_from"),)

    id: Mapped[int_pk]
    metric: Mapped[str] = mapped_column(String(40))
    window: Mapped[str] = mapped_column(String(8), default="", comment="Empty without window.")
    valid_from: Mapped[date]
    goal: Mapped[float | None] = mapped_column(comment="In the unit of the metric; null ends it.")
    note: Mapped[str] = mapped_column(String(300), default="")
    set_by: Mapped[str] = mapped_column(String(120))
    set_at: Mapped[datetime] = mapped_column(default=utc_now)


class MetricList(Model):
    """A list fixed in advance: dispositions net FCR leaves out, queues of resolution teams.

    Rows are only added; the one with the latest `valid_from` not after a day holds on it.
    """

    __tablename__ = "metric_lists"
    __table_args__ = (sa.Index("ix_metric_lists_kind_day", "kind", "valid_from"),)

    id: Mapped[int_pk]
    kind: Mapped[str] = mapped_column(String(40), comment="net_exclusions or resolution_queues")
    valid_from: Mapped[date]
    entries: Mapped[list[Any]]
    set_by: Mapped[str] = mapped_column(String(120))
    set_at: Mapped[datetime] = mapped_column(default=utc_now)
