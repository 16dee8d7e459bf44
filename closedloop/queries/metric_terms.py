"""What metrics are held against: goals, prices of a minute, lists fixed in advance, drivers.

All of it is small and dated; a page reads it whole, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import Window
from closedloop.domain.metrics import ListKind, Metric
from closedloop.domain.themes import DemandType
from closedloop.models import ChannelCost, DriverDay, MetricGoal, MetricList, Theme
from closedloop.queries.site import get_pence_per_minute


@dataclass(frozen=True)
class GoalRow:
    """A goal from a day on; None ends it."""

    metric: str
    window: str
    valid_from: date
    goal: float | None
    note: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True)
class ListRow:
    """The entries of a list from a day on."""

    kind: str
    valid_from: date
    entries: tuple[str, ...]
    set_by: str
    set_at: datetime


@dataclass(frozen=True)
class CostRow:
    """What a minute of a channel costs from a day on; an empty channel is every other one."""

    channel: str
    valid_from: date
    pence_per_minute: float
    set_by: str
    set_at: datetime


@dataclass(frozen=True)
class DriverRow:
    """What is known of one driver."""

    driver: str
    days: int
    first_day: date
    last_day: date
    volume: float


@dataclass(frozen=True)
class Period:
    """Days on which the entries of a list hold, both inclusive; `last_day` None is open."""

    first_day: date
    last_day: date | None
    entries: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """Everything metrics are held against.

    Attributes
    ----------
    goals, lists, costs
        By `valid_from`; of two for one day the one set later counts and comes later.
    default_pence : float
        What an agent minute costs where no channel price holds; 0 is unset.
    failure_themes, judged_themes : frozenset of str
        Ids in decimal, of themes judged failure, and failure or value.
    drivers : tuple of str
        Names, in order.
    """

    goals: tuple[GoalRow, ...] = ()
    lists: tuple[ListRow, ...] = ()
    costs: tuple[CostRow, ...] = ()
    default_pence: float = 0.0
    failure_themes: frozenset[str] = field(default_factory=frozenset)
    judged_themes: frozenset[str] = field(default_factory=frozenset)
    drivers: tuple[str, ...] = ()

    def goals_of(self, metric: Metric, window: Window) -> list[GoalRow]:
        """Return the history of the goal of a metric, oldest first."""
        key = metric.goal_window(window)
        return [row for row in self.goals if (row.metric, row.window) == (metric.key, key)]

    def goal_on(self, metric: Metric, window: Window, day: date) -> float | None:
        """Return the goal that holds on a day, None without."""
        held = [row for row in self.goals_of(metric, window) if row.valid_from <= day]
        return held[-1].goal if held else None

    def periods(self, kind: ListKind) -> list[Period]:
        """Return what a list held, period by period, from the first day it was fixed."""
        rows = _last_of_each_day(row for row in self.lists if row.kind == kind.value)
        ends = [row.valid_from - timedelta(days=1) for row in rows[1:]]
        return [
            Period(row.valid_from, ends[i] if i < len(ends) else None, row.entries)
            for i, row in enumerate(rows)
        ]

    def periods_within(self, kind: ListKind, first_day: date, last_day: date) -> list[Period]:
        """Return those of the periods that hold on one of some days, both ends inclusive."""
        return [
            period
            for period in self.periods(kind)
            if period.first_day <= last_day
            and (period.last_day is None or period.last_day >= first_day)
        ]


def _last_of_each_day(rows: Iterable[ListRow]) -> list[ListRow]:
    return list({row.valid_from: row for row in rows}.values())


def get_terms(session: Session, default_pence: float) -> Terms:
    """Return everything metrics are held against.

    Parameters
    ----------
    session : Session
    default_pence : float
        What the settings say an agent minute costs, unless finance has set it since.
    """
    themes = session.execute(
        sa.select(Theme.id, Theme.demand_type).where(
            Theme.demand_type.in_((DemandType.FAILURE, DemandType.VALUE))
        )
    ).all()
    failure = [row.id for row in themes if row.demand_type is DemandType.FAILURE]
    return Terms(
        goals=tuple(list_goals(session)),
        lists=tuple(list_lists(session)),
        costs=tuple(list_costs(session)),
        default_pence=get_pence_per_minute(session, default_pence),
        failure_themes=frozenset(str(one) for one in failure),
        judged_themes=frozenset(str(row.id) for row in themes),
        drivers=tuple(session.scalars(_driver_names())),
    )


def _driver_names() -> sa.Select[tuple[str]]:
    """Return the statement of the distinct names, each found by one look into the index."""
    first = sa.select(sa.func.min(DriverDay.driver).label("driver")).cte("names", recursive=True)
    following = (
        sa.select(sa.func.min(DriverDay.driver))
        .where(DriverDay.driver > first.c.driver)
        .scalar_subquery()
    )
    names = first.union_all(sa.select(following).where(first.c.driver.is_not(None)))
    return sa.select(names.c.driver).where(names.c.driver.is_not(None)).order_by(names.c.driver)


def list_goals(session: Session) -> Sequence[GoalRow]:
    """Return every goal ever set, by the day from which it holds."""
    g = MetricGoal
    rows = session.execute(
        sa.select(g.metric, g.window, g.valid_from, g.goal, g.note, g.set_by, g.set_at).order_by(
            g.valid_from, g.id
        )
    )
    return [GoalRow(*row) for row in rows]


def list_lists(session: Session) -> Sequence[ListRow]:
    """Return every list ever fixed, by the day from which it holds."""
    rows = session.scalars(sa.select(MetricList).order_by(MetricList.valid_from, MetricList.id))
    return [
        ListRow(r.kind, r.valid_from, tuple(map(str, r.entries)), r.set_by, r.set_at) for r in rows
    ]


def list_costs(session: Session) -> Sequence[CostRow]:
    """Return every price of a minute ever set, by the day from which it holds."""
    c = ChannelCost
    rows = session.execute(
        sa.select(c.channel, c.valid_from, c.pence_per_minute, c.set_by, c.set_at).order_by(
            c.valid_from, c.id
        )
    )
    return [CostRow(*row) for row in rows]


def list_drivers(session: Session) -> Sequence[DriverRow]:
    """Return what is known of each driver."""
    d = DriverDay
    rows = session.execute(
        sa.select(
            d.driver,
            sa.func.count(),
            sa.func.min(d.day),
            sa.func.max(d.day),
            sa.func.sum(d.volume),
        )
        .group_by(d.driver)
        .order_by(d.driver)
    )
    return [DriverRow(*row) for row in rows]
