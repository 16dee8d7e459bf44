"""The engine on real series: British road casualties by month, and a bank's calls by day.

Casualties come as months, and the engine reads days. It can be asked about months all the same,
with nothing made up: each month is one counted day, a Wednesday in its middle, and every other day
is one that is not counted. Season, growth and drift run over the days between, and there is no
week, as all counted days are Wednesdays. The one control, rear passengers, is cut into five equal
series, because the engine wants five to compare with; that adds no knowledge.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from closedloop.bench.impact_figures import Line, line
from ml.impact import ImpactEstimate, estimate_impact
from ml.themes.threads import one_thread_each

FIRST_MONTH = date(1969, 1, 1)
LAW = date(1983, 2, 1)
PLACEBO_YEARS = (1978, 1979, 1980, 1981, 1982)
YEAR = 12
LAW_MONTHS = (YEAR, 14, 23)  # a year, the fewest for a verdict, all there are
CUT_INTO = 5
WEDNESDAY = 2
LEAST_PRE, PLACEBO_STEP = 60, 5
WINDOWS = (14, 28)

Counts = Any


@dataclass(frozen=True, eq=False)
class Months:
    """Counts of months from `FIRST_MONTH` on, each of shape (n_months,)."""

    drivers: Counts
    rear: Counts


def real_lines(data: Path, said: list[str]) -> list[Line]:
    """Return the lines of the series that are there; name those that are not."""
    found = []
    seatbelts = data / "seatbelts" / "Seatbelts.csv"
    if seatbelts.is_file():
        found += seatbelt_lines(read_months(seatbelts))
    else:
        said.append(f"There is no {seatbelts}, so road casualties were not measured.")
    calls = data / "bank_calls_5min" / "bank_calls.csv"
    if calls.is_file():
        found += bank_lines(*read_bank(calls))
    else:
        said.append(f"There is no {calls}, so the bank's calls were not measured.")
    return found


def read_months(path: Path) -> Months:
    """Read drivers and rear passengers killed or seriously injured."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    drivers, rear = ([int(row[name]) for row in rows] for name in ("drivers", "rear"))
    return Months(np.array(drivers), np.array(rear))


def month_start(number: int) -> date:
    """Return the first day of a month, 0 being `FIRST_MONTH`."""
    years, month = divmod(number, 12)
    return date(FIRST_MONTH.year + years, month + 1, 1)


def month_day(number: int) -> date:
    """Return the Wednesday among the 12th to 18th of a month, which stands for it."""
    twelfth = month_start(number).replace(day=12)
    return twelfth + timedelta(days=(WEDNESDAY - twelfth.weekday()) % 7)


def set_apart(months: Counts) -> tuple[Counts, list[int]]:
    """Put each month's count on its day.

    Parameters
    ----------
    months : int array, shape (n_months,)
        From `FIRST_MONTH` on.

    Returns
    -------
    counts : int array, shape (n_days,)
        From the first month's day to that of the last; 0 on all days between.
    at : list of int
        Index into counts of each month.
    """
    at = [(month_day(number) - month_day(0)).days for number in range(len(months))]
    counts = np.zeros(at[-1] + 1, dtype=np.int64)
    counts[at] = months
    return counts, at


def cut(counts: Counts, parts: int = CUT_INTO) -> Counts:
    """Cut counts into so many series that add up to them and are equal but for a contact."""
    shares: Counts = (counts[:, None] + np.arange(parts)) // parts
    return shares


@one_thread_each
def estimate_months(months: Months, start: date, n_months: int) -> ImpactEstimate:
    """Estimate what changed in so many months from a month on, from all months before it."""
    n_before = (start.year - FIRST_MONTH.year) * 12 + start.month - FIRST_MONTH.month
    drivers, at = set_apart(months.drivers[: n_before + n_months])
    rear, _ = set_apart(months.rear[: n_before + n_months])
    return estimate_impact(
        drivers,
        (start - month_day(0)).days,
        month_day(0),
        controls=cut(rear),
        skip=sorted(set(range(len(drivers))) - set(at)),
    )


