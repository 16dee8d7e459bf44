"""Means over contacts, and how well they are known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""97.5th percentile of the normal distribution."""

_STUDENT_95 = (12.706, 4.303, 3.182, 2.776)


def student_95(freedom: int) -> float:
    """Return the 97.5th percentile of Student's t, at least 1 degree of freedom.

    The first four from the table, then the expansion of Fisher and Cornish (within .003).
    """
    if freedom <= len(_STUDENT_95):
        return _STUDENT_95[max(freedom, 1) - 1]
    z, n = Z_95, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


@dataclass(frozen=True)
class Mean:
    """A mean over contacts.

    Attributes
    ----------
    value : float
    error : float or None
        Standard error; None from a single week.
    weeks : int
        With at least one contact.
    contacts : int
    """

    value: float
    error: float | None
    weeks: int
    contacts: int


def mean_of_weeks(weeks: Iterable[tuple[int, float]]) -> Mean | None:
    """Return the mean over contacts with the standard error of week clusters; None without any.

    Contacts of one week share what made them long or short (a slow system, new agents), so
    the error is that of a ratio of weekly sums, with G / (G − 1) for G weeks.

    Parameters
    ----------
    weeks : iterable of (int, float)
        Contacts with a value and the sum of the values, week by week.
    """
    some = [(count, total) for count, total in weeks if count > 0]
    contacts = sum(count for count, _ in some)
    if not contacts:
        return None
    value = sum(total for _, total in some) / contacts
    if len(some) == 1:
        return Mean(value, None, 1, contacts)
    squares = math.fsum((total - value * count) ** 2 for count, total in some)
    error = math.sqrt(squares * len(some) / (len(some) - 1)) / contacts
    return Mean(value, error, len(some), contacts)
