"""Whether a definition ages: contacts fit it less surely than in the weeks after it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import fmean, stdev

BASE_WEEKS = 13
LATE_WEEKS = 4
FEWEST_BASE = 8
FEWEST_LATE = 3
ERRORS = 3.0
POINTS = 0.05

RULE = (
    "The mean of the last 4 whole weeks against the mean of the 13 whole weeks after the "
    "definition began. It ages when it is lower by more than 5 percentage points and by more than "
    "3 standard errors, which come from how much those 13 weeks differ among themselves. Weeks "
    "with too few customers are left out; with fewer than 8 of the 13 or 3 of the 4 nothing is "
    "said."
)
"""Stands beside every alarm; `watch` does what it says."""


@dataclass(frozen=True)
class Watched:
    """What the weeks say.

    Attributes
    ----------
    is_aged : bool or None
        None while there are too few weeks to say.
    before, lately : float or None
        Means, 0 to 1.
    """

    is_aged: bool | None
    before: float | None = None
    lately: float | None = None


def monday_of(day: date) -> date:
    """Return the first day of a day's week."""
    return day - timedelta(days=day.weekday())


def watch(weeks: Sequence[tuple[date, float]], *, began: date, last_day: date) -> Watched:
    """Judge a share or a mean confidence by week; see `RULE`.

    Parameters
    ----------
    weeks : sequence of (Monday, value 0–1)
        In any order; weeks without contacts are missing.
    began : date
        When the definition came into force.
    last_day : date
        Last day with contacts; a week counts when it ends by then.
    """
    first = monday_of(began + timedelta(days=6))
    behind_base = first + timedelta(weeks=BASE_WEEKS)
    behind_late = monday_of(last_day + timedelta(days=1))
    late_from = max(behind_late - timedelta(weeks=LATE_WEEKS), behind_base)
    base = [value for monday, value in weeks if first <= monday < behind_base]
    late = [value for monday, value in weeks if late_from <= monday < behind_late]
    if len(base) < FEWEST_BASE or len(late) < FEWEST_LATE:
        return Watched(None)
    before, lately = fmean(base), fmean(late)
    error = stdev(base) * sqrt(1 / len(base) + 1 / len(late))
    fall = before - lately
    return Watched(fall > POINTS and fall > ERRORS * error, before, lately)
