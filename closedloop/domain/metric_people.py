"""How many distinct people stand behind a figure, as far as daily sums can say it.

A sum of contacts says nothing about people: five contacts may be one customer's. But the roll-up
also counts, for each window, the contacts that came after another of the same customer within
it. Inside a stretch of days shorter than the window a customer has at most one contact that did
not, so contacts less those that came after another are never more than the people there are.
That decides nearly every cell without a look at the contacts themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

Counts = Mapping[str, float]

STRETCHES: tuple[tuple[str, int, int], ...] = (
    ("30d", 29, 1),
    ("7d", 6, 1),
    ("72h", 2, 1),
    ("24h", 1, 2),
)
"""Window, days of a stretch that it outlasts, contacts a person may have without one before.

A day on which the clock is put back has 25 hours: there a person may have two.
"""

SLACK_COLUMNS = ("contacts", "identified", *(f"opening_any_{key}" for key, _, _ in STRETCHES))
"""What must be read beside the counts of a metric."""

_LENGTHS = {"72h": 2, "7d": 6, "14d": 13, "30d": 29}
_ONE_EACH = frozenset({"opening_any", "resolved_any", "unresolved_any"})
"""Groups of contacts of which a person has one in a stretch that their own window outlasts."""

_REPEATS = ("identified", "any")
_AGAIN = ("identified", "again")
_MATTERS = ("opening_same", "resolved_same", "unresolved_same")
BEHIND: dict[str, tuple[str, ...]] = {
    "repeat_rate_any": _REPEATS,
    "repeat_rate_same": ("identified", "same"),
    "repeat_rate_net": _REPEATS,
    "repeat_share": _AGAIN,
    "next_contact_avoidance": _REPEATS,
    "snowball_contacts": _AGAIN,
    "snowball_minutes": (*_AGAIN, "handled"),
    "resolution_team_repeats": _REPEATS,
    "fcr": _MATTERS,
    "fcr_net": _MATTERS,
    "fcr_survey": ("survey_answers", "survey_yes"),
    "one_contact_resolution": ("opening_any", "resolved_any", "unresolved_any"),
    "call_resolution": ("contacts", "resolution_yes"),
    "contacts_per_resolution": _REPEATS,
    "contacts": ("contacts", "contacts"),
    "customers": ("customers", "customers"),
    "contact_rate": ("contacts", "contacts"),
    "contact_rate_net": ("opening_any", "opening_any"),
    "failure_share": ("judged", "failure"),
    "aht": ("handled",),
    "abandonment": ("queued", "abandoned"),
    "transfer_rate": ("transferable", "transferred"),
    "cost_per_contact": ("priced",),
    "csat": ("csat_answers", "csat_satisfied"),
    "nps": ("nps_answers",),
    "ces": ("ces_answers",),
}
"""The groups of contacts that `Value.n` and `Value.small` of a metric count, in that order."""

_OF_WINDOW = frozenset({"any", "same", "opening_any", "opening_same"}) | {
    "resolved_any",
    "resolved_same",
}


@cache
def columns_of(group: str, window: str) -> tuple[str, ...]:
    """Return the columns of the roll-up that a group of contacts is counted from."""
    if group == "again":
        return ("identified", f"opening_any_{window}")
    if group.startswith("unresolved_"):
        basis = group.removeprefix("unresolved_")
        return (f"opening_{basis}_{window}", f"resolved_{basis}_{window}")
    return (f"{group}_{window}" if group in _OF_WINDOW else group,)


def size_of(group: str, counts: Counts, window: str) -> float:
    """Return how many contacts a group has, from counts under the names of their columns."""
    first, *less = columns_of(group, window)
    size = counts.get(first, 0)
    for column in less:
        size -= counts.get(column, 0)
    return size


def own_length(group: str, window: str) -> int:
    """Return the days in which a person has one contact of the group at most; 0 when unknown."""
    return _LENGTHS.get(window, 0) if group in _ONE_EACH else 0


def people_at_least(
    group: str, daily: Mapping[date, Counts], days: Sequence[date], window: str, *, enough: int
) -> int:
    """Return a number of distinct people that surely are in a group, from sums of days.

    Parameters
    ----------
    group : str
        As in `BEHIND`.
    daily : mapping of date to counts
        With the `SLACK_COLUMNS` and those of the group; days without contacts may be missing.
    days : sequence of date
        In order.
    window : str
        Key of the window of the group, where it has one.
    enough : int
        Where the search ends: what is returned is never more than needed.
    """
    plans = _plans(group, window)
    best, stretches, sure = 0, [-1] * len(plans), [0.0] * len(plans)
    for day in days:
        counts = daily.get(day)
        size = size_of(group, counts, window) if counts else 0.0
        if not counts or size <= 0:
            continue
        place = (day - days[0]).days
        for i, (column, length, each) in enumerate(plans):
            here = place // length
            if here != stretches[i]:
                stretches[i], sure[i] = here, 0.0
            slack = counts["identified"] - counts[column] if column else 0.0
            if size > slack:
                sure[i] += size - slack
            found = int(-(-sure[i] // each))
            if found > best:
                best = found
        best = max(best, 1)
        if best >= enough:
            return best
    return best


@cache
def _plans(group: str, window: str) -> list[tuple[str, int, int]]:
    """Return the stretches that bound the people of a group, each with the column of its window.

    The column is empty where nobody has two contacts of the group in the stretch anyway.
    """
    own = own_length(group, window)
    found = [("", own, 1)] if own else []
    return found + [(f"opening_any_{key}", length, each) for key, length, each in STRETCHES]


def spread_over(
    group: str, daily: Mapping[date, Counts], days: Sequence[date], window: str, *, of_days: int
) -> float:
    """Return a number whose sum over parts of `of_days` days is at most their people together."""
    key, length, _ = STRETCHES[0]
    stretches = max(-(-of_days // length), 1)
    sure = 0.0
    for day in days:
        if counts := daily.get(day):
            slack = counts["identified"] - counts[f"opening_any_{key}"]
            sure += max(size_of(group, counts, window) - slack, 0.0)
    return sure / stretches
