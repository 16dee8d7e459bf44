"""How many contacts a change avoided: the days after it against the days before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from math import exp

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.answer import Finding, decide, explain, signed, visible_share
from ml.impact.control import LEAST_DONORS, control_index, donors, largest_donors
from ml.impact.design import build_design
from ml.impact.grid import Forecast, fit_and_forecast
from ml.impact.inputs import Series, read_series
from ml.impact.mixture import Mixture, spread
from ml.impact.response import working_response
from ml.impact.types import Floats, ImpactEstimate, OwnHistory

METHOD_VERSION = "1.0"
MOST_CONTROLS_TRIED = 20
MOVED_Z = 1.96


def estimate_impact(
    counts: ArrayLike,
    n_pre: int,
    first_day: date = date(2026, 1, 1),
    controls: ArrayLike | None = None,
    holidays: Collection[date] = (),
    *,
    skip: Iterable[int] = (),
    level: float = 0.95,
    alpha: float = 0.05,
    same_controls_as: ImpactEstimate | None = None,
    driver: ArrayLike | None = None,
    stages: ArrayLike | None = None,
    prior: ArrayLike | None = None,
) -> ImpactEstimate:
    """Estimate the contacts a change avoided, and say what may be claimed.

    The model sees only the days before the change (and the controls on all days), so the
    days after it cannot bend the expectation. Same input, same output, bit for bit.

    Parameters
    ----------
    counts : int array, shape (n_days,)
        Contacts a day, without gaps; the first `n_pre` days lie before the change, the
        day at index `n_pre` is the first with it.
    n_pre : int
        1..n_days.
    first_day : date
        The day of counts[0]; places weekdays, seasons and holidays.
    controls : int array, shape (n_days, n_series), optional
        Contacts a day of themes that the change does not touch. With fewer than five that
        have .5 contacts a day the theme is judged on its own history.
    holidays : collection of date
        Days on which the business is closed or quieter; others than those covered are
        ignored.
    skip : iterable of int
        Indexes into counts of days that are not counted, such as roll-out days.
    level : float
        Probability the ranges are to hold, .5 to .999.
    alpha : float
        `fell` and `rose` need p below this, .0001 to .5; pass .015 when looking at fixed
        days 14, 28, 56 and 84.
    same_controls_as : ImpactEstimate, optional
        An estimate from the same days and controls of another theme: how many controls moved
        is taken from it instead of being counted again, which is most of the work.
    driver : float array, shape (n_days,), optional
        A daily volume that contacts scale with, such as orders: effects are on contacts a
        unit of it, for the theme and the controls alike. Days on which it is 0 or NaN are
        not counted.
    stages : float array, shape (n_days,), optional
        Share of customers the change had reached each day, 0..1, 0 before it. Days after the
        change on which it had reached nobody are not counted.
    prior : float array, shape (56,), optional
        Weights of the model's settings; None takes those delivered.

    Returns
    -------
    ImpactEstimate

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
        stages=stages,
    )
    return estimate_from_series(
        series, level=level, alpha=alpha, same_controls_as=same_controls_as, prior=prior
    )


