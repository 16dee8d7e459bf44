"""Fit the level model at every grid point and forecast from each.

The log level is a random walk plus an AR(1) wobble. Both are unknown, so the model is not
fitted but averaged: each of 56 settings is solved in closed form (Kalman-whitened least
squares) and weighted by how well it explains the days before the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.blocks import Track
from ml.impact.design import Design
from ml.impact.filtering import Filtered, carry_forward, look_ahead, run_filter
from ml.impact.inputs import Series
from ml.impact.inverses import invert_all
from ml.impact.mixture import Mixture
from ml.impact.response import LARGEST_LOG, Response
from ml.impact.side_by_side import run_filters
from ml.impact.types import Bools, Floats

PRIOR_FILE = Path(__file__).with_name("prior.csv")
SCALE_PRIOR_DAYS = 10.0  # pseudo-days saying that the noise is as large as thought
MOST_SIDE_BY_SIDE = 8  # fits in one loop over the days: more no longer fit the processor's cache
TINY_TOTAL, TINY_WEIGHT = 1e-9, 1e-300


@dataclass(frozen=True, eq=False)
class Grid:
    """The settings averaged over, each array of shape (n_points,)."""

    walk_sd: Floats
    wobble_sd: Floats
    wobble_memory: Floats
    log_prior: Floats


@dataclass(frozen=True, eq=False)
class Problem:
    """One fit to be made.

    Attributes
    ----------
    series : Series
    design : Design
        Columns over all days, shape (n_days, n_columns).
    response : Response
        Over the days before, shape (n_pre,).
    fitted : bool array, shape (n_pre,)
        Counted days before the change that the model learns from.
    log_prior : float array, shape (n_points,)
    """

    series: Series
    design: Design
    response: Response
    fitted: Bools
    log_prior: Floats


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


@dataclass(frozen=True, eq=False)
class _Solved:
    """Least squares at every grid point, the points along the first axis.

    `moves` is what the days moved the coefficients away from their prior means.
    """

    coefficients: Floats
    moves: Floats
    covariance: Floats
    scale: Floats
    log_likelihood: Floats


@dataclass(frozen=True, eq=False)
class _Fit:
    """A problem solved and carried over the days after the change.

    `memory` has shape (n_points, n_post): what is left of the wobble. `means` are the contacts
    a day, `counted` the same but 0 on days that are not counted; `level_var` and `total_var`
    are as `carry_forward` returns them.
    """

    problem: Problem
    filtered: Filtered
    solved: _Solved
    memory: Floats
    means: Floats
    counted: Floats
    level_var: Floats
    total_var: Floats

    @property
    def weights(self) -> Floats:
        log_evidence = self.solved.log_likelihood + self.problem.log_prior
        raised = np.exp(log_evidence - log_evidence.max())
        weights: Floats = raised / raised.sum()
        return weights

    @property
    def freedom(self) -> float:
        return self.problem.series.n_pre - 7.0 + SCALE_PRIOR_DAYS


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
    try:
        weights = np.array(prior, dtype=float)
    except (TypeError, ValueError):
        raise ValueError("prior must be numbers, one for each of the model's settings.") from None
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
    log_prior = grid_with_prior(prior).log_prior
    return forecast_many([Problem(series, design, response, series.seen, log_prior)])[0]


def forecast_many(problems: Sequence[Problem]) -> list[Forecast]:
    """Forecast each problem's days; the bits are those of one problem at a time."""
    return fit_all(problems, ())[0]


def fit_all(
    whole: Sequence[Problem], totals: Sequence[Problem]
) -> tuple[list[Forecast], list[Mixture]]:
    """Fit many problems side by side; the bits are those of one at a time.

    Parameters
    ----------
    whole : sequence of Problem
        Of which every day is wanted.
    totals : sequence of Problem
        Of which only the log total over the counted days after the change is wanted, which is
        less work.
    """
    forecasts = [_forecast(_fit_alone(problem)) for problem in whole]
    found = {place: _total(fit) for place, fit in _fits(totals)}
    return forecasts, [found[place] for place in range(len(totals))]


