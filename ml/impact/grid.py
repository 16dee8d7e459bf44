"""Fit the level model at every grid point and forecast from each.

The log level is a random walk plus an AR(1) wobble. Both are unknown, so the model is not
fitted but averaged: each of 56 settings is solved in closed form (Kalman-whitened least
squares) and weighted by how well it explains the days before the change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.design import Design
from ml.impact.inputs import Series
from ml.impact.response import LARGEST_LOG, Response
from ml.impact.types import Floats

PRIOR_FILE = Path(__file__).with_name("prior.csv")
SCALE_PRIOR_DAYS = 10.0  # pseudo-days saying that the noise is as large as thought
TINY_TOTAL, TINY_WEIGHT = 1e-9, 1e-300


@dataclass(frozen=True, eq=False)
class Grid:
    """The settings averaged over, each array of shape (n_points,)."""

    walk_sd: Floats
    wobble_sd: Floats
    wobble_memory: Floats
    log_prior: Floats


@dataclass(frozen=True, eq=False)
class _Filtered:
    """The Kalman filter run over data and columns at once, for every grid point.

    `residuals` has shape (n_points, n_pre, n_columns + 1), the data last; `variances` of
    them (n_pre, n_points); `state` (2, n_points, n_columns + 1) and `covariance`
    (3, n_points: walk, both, wobble) stand at the last day before the change.
    """

    residuals: Floats
    variances: Floats
    state: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class _Solved:
    """Least squares at every grid point, the points along the first axis."""

    coefficients: Floats
    covariance: Floats
    scale: Floats
    log_likelihood: Floats


@dataclass(frozen=True, eq=False)
class Forecast:
    """Daily means and log-scale variances at every grid point, with the points' weights.

    Attributes
    ----------
    weights : float array, shape (n_points,)
        Sum to 1.
    log_likelihood : float array, shape (n_points,)
        How well each point explains the days before the change, without its prior.
    before, after : float array, shape (n_points, n_pre) and (n_points, n_post)
        Contacts a day, expected one day ahead before the change, forecast after it.
    before_sd, after_sd : float array, same shapes
        Sd of a single day's log count, its own noise included.
    log_total, total_sd : float array, shape (n_points, n_post)
        Log of the running total over counted days after the change, and its sd.
    freedom : float
        Degrees of freedom of the t distributions.
    """

    weights: Floats
    log_likelihood: Floats
    before: Floats
    before_sd: Floats
    after: Floats
    after_sd: Floats
    log_total: Floats
    total_sd: Floats
    freedom: float


@cache
def load_grid() -> Grid:
    """Read the grid and the learnt prior that ship with the package."""
    lines = PRIOR_FILE.read_text(encoding="utf-8").splitlines()
    _, *rows = (line for line in lines if not line.startswith("#"))  # the first names columns
    walk_sd, wobble_sd, memory, prior = np.loadtxt(rows, delimiter=",").T
    return Grid(walk_sd, wobble_sd, memory, _log_weights(prior))


def grid_with_prior(prior: ArrayLike | None = None) -> Grid:
    """Return the grid with other weights, shape (n_points,), or with those delivered.

    Raises
    ------
    ValueError
        When they are no weights; the message is a sentence.
    """
    grid = load_grid()
    if prior is None:
        return grid
    n_points = len(grid.log_prior)
    weights = np.array(prior, dtype=float)
    if weights.shape != (n_points,):
        raise ValueError(
            f"prior must be one weight for each of the {n_points} settings; "
            f"got shape {weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
        raise ValueError("prior must be weights from 0 up that are not all 0.")
    return replace(grid, log_prior=_log_weights(weights))


def _log_weights(weights: Floats) -> Floats:
    raised = np.maximum(weights, TINY_WEIGHT)  # a weight may be 0, which has no log
    logs: Floats = np.log(raised / raised.sum())
    return logs


def fit_and_forecast(
    series: Series, design: Design, response: Response, *, prior: ArrayLike | None = None
) -> Forecast:
    """Fit the days before the change and forecast the days after it.

    Parameters
    ----------
    series : Series
    design : Design
        Columns over all days, shape (n_days, n_columns).
    response : Response
        Over the days before, shape (n_pre,).
    prior : float array, shape (n_points,), optional
        Weights of the settings; None takes those delivered.
    """
    grid = grid_with_prior(prior)
    centred = design.prior_mean.copy()
    centred[0] = response.values[series.seen].mean()
    design = Design(design.columns, centred, design.prior_precision)
    filtered = _filter(series, design, response, grid)
    solved = _solve(series, design, filtered)
    log_evidence = solved.log_likelihood + grid.log_prior
    weights = np.exp(log_evidence - log_evidence.max())
    before, before_sd = _one_day_ahead(series, response, filtered, solved)
    after, after_sd, log_total, total_sd = _project(
        series, design, response, filtered, solved, grid
    )
    return Forecast(
        weights=weights / weights.sum(),
        log_likelihood=solved.log_likelihood,
        before=before,
        before_sd=before_sd,
        after=after,
        after_sd=after_sd,
        log_total=log_total,
        total_sd=total_sd,
        freedom=series.n_pre - 7.0 + SCALE_PRIOR_DAYS,
    )


def _filter(series: Series, design: Design, response: Response, grid: Grid) -> _Filtered:
    variances, gains, covariance = _gains(series, response, grid)
    data = np.column_stack([design.columns[: series.n_pre], response.values])
    n_points, width = len(grid.walk_sd), data.shape[1]
    state = np.zeros((2, n_points, width))
    memory = np.broadcast_to(grid.wobble_memory[:, None], (n_points, width)).copy()
    residuals = np.empty((n_points, series.n_pre, width))
    for day, residual in enumerate(residuals.transpose(1, 0, 2)):
        state[1] *= memory
        np.subtract(data[day], state[0], out=residual)
        residual -= state[1]
        state += gains[day] * residual
    return _Filtered(residuals, variances, state, covariance)


def _gains(series: Series, response: Response, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """Run the covariance alone: it does not depend on the data.

    Returns variances (n_pre, n_points), gains (n_pre, 2, n_points, 1) and the last
    covariance (3, n_points).
    """
    n_pre, n_points = series.n_pre, len(grid.walk_sd)
    fade, grow = _transition(grid)
    covariance = np.zeros((3, n_points))
    covariance[2] = grid.wobble_sd**2
    variances, gains = np.empty((n_pre, n_points)), np.zeros((n_pre, 2, n_points))
    for day in range(n_pre):
        if day:
            covariance *= fade
            covariance += grow
        shared = covariance[:2] + covariance[1:]
        variance = shared[0] + shared[1] + response.variances[day]
        variances[day] = variance
        if series.seen[day]:
            gain = np.divide(shared, variance, out=gains[day])
            covariance[:2] -= gain[0] * shared
            covariance[2] -= gain[1] * shared[1]
    return variances, gains[..., None], covariance


def _transition(grid: Grid) -> tuple[Floats, Floats]:
    """What a night does to the covariance: a factor and an addition, each (3, n_points)."""
    memory, nothing = grid.wobble_memory, np.zeros_like(grid.walk_sd)
    fade = np.stack([nothing + 1, memory, memory**2])
    grow = np.stack([grid.walk_sd**2, nothing, grid.wobble_sd**2 * (1 - memory**2)])
    return fade, grow


def _solve(series: Series, design: Design, filtered: _Filtered) -> _Solved:
    seen, precision, mean = series.seen, design.prior_precision, design.prior_mean
    whitening = seen[:, None] / np.sqrt(filtered.variances)
    white = filtered.residuals * whitening.T[:, :, None]
    cross = white.transpose(0, 2, 1) @ white
    normal = cross[:, :-1, :-1] + np.diag(precision)
    target = cross[:, :-1, -1] + precision * mean
    covariance = np.linalg.inv(normal).astype(float, copy=False)
    coefficients = (covariance @ target[:, :, None])[:, :, 0]
    squares = cross[:, -1, -1] + (precision * mean**2).sum() - (target * coefficients).sum(1)
    squares = np.maximum(squares, 1e-9) + SCALE_PRIOR_DAYS
    days = seen.sum() + SCALE_PRIOR_DAYS
    log_determinants = np.log(filtered.variances[seen]).sum(0) + np.linalg.slogdet(normal)[1]
    log_likelihood = -0.5 * (log_determinants + days * np.log(squares))
    return _Solved(coefficients, covariance, squares / days, log_likelihood)


def _one_day_ahead(
    series: Series, response: Response, filtered: _Filtered, solved: _Solved
) -> tuple[Floats, Floats]:
    """Return daily means and log-scale sds before the change, each (n_points, n_pre)."""
    ones = np.ones((len(solved.coefficients), 1))
    contrast = np.concatenate([-solved.coefficients, ones], axis=1)
    missed = (filtered.residuals @ contrast[:, :, None])[:, :, 0]
    offset = series.offset[: series.n_pre]
    means = np.exp(np.minimum(response.values - missed + offset, LARGEST_LOG))
    level = (filtered.variances - response.variances[:, None]).T
    return means, _log_sd(solved, level, _noise(response, means) / means**2)


def _noise(response: Response, means: Floats) -> Floats:
    """Variance of each day's count around its mean: Poisson, excess, spikes."""
    return response.spike_inflation * (means + response.excess * means**2)


