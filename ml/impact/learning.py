"""Learn from a site's own themes how plausible each setting of the model is beforehand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.control import control_index
from ml.impact.design import build_design
from ml.impact.grid import fit_and_forecast, load_grid
from ml.impact.inputs import Series, read_series
from ml.impact.response import working_response
from ml.impact.types import Floats

SHRINK_THEMES = 50.0  # themes that the delivered prior counts for
MOST_ROUNDS = 500
SETTLED = 1e-9  # largest change of a weight with which the rounds end
FOLDS = 5
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class LearntPrior:
    """A prior over the settings of the grid, and whether it is worth having.

    Attributes
    ----------
    weights : float array, shape (n_points,)
        Sum to 1, in the order of the grid.
    n_themes : int
        Themes learnt from.
    gain : float
        Mean log evidence a theme gains over the delivered prior when it was not itself learnt
        from (five folds); above 0 the site's own prior describes its themes better.
    """

    weights: Floats
    n_themes: int
    gain: float


def delivered_prior() -> Floats:
    """Return the weights that ship with the program, shape (n_points,), summing to 1."""
    raised = np.exp(load_grid().log_prior)
    weights: Floats = raised / raised.sum()
    return weights


def log_evidence(
    counts: ArrayLike,
    first_day: date,
    controls: ArrayLike | None = None,
    holidays: Collection[date] = (),
) -> Floats:
    """Return how well each setting explains a theme's days, without and with its comparison.

    Parameters
    ----------
    counts : int array, shape (n_days,)
        Contacts a day on which nothing was changed, without gaps.
    first_day : date
        The day of counts[0].
    controls : int array, shape (n_days, n_series), optional
        Contacts a day of other themes.
    holidays : collection of date

    Returns
    -------
    float array, shape (n_fits, n_points)
        Log marginal likelihood up to a constant a row, the largest of a row being 0; one row for
        the theme's own history, and a second one where there are controls enough to compare with.

    Raises
    ------
    ValueError
        When the input cannot be meant; the message is a sentence.
    """
    days = len(np.atleast_1d(counts))
    series = read_series(counts, days, first_day, controls=controls, holidays=holidays)
    index = control_index(series)
    rows = [_fit(series, None)]
    if index is not None:
        rows.append(_fit(series, index))
    return np.stack(rows)


def _fit(series: Series, index: Floats | None) -> Floats:
    design = build_design(series, index)
    flat = np.ones(len(load_grid().log_prior))
    forecast = fit_and_forecast(series, design, working_response(series, design), prior=flat)
    logs = np.log(np.maximum(forecast.weights, TINY))
    evidence: Floats = logs - logs.max()
    return evidence


def learn_prior(
    evidence: list[Floats], delivered: Floats, *, shrink: float = SHRINK_THEMES
) -> LearntPrior:
    """Learn the weights of the settings from many themes' evidence.

    Each theme is thought to follow one setting, drawn with the weights that are looked for. They
    are found by expectation-maximisation: every theme shares itself out over the settings by how
    plausible each is for it, and the weights become what all shared out, together with the
    delivered weights counted as `shrink` themes (a Dirichlet prior). A theme's fits without and
    with comparison count for half a theme each, as the weights serve both.

    Parameters
    ----------
    evidence : list of float array, shape (n_fits, n_points)
        One for each theme; see `log_evidence`.
    delivered : float array, shape (n_points,)
        Sums to 1.
    shrink : float
        Themes that the delivered weights count for, above 0.

    Raises
    ------
    ValueError
        With fewer than two themes: nothing can be held back to see whether it helps.
    """
    if len(evidence) < 2:
        raise ValueError(f"Learning needs two themes or more; got {len(evidence)}.")
    likelihood = np.concatenate([np.exp(rows) for rows in evidence])
    theme = np.repeat(np.arange(len(evidence)), [len(rows) for rows in evidence])
    share = 1.0 / np.bincount(theme)[theme]
    fold = theme % min(FOLDS, len(evidence))
    gained = 0.0
    for one in range(fold.max() + 1):
        inside, outside = fold != one, fold == one
        learnt = _share_out(likelihood[inside], share[inside], delivered, shrink)
        ratio = (likelihood[outside] @ learnt) / (likelihood[outside] @ delivered)
        gained += float(share[outside] @ np.log(ratio))
    weights = _share_out(likelihood, share, delivered, shrink)
    return LearntPrior(weights, len(evidence), gained / len(evidence))


def _share_out(likelihood: Floats, share: Floats, delivered: Floats, shrink: float) -> Floats:
    """Run expectation-maximisation to its end; each round is at least as plausible as the last."""
    weights = delivered.copy()
    for _ in range(MOST_ROUNDS):
        joint = likelihood * weights
        belongs = joint / joint.sum(axis=1, keepdims=True)
        renewed = shrink * delivered + share @ belongs
        renewed /= renewed.sum()
        settled = float(np.abs(renewed - weights).max()) < SETTLED
        weights = renewed
        if settled:
            break
    return weights