def _fits(problems: Sequence[Problem]) -> Iterator[tuple[int, _Fit]]:
    """Yield each problem's place and fit, those of like size solved side by side."""

    def size(place: int) -> tuple[int, int]:
        return problems[place].design.columns.shape[1], problems[place].series.n_pre

    for _, places in groupby(sorted(range(len(problems)), key=size), lambda at: size(at)[0]):
        alike = list(places)
        for start in range(0, len(alike), MOST_SIDE_BY_SIDE):
            together = alike[start : start + MOST_SIDE_BY_SIDE]
            tracks = [_track(problems[place]) for place in together]
            for place, filtered in zip(together, run_filters(tracks, load_grid()), strict=True):
                yield place, _fit(problems[place], filtered)


def _fit_alone(problem: Problem) -> _Fit:
    return _fit(problem, run_filter(_track(problem), load_grid()))


def _fit(problem: Problem, filtered: Filtered) -> _Fit:
    solved = _solve(problem, filtered)
    means = _means(problem, filtered, solved)
    counted = means * problem.series.counted_after
    level_var, total_var = carry_forward(counted, filtered.covariance, load_grid())
    return _Fit(
        problem=problem,
        filtered=filtered,
        solved=solved,
        memory=_memory(means.shape[1]),
        means=means,
        counted=counted,
        level_var=level_var,
        total_var=total_var,
    )


def _means_before(problem: Problem) -> Floats:
    """What is believed of the coefficients beforehand; of the constant, what the days say."""
    means = problem.design.prior_mean.copy()
    means[0] = problem.response.values[problem.series.seen].mean()
    return means


def _track(problem: Problem) -> Track:
    """Lay out the design and what is left of the response once the prior means are taken off."""
    columns, response = problem.design.columns[: problem.series.n_pre], problem.response
    data = np.empty((len(columns), columns.shape[1] + 1))
    data[:, :-1] = columns
    data[:, -1] = response.values - (columns * _means_before(problem)).sum(1)
    return Track(data, response.variances, problem.fitted)


def _solve(problem: Problem, filtered: Filtered) -> _Solved:
    normal = filtered.cross[:, :, :-1] + np.diag(problem.design.prior_precision)
    target = filtered.cross[:, :, -1]
    covariance, log_determinants = invert_all(normal)
    log_determinants += filtered.log_variances
    moves = (covariance @ target[:, :, None])[:, :, 0]
    squares = np.maximum(filtered.squares - (target * moves).sum(1), 1e-9) + SCALE_PRIOR_DAYS
    days = problem.fitted.sum() + SCALE_PRIOR_DAYS
    log_likelihood = -0.5 * (log_determinants + days * np.log(squares))
    return _Solved(
        _means_before(problem) + moves, moves, covariance, squares / days, log_likelihood
    )


@lru_cache(maxsize=256)
def _memory(n_post: int) -> Floats:
    """What is left of the wobble on each day after the change, (n_points, n_post)."""
    left: Floats = load_grid().wobble_memory[:, None] ** np.arange(1, n_post + 1)
    left.setflags(write=False)
    return left


def _means(problem: Problem, filtered: Filtered, solved: _Solved) -> Floats:
    """Contacts a day after the change, (n_points, n_post)."""
    series = problem.series
    walk, wobble = (
        (part[:, -1] - (part[:, :-1] * solved.moves).sum(1))[:, None] for part in filtered.state
    )
    effects = solved.coefficients @ problem.design.columns[series.n_pre :].T
    log_means = walk + _memory(effects.shape[1]) * wobble + effects + series.offset[series.n_pre :]
    means: Floats = np.exp(np.minimum(log_means, LARGEST_LOG))
    return means


