"""Turn counts into a log-scale response with a known noise, robust against spikes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.impact.design import Design
from ml.impact.inputs import Series
from ml.impact.types import Bools, Floats

PASSES = 4
CLIP_SD = 4.0  # a day further out than this is pulled in to here
SMOOTH_HALF_DAYS = 14  # a 29-day moving level
LOWEST_MEAN_START, LOWEST_MEAN = 0.05, 0.02  # contacts a day
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
    for number in range(PASSES):
        fit = _one_pass(fit, counts, seen, offset, design, first=number == 0)
    return _linearise(fit, counts, seen, offset)


def _one_pass(
    fit: _Fit, counts: Floats, seen: Bools, offset: Floats, design: Design, *, first: bool
) -> _Fit:
    columns = design.columns[: len(counts)]
    step = np.clip((counts - fit.mean) / fit.mean, -1, 8)
    if not first:
        step = _clip(step, np.sqrt(fit.variances))
    values = np.log(fit.mean) + step - offset
    weights = np.where(seen, 1 / fit.variances, 0.0)
    effects = (columns * _ridge(columns, values - fit.level, weights, design)).sum(1)
    level = _moving_average(values - effects, weights)
    level -= level.mean()
    mean = np.exp(np.clip(effects + level + offset, np.log(LOWEST_MEAN), LARGEST_LOG))
    moved = replace(fit, mean=mean, level=level)
    return replace(moved, excess=_excess_variance(moved, counts, seen))


def _ridge(columns: Floats, values: Floats, weights: Floats, design: Design) -> Floats:
    weighted = (columns * weights[:, None]).T
    normal = weighted @ columns + np.diag(design.prior_precision)
    # sums, not products of matrix and vector: those split their sums among threads, so that a
    # fit's bits would depend on how many there are
    target = (weighted * values).sum(1) + design.prior_precision * design.prior_mean
    return np.linalg.solve(normal, target).astype(float, copy=False)


def _moving_average(values: Floats, weights: Floats) -> Floats:
    """Weighted centred average over 29 days, fewer at the ends; 0 where no day is seen."""
    ends = np.arange(len(values)) + SMOOTH_HALF_DAYS + 1
    right, left = np.minimum(ends, len(values)), np.maximum(ends - 2 * SMOOTH_HALF_DAYS - 1, 0)
    days = np.concatenate(([0.0], np.cumsum(weights)))
    sums = np.concatenate(([0.0], np.cumsum(weights * values)))
    total = days[right] - days[left]
    enough = total > 1e-9
    return np.where(enough, (sums[right] - sums[left]) / np.where(enough, total, 1.0), 0.0)


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