def _log_sd(solved: _Solved, model: Floats, noise: Floats) -> Floats:
    """Sd of a log count from relative variances of model and noise, (n_points, n_days).

    The fitted scale may widen the noise and never narrows it below Poisson.
    """
    scale = solved.scale[:, None]
    sd: Floats = np.sqrt(np.log1p(scale * model + np.maximum(1.0, scale) * noise))
    return sd


def _project(
    series: Series,
    design: Design,
    response: Response,
    filtered: _Filtered,
    solved: _Solved,
    grid: Grid,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return after, after_sd, log_total and total_sd as `Forecast` describes them."""
    columns, n_post = design.columns[series.n_pre :], series.n_days - series.n_pre
    memory = grid.wobble_memory[:, None] ** np.arange(1, n_post + 1)
    walk, wobble = filtered.state
    # how a day's log mean depends on the coefficients, (n_points, n_post, n_columns)
    slopes = columns - walk[:, None, :-1] - memory[:, :, None] * wobble[:, None, :-1]
    levels = walk[:, None, -1] + memory * wobble[:, None, -1]
    log_means = levels + (slopes @ solved.coefficients[:, :, None])[:, :, 0]
    log_means = log_means + series.offset[series.n_pre :]
    means = np.exp(np.minimum(log_means, LARGEST_LOG))
    counted = means * series.counted_after
    level_var, total_var = _carry_forward(counted, filtered.covariance, grid)

    day_model = level_var + _quadratic(slopes, solved.covariance)
    total_model = total_var + _quadratic(
        np.cumsum(counted[:, :, None] * slopes, axis=1), solved.covariance
    )
    totals = np.cumsum(counted, axis=1)
    noise = np.cumsum(_noise(response, counted), axis=1)
    squared = totals**2 + TINY_TOTAL
    return (
        means,
        _log_sd(solved, day_model, _noise(response, means) / means**2),
        np.log(totals + TINY_TOTAL),
        _log_sd(solved, total_model / squared, noise / squared),
    )


def _carry_forward(weights: Floats, covariance: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Carry the level's variance over the days after the change.

    Parameters
    ----------
    weights : float array, shape (n_points, n_post)
        What each day adds to the running total for a unit of log level.
    covariance : float array, shape (3, n_points)
        On the last day before the change.

    Returns
    -------
    level_var, total_var : float array, shape (n_points, n_post)
        Of each day's log level, and of the running weighted sum of them.
    """
    fade, grow = _transition(grid)
    level_var, total_var = np.empty(weights.shape), np.empty(weights.shape)
    with_total = np.zeros((2, len(weights)))  # covariance of walk, wobble with the total
    total = np.zeros(len(weights))
    for day, weight in enumerate(weights.T):
        covariance = covariance * fade + grow
        with_total = with_total * fade[:2]
        shared = covariance[:2] + covariance[1:]
        variance = shared[0] + shared[1]
        total = total + weight * (2 * (with_total[0] + with_total[1]) + weight * variance)
        with_total = with_total + weight * shared
        level_var[:, day], total_var[:, day] = variance, total
    return level_var, total_var


def _quadratic(vectors: Floats, covariance: Floats) -> Floats:
    """Return v' C v for vectors (n_points, n_days, k) and C (n_points, k, k)."""
    form: Floats = ((vectors @ covariance) * vectors).sum(-1)
    return form
