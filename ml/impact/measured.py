"""One forecast held against what came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log

import numpy as np

from ml.impact.answer import Finding, visible_share
from ml.impact.grid import Forecast
from ml.impact.inputs import Series
from ml.impact.mixture import Mixture, average, spread
from ml.impact.types import AtFewest, Floats, Rate, Reached

LARGEST_END = 300.0  # log contacts: a wider range says no more, and still has an exponential
LEAST_END = 0.01  # contacts
RECENT_DAYS = 28


@dataclass(frozen=True, eq=False)
class Measured:
    """One fit's numbers; rows of per_day and cumulative are low, middle, high."""

    expected: float
    expected_low: float
    expected_high: float
    avoided_low: float
    avoided_high: float
    p_value: float
    z: float
    sd: float
    level: float
    gap_days: int
    widened_by: float
    per_day: Floats
    cumulative: Floats
    peak_passed: AtFewest | None = None
    low_stayed: AtFewest | None = None

    def finding(self, series: Series, alpha: float) -> Finding:
        """Put the numbers before the answer rules."""
        return Finding(
            observed=count_observed(series),
            expected=self.expected,
            avoided_low=self.avoided_low,
            avoided_high=self.avoided_high,
            p_value=self.p_value,
            could_have_seen=visible_share(self.sd, alpha),
            n_pre=int(series.seen.sum()),
            n_post=int(series.counted_after.sum()),
            alpha=alpha,
            level=self.level,
            expected_a_day=self._expected_a_day(series),
            first_day=series.first_day,
            n_days=series.n_days,
        )

    def _expected_a_day(self, series: Series) -> float:
        counted = int(series.counted_after.sum())
        if counted:
            return self.expected / counted
        return float(series.counts[: series.n_pre][series.seen][-RECENT_DAYS:].mean())


def count_observed(series: Series) -> int:
    """Contacts on the counted days after the change."""
    return int(series.counts[series.n_pre :][series.counted_after].sum())


def measure(
    series: Series, forecast: Forecast, level: float, *, gap_days: int, widened_by: float
) -> Measured:
    """Hold a forecast against what came; every sd after the change is widened by the factor."""
    if not series.counted_after.any():
        return _nothing_yet(series, forecast, level, gap_days, widened_by)
    forecast = replace(
        forecast,
        after_sd=forecast.after_sd * widened_by,
        total_sd=forecast.total_sd * widened_by,
    )
    total, observed = _total(forecast), count_observed(series)
    tail = (1 - level) / 2
    ends = total.quantiles((tail, 0.5, 1 - tail))
    low, expected, high = (exp(min(end, LARGEST_END)) for end in ends)
    shape = (ends - ends[1]) / total.sd
    per_day = _per_day(series, forecast, expected, shape)
    cumulative = _cumulative(series, forecast, per_day[1], shape)
    cumulative[:, -1] = low - observed, expected - observed, high - observed
    return Measured(
        expected=expected,
        expected_low=low,
        expected_high=high,
        avoided_low=low - observed,
        avoided_high=high - observed,
        p_value=total.p_value(observed),
        z=total.z(observed),
        sd=total.sd,
        level=level,
        gap_days=gap_days,
        widened_by=widened_by,
        per_day=_frozen(per_day),
        cumulative=_frozen(cumulative),
    )


def measure_gap(
    series: Series,
    forecast: Forecast,
    without: Forecast,
    level: float,
    *,
    gap_days: int,
    widened_by: float,
    is_low: bool,
) -> Measured:
    """Hold against what came what a history that ends on a peak, or on a low, leads to expect.

    Its days cannot tell whether contacts would have come back from there by themselves
    (`without`, the forecast that leaves them out), or a new level began, so that the range
    holds both; the middle lies half way between `without` and the forecast that takes them in.
    What came is no sign of anything where it lies between the lowest and the highest. Of fewer
    than came without the peak, and of more than came without the low, no more is promised than
    the two forecasts say.
    """
    fits = [
        measure(series, one, level, gap_days=gap_days, widened_by=widened_by)
        for one in (without, forecast, _at_new_level(series, without, gap_days, is_low=is_low))
    ]
    stayed = _brief(fits[2], series) if is_low else None
    is_beyond = fits[0].z > 0 if is_low else fits[0].z < 0
    if is_beyond:
        fits = fits[:2]
    lower, upper = (end(fits, key=lambda fit: fit.expected) for end in (min, max))
    p_value, z = 1.0, 0.0
    if lower.z < 0:
        p_value, z = lower.p_value, lower.z
    elif upper.z > 0:
        p_value, z = upper.p_value, upper.z
    apart = log(max(fits[1].expected, LEAST_END) / max(fits[0].expected, LEAST_END))
    return replace(
        fits[0],
        expected=(fits[0].expected + fits[1].expected) / 2,
        expected_low=min(fit.expected_low for fit in fits),
        expected_high=max(fit.expected_high for fit in fits),
        avoided_low=min(fit.avoided_low for fit in fits),
        avoided_high=max(fit.avoided_high for fit in fits),
        p_value=p_value,
        z=z,
        sd=max(fits[0].sd, fits[1].sd) + abs(apart) / 2,
        per_day=_joined_days(series.n_pre, [fit.per_day for fit in fits]),
        cumulative=_spanning([fit.cumulative for fit in fits]),
        peak_passed=None if is_low else _brief(fits[0], series),
        low_stayed=stayed,
    )


def _brief(fit: Measured, series: Series) -> AtFewest:
    return AtFewest(
        avoided=fit.expected - count_observed(series),
        avoided_low=fit.avoided_low,
        avoided_high=fit.avoided_high,
    )


