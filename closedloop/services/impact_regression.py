"""Whether the time right before a change was unusual: a return, or a move older than the change."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from closedloop.domain.impact import Check, CheckState
from closedloop.domain.impact_words import how_many

NAME = "regression_to_mean"
LEAST_DAYS = 74
"""Days before the change below which no fortnight can be called unusual (reference study)."""

_WEEK, _FORTNIGHT = 7, 14
_MOST_FORTNIGHTS = 8  # further back the season changes more than chance does
_UNUSUAL = 2.0  # standard deviations
_LEAST_EARLIER = 4  # fortnights to compare with, as `LEAST_DAYS` hold


@dataclass(frozen=True)
class _Last:
    """How the last days before a change stand among as many before them, over and over.

    `share` is their excess over the mean of those (-1 and up), `z` the same in standard
    deviations, `weeks` how far back they reach.
    """

    days: int
    share: float
    z: float
    weeks: int


def check_regression(
    before: Sequence[int],
    *,
    gap_days: int,
    avoided: float,
    missing: Collection[int] = (),
    gap_is_low: bool = False,
    is_claimed: bool = True,
) -> Check:
    """Say whether a fall, or a rise, may be a return to what is usual, or older than the change.

    Parameters
    ----------
    before : sequence of int
        Contacts a day before the change, oldest first.
    gap_days : int
        Days right before the change that the method took for a peak or a low; 0 for none.
    avoided : float
        Contacts avoided; negative when more came than expected.
    missing : collection of int, optional
        Days whose import is missing, by their place in `before`: they are taken to be as their
        weekday is elsewhere.
    gap_is_low : bool, optional
        Those days were a low.
    is_claimed : bool, optional
        The verdict is a fall or a rise; of another one neither is spoken of.
    """
    known = len(before) - len(set(missing))
    if known < LEAST_DAYS:
        sentence = (
            f"Only {how_many(known, 'counted day' if missing else 'day')} "
            f"{'lies' if known == 1 else 'lie'} before the change; {LEAST_DAYS} are needed to tell "
            "whether the last of them were unusual."
        )
        return Check(NAME, CheckState.OFF, sentence)
    newest, *others = _stretches(before, frozenset(missing), _FORTNIGHT)
    earlier = [one for one in others if one is not None]
    if newest is None or len(earlier) < _LEAST_EARLIER:
        sentence = (
            f"Of too many of the {_FORTNIGHT} days before the change, or of the weeks before them, "
            "the import is missing: nobody can tell whether the last days were unusual."
        )
        return Check(NAME, CheckState.OFF, sentence)
    last = _compare(newest, earlier, _FORTNIGHT)
    if last is None:
        sentence = "No contact came in the weeks before the change."
        return Check(NAME, CheckState.OFF, sentence)
    if gap_days:
        way = "quiet" if gap_is_low else "busy"
        sentence = (
            f"The {gap_days} days before the change were unusually {way}. The range holds both a "
            "return to what is usual and staying there, so neither counts as an effect."
        )
        return Check(NAME, CheckState.OK, sentence)
    week, *weeks = _stretches(before, frozenset(missing), _WEEK)
    known_weeks = [one for one in weeks if one is not None]
    newest_week = None if week is None else _compare(week, known_weeks, _WEEK)
    result = ("fall" if avoided > 0 else "rise") if is_claimed else "difference"
    return Check(NAME, *_judge(last, newest_week, avoided, result))


def _judge(last: _Last, week: _Last | None, avoided: float, result: str) -> tuple[CheckState, str]:
    said = _told(last)
    if abs(last.z) > _UNUSUAL and (last.z > 0) == (avoided > 0):
        return CheckState.WARN, f"{said} Part of the {result} may be a return to what is usual."
    if abs(last.z) > _UNUSUAL:
        return CheckState.WARN, f"{said} The {result} may have begun before the change."
    if week is not None and abs(week.z) > _UNUSUAL and (week.z < 0) == (avoided > 0):
        return CheckState.WARN, f"{_told(week)} The {result} may have begun before the change."
    return CheckState.OK, (
        f"{said} That is no more than those weeks vary, so they were neither unusually busy nor "
        "quiet."
    )


def _told(last: _Last) -> str:
    return (
        f"The {last.days} days before the change brought {abs(last.share):.0%} "
        f"{'more' if last.share >= 0 else 'fewer'} contacts than is usual, held against the "
        f"{last.weeks} weeks before them."
    )


def _stretches(before: Sequence[int], missing: frozenset[int], length: int) -> list[float | None]:
    """Return the contacts of each stretch, the newest first; None of one too little known."""
    end = len(before)
    first = max(0, end - _FORTNIGHT * (_MOST_FORTNIGHTS + 1))
    seen = [day for day in range(first, end) if day not in missing]
    usual = [fmean([before[day] for day in seen if day % 7 == at] or [0]) for at in range(7)]
    found: list[float | None] = []
    for start in range(end - length, first - 1, -length):
        days = range(start, start + length)
        known = sum(day not in missing for day in days)
        total = float(sum(usual[day % 7] if day in missing else before[day] for day in days))
        found.append(total if known >= length / 2 else None)
    return found


def _compare(last: float, earlier: Sequence[float], days: int) -> _Last | None:
    """Hold the last days against those before them; None when nothing came in those."""
    mean = fmean(earlier)
    if mean <= 0:
        return None
    spread = max(stdev(earlier), math.sqrt(mean))  # never calmer than chance alone
    z = (last - mean) / (spread * math.sqrt(1 + 1 / len(earlier)))
    return _Last(days, last / mean - 1, z, days * len(earlier) // 7)
