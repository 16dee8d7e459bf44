"""Themes that began shortly before a change, or after it: their start steps into a sum.

They stay in it. Contacts that were counted under an older theme until then must count where they
are now, or a theme that was split or found anew would pass for a fall. Whether that is so, or
whether the contacts are new, days cannot tell; so it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from closedloop.domain.impact import Check, CheckState
from closedloop.domain.impact_overlap import LEAST_BASELINE_DAYS
from closedloop.domain.impact_words import spelt
from closedloop.services.impact_inputs import ThemeName
from closedloop.services.impact_packing import Counts

NAME = "newborn"
_FORTNIGHT = 14  # days that the others must be older: else all of them began together
_LEAST_SHARE = 0.05  # of what came about all of them since the change; less moves no sum


@dataclass(frozen=True)
class Newborn:
    """A theme of a sum whose first contact came late.

    Attributes
    ----------
    theme : ThemeName
    first_on : date
        Day of its first contact.
    days : int
        From then to the change; below 0 when it came after it.
    came : int
        Contacts about it since the change.
    is_touched : bool
        It is in the number itself, not only in what is added up with the themes beside it.
    """

    theme: ThemeName
    first_on: date
    days: int
    came: int
    is_touched: bool


def find_newborn(
    touched: Sequence[ThemeName],
    beside: Sequence[ThemeName],
    columns: Counts,
    *,
    n_pre: int,
    first_day: date,
) -> tuple[Newborn, ...]:
    """Return the themes that began late, held against the oldest of those they are added to.

    Parameters
    ----------
    touched, beside : sequence of ThemeName
        What the change touches, and what is watched beside it.
    columns : ndarray of int, shape (n_days, n_touched + n_beside)
        Contacts a day, in their order.
    n_pre : int
        Days before the change.
    first_day : date
        The first of all days.
    """
    firsts = [_first(columns[:, place]) for place in range(columns.shape[1])]
    oldest = min((first for first in firsts[: len(touched)] if first is not None), default=None)
    if oldest is None:
        return ()
    since = columns[n_pre:].sum(axis=0)
    found = []
    for place, (theme, first) in enumerate(zip([*touched, *beside], firsts, strict=True)):
        is_late = first is not None and first > n_pre - LEAST_BASELINE_DAYS
        if first is None or not is_late or first - oldest < _FORTNIGHT:
            continue
        is_touched = place < len(touched)
        among = since[: len(touched)].sum() if is_touched else since.sum()
        if since[place] >= _LEAST_SHARE * among > 0:
            day = first_day + timedelta(days=first)
            found.append(Newborn(theme, day, n_pre - first, int(since[place]), is_touched))
    return tuple(found)


def _first(counts: Counts) -> int | None:
    days = np.flatnonzero(counts)
    return int(days[0]) if days.size else None


def check_newborn(newborn: Sequence[Newborn]) -> list[Check]:
    """Say which themes began late, and what that does to the sums; nothing where none did."""
    said = []
    for is_touched in (True, False):
        some = [one for one in newborn if one.is_touched is is_touched]
        if some:
            said.append(" ".join(_began(one) for one in some) + _means(is_touched))
    return [Check(NAME, CheckState.WARN, " ".join(said))] if said else []


def _began(one: Newborn) -> str:
    days = f"{abs(one.days)} {'day' if abs(one.days) == 1 else 'days'}"
    when = f"{days} before the change" if one.days > 0 else f"{days} after the change"
    if one.days == 0:
        when = "on the day of the change"
    return (
        f"Among the days read, contacts about {one.theme.name} begin on {spelt(one.first_on)}, "
        f"{when}; since the change {one.came:,} came."
    )


def _means(is_touched: bool) -> str:
    what = "in the number" if is_touched else "in what was avoided over the family, not the number"
    return (
        f" That is {what}. If they are new, they look like a rise there or hide a fall; if they "
        "were counted under an older theme before, they only moved, and that is counted rightly. "
        "Contacts alone cannot tell which."
    )
