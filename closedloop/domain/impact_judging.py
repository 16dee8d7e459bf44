"""How looks are judged: what each may spend on error, together with others, and again later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from closedloop.domain.chance import false_discovery_rates
from closedloop.domain.impact import (
    FIRST_LOOKS,
    LOOK_ALPHA,
    LOOK_Q,
    QUARTER_ALPHA,
    REMEASURE_DAYS,
    Range,
    Verdict,
)

CLAIMS: frozenset[Verdict] = frozenset({Verdict.FELL, Verdict.ROSE})
"""Verdicts that say that something changed."""

TESTED: frozenset[Verdict] = CLAIMS | {Verdict.NO_CHANGE, Verdict.INCONCLUSIVE}
"""Verdicts behind which stands a test; the others say that there was not enough for one."""


def look_alpha(look: int, *, has_claimed: bool) -> float:
    """Return the significance that a look asks for.

    The first four looks may each claim at `LOOK_ALPHA`: together they call a change that did
    nothing a change in at most 5 % of cases. A quarterly look that repeats a claim in force adds
    no new error and asks for the same; one that would make a new claim, for the first time or to
    the other side, asks for `QUARTER_ALPHA`, so the three of them add at most .3 points.

    Parameters
    ----------
    look : int
        1 to 7.
    has_claimed : bool
        Whether the newest look before it has said the same: that it fell, or that it rose.
    """
    return LOOK_ALPHA if look <= FIRST_LOOKS or has_claimed else QUARTER_ALPHA


def q_value(own: float, others: Sequence[float]) -> float:
    """Return the adjusted p-value of one look among the others judged with it."""
    return false_discovery_rates([own, *others])[0]


@dataclass(frozen=True)
class LookBeside:
    """A look that was tested, as others are judged with it.

    Attributes
    ----------
    changes : frozenset of int
        Interventions that were measured as one, its own among them.
    as_of : date
        Last data day, inclusive.
    p_value : float
    """

    changes: frozenset[int]
    as_of: date
    p_value: float


def p_values_of_others(mine: Collection[int], beside: Iterable[LookBeside]) -> list[float]:
    """Return the p-values that a look is judged with: one of each change, none of its own.

    Changes measured as one have one number between them. Counted for each, it would pass for as
    many discoveries and make itself look sure. So of looks that have a change in common, also by
    way of others, the one with the newest data counts, of those the least sure.

    Parameters
    ----------
    mine : collection of int
        Interventions that are measured as one with the look that is judged.
    beside : iterable of LookBeside
    """
    told: list[tuple[frozenset[int], LookBeside]] = []
    for look in beside:
        changes, newest = look.changes, look
        same = [one for one in told if one[0] & look.changes]
        for others, other in same:
            changes |= others
            newest = max(newest, other, key=lambda one: (one.as_of, one.p_value))
        told = [*(one for one in told if one not in same), (changes, newest)]
    return [look.p_value for changes, look in told if not changes & frozenset(mine)]


def is_withheld(verdict: Verdict, q: float | None) -> bool:
    """Return whether a look would claim something alone, but not among so many of one night."""
    return verdict in CLAIMS and q is not None and q > LOOK_Q


def only_fades(
    verdict: Verdict,
    look: int,
    *,
    has_fallen: bool,
    avoided: Range,
    expected: float,
    smallest_drop: float,
) -> bool:
    """Return whether a quarterly look merely no longer shows a fall that an earlier one did.

    The longer ago the change, the vaguer the forecast without it: a range that has grown until
    it holds zero is no evidence that the fall is gone. It is taken back only when the range
    rules out the drop that was worth having.

    Parameters
    ----------
    look : int
        1 to 7; never so for the first four.
    has_fallen : bool
        Whether an earlier look said that it fell, and that it did not only move.
    avoided : Range
        Contacts, 95 %.
    expected : float
        Contacts without the change.
    smallest_drop : float
        Share that was worth having, 0 to 1.
    """
    if look <= FIRST_LOOKS or not has_fallen or verdict in CLAIMS:
        return False
    return avoided.high >= smallest_drop * expected


def remeasure_days(held_on: date) -> dict[date, int]:
    """Return the data days on which a theme that held is measured again, with days since then."""
    return {held_on + timedelta(days=days): days for days in REMEASURE_DAYS}


class Lately(StrEnum):
    """Whether a fall still shows in the newest days alone."""

    STANDS = "stands"
    OPEN = "open"
    GONE = "gone"


def judge_lately(avoided: Range, expected: float, smallest_drop: float) -> Lately:
    """Say whether the newest days, taken alone, still show the fall.

    Parameters
    ----------
    avoided : Range
        Contacts of those days, 95 %.
    expected : float
        Contacts of those days without the change.
    smallest_drop : float
        Share that was worth having, 0 to 1.

    Returns
    -------
    Lately
        STANDS when the range is above zero; GONE when it holds or lies below zero and rules out
        the drop worth having; OPEN when it rules out neither.
    """
    if avoided.low > 0:
        return Lately.STANDS
    return Lately.GONE if avoided.high < smallest_drop * expected else Lately.OPEN