def seatbelt_lines(
    months: Months, law: date = LAW, placebo_years: Sequence[int] = PLACEBO_YEARS
) -> list[Line]:
    """Return the effect of the law, and years in which nothing was made law."""
    found = []
    for n_months in LAW_MONTHS:
        made_law = estimate_months(months, law, n_months)
        effect, low, high = _percent(made_law)
        name = (
            f"seat belts, {n_months} months of the law: {effect:+.0f} % [{low:+.0f}, {high:+.0f}]"
        )
        found.append(line(f"{name}, percent", effect, None, 1, least=-23.0, most=-17.0))
        found.append(line(f"{name}, p", made_law.p_value, None, 1, most=0.05))
        if n_months == YEAR:
            found.append(line(f"{name}, lower end", low, None, 1, least=-30.0, most=-24.0))
            found.append(line(f"{name}, upper end", high, None, 1, least=-16.0, most=-10.0))
    for year in placebo_years:
        nothing = estimate_months(months, date(year, 2, 1), YEAR)
        effect, low, high = _percent(nothing)
        name = f"placebo law of {year}: {effect:+.0f} % [{low:+.0f}, {high:+.0f}], p"
        found.append(line(name, nothing.p_value, None, 1, least=0.05))
    return found


def _percent(estimate: ImpactEstimate) -> tuple[float, float, float]:
    """Return effect, lower and upper end in percent of what was expected."""
    middle, low, high = (
        -100 * part / estimate.expected
        for part in (estimate.avoided, estimate.avoided_high, estimate.avoided_low)
    )
    return middle, low, high


def read_bank(path: Path) -> tuple[Counts, date]:
    """Read calls by day and hour.

    Returns
    -------
    calls : int array, shape (n_days, n_hours)
        From the first day on; days without calls hold zeros.
    first_day : date
    """
    cells: dict[tuple[date, int], int] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            day, hour = date.fromisoformat(row["DateTime"][:10]), int(row["DateTime"][11:13])
            cells[day, hour] = cells.get((day, hour), 0) + int(row["Calls"])
    first, last = min(day for day, _ in cells), max(day for day, _ in cells)
    hours = sorted({hour for _, hour in cells})
    calls = np.zeros(((last - first).days + 1, len(hours)), dtype=np.int64)
    for (day, hour), n in cells.items():
        calls[(day - first).days, hours.index(hour)] = n
    return calls, first


def bank_lines(calls: Counts, first_day: date) -> list[Line]:
    """Return how often something is seen on dates on which nothing is known to have happened."""
    found = []
    for n_post in WINDOWS:
        whole = list(_placebos(calls.sum(1)[:, None], first_day, n_post))
        hours = list(_placebos(calls, first_day, n_post))
        found.append(_alarms(f"bank: all calls, {n_post} days after placebo dates", whole))
        found.append(_alarms(f"bank: calls of each hour, {n_post} days after", hours, 0.065))
    return found


def _alarms(name: str, by_date: Sequence[Sequence[float]], most: float | None = None) -> Line:
    """Return the share of p below .05; dates overlap, so the error is that of blocks apart."""
    shares = np.array([np.mean([p < 0.05 for p in ps]) for ps in by_date])
    blocks = np.array_split(shares, min(4, len(shares)))
    error = float(np.std([block.mean() for block in blocks], ddof=1)) / len(blocks) ** 0.5
    return line(f"{name}: p < .05", float(shares.mean()), error, len(blocks), most=most)


@one_thread_each
def _placebo_ps(series: Counts, n_pre: int, first_day: date, skip: Sequence[int]) -> list[float]:
    found = []
    for column in range(series.shape[1]):
        others = np.delete(series, column, axis=1)
        estimate = estimate_impact(
            series[:, column],
            n_pre,
            first_day,
            controls=others if others.shape[1] else None,
            skip=skip,
        )
        found.append(estimate.p_value)
    return found


def _placebos(series: Counts, first_day: date, n_post: int) -> Iterator[list[float]]:
    """Yield the p of every series for placebo dates a working week apart.

    Days are calendar days; those without calls (weekends, holidays) are not counted.
    """
    open_days = np.flatnonzero(series.sum(1) > 0)
    closed = set(range(len(series))) - set(open_days.tolist())
    for at in range(LEAST_PRE, len(open_days) - n_post + 1, PLACEBO_STEP):
        n_pre, end = int(open_days[at]), int(open_days[at + n_post - 1]) + 1
        skip = [day for day in sorted(closed) if day < end]
        yield _placebo_ps(series[:end], n_pre, first_day, skip)