def estimate_from_series(
    series: Series,
    *,
    level: float = 0.95,
    alpha: float = 0.05,
    same_controls_as: ImpactEstimate | None = None,
    prior: ArrayLike | None = None,
) -> ImpactEstimate:
    """Estimate from days already checked and placed on a calendar; see `estimate_impact`."""
    if not 0.5 <= level <= 0.999:
        raise ValueError(f"level must lie between 0.5 and 0.999; got {level}.")
    if not 0.0001 <= alpha <= 0.5:
        raise ValueError(f"alpha must lie between 0.0001 and 0.5; got {alpha}.")
    index = control_index(series)
    own = _measure(series, None, level, prior)
    best = own if index is None else _measure(series, index, level, prior)
    if same_controls_as is None:
        moved, tried = _controls_moved(series, prior)
    else:
        tried = same_controls_as.controls_tried
        moved = round((same_controls_as.share_of_controls_moved or 0) * tried)
    finding = replace(best.finding(series, alpha), moved=moved, tried=tried)
    own_history = None if index is None else _own_history(own, series, alpha)
    return ImpactEstimate(
        observed=finding.observed,
        expected=best.expected,
        avoided=finding.avoided,
        avoided_low=best.avoided_low,
        avoided_high=best.avoided_high,
        p_value=best.p_value,
        z=best.z,
        verdict=decide(finding),
        reasons=_reasons(finding, own_history, series),
        could_have_seen=finding.could_have_seen,
        n_pre=finding.n_pre,
        n_post=finding.n_post,
        share_of_controls_moved=moved / tried if tried else None,
        controls_tried=tried,
        controls_used=0 if index is None else int(donors(series).sum()),
        own_history=own_history,
        level=level,
        expected_per_day=best.per_day[1],
        low_per_day=best.per_day[0],
        high_per_day=best.per_day[2],
        avoided_cumulative=best.cumulative[1],
        avoided_cumulative_low=best.cumulative[0],
        avoided_cumulative_high=best.cumulative[2],
        method_version=METHOD_VERSION,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """One fit's numbers; rows of per_day and cumulative are low, middle, high."""

    expected: float
    avoided_low: float
    avoided_high: float
    p_value: float
    z: float
    sd: float
    level: float
    per_day: Floats
    cumulative: Floats

    def finding(self, series: Series, alpha: float) -> Finding:
        """Put the numbers before the answer rules."""
        return Finding(
            observed=_observed(series),
            expected=self.expected,
            avoided_low=self.avoided_low,
            avoided_high=self.avoided_high,
            p_value=self.p_value,
            could_have_seen=visible_share(self.sd, alpha),
            n_pre=int(series.seen.sum()),
            n_post=int(series.counted_after.sum()),
            alpha=alpha,
            level=self.level,
        )


def _forecast(series: Series, index: Floats | None, prior: ArrayLike | None) -> Forecast:
    design = build_design(series, index)
    return fit_and_forecast(series, design, working_response(series, design), prior=prior)


def _total(forecast: Forecast) -> Mixture:
    return Mixture(
        forecast.weights, forecast.log_total[:, -1], forecast.total_sd[:, -1], forecast.freedom
    )


def _observed(series: Series) -> int:
    return int(series.counts[series.n_pre :][series.counted_after].sum())


def _measure(
    series: Series, index: Floats | None, level: float, prior: ArrayLike | None
) -> _Measured:
    forecast = _forecast(series, index, prior)
    if not series.counted_after.any():
        return _nothing_yet(series, forecast, level)
    total, observed = _total(forecast), _observed(series)
    tail = (1 - level) / 2
    ends = np.array([total.quantile(part) for part in (tail, 0.5, 1 - tail)])
    low, expected, high = (exp(end) for end in ends)
    shape = (ends - ends[1]) / total.sd
    per_day = _per_day(series, forecast, expected, shape)
    cumulative = _cumulative(series, forecast, per_day[1], shape)
    cumulative[:, -1] = low - observed, expected - observed, high - observed
    return _Measured(
        expected=expected,
        avoided_low=low - observed,
        avoided_high=high - observed,
        p_value=total.p_value(observed),
        z=total.z(observed),
        sd=total.sd,
        level=level,
        per_day=_frozen(per_day),
        cumulative=_frozen(cumulative),
    )


def _nothing_yet(series: Series, forecast: Forecast, level: float) -> _Measured:
    """No counted day after the change: nothing expected, nothing avoided, all open."""
    tail = (1 - level) / 2
    unit = Mixture(np.ones(1), np.zeros(1), np.ones(1), forecast.freedom)
    shape = np.array([unit.quantile(part) for part in (tail, 0.5, 1 - tail)])
    return _Measured(
        expected=0.0,
        avoided_low=0.0,
        avoided_high=0.0,
        p_value=1.0,
        z=0.0,
        sd=1.0,
        level=level,
        per_day=_frozen(_per_day(series, forecast, None, shape)),
        cumulative=_frozen(np.zeros((3, series.n_days - series.n_pre))),
    )


def _per_day(series: Series, forecast: Forecast, expected: float | None, shape: Floats) -> Floats:
    """Return low, middle and high of each day's count, shape (3, n_days).

    `shape` holds the ends of the total's range in sds from its middle: a day's range is
    taken to be of that shape. Days after the change are scaled to add up to `expected`.
    """
    before, after = forecast.weights @ forecast.before, forecast.weights @ forecast.after
    if expected is not None:
        after = after * (expected / after[series.counted_after].sum())
    sds = np.concatenate(
        [
            spread(forecast.weights, np.log(forecast.before), forecast.before_sd),
            spread(forecast.weights, np.log(forecast.after), forecast.after_sd),
        ]
    )
    return np.concatenate([before, after]) * np.exp(np.outer(shape, sds))


def _cumulative(
    series: Series, forecast: Forecast, expected_per_day: Floats, shape: Floats
) -> Floats:
    """Return low, middle and high of the running total avoided, shape (3, n_post)."""
    after = slice(series.n_pre, None)
    sds = spread(forecast.weights, forecast.log_total, forecast.total_sd)
    expected = np.cumsum(np.where(series.counted_after, expected_per_day[after], 0.0))
    came = np.cumsum(np.where(series.counted_after, series.counts[after], 0.0))
    running: Floats = expected * np.exp(np.outer(shape, sds)) - came
    return running


def _frozen(values: Floats) -> Floats:
    values.setflags(write=False)
    return values


def _controls_moved(series: Series, prior: ArrayLike | None) -> tuple[int, int]:
    """Count the unaffected themes that moved on the same date, and those tried."""
    if not series.controls.shape[1] or not series.counted_after.any():
        return 0, 0
    tried = largest_donors(series, MOST_CONTROLS_TRIED)
    alone = [replace(series, counts=series.controls[:, column]) for column in tried]
    scores = [_own_z(one, prior) for one in alone]
    return sum(abs(score) > MOVED_Z for score in scores), len(tried)


def _own_z(series: Series, prior: ArrayLike | None) -> float:
    return _total(_forecast(series, None, prior)).z(_observed(series))


def _own_history(own: _Measured, series: Series, alpha: float) -> OwnHistory:
    finding = own.finding(series, alpha)
    return OwnHistory(
        expected=own.expected,
        avoided=finding.avoided,
        avoided_low=own.avoided_low,
        avoided_high=own.avoided_high,
        p_value=own.p_value,
        z=own.z,
        could_have_seen=finding.could_have_seen,
        verdict=decide(finding),
    )


def _reasons(finding: Finding, own: OwnHistory | None, series: Series) -> tuple[str, ...]:
    return (*explain(finding), *_comparison(own, series), *_disagreement(finding, own))


def _comparison(own: OwnHistory | None, series: Series) -> tuple[str, ...]:
    usable = int(donors(series).sum())
    if own is not None:
        return (f"Compared with {usable} themes that the change does not touch.",)
    return (
        "Judged on the theme's own history alone: "
        f"{usable} unaffected themes have enough contacts to compare with, "
        f"{LEAST_DONORS} are needed.",
    )


def _disagreement(finding: Finding, own: OwnHistory | None) -> tuple[str, ...]:
    alone = replace(finding, moved=0)  # whether others moved is not for own history to say
    if own is None or own.verdict is decide(alone):
        return ()
    return (
        "The theme's own history alone says something else: "
        f"{own.verdict.replace('_', ' ')}, with {signed(own.avoided_low)} to "
        f"{signed(own.avoided_high)} contacts avoided.",
    )
