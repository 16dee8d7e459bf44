"""The weighted mixture of Student t distributions that the grid leaves for a log total."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr

from ml.impact.types import Floats

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
        return min(1.0, 2 * min(below, above))

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
    centred = means - weights @ means
    return np.sqrt(weights @ (sds**2 + centred**2))
