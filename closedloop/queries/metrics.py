"""Metrics over a period: the value, the period before, a sparkline, its parts.

Only mature days enter a windowed metric; those whose window is still open are flagged. What
stands in a `Cell` may be shown (`domain.metrics.show`), what stands elsewhere is for links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import Window, last_mature_day
from closedloop.domain.home import Change, judge_change
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_people import BEHIND, SLACK_COLUMNS, columns_of
from closedloop.domain.metric_table import METRICS
from closedloop.domain.metrics import (
    Cell,
    Counts,
    Metric,
    Scope,
    Unit,
    hidden_counts,
    show,
    show_all,
)
from closedloop.models import Theme
from closedloop.queries.metric_counts import (
    count_customers,
    days_between,
    read_days_of,
    read_groups,
)
from closedloop.queries.metric_people import DaySums, groups_behind, read_group_people
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms

PERIOD_DAYS = 28
ROLLING_DAYS = 7
SPARK_WEEKS = 13


@dataclass(frozen=True)
class Ground:
    """What every figure stands on.

    Attributes
    ----------
    first_data_day, cut : date
        First reporting day with contacts and last complete one, both inclusive.
    k : int
        Fewest distinct people that a cell describes.
    terms : Terms
    zone : str
        Of the reporting days.
    """

    first_data_day: date
    cut: date
    k: int
    terms: Terms
    zone: str = "UTC"

    def mature_until(self, window: Window) -> date:
        """Return the last day all of whose contacts have had the whole window."""
        return last_mature_day(self.cut, window, self.zone)


@dataclass(frozen=True)
class Reading:
    """One metric over one period.

    Attributes
    ----------
    first_day, last_day : date
        The days that were counted, both inclusive; the wrong way round when none was.
    cell : Cell
    before : Cell or None
        Over as many days right before; None where the data do not reach back so far.
    change : Change
        Of a share: whether it moved by more than chance would explain. FLAT for all others.
    goal : float or None
        The one that holds on the last day.
    spark : tuple of float or None
        Whole weeks up to the last day, oldest first; None where a week may not be shown.
    """

    metric: Metric
    window: Window
    first_day: date
    last_day: date
    cell: Cell
    before: Cell | None
    change: Change
    goal: float | None
    spark: tuple[float | None, ...] = ()

    @property
    def days(self) -> int:
        """How many days were counted."""
        return max((self.last_day - self.first_day).days + 1, 0)

    @property
    def difference(self) -> float | None:
        """Value less the value before, where both may be shown."""
        if self.cell.value is None or self.before is None or self.before.value is None:
            return None
        return self.cell.value - self.before.value

    @property
    def meets_goal(self) -> bool | None:
        """Whether the goal is met; None without a goal or a value."""
        if self.goal is None or self.cell.value is None:
            return None
        return self.metric.meets(self.cell.value, self.goal)


@dataclass(frozen=True)
class Group:
    """One value of a dimension; `value` as filters take it, empty for none."""

    value: str
    label: str
    cell: Cell
    contacts: int | None


@dataclass(frozen=True)
class Breakdown:
    """The groups, most contacts first; `groups` may be fewer than there are."""

    groups: tuple[Group, ...] = field(default_factory=tuple)
    total: int = 0


def default_days(
    ground: Ground, window: Window, days: int = PERIOD_DAYS, last_day: date | None = None
) -> tuple[date, date]:
    """Return the last mature days, both ends inclusive, not before the data begin.

    Where the last day is asked for, and no first one, as many days end with it.
    """
    last = min(last_day, ground.cut) if last_day else ground.mature_until(window)
    last = max(last, ground.first_data_day)
    return max(last - timedelta(days=days - 1), ground.first_data_day), last


def counted_days(metric: Metric, wanted: MetricFilter, ground: Ground) -> tuple[date, date]:
    """Return the days that a metric can count, both inclusive; the wrong way when there is none."""
    last = min(wanted.last_day, ground.cut)
    if metric.matures:
        last = min(last, ground.mature_until(metric.window(wanted.window)))
    return max(wanted.first_day, ground.first_data_day), last


def list_readings(
    session: Session,
    wanted: MetricFilter,
    *,
    ground: Ground,
    metrics: Sequence[Metric] = METRICS,
) -> list[Reading]:
    """Return every metric over one period; one statement for each scope among them."""
    daily = read_scopes(session, wanted, ground, metrics)
    return [
        reading_of_customers(session, metric, wanted, ground)
        if metric.scope is Scope.CUSTOMERS
        else reading_from(metric, wanted, ground, daily[metric.scope])
        for metric in metrics
    ]


def list_groups(
    session: Session,
    metric: Metric,
    wanted: MetricFilter,
    *,
    by: str,
    ground: Ground,
    most: int = 200,
) -> Breakdown:
    """Return a metric broken down by a dimension, the largest groups first."""
    found = _group_values(session, metric, wanted, by=by, ground=ground)
    ranked = sorted(found.items(), key=lambda item: (-item[1][1].n, item[0]))
    cells = show_all([value for _, (value, _) in ranked], metric.unit, ground.k)
    hidden = hidden_counts([contacts for _, (_, contacts) in ranked], ground.k)
    names = _theme_names(session) if by == "theme" else {}
    groups = [
        Group(value, names.get(value, value), cell, None if i in hidden else contacts.n)
        for i, ((value, (_, contacts)), cell) in enumerate(zip(ranked, cells, strict=True))
    ]
    return Breakdown(tuple(groups[:most]), len(groups))


def _group_values(
    session: Session, metric: Metric, wanted: MetricFilter, *, by: str, ground: Ground
) -> dict[str, tuple[Value, Value]]:
    """Return the metric and all contacts of each value, both with the people behind them."""
    first, last = counted_days(metric, wanted, ground)
    window = metric.window(wanted.window)
    groups = groups_behind([metric], wanted.window)
    found = read_groups(
        session,
        metric.scope,
        metric.columns(wanted.window).values(),
        wanted,
        ground.terms,
        by=by,
        first_day=first,
        last_day=last,
        groups=() if metric.scope is Scope.CUSTOMERS else sorted(groups),
    )
    if metric.scope is Scope.CUSTOMERS:
        return {value: values_of_customers(metric, counts) for value, counts in found.items()}
    sure = read_group_people(
        session,
        metric.scope,
        wanted,
        ground.terms,
        found,
        groups,
        k=ground.k,
        by=by,
        days=(first, last),
    )
    behind = [(group, window.key) for group in BEHIND[metric.key]]
    return {
        value: (
            sure.of(value, counts, metric.of(counts, wanted.window), behind),
            sure.contacts(value, counts, wanted.window.key),
        )
        for value, counts in found.items()
    }


def values_of_customers(metric: Metric, counts: Counts) -> tuple[Value, Value]:
    """Return distinct customers and their contacts: the people are what was counted."""
    found, customers = metric.compute(counts), int(counts["customers"])
    people = customers + int(counts["contacts"] - counts["identified"])
    n = int(counts["contacts"])
    few = (customers,) * (len(found.small) + 1)
    # a customer may be in several parts, so the sum over them says nothing
    return (
        replace(found, people=few, spread=(0.0,) * len(few)),
        Value(float(n), n, n, n, people=(people,), spread=(0.0,)),
    )


def _theme_names(session: Session) -> dict[str, str]:
    rows = session.execute(sa.select(Theme.id, Theme.key, Theme.name))
    return {str(row.id): f"{row.key} {row.name}" for row in rows}


def read_scopes(
    session: Session, wanted: MetricFilter, ground: Ground, metrics: Sequence[Metric]
) -> dict[Scope, DaySums]:
    """Return the days of each scope: the period, as many days before, and the weeks of sparks."""
    begin = wanted.first_day - (wanted.last_day - wanted.first_day) - timedelta(days=ROLLING_DAYS)
    first = min(begin, wanted.last_day - timedelta(weeks=SPARK_WEEKS + 5))
    columns: dict[Scope, set[str]] = {}
    for metric in metrics:
        if metric.scope is not Scope.CUSTOMERS:
            needed = columns.setdefault(metric.scope, set(SLACK_COLUMNS))
            needed.update(metric.columns(wanted.window).values())
    groups = {
        scope: groups_behind([m for m in metrics if m.scope is scope], wanted.window)
        for scope in columns
    }
    daily = read_days_of(
        session,
        {
            scope: names.union(*(columns_of(*group) for group in groups[scope]))
            for scope, names in columns.items()
        },
        wanted,
        ground.terms,
        first_day=max(first, ground.first_data_day),
        last_day=ground.cut,
    )
    reach = (max(begin, ground.first_data_day), ground.cut)
    return {
        scope: DaySums(
            session, scope, wanted, ground.terms, ground.k, daily[scope], reach, groups[scope]
        )
        for scope in columns
    }


def reading_from(metric: Metric, wanted: MetricFilter, ground: Ground, sums: DaySums) -> Reading:
    """Return a reading from days that were read."""
    first, last = counted_days(metric, wanted, ground)
    found = sums.value(metric, days_between(first, last))
    n_days = (last - first).days + 1
    begin = first - timedelta(days=n_days)
    before = None
    if n_days > 0 and begin >= ground.first_data_day:
        before = sums.value(metric, days_between(begin, first - timedelta(days=1)))
    return _make(metric, wanted, ground, found, before, _spark(metric, ground, sums, last))


def reading_of_customers(
    session: Session, metric: Metric, wanted: MetricFilter, ground: Ground
) -> Reading:
    """Return a reading of distinct customers, who cannot be added up from days."""
    first, last = counted_days(metric, wanted, ground)
    begin = first - (last - first) - timedelta(days=1)
    spans = [(first, last)] if first <= last else []
    if spans and begin >= ground.first_data_day:
        spans.append((begin, first - timedelta(days=1)))
    nothing = {"contacts": 0, "identified": 0, "customers": 0}
    counted = count_customers(session, wanted, ground.terms, spans)
    found = [values_of_customers(metric, c)[0] for c in counted or [nothing]]
    now = found[0]
    return _make(metric, wanted, ground, now, found[1] if len(found) > 1 else None, ())


def _make(
    metric: Metric,
    wanted: MetricFilter,
    ground: Ground,
    found: Value,
    before: Value | None,
    spark: tuple[float | None, ...],
) -> Reading:
    first, last = counted_days(metric, wanted, ground)
    cell = show(found, metric.unit, ground.k)
    earlier = show(before, metric.unit, ground.k) if before else None
    return Reading(
        metric,
        metric.window(wanted.window),
        first,
        last,
        cell,
        earlier,
        _change(metric.unit, cell, earlier),
        ground.terms.goal_on(metric, wanted.window, last),
        spark,
    )


def _change(unit: Unit, now: Cell, before: Cell | None) -> Change:
    known = now.state == "known" and before is not None and before.state == "known"
    if unit is not Unit.SHARE or not known or before is None:
        return Change.FLAT
    a, b = now.found, before.found
    return judge_change(int(a.numerator), int(a.denominator), int(b.numerator), int(b.denominator))


def _spark(metric: Metric, ground: Ground, sums: DaySums, last: date) -> tuple[float | None, ...]:
    ends = [last - timedelta(weeks=i) for i in reversed(range(SPARK_WEEKS))]
    ends = [end for end in ends if end - timedelta(days=6) >= ground.first_data_day]
    values = [sums.value(metric, days_between(end - timedelta(days=6), end)) for end in ends]
    return tuple(show(value, metric.unit, ground.k).value for value in values)
