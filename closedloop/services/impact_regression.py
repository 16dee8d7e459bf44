"""Whether a change was made after an unusually busy time: contacts would have fallen anyway."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from closedloop.domain.impact import Check, CheckState

NAME = "regression_to_mean"
LEAST_DAYS = 74
"""Days before the change below which no fortnight can be called unusual (reference study)."""

_FORTNIGHT = 14
_MOST_FORTNIGHTS = 8  # further back the season changes more than chance does
_UNUSUAL = 2.0  # standard deviations
_LEAST_EARLIER = 4  # fortnights to compare with, as `LEAST_DAYS` hold
_LEAST_KNOWN = 7  # days of a fortnight; one of which fewer are known is not compared


@dataclass(frozen=True)
class _LastFortnight:
    """How the last fortnight before a change stands among those before it.

    `share` is its excess over their mean (-1 and up), `z` the same in standard deviations,
    `weeks` how far back they reach.
    """

    share: float
    z: float
    weeks: int


def check_regression(
    before: Sequence[int], *, gap_days: int, avoided: float, missing: Collection[int] = ()
) -> Check:
    """Say whether a fall, or a rise, may be no more than a return to what is usual.

    Parameters
    ----------
    before : sequence of int
        Contacts a day before the change, oldest first.
    gap_days : int
        Days right before the change that the method took for a peak; 0 for none.
    avoided : float
        Contacts avoided; negative when more came than expected.
    missing : collection of int, optional
        Days whose import is missing, by their place in `before`: they are taken to be as their
        weekday is elsewhere.
    """
    known = len(before) - len(set(missing))
    if known < LEAST_DAYS:
        sentence = (
            f"Only {known} {'counted days' if missing else 'days'} lie before the change; "
            f"{LEAST_DAYS} are needed to tell whether the last of them were unusual."
        )
        return Check(NAME, CheckState.OFF, sentence)
    newest, *others = _fortnights(before, frozenset(missing))
    earlier = [one for one in others if one is not None]
    if newest is None or len(earlier) < _LEAST_EARLIER:
        sentence = (
            f"Of too many of the {_FORTNIGHT} days before the change, or of the weeks before them, "
            "the import is missing: nobody can tell whether the last days were unusual."
        )
        return Check(NAME, CheckState.OFF, sentence)
    last = _compare(newest, earlier)
    if last is None:
        sentence = "No contact came in the weeks before the change."
        return Check(NAME, CheckState.OFF, sentence)
    return Check(NAME, *_judge(last, gap_days, avoided))


def _judge(last: _LastFortnight, gap_days: int, avoided: float) -> tuple[CheckState, str]:
    said = (
        f"The {_FORTNIGHT} days before the change brought {abs(last.share):.0%} "
        f"{'more' if last.share >= 0 else 'fewer'} contacts than is usual, held against the "
        f"{last.weeks} weeks before them."
    )
    if gap_days:
        return CheckState.OK, (
            f"The {gap_days} days before the change were unusually busy. The range holds both a "
            "return to what is usual and staying there, so neither counts as an effect."
        )
    if last.z > _UNUSUAL and avoided > 0:
        return CheckState.WARN, f"{said} Part of the fall may be a return to what is usual."
    if last.z < -_UNUSUAL and avoided < 0:
        return CheckState.WARN, f"{said} Part of the rise may be a return to what is usual."
    if abs(last.z) > _UNUSUAL:
        return CheckState.OK, f"{said} A return to what is usual would have hidden the effect."
    return CheckState.OK, f"{said} That is no more than those weeks vary, so it was no peak."


def _fortnights(before: Sequence[int], missing: frozenset[int]) -> list[float | None]:
    """Return the contacts of each fortnight, the newest first; None of one too little known."""
    end = len(before)
    first = max(0, end - _FORTNIGHT * (_MOST_FORTNIGHTS + 1))
    seen = [day for day in range(first, end) if day not in missing]
    usual = [fmean([before[day] for day in seen if day % 7 == at] or [0]) for at in range(7)]
    found: list[float | None] = []
    for start in range(end - _FORTNIGHT, first - 1, -_FORTNIGHT):
        days = range(start, start + _FORTNIGHT)
        known = sum(day not in missing for day in days)
        total = float(sum(usual[day % 7] if day in missing else before[day] for day in days))
        found.append(total if known >= _LEAST_KNOWN else None)
    return found


def _compare(last: float, earlier: Sequence[float]) -> _LastFortnight | None:
    """Hold the last fortnight against those before it; None when nothing came in those."""
    mean = fmean(earlier)
    if mean <= 0:
        return None
    spread = max(stdev(earlier), math.sqrt(mean))  # never calmer than chance alone
    z = (last - mean) / (spread * math.sqrt(1 + 1 / len(earlier)))
    return _LastFortnight(last / mean - 1, z, 2 * len(earlier))
