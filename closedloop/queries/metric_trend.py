"""The trend of a metric: days, weeks or months of a period, the maturing ones flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from closedloop.domain.metric_formulas import Value
from closedloop.domain.metrics import Cell, Metric, Scope, hidden_counts, show, show_all
from closedloop.queries.metric_counts import count_customers, days_between
from closedloop.queries.metric_people import DaySums
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metrics import (
    ROLLING_DAYS,
    Ground,
    Reading,
    counted_days,
    read_scopes,
    reading_from,
    reading_of_customers,
    values_of_customers,
)


class Step(StrEnum):
    """How long the pieces of a trend are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Piece:
    """One day, week or month of a trend.

    Attributes
    ----------
    first_day, last_day : date
        Inclusive; a week or month at either end of the period may be a part of one.
    cell : Cell
        Over the mature days of it alone.
    rolling : Cell or None
        Of a day: over the seven days it ends, None while they are not all there.
    contacts : int or None
        Of all its days, mature or not; None where there are too few.
    is_maturing : bool
        Some of its days have their window still open.
    is_whole : bool
        Every day of the week or month is in the period, and none is maturing.
    goal : float or None
    """

    first_day: date
    last_day: date
    cell: Cell
    rolling: Cell | None
    contacts: int | None
    is_maturing: bool
    is_whole: bool
    goal: float | None


@dataclass(frozen=True)
class MetricPage:
    """A metric over a period, and its trend."""

    reading: Reading
    pieces: tuple[Piece, ...] = ()


def get_metric_page(
    session: Session, metric: Metric, wanted: MetricFilter, *, step: Step, ground: Ground
) -> MetricPage:
    """Return one metric over a period, and its trend by day, week or month.

    Where the period reaches the last day that counts, the maturing days up to the cut follow.
    """
    if metric.scope is Scope.CUSTOMERS:
        reading = reading_of_customers(session, metric, wanted, ground)
        spans = _spans(metric, wanted, ground, step)
        counts = count_customers(session, wanted, ground.terms, [span[:2] for span in spans])
        pairs = [values_of_customers(metric, c) for c in counts]
        values, contacts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return MetricPage(reading, _pieces(metric, wanted, ground, spans, values, contacts, []))
    sums = read_scopes(session, wanted, ground, [metric])[metric.scope]
    reading = reading_from(metric, wanted, ground, sums)
    spans = _spans(metric, wanted, ground, step)
    of_days = (spans[-1][1] - spans[0][0]).days + 1 if spans else 0
    last = counted_days(metric, wanted, ground)[1]
    contacts = [sums.contacts(days_between(a, b), of_days=of_days) for a, b, _ in spans]
    values = [
        sums.value(metric, days_between(first, min(until, last)), of_days=of_days)
        for first, until, _ in spans
    ]
    rolling = _rolling(metric, wanted, ground, sums, spans) if step is Step.DAY else []
    return MetricPage(reading, _pieces(metric, wanted, ground, spans, values, contacts, rolling))


_Span = tuple[date, date, bool]


def _spans(metric: Metric, wanted: MetricFilter, ground: Ground, step: Step) -> list[_Span]:
    """Return first and last day of each piece, and whether it is a whole one."""
    first, counted = counted_days(metric, wanted, ground)
    last = min(wanted.last_day, ground.cut)
    if metric.matures and last >= ground.mature_until(metric.window(wanted.window)):
        last = ground.cut
    spans: list[_Span] = []
    day = first
    while day <= last:
        begin, end = _piece_around(day, step)
        spans.append((day, min(end, last), begin >= first and end <= min(last, counted)))
        day = end + timedelta(days=1)
    return spans


def _piece_around(day: date, step: Step) -> tuple[date, date]:
    if step is Step.DAY:
        return day, day
    if step is Step.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day.replace(day=1), following - timedelta(days=1)


def _rolling(
    metric: Metric, wanted: MetricFilter, ground: Ground, sums: DaySums, spans: Sequence[_Span]
) -> list[Cell | None]:
    """Return each day's seven days; a sum over seven days is no day's figure and is left out."""
    if metric.unit.adds_up:
        return []
    last = counted_days(metric, wanted, ground)[1]
    found: list[Cell | None] = []
    for day, _, _ in spans:
        first = day - timedelta(days=ROLLING_DAYS - 1)
        if day > last or first < ground.first_data_day:
            found.append(None)
            continue
        value = sums.value(metric, days_between(first, day))
        found.append(show(value, metric.unit, ground.k))
    return found


def _pieces(
    metric: Metric,
    wanted: MetricFilter,
    ground: Ground,
    spans: Sequence[_Span],
    values: Sequence[Value],
    contacts: Sequence[Value],
    rolling: Sequence[Cell | None],
) -> tuple[Piece, ...]:
    counted = counted_days(metric, wanted, ground)[1]
    hidden = hidden_counts(contacts, ground.k)
    cells = show_all(values, metric.unit, ground.k)
    return tuple(
        Piece(
            first,
            last,
            cells[i],
            rolling[i] if rolling else None,
            None if i in hidden else contacts[i].n,
            last > counted,
            is_whole,
            ground.terms.goal_on(metric, wanted.window, last),
        )
        for i, (first, last, is_whole) in enumerate(spans)
    )
