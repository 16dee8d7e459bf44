"""What avoided contacts are worth, alone and together, as ranges that carry both errors.

The rules, in plain words with a worked example in docs/impact/money.md:

- The error of the count and that of the handle time are independent, and are put together as
  the errors of a product are: V(xy) = x²V(y) + y²V(x) + V(x)V(y). An end of the range never
  crosses zero when the count alone does not.
- Over several actions, the errors of the handle time of one channel are added in full. Of the
  errors of counts a part is in common, as far as two actions were counted over the same days
  and compared with the same themes; the rest is each theme's own.
- What came up in a theme that several falls moved to is taken off once for each day.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from closedloop.domain.impact import Range
from closedloop.domain.means import Z_95
from closedloop.domain.money import ChannelFacts, Claim

DAYS_A_YEAR = 365

SHARED = 0.25
"""Share of the variance of a count's error that themes of one contact centre have in common.

`benchmarks/shared_errors.py` measures it on 240 made-up contact centres whose themes are judged on
one date: compared with the same others, errors are correlated by .11, with a standard error of
.02; on their own history alone by .27, with one of .03. This lies between, on the careful side of
what a site with five unaffected themes or more has.
"""


class Worth(StrEnum):
    """What avoided contacts are turned into."""

    MINUTES = "minutes"
    PENCE = "pence"
    PEOPLE = "people"


@dataclass(frozen=True)
class _Value:
    """What one avoided contact is worth by way of a channel, and half the 95 % range of it."""

    channel: str | None
    worth: float
    half_width: float


def _values(claim: Claim, worth_in: Worth) -> list[_Value]:
    found = []
    for c in claim.facts.channels:
        factor = _factor(claim, c, worth_in)
        if c.handle_seconds is not None and factor is not None:
            found.append(_Value(c.channel, factor * c.handle_seconds, factor * c.half_width))
    return found


def _factor(claim: Claim, channel: ChannelFacts, worth_in: Worth) -> float | None:
    """Return what a second of a channel counts for, None where it has no price."""
    minutes = channel.share / 60
    if worth_in is Worth.MINUTES:
        return minutes
    if worth_in is Worth.PEOPLE:
        return minutes * DAYS_A_YEAR / claim.n_days / claim.facts.person_minutes
    return None if channel.pence_per_minute is None else minutes * channel.pence_per_minute


def worth_of(claim: Claim, worth_in: Worth) -> Range | None:
    """Return what one action's avoided contacts are worth; None where nothing is known of it.

    Minutes and pence over the counted days; people are full-time ones, if it went on at the
    pace of the counted days for a year: none where the contacts came back.
    """
    return total_worth([claim], worth_in)


def total_worth(claims: Sequence[Claim], worth_in: Worth) -> Range | None:
    """Return the 95 % range of what several actions are worth together.

    Actions of which nothing is known in this unit are left out; None if that is all of them.
    """
    if worth_in is Worth.PEOPLE:
        claims = [claim for claim in claims if not claim.came_back]
    valued = [(claim, found) for claim in claims if (found := _values(claim, worth_in))]
    if not valued:
        return None
    each = [(claim, sum(one.worth for one in found)) for claim, found in valued]
    return _added(each, _handle_error(valued))


def total_contacts(claims: Sequence[Claim]) -> Range | None:
    """Return the 95 % range of the contacts that several actions avoided; None without any."""
    return _added([(claim, 1.0) for claim in claims], 0.0) if claims else None


def _handle_error(valued: Iterable[tuple[Claim, list[_Value]]]) -> float:
    """Return half the range that handle times leave: added in full within a channel.

    The count stands in by its typical size, so that a count of about zero still has one.
    """
    by_channel: dict[str | None, float] = defaultdict(float)
    for claim, found in valued:
        a = claim.avoided
        widest = max(a.middle - a.low, a.high - a.middle) / Z_95
        for one in found:
            by_channel[one.channel] += math.hypot(a.middle, widest) * one.half_width
    return math.hypot(*by_channel.values())


def _added(each: Sequence[tuple[Claim, float]], handle_error: float) -> Range:
    """Return the range of a sum of counts times worths, with the error of the latter."""
    middle = math.fsum(claim.avoided.middle * worth for claim, worth in each)
    below = _together([(c, (c.avoided.middle - c.avoided.low) * worth) for c, worth in each])
    above = _together([(c, (c.avoided.high - c.avoided.middle) * worth) for c, worth in each])
    low = middle - math.hypot(below, handle_error)
    high = middle + math.hypot(above, handle_error)
    if middle - below >= 0:
        low = max(low, 0.0)
    if middle + above <= 0:
        high = min(high, 0.0)
    return Range(low, middle, high)


def _together(errors: Sequence[tuple[Claim, float]]) -> float:
    """Return the error of a sum of counts, from the error of each.

    Most of an error is the theme's own. The part `SHARED` of its variance is what themes of
    one contact centre have in common: of two actions it is the same as far as they were counted
    over the same days and compared with the same themes.
    """
    if len(errors) == 1:
        return abs(errors[0][1])
    own = math.fsum(error * error for _, error in errors)
    return math.sqrt((1 - SHARED) * own + SHARED * _square_in_common(errors))


def _square_in_common(errors: Sequence[tuple[Claim, float]]) -> float:
    """Return the square of the error of a sum, were all of each error in common.

    Two errors are correlated by the share of days they have in common times the share of
    themes compared with: |A ∩ B| / √(|A| |B|) each. That is as if each error were spread
    evenly over its days and themes and those of one day and theme were the same, so it is
    summed up day by day, for all themes at once that the same actions were compared with.
    """
    members: dict[str, list[int]] = defaultdict(list)
    pieces = []
    for number, (claim, error) in enumerate(errors):
        themes = claim.compared or {""}
        spread = error / math.sqrt(claim.span_days * len(themes))
        begin = claim.first_day.toordinal()
        pieces.append((begin, begin + claim.span_days, spread))
        for theme in sorted(themes):
            members[theme].append(number)
    groups = Counter(tuple(numbers) for numbers in members.values())
    squares = (
        times * _square_over_days([pieces[number] for number in numbers])
        for numbers, times in groups.items()
    )
    return math.fsum(squares)


def _square_over_days(pieces: Iterable[tuple[int, int, float]]) -> float:
    """Return Σ over days of the square of the sum of what covers the day."""
    steps: dict[int, float] = defaultdict(float)
    for begin, end, spread in pieces:
        steps[begin] += spread
        steps[end] -= spread
    days = sorted(steps)
    level, squares = 0.0, 0.0
    for day, following in itertools.pairwise(days):
        level += steps[day]
        squares += level * level * (following - day)
    return squares


@dataclass(frozen=True)
class TotalMoney:
    """What several actions avoided together, and what that is worth.

    Attributes
    ----------
    contacts : Range or None
        Contacts avoided; None without an action.
    minutes, people, pence : Range or None
        Agent minutes over the counted days; full-time people at that pace; minor units of the
        currency. None where nothing is known.
    actions, timed, priced : int
        Actions with a range, and those of them with a handle time and with a price.
    as_one : int
        Actions that are in it by way of another one, as both were measured as one change.
    came_back : int
        Actions whose contacts came back: they are in no full-time people.
    """

    contacts: Range | None
    minutes: Range | None
    people: Range | None
    pence: Range | None
    actions: int
    timed: int
    priced: int
    as_one: int = 0
    came_back: int = 0


def total_money(claims: Sequence[Claim]) -> TotalMoney:
    """Return what several actions avoided together, and what that is worth.

    Of changes that were measured as one, only the claim with the newest data counts, and what
    came up in a theme that several falls moved to is taken off once.
    """
    once = counted_once(claims)
    minutes = total_worth(once, Worth.MINUTES)
    return TotalMoney(
        contacts=total_contacts(once),
        minutes=minutes,
        people=_no_surer(total_worth(once, Worth.PEOPLE), minutes),
        pence=total_worth(once, Worth.PENCE),
        actions=len(claims),
        timed=sum(claim.facts.timed_share > 0 for claim in claims),
        priced=sum(claim.facts.priced_share > 0 for claim in claims),
        as_one=len(claims) - len(once),
        came_back=sum(claim.came_back for claim in claims),
    )


def _no_surer(people: Range | None, minutes: Range | None) -> Range | None:
    """Return the range of people, reaching to zero where that of the minutes does.

    People weigh the actions by their pace, minutes by their days, so the one may lie on one side
    of zero and the other on both. Both tell of the same contacts: none claims what the other
    does not.
    """
    if people is None or minutes is None or not minutes.low <= 0 <= minutes.high:
        return people
    return Range(min(people.low, 0.0), people.middle, max(people.high, 0.0))


def counted_once(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that a total adds, each with the contacts that it adds for it.

    Of claims that were measured as one, only one is left.
    """
    return taken_off_once(_each_once(claims))


