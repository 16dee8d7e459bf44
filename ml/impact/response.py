"""Turn counts into a log-scale response with a known noise, robust against spikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log

import numpy as np

from ml.impact.design import Design
from ml.impact.inputs import Series
from ml.impact.types import Bools, Floats, Ints

PASSES = 4
# From a mean of the whole history it is a longer way to a level far from it, or to the few days
# that hold nearly all contacts: where the last pass still moved the log mean of a day by more
# than FAR, passes go on until none moves by as much as SETTLED.
FAR, SETTLED, MOST_PASSES = 0.3, 0.01, 40
CLIP_SD = 4.0  # a day further out than this is pulled in to here
SMOOTH_HALF_DAYS = 14  # a 29-day moving level
LOWEST_MEAN_START, LOWEST_MEAN = 0.05, 0.02  # contacts a day
LOG_LOWEST_MEAN = log(LOWEST_MEAN)
LARGEST_LOG = 20.0


@dataclass(frozen=True, eq=False)
class Response:
    """What the level model is fitted to.

    Attributes
    ----------
    values, variances : float array, shape (n_pre,)
        Log contacts a day (of the usual volume, with a driver), linearised, and their noise
        variance 1/mean + excess.
    excess : float
        Variance beyond Poisson, relative to the squared mean.
    spike_inflation : float
        From 1 up: noise that clipped spikes add back to forecasts.
    """

    values: Floats
    variances: Floats
    excess: float
    spike_inflation: float


@dataclass(frozen=True, eq=False)
class _Fit:
    """The state of the passes: mean a day, smooth level, excess variance."""

    mean: Floats
    level: Floats
    excess: float

    @property
    def variances(self) -> Floats:
        return 1 / self.mean + self.excess


def working_response(series: Series, design: Design) -> Response:
    """Run the robust quasi-Poisson passes on the days before the change."""
    counts, seen, offset = series.counts[: series.n_pre], series.seen, series.offset[: series.n_pre]
    volume = np.exp(offset)
    start = max(float(counts[seen].sum() / volume[seen].sum()), LOWEST_MEAN_START)
    fit = _Fit(start * volume, np.zeros(len(counts)), excess=0.01)
    columns = np.ascontiguousarray(design.columns[: len(counts)].T)
    effects_of = partial(_ridge_effects, columns, design)
    settled = FAR
    for number in range(MOST_PASSES):
        before, fit = fit, _one_pass(fit, counts, seen, offset, effects_of, first=number == 0)
        if number + 1 >= PASSES:
            if _largest_move(before, fit, seen) < settled:
                break
            settled = SETTLED
    return _linearise(fit, counts, seen, offset)


def _largest_move(before: _Fit, after: _Fit, seen: Bools) -> float:
    """Return the most by which a pass changed the log mean of a day that is counted."""
    return float(np.abs(np.log(after.mean[seen] / before.mean[seen])).max())


def _one_pass(
    fit: _Fit,
    counts: Floats,
    seen: Bools,
    offset: Floats,
    effects_of: Callable[[Floats, Floats], Floats],
    *,
    first: bool,
) -> _Fit:
    step, variances = np.clip((counts - fit.mean) / fit.mean, -1, 8), fit.variances
    if not first:
        step = _clip(step, np.sqrt(variances))
    values = np.log(fit.mean) + step - offset
    weights = np.where(seen, 1 / variances, 0.0)
    effects = effects_of(values - fit.level, weights)
    level = _moving_average(values - effects, weights)
    level -= level.mean()
    mean = np.exp(np.clip(effects + level + offset, LOG_LOWEST_MEAN, LARGEST_LOG))
    excess = _excess_variance(_Fit(mean, level, fit.excess), counts, seen)
    return _Fit(mean, level, excess)


def _ridge_effects(columns: Floats, design: Design, values: Floats, weights: Floats) -> Floats:
    """What the columns, shape (n_columns, n_pre), make of the values, by weighted ridge."""
    weighted = columns * weights
    normal = weighted @ columns.T + np.diag(design.prior_precision)
    # sums, not products of matrix and vector: those split their sums among threads, so that a
    # fit's bits would depend on how many there are
    target = (weighted * values).sum(1) + design.prior_precision * design.prior_mean
    coefficients = np.linalg.solve(normal, target).astype(float, copy=False)
    effects: Floats = (columns * coefficients[:, None]).sum(0)
    return effects


def _moving_average(values: Floats, weights: Floats) -> Floats:
    """Weighted centred average over 29 days, fewer at the ends; 0 where no day is seen."""
    left, right = _windows(len(values))
    days, sums = np.zeros((2, len(values) + 1))
    np.cumsum(weights, out=days[1:])
    np.cumsum(weights * values, out=sums[1:])
    total = days[right] - days[left]
    enough = total > 1e-9
    return np.where(enough, (sums[right] - sums[left]) / np.where(enough, total, 1.0), 0.0)


@lru_cache(maxsize=64)
def _windows(n_days: int) -> tuple[Ints, Ints]:
    """Return the first day of each day's window, and the one after its last."""
    ends = np.arange(n_days) + SMOOTH_HALF_DAYS + 1
    return np.maximum(ends - 2 * SMOOTH_HALF_DAYS - 1, 0), np.minimum(ends, n_days)


def _excess_variance(fit: _Fit, counts: Floats, seen: Bools) -> float:
    """Moment estimate of the variance beyond Poisson; splitting off more is unstable."""
    mean = fit.mean
    residual = _clip(counts - mean, np.sqrt(mean + fit.excess * mean * mean))
    beyond = (residual * residual - mean)[seen].sum()
    return max(0.0, float(beyond / (mean * mean)[seen].sum()))


def _linearise(fit: _Fit, counts: Floats, seen: Bools, offset: Floats) -> Response:
    step = (counts - fit.mean) / fit.mean
    sd = np.sqrt(fit.variances)
    clipped = _clip(step, sd)
    raw_spread, clipped_spread = (
        float(np.mean(np.clip(part / sd, -8, 8)[seen] ** 2)) for part in (step, clipped)
    )
    return Response(
        values=np.log(fit.mean) + clipped - offset,
        variances=fit.variances,
        excess=fit.excess,
        spike_inflation=max(1.0, raw_spread / max(clipped_spread, 1e-6)),
    )


def _clip(values: Floats, sd: Floats) -> Floats:
    return np.clip(values, -CLIP_SD * sd, CLIP_SD * sd)
