"""Contacts that are in no theme: what is asked of coverage, and when a spot among them emerges."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

SPAN_DAYS = 28
"""Two spans of so many days are held against each other: the last one and the one before."""

GONE_AFTER_DAYS = 14
"""An emerging theme that was not seen for so many days of data is gone."""

MOST_READ = 50_000
"""Left-over contacts a night reads at most; of more, a fair draw."""

MEMBERS_KEPT = 500
"""Contacts remembered with an emerging theme, nearest to its middle first."""

SAME_MEMBERS = 0.3
"""Two spots that share so many of their contacts (Jaccard) are one."""

SAME_COSINE = 0.9
"""So are two whose middles are this near: other subjects in one pile reach about 0.87."""

COVERAGE_GOAL = "theme_coverage"
"""How the goal is named among the goals of metrics."""

USUAL_GOAL = 0.8
"""Holds until somebody sets another."""

WEEKS_SHOWN = 13


class EmergingState(StrEnum):
    """What became of an emerging theme."""

    PROPOSED = "proposed"
    TAKEN = "taken"
    DISMISSED = "dismissed"
    GONE = "gone"


@dataclass(frozen=True)
class Spans:
    """The days that are held against each other, all inclusive."""

    first_before: date
    first_day: date
    last_day: date


def spans_to(last_day: date) -> Spans:
    """Return the span that ends with a day, and the equally long one before it."""
    first = last_day - timedelta(days=SPAN_DAYS - 1)
    return Spans(first - timedelta(days=SPAN_DAYS), first, last_day)


def likeness(one: Collection[int], other: Collection[int], cosine: float) -> float:
    """Return how alike two spots are, above 0 only where they count as one.

    Parameters
    ----------
    one, other : collection of int
        Contacts of each.
    cosine : float
        Of their middles.
    """
    either = set(one) | set(other)
    shared = len(set(one) & set(other)) / len(either) if either else 0.0
    if shared < SAME_MEMBERS and cosine < SAME_COSINE:
        return 0.0
    return shared + max(cosine, 0.0)


def rise_in_words(customers: int, before: int, *, k: int) -> str:
    """Say why a spot is thought to rise; a number of fewer than k customers is not given.

    Examples
    --------
    >>> rise_in_words(41, 9, k=5)
    '41 customers in the last 4 weeks, 9 in the 4 weeks before'
    """
    weeks = SPAN_DAYS // 7
    now = f"{customers:,}" if customers >= k else f"fewer than {k}"
    then = "none" if before == 0 else f"{before:,}" if before >= k else f"fewer than {k}"
    return f"{now} customers in the last {weeks} weeks, {then} in the {weeks} weeks before"
