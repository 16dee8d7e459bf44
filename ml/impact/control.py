"""One comparison series out of many unaffected themes."""

from __future__ import annotations

import numpy as np

from ml.impact.inputs import Series
from ml.impact.types import Bools, Floats

LEAST_DONORS = 5
LEAST_MEAN = 0.5  # contacts a day before the change; sparser themes say too little
SHARE_CAP = 0.05  # large themes stop gaining weight at about 1 / this contacts a day
INDEX_BASE = 1000.0


def donors(series: Series) -> Bools:
    """Which controls have enough contacts before the change, shape (n_series,)."""
    if not series.controls.shape[1]:
        return np.zeros(0, dtype=bool)
    enough: Bools = _mean_before(series) >= LEAST_MEAN
    return enough


def largest_donors(series: Series, most: int) -> list[int]:
    """Columns of the largest donors, at most so many, largest first.

    Among equals the counts decide, so that the order of the columns handed in says nothing.
    """
    means = _mean_before(series)
    order = sorted(
        (int(column) for column in np.flatnonzero(donors(series))),
        key=lambda column: (-means[column], series.controls[:, column].tobytes()),
    )
    return order[:most]


def control_index(series: Series) -> Floats | None:
    """Average the donors into one index, or None when there are fewer than five.

    The index's own step at the change is replaced by the weighted median of the donors'
    steps, so that a few donors that were hit as well do not drag it along.

    Returns
    -------
    float array, shape (n_days,)
        About 1000 on an ordinary day before the change.
    """
    chosen = largest_donors(series, series.controls.shape[1])
    if len(chosen) < LEAST_DONORS:
        return None
    counts = series.controls[:, chosen] / np.exp(series.offset)[:, None]  # rates, with a driver
    means = counts[: series.n_pre][series.seen].mean(0)
    weights = 1 / (1 / means + SHARE_CAP)
    weights /= weights.sum()
    index: Floats = (counts / means * weights).sum(1) * INDEX_BASE
    if series.counted_after.any():
        steps = _steps(series, counts, means)
        shift = _weighted_median(steps, weights) - np.log(np.exp(steps) @ weights)
        index[series.n_pre :] *= np.exp(shift)
    return index


def _mean_before(series: Series) -> Floats:
    mean: Floats = series.controls[: series.n_pre][series.seen].mean(0)
    return mean


def _steps(series: Series, counts: Floats, means: Floats) -> Floats:
    """Log growth of each donor from shortly before the change to after it, (n_donors,)."""
    n_pre, n_after = series.n_pre, series.n_days - series.n_pre
    window = max(28, min(n_pre, 2 * n_after))
    recent = np.flatnonzero(series.seen)
    recent = recent[recent >= n_pre - window]
    if not len(recent):
        recent = np.flatnonzero(series.seen)[-window:]
    before = counts[recent].mean(0) / means + 0.5 / window / means
    after = counts[n_pre:][series.counted_after].mean(0) / means + 0.5 / n_after / means
    step: Floats = np.log(after / before)
    return step


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    at = np.searchsorted(np.cumsum(weights[order]) / weights.sum(), 0.5)
    return float(values[order][min(int(at), len(values) - 1)])
