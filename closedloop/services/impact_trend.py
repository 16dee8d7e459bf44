"""Whether contacts went one way before a change already: then they may just have gone on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from closedloop.domain.impact import Check, CheckState

NAME = "earlier_trend"
LEAST_WEEKS, MOST_WEEKS = 12, 26
"""Weeks before a change that are looked at; over more the season says more than a trend."""

_WEEK, _WEEKS_A_YEAR = 7, 52
_STEEP = 0.5  # log contacts a year: about what a model that wanders does not follow
_SURE = 3.0  # standard errors
_LEAST_A_WEEK = 1.0  # contacts, below which weeks have no trend that could be told


@dataclass(frozen=True)
class _Trend:
    """How contacts went before a change: log contacts a year, its standard error, the weeks."""

    slope: float
    error: float
    weeks: int

    @property
    def share(self) -> float:
        """What a year of it makes of contacts, -1 and up."""
        return float(np.expm1(self.slope))


def check_trend(before: Sequence[int], *, avoided: float) -> Check:
    """Say whether contacts rose or fell steadily before the change, the way they went after it.

    Parameters
    ----------
    before : sequence of int
        Contacts a day before the change, oldest first.
    avoided : float
        Contacts avoided; negative when more came than expected.
    """
    trend = _fit(before)
    if trend is None:
        sentence = (
            f"Fewer than {LEAST_WEEKS} weeks with contacts lie before the change: too few to tell "
            "whether they rose or fell steadily."
        )
        return Check(NAME, CheckState.OFF, sentence)
    is_steep = abs(trend.slope) > _STEEP and abs(trend.slope) > _SURE * trend.error
    if not is_steep:
        sentence = (
            f"In the {trend.weeks} weeks before the change contacts neither rose nor fell so "
            "steadily that going on like that would explain the result."
        )
        return Check(NAME, CheckState.OK, sentence)
    way, result = ("falling", "fall") if trend.slope < 0 else ("rising", "rise")
    said = (
        f"In the {trend.weeks} weeks before the change contacts were {way} already, at a pace of "
        f"{abs(trend.share):.0%} a year."
    )
    if (trend.slope < 0) == (avoided > 0):
        return Check(
            NAME, CheckState.WARN, f"{said} Part of the {result} may be that trend going on."
        )
    return Check(NAME, CheckState.OK, f"{said} The result goes the other way.")


def _fit(before: Sequence[int]) -> _Trend | None:
    """Fit a line to the log of weekly contacts, by weighted least squares; None for too few."""
    counts = np.trim_zeros(np.asarray(before, float), "f")
    weeks = min(len(counts) // _WEEK, MOST_WEEKS)
    if weeks < LEAST_WEEKS:
        return None
    totals = counts[len(counts) - weeks * _WEEK :].reshape(weeks, _WEEK).sum(1)
    if totals.mean() < _LEAST_A_WEEK:
        return None
    at = (np.arange(weeks) - (weeks - 1) / 2) / _WEEKS_A_YEAR
    logs, weights = np.log(totals + 0.5), totals + 0.5
    middle = np.average(at, weights=weights)
    spread = float((weights * (at - middle) ** 2).sum())
    slope = float((weights * (at - middle) * logs).sum() / spread)
    away = logs - np.average(logs, weights=weights) - slope * (at - middle)
    # a week varies at least as much as chance alone would have it
    excess = max(1.0, float((weights * away**2).sum()) / (weeks - 2))
    return _Trend(slope, float(np.sqrt(excess / spread)), weeks)