def _each_once(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that speak of different contacts, in their order."""
    kept: list[Claim] = []
    told: set[int] = set()
    for claim in sorted(claims, key=lambda one: one.last_day, reverse=True):
        if not claim.measured_as_one & told:
            kept.append(claim)
            told |= claim.measured_as_one
    return [claim for claim in claims if any(claim is one for one in kept)]


def taken_off_once(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims, none of which counts what came up beside it where another one does.

    A fall that moved is credited with what was avoided over its theme and those beside it. Where
    two of them moved to the same theme, or that theme has a change of its own that was judged
    over these days, each would take off the same contacts. Of one day the claim counts them
    that saw most of them; the others are moved by as much, with ranges as wide as they were.
    """
    return [_less_told_by_others(number, claims) for number in range(len(claims))]


def _less_told_by_others(number: int, claims: Sequence[Claim]) -> Claim:
    mine = claims[number]
    back = 0.0
    for key, avoided in mine.moved_into:
        days = _days(mine)
        for other in range(len(claims)):
            if other != number and _tells(claims, other, number, key):
                days -= _days(claims[other])
        back -= avoided * (1 - len(days) / mine.span_days)
    if not back:
        return mine
    found = mine.avoided
    return replace(mine, avoided=Range(found.low + back, found.middle + back, found.high + back))


def _days(claim: Claim) -> set[int]:
    begin = claim.first_day.toordinal()
    return set(range(begin, begin + claim.span_days))


def _tells(claims: Sequence[Claim], other: int, number: int, key: str) -> bool:
    """Return whether another claim counts, of the days both share, what came up in a theme.

    A change to that theme itself does when it was counted from no later a day on: one that came
    later was held against a level that had risen already.
    """
    mine, its = claims[number], claims[other]
    if key in its.themes:
        return its.first_day <= mine.first_day
    theirs, own = dict(its.moved_into).get(key), dict(mine.moved_into)[key]
    if theirs is None:
        return False
    return (abs(theirs) / its.n_days, -other) > (abs(own) / mine.n_days, -number)