def _at_new_level(series: Series, without: Forecast, gap_days: int, *, is_low: bool) -> Forecast:
    """Return a forecast as it is if contacts stay where they were on the last days before.

    The further away of all days of the gap and the later half of them, as what began late fills
    only that.
    """
    moved = 0.0
    for days in (gap_days, gap_days // 2):
        seen = series.seen[-days:]
        came = float(series.counts[: series.n_pre][-days:][seen].sum())
        due = float(average(without.weights, without.before)[-days:][seen].sum())
        if due > 0 and is_low and came < due:
            moved = min(moved, log(max(came, LEAST_END) / due))
        elif due > 0 and not is_low and came > due:
            moved = max(moved, log(came / due))
    return replace(without, after=without.after * exp(moved), log_total=without.log_total + moved)


def _joined_days(n_pre: int, rows: list[Floats]) -> Floats:
    """Join days: before the change as they look without the gap, so that it is seen as one."""
    after = _spanning([of[:, n_pre:] for of in rows])
    return _frozen(np.concatenate([rows[0][:, :n_pre], after], axis=1))


def _spanning(rows: list[Floats]) -> Floats:
    """Join rows of low, middle and high: the ends of all, the middle of the first two."""
    low, high = np.min([of[0] for of in rows], axis=0), np.max([of[2] for of in rows], axis=0)
    return _frozen(np.stack([low, (rows[0][1] + rows[1][1]) / 2, high]))


def _total(forecast: Forecast) -> Mixture:
    return Mixture(
        forecast.weights, forecast.log_total[:, -1], forecast.total_sd[:, -1], forecast.freedom
    )


def _nothing_yet(
    series: Series, forecast: Forecast, level: float, gap_days: int, widened_by: float
) -> Measured:
    """No counted day after the change: nothing expected, nothing avoided, all open."""
    tail = (1 - level) / 2
    unit = Mixture(np.ones(1), np.zeros(1), np.ones(1), forecast.freedom)
    shape = unit.quantiles((tail, 0.5, 1 - tail))
    return Measured(
        expected=0.0,
        expected_low=0.0,
        expected_high=0.0,
        avoided_low=0.0,
        avoided_high=0.0,
        p_value=1.0,
        z=0.0,
        sd=1.0,
        level=level,
        gap_days=gap_days,
        widened_by=widened_by,
        per_day=_frozen(_per_day(series, forecast, None, shape)),
        cumulative=_frozen(np.zeros((3, series.n_days - series.n_pre))),
    )


def _per_day(series: Series, forecast: Forecast, expected: float | None, shape: Floats) -> Floats:
    """Return low, middle and high of each day's count, shape (3, n_days).

    `shape` holds the ends of the total's range in sds from its middle: a day's range is
    taken to be of that shape. Days after the change are scaled to add up to `expected`.
    """
    before = average(forecast.weights, forecast.before)
    after = average(forecast.weights, forecast.after)
    if expected is not None:
        after = after * (expected / after[series.counted_after].sum())
    sds = np.concatenate(
        [
            spread(forecast.weights, np.log(forecast.before), forecast.before_sd),
            spread(forecast.weights, np.log(forecast.after), forecast.after_sd),
        ]
    )
    return np.concatenate([before, after]) * _factors(shape, sds)


def _cumulative(
    series: Series, forecast: Forecast, expected_per_day: Floats, shape: Floats
) -> Floats:
    """Return low, middle and high of the running total avoided, shape (3, n_post)."""
    after = slice(series.n_pre, None)
    sds = spread(forecast.weights, forecast.log_total, forecast.total_sd)
    expected = np.cumsum(np.where(series.counted_after, expected_per_day[after], 0.0))
    came = np.cumsum(np.where(series.counted_after, series.counts[after], 0.0))
    running: Floats = expected * _factors(shape, sds) - came
    return running


def _factors(shape: Floats, sds: Floats) -> Floats:
    factors: Floats = np.exp(np.minimum(np.outer(shape, sds), LARGEST_END))
    return factors


def _frozen(values: Floats) -> Floats:
    values.setflags(write=False)
    return values


def rate_of(series: Series, measured: Measured) -> Rate | None:
    """Return contacts a unit of the driver, None without one or without a day to count."""
    if series.volume is None or not series.counted_after.any():
        return None
    before, after = series.volume[: series.n_pre], series.volume[series.n_pre :]
    volume = float(after[series.counted_after].sum())
    observed = count_observed(series)
    return Rate(
        volume=volume,
        before=float(series.counts[: series.n_pre][series.seen].sum() / before[series.seen].sum()),
        observed=observed / volume,
        expected=measured.expected / volume,
        expected_low=measured.expected_low / volume,
        expected_high=measured.expected_high / volume,
    )


def reached_by(series: Series, measured: Measured) -> Reached | None:
    """Return the drop per customer reached by a staged roll-out, None without stages.

    What avoided contacts are of expected ones is spread over all customers; divided by the
    share reached it is the drop of those reached (Bloom 1984), if the others kept on as before.
    """
    if series.reached is None or not series.counted_after.any():
        return None
    counted = series.counted_after
    due = measured.per_day[1, series.n_pre :][counted]
    share = float((series.reached[series.n_pre :][counted] * due).sum() / due.sum())
    observed = count_observed(series)
    ends = (measured.expected_low, measured.expected, measured.expected_high)
    low, middle, high = ((1 - observed / max(end, LEAST_END)) / share for end in ends)
    return Reached(share=share, drop=middle, drop_low=low, drop_high=high)
