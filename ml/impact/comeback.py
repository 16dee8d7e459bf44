"""Watch a fix that worked: are its contacts coming back?"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.answer import spelt
from ml.impact.control import control_index
from ml.impact.design import build_design
from ml.impact.grid import fit_and_forecast
from ml.impact.inputs import Series, read_series
from ml.impact.mixture import average
from ml.impact.response import Response, working_response
from ml.impact.types import ComebackWatch, Floats

SETTLING_DAYS = 7  # right after a fix, contacts about the old fault still arrive
LEARNING_DAYS = 35  # days after the fix before the first alarm
BASELINE_DAYS, BASELINE_LAG = 56, 14  # days t-70 to t-15
DAILY_WOBBLE = 0.08  # sd of the log level from day to day
LARGEST_SCORE = 4.0
ALLOWANCE = 0.5  # CUSUM k
LOWEST_MEAN = 0.05  # contacts a day
THRESHOLDS = ((10.0, 6.4), (100.0, 7.9), (float("inf"), 9.2))  # contacts a day below, h


@dataclass(frozen=True, eq=False)
class _Days:
    """Counted days after the fix; each array of shape (n_counted,).

    `expected` is a day's contacts without the fix, `share_left` the share of them that the
    days before had settled at, `score` the surprise in sds.
    """

    index: list[int]
    counts: Floats
    expected: Floats
    share_left: Floats
    score: Floats


def watch_for_comeback(
    counts: ArrayLike,
    n_pre: int,
    first_day: date = date(2026, 1, 1),
    holidays: Collection[date] = (),
    controls: ArrayLike | None = None,
    *,
    skip: Iterable[int] = (),
    watch_from: int = 0,
    driver: ArrayLike | None = None,
    prior: ArrayLike | None = None,
) -> ComebackWatch:
    """Look for a lasting rise above the level that a fix had reached.

    Each day after the fix is compared with the expectation without the fix, scaled to what
    days t-70 to t-15 reached with it. A one-sided CUSUM adds the surprises up. Alarms start
    on day 35 after the fix and are set to at most one false alarm a theme and year.

    Parameters
    ----------
    counts : int array, shape (n_days,)
        Contacts a day; the day at index `n_pre` is the first with the fix.
    n_pre : int
        Days before the fix, 1..n_days.
    first_day : date
        The day of counts[0].
    holidays : collection of date
    controls : int array, shape (n_days, n_series), optional
        Contacts a day of themes that the fix does not touch.
    skip : iterable of int
        Indexes into counts of days that are not counted, such as roll-out days; days
        after the fix are counted without them.
    watch_from : int
        Index into counts before which no rise is looked for: the day after an earlier
        alarm that was looked into.
    driver : float array, shape (n_days,), optional
        A daily volume that contacts scale with, as for `estimate_impact`: then a rise of the
        rate is looked for, and days without a volume are not counted.
    prior : float array, shape (56,), optional
        Weights of the model's settings; None takes those delivered.

    Returns
    -------
    ComebackWatch

    Raises
    ------
    ValueError
        When the input cannot be meant; the message is a sentence.
    """
    series = read_series(
        counts,
        n_pre,
        first_day,
        controls=controls,
        holidays=holidays,
        skip=skip,
        driver=driver,
    )
    after = int(series.counted_after.sum())
    if after <= LEARNING_DAYS:
        return _silent(
            0,
            f"Too early to watch: {after} days counted since the fix, the watch starts after "
            f"{LEARNING_DAYS}.",
        )
    days = _days_after_fix(series, prior)
    alarms, began = _cusum(days.score, _threshold(series), start=_first_watched(days, watch_from))
    if not alarms:
        return _silent(
            after - LEARNING_DAYS, "No lasting rise above the level the fix had reached."
        )
    return _alarmed(days, alarms, began, first_day)


def _silent(days_watched: int, reason: str) -> ComebackWatch:
    return ComebackWatch(False, None, None, None, None, (), 0.0, days_watched, (reason,))


def _alarmed(days: _Days, alarms: list[int], began: int, first_day: date) -> ComebackWatch:
    since, alarm = days.index[began], days.index[alarms[0]]
    # the baseline slowly takes the rise in, so the excess is held against where it began
    settled = days.share_left[began] * days.expected[began:]
    excess = max(0.0, float((days.counts[began:] - settled).sum()))
    since_date, alarm_date = (first_day + timedelta(days=day) for day in (since, alarm))
    return ComebackWatch(
        alarm=True,
        alarm_day=alarm,
        since_day=since,
        alarm_date=alarm_date,
        since_date=since_date,
        alarm_days=tuple(days.index[day] for day in alarms),
        excess=excess,
        days_watched=len(days.counts) - LEARNING_DAYS,
        reasons=(
            f"Contacts have been rising since about {spelt(since_date)}: {excess:,.0f} more "
            "have come since then than at the level the fix had reached.",
            f"The rise became too steady to be chance on {spelt(alarm_date)}.",
        ),
    )


def _days_after_fix(series: Series, prior: ArrayLike | None) -> _Days:
    index = control_index(series)
    design = build_design(series, index)
    response = working_response(series, design)
    forecast = fit_and_forecast(series, design, response, prior=prior)
    counted = series.counted_after
    expected = np.maximum(average(forecast.weights, forecast.after), LOWEST_MEAN)[counted]
    counts = series.counts[series.n_pre :][counted]
    share_left = _share_left(counts, expected)
    return _Days(
        index=[int(day) for day in series.n_pre + np.flatnonzero(counted)],
        counts=counts,
        expected=expected,
        share_left=share_left,
        score=_scores(counts, share_left * expected, response),
    )


def _share_left(counts: Floats, expected: Floats) -> Floats:
    """Observed over expected on days t-70 to t-15 after the fix, for each day t.

    While the watch is young the end of the learning days stands in for t-15. Two contacts
    on either side keep sparse themes from a share of 0.
    """
    day = np.arange(len(counts))
    end = np.maximum(day - BASELINE_LAG, np.minimum(day, LEARNING_DAYS))
    start = np.maximum(SETTLING_DAYS, end - BASELINE_DAYS)
    end = np.maximum(end, start + 1)
    came, due = (np.concatenate(([0.0], np.cumsum(part))) for part in (counts, expected))
    share: Floats = (came[end] - came[start] + 2) / (due[end] - due[start] + 2)
    return share


def _scores(counts: Floats, settled: Floats, response: Response) -> Floats:
    variance = response.spike_inflation * settled
    variance += (response.excess + DAILY_WOBBLE**2) * settled**2
    return np.clip((counts - settled) / np.sqrt(variance), -LARGEST_SCORE, LARGEST_SCORE)


def _threshold(series: Series) -> float:
    mean = float(series.counts[: series.n_pre][series.seen].mean())
    return next(threshold for below, threshold in THRESHOLDS if mean < below)


def _first_watched(days: _Days, watch_from: int) -> int:
    return max(LEARNING_DAYS, bisect_left(days.index, watch_from))


def _cusum(scores: Floats, threshold: float, *, start: int) -> tuple[list[int], int]:
    """Return the days of all alarms, and the day on which the rise of the first began."""
    alarms: list[int] = []
    height, rising_since, began = 0.0, start, start
    for day in range(start, len(scores)):
        if height == 0.0:
            rising_since = day
        height = max(0.0, height + float(scores[day]) - ALLOWANCE)
        if height > threshold:
            began = began if alarms else rising_since
            alarms.append(day)
            height = 0.0
    return alarms, began
