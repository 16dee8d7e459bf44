"""Whether contacts went one way before a change already: then they may just have gone on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from closedloop.domain.impact import Check, CheckState

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NAME = "earlier_trend"
LEAST_WEEKS, MOST_WEEKS = 12, 26
"""Weeks before a change that are looked at; over more the season says more than a trend."""

_WEEK, _WEEKS_A_YEAR = 7, 52
_STEEP = 0.5  # log contacts a year: about what a model that wanders does not follow
_SURE = 3.0  # standard errors
_LEAST_KNOWN = 0.5  # of a usual week; a week of which less is known is left out
_LEAST_A_WEEK = 1.0  # contacts, below which weeks have no trend that could be told


@dataclass(frozen=True)
class _Trend:
    """How contacts went before a change: log contacts a year, its standard error, the weeks."""

    slope: float
    error: float
    weeks: int

    @property
    def share(self) -> float:
        """Change of contacts in a year of it, as a share: -0.5 is half of them gone."""
        return float(np.expm1(self.slope))


def check_trend(
    before: Sequence[int],
    *,
    avoided: float,
    missing: Collection[int] = (),
    is_claimed: bool = True,
) -> Check:
    """Say whether contacts rose or fell steadily before the change, the way they went after it.

    Parameters
    ----------
    before : sequence of int
        Contacts a day before the change, oldest first.
    avoided : float
        Contacts avoided; negative when more came than expected.
    missing : collection of int, optional
        Days whose import is missing, by their place in `before`: nothing is known of them.
    is_claimed : bool, optional
        The verdict is a fall or a rise; of another one neither is spoken of.
    """
    trend = _fit(before, missing)
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
    result = result if is_claimed else "difference"
    if (trend.slope < 0) == (avoided > 0):
        return Check(
            NAME, CheckState.WARN, f"{said} Part of the {result} may be that trend going on."
        )
    return Check(NAME, CheckState.OK, f"{said} The result goes the other way.")


def _fit(before: Sequence[int], missing: Collection[int]) -> _Trend | None:
    """Fit a line to the log of weekly contacts, by weighted least squares; None for too few."""
    known = np.ones(len(before), dtype=bool)
    known[list(missing)] = False
    counts = np.where(known, np.asarray(before, float), 0.0)
    begun = len(counts) - len(np.trim_zeros(counts, "f"))
    weeks = min((len(counts) - begun) // _WEEK, MOST_WEEKS)
    if weeks < LEAST_WEEKS:
        return None
    newest = len(counts) - weeks * _WEEK
    came = counts[newest:].reshape(weeks, _WEEK)
    share = _share_known(came, known[newest:].reshape(weeks, _WEEK))
    told = share >= _LEAST_KNOWN
    totals = came.sum(1)[told]
    if told.sum() < LEAST_WEEKS or totals.mean() < _LEAST_A_WEEK:
        return None
    at = (np.arange(weeks)[told] - (weeks - 1) / 2) / _WEEKS_A_YEAR
    logs, weights = np.log((totals + 0.5) / share[told]), totals + 0.5
    middle = np.average(at, weights=weights)
    spread = float((weights * (at - middle) ** 2).sum())
    slope = float((weights * (at - middle) * logs).sum() / spread)
    away = logs - np.average(logs, weights=weights) - slope * (at - middle)
    # a week varies at least as much as chance alone would have it
    excess = max(1.0, float((weights * away**2).sum()) / (len(totals) - 2))
    return _Trend(slope, float(np.sqrt(excess / spread)), weeks)


def _share_known(came: Floats, known: Bools) -> Floats:
    """Return of each week how much of a usual one its known days hold, 0 to 1.

    Parameters
    ----------
    came : ndarray of float, shape (n_weeks, 7)
        Contacts a day, 0 where nothing is known.
    known : ndarray of bool, shape (n_weeks, 7)
    """
    usual = came.sum(0) / np.maximum(known.sum(0), 1)
    if not usual.any():
        usual = np.ones(_WEEK)
    share: Floats = (known * usual).sum(1) / usual.sum()
    return share
