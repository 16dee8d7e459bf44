"""The weighted mixture of Student t distributions that the grid leaves for a log total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, pi, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, stdtr, stdtrit

from ml.impact.types import Floats

MOST_STEPS = 25
SMALL_STEP = 1e-6  # sds; what is left after one so small is about its square
FURTHEST_SD = 60.0  # quantiles are looked for within so many sds


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mixture of t distributions, each array of shape (n_points,).

    Attributes
    ----------
    weights, means, sds : float array
    freedom : float
    """

    weights: Floats
    means: Floats
    sds: Floats
    freedom: float

    @property
    def mean(self) -> float:
        """Mean of the mixture."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """Sd of the mixture, the spread between grid points included."""
        return sqrt(float(self.weights @ (self.sds**2 + (self.means - self.mean) ** 2)))

    def cdf(self, value: float) -> float:
        """Probability of lying at or below the value."""
        return float(self.weights @ stdtr(self.freedom, (value - self.means) / self.sds))

    def quantile(self, probability: float) -> float:
        """Value that lies above the given probability, 0 < probability < 1."""
        return float(self.quantiles((probability,))[0])

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Values that lie above the given probabilities, each 0 < probability < 1."""
        wanted, sd = np.array(probabilities), self.sd
        values: Floats = self.mean + sd * stdtrit(self.freedom, wanted)
        for _ in range(MOST_STEPS):
            away = (values[:, None] - self.means) / self.sds
            step = (stdtr(self.freedom, away) @ self.weights - wanted) / self._density(away)
            values = values - np.minimum(np.maximum(step, -sd), sd)
            if (np.abs(step) < SMALL_STEP * sd).all():
                return values
        return np.array([self._search(probability) for probability in probabilities])

    def _density(self, away: Floats) -> Floats:
        """Density at points that lie so many sds from each part's mean, (n_values, n_points)."""
        half = (self.freedom + 1) / 2
        scale = exp(gammaln(half) - gammaln(half - 0.5)) / sqrt(self.freedom * pi)
        density: Floats = (1 + away**2 / self.freedom) ** -half @ (self.weights / self.sds)
        return np.maximum(scale * density, 1e-300)

    def _search(self, probability: float) -> float:
        """Find a quantile where steps along the slope do not settle."""
        reach = FURTHEST_SD * self.sd
        found = brentq(
            lambda value: self.cdf(value) - probability,
            self.mean - reach,
            self.mean + reach,
            xtol=1e-10,
        )
        return float(found)

    def p_value(self, total: float) -> float:
        """Two-sided p of an observed count, with half a contact of continuity correction."""
        below = self.cdf(log(total + 0.5))
        above = 1 - self.cdf(log(max(total - 0.5, 0.01)))
        # weights that add up to a last bit more than 1 leave less than nothing above
        return min(1.0, max(0.0, 2 * min(below, above)))

    def z(self, total: float) -> float:
        """Sds of an observed count from the mean."""
        return (log(total + 0.5) - self.mean) / self.sd


def spread(weights: Floats, means: Floats, sds: Floats) -> Floats:
    """Sd of many mixtures at once.

    Parameters
    ----------
    weights : float array, shape (n_points,)
    means, sds : float array, shape (n_points, n_days)

    Returns
    -------
    float array, shape (n_days,)
    """
    squares = means - average(weights, means)
    squares *= squares
    squares += sds * sds
    return np.sqrt(average(weights, squares))


def average(weights: Floats, values: Floats) -> Floats:
    """Weigh the rows of (n_points, n_days) into one, with the same bits on any number of threads.

    A product of vector and matrix would split its sums among threads.
    """
    weighed: Floats = np.einsum("p,pd->d", weights, values)
    return weighed
