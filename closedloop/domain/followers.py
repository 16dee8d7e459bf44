"""Which theme follows which: when a pair is more than chance, and how it is put in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from closedloop.domain.chance import false_discovery_rates

FOLLOWER_DAYS = 180
"""Days looked back over, so that the work does not grow with the history."""

FALSE_SHARE = 0.05
"""Of the pairs marked, at most this share is expected to be chance (Benjamini and Hochberg)."""

SUM_UP_TO = 5_000
NEGLIGIBLE = 1e-18


def chance_of_as_many(customers: int, followed: int, expected: float) -> float:
    """Return how likely as many followers are when the theme before has nothing to do with it.

    Customers are what is counted: somebody who went from one theme to the other ten times is one
    witness, not ten. The expectation is scaled down by as much, and the tail is that of a Poisson
    count, which is never lighter than that of the shares it stands for.

    Parameters
    ----------
    customers : int
        Distinct ones among the followed.
    followed : int
        Contacts, at least `customers`.
    expected : float
        Contacts that would be followed as after any contact, above 0 where followed is.

    Returns
    -------
    float
        One-sided, 0 to 1; simply 1 where no more followed than expected.
    """
    if followed <= expected:
        return 1.0
    return poisson_tail(customers, expected * customers / followed)


def poisson_tail(least: int, mean: float) -> float:
    """Return P(X >= least) of a Poisson count with that mean, 0 to 1.

    Summed exactly; above a mean of `SUM_UP_TO` by the normal approximation of Wilson and Hilferty.
    """
    if least <= 0:
        return 1.0
    if mean > SUM_UP_TO:
        z = 3 * math.sqrt(least) * ((mean / least) ** (1 / 3) - 1 + 1 / (9 * least))
        return 0.5 * math.erfc(-z / math.sqrt(2))
    term = math.exp(least * math.log(mean) - mean - math.lgamma(least + 1))
    if least <= mean:
        return max(0.0, 1.0 - _sum_below(least, mean, term))
    total, n = 0.0, least
    while term > total * NEGLIGIBLE and term > 0:
        total += term
        n += 1
        term *= mean / n
    return min(1.0, total)


def _sum_below(least: int, mean: float, term: float) -> float:
    """Return P(X < least), where `term` is P(X = least) and the mean is at least that."""
    total = 0.0
    for n in range(least, 0, -1):
        term *= n / mean
        total += term
        if term < total * NEGLIGIBLE:
            break
    return total


def stand_out(p_values: Sequence[float], tests: int) -> list[bool]:
    """Say which of many findings are more than chance (Benjamini and Hochberg).

    Parameters
    ----------
    p_values : sequence of float
    tests : int
        How many were looked at, those included that are not in the list because nothing was
        found; at least ``len(p_values)``.
    """
    return [rate <= FALSE_SHARE for rate in false_discovery_rates(p_values, tests=tests)]