def _total(fit: _Fit) -> Mixture:
    columns = fit.problem.design.columns[fit.problem.series.n_pre :]
    walk, wobble = fit.filtered.state[:, :, :-1]
    total = fit.counted.sum(1)
    faded = (fit.counted * fit.memory).sum(1)
    # how the total depends on the coefficients, (n_points, 1, n_columns)
    slopes = fit.counted @ columns - total[:, None] * walk - faded[:, None] * wobble
    model = fit.total_var[:, -1:] + _quadratic(slopes[:, :, None], fit.solved.covariance)
    noise = _noise(fit.problem.response, fit.counted).sum(1)[:, None]
    squared = total[:, None] ** 2 + TINY_TOTAL
    sd = _log_sd(fit.solved, model / squared, noise / squared)[:, 0]
    return Mixture(fit.weights, np.log(total + TINY_TOTAL), sd, fit.freedom)


def _forecast(fit: _Fit) -> Forecast:
    before, before_sd = _one_day_ahead(fit)
    after_sd, log_total, total_sd = _project(fit)
    return Forecast(
        weights=fit.weights,
        log_likelihood=fit.solved.log_likelihood,
        before=before,
        before_sd=before_sd,
        after=fit.means,
        after_sd=after_sd,
        log_total=log_total,
        total_sd=total_sd,
        freedom=fit.freedom,
    )


def _one_day_ahead(fit: _Fit) -> tuple[Floats, Floats]:
    """Return daily means and log-scale sds before the change, each (n_points, n_pre)."""
    ahead, moves, response = fit.filtered.ahead, fit.solved.moves, fit.problem.response
    assert ahead is not None
    mix = np.concatenate([-moves, np.ones((len(moves), 1))], axis=1)
    missed, variances = look_ahead(ahead, mix, load_grid())
    offset = fit.problem.series.offset[: fit.problem.series.n_pre]
    log_means = (response.values + offset)[:, None] - missed
    means = np.exp(np.minimum(log_means, LARGEST_LOG)).T
    level = (variances - response.variances[:, None]).T
    return means, _log_sd(fit.solved, level, _relative_noise(response, means))


def _project(fit: _Fit) -> tuple[Floats, Floats, Floats]:
    """Return after_sd, log_total and total_sd as `Forecast` describes them."""
    response, columns = fit.problem.response, fit.problem.design.columns
    walk, wobble = fit.filtered.state[:, :, :-1, None]
    # how a day's log mean depends on the coefficients, (n_points, n_columns, n_post)
    slopes = wobble * -fit.memory[:, None]
    slopes -= walk
    slopes += columns[fit.problem.series.n_pre :].T
    day_model = fit.level_var + _quadratic(slopes, fit.solved.covariance)
    slopes *= fit.counted[:, None]
    total_model = fit.total_var + _quadratic(np.cumsum(slopes, axis=2), fit.solved.covariance)
    totals = np.cumsum(fit.counted, axis=1)
    noise = np.cumsum(_noise(response, fit.counted), axis=1)
    squared = totals**2 + TINY_TOTAL
    return (
        _log_sd(fit.solved, day_model, _relative_noise(response, fit.means)),
        np.log(totals + TINY_TOTAL),
        _log_sd(fit.solved, total_model / squared, noise / squared),
    )


def _noise(response: Response, means: Floats) -> Floats:
    """Variance of each day's count around its mean: Poisson, excess, spikes."""
    return response.spike_inflation * (means + response.excess * means**2)


def _relative_noise(response: Response, means: Floats) -> Floats:
    """The same over the squared mean."""
    return response.spike_inflation * (1 / means + response.excess)


def _log_sd(solved: _Solved, model: Floats, noise: Floats) -> Floats:
    """Sd of a log count from relative variances of model and noise, (n_points, n_days).

    The fitted scale may widen the noise and never narrows it below Poisson.
    """
    scale = solved.scale[:, None]
    sd: Floats = scale * model
    sd += np.maximum(1.0, scale) * noise
    return np.sqrt(np.log1p(sd, out=sd), out=sd)


def _quadratic(vectors: Floats, covariance: Floats) -> Floats:
    """Return v' C v for vectors (n_points, k, n_days) and C (n_points, k, k)."""
    form: Floats = np.einsum("pkd,pkd->pd", covariance @ vectors, vectors)
    return form
