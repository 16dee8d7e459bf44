"""What a fix cost against what it frees, the repeats among what it avoided, and rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from closedloop.domain.impact import Range
from closedloop.domain.impact_words import spelt
from closedloop.domain.means import Z_95

HORIZON_DAYS = 730
"""Days from the first counted one on in which a fix may pay back: two years."""

FEWEST_IDENTIFIED = 30
"""Contacts of a known customer on either side before repeats avoided are told."""

MOST_COST = 1e12
"""Pence that a fix costs at most; more is a slip of the hand."""


class PaybackState(StrEnum):
    """What can be said of the day on which a fix has paid back."""

    NO_COST = "no_cost"
    NO_COST_BESIDE = "no_cost_beside"
    NO_RANGE = "no_range"
    INCONCLUSIVE = "inconclusive"
    NOT_VALUED = "not_valued"
    HOLDS_ZERO = "holds_zero"
    NEVER = "never"
    CAME_BACK = "came_back"
    NOT_WITHIN = "not_within"
    PAID = "paid"


@dataclass(frozen=True)
class Payback:
    """The day on which what is freed has reached what the fix cost, as a range.

    Attributes
    ----------
    state : PaybackState
    earliest, latest : date or None
        With `PAID`, inclusive; `latest` is None when it lies past the horizon.
    """

    state: PaybackState
    earliest: date | None = None
    latest: date | None = None


@dataclass(frozen=True)
class Costs:
    """What a fix cost, and each of the changes that were measured as one with it.

    Attributes
    ----------
    own : (float, float) or None
        Pence, at least and at most; None where nobody has said.
    others : tuple of (float, float) or None
        Of the changes that nobody can tell apart from it.
    """

    own: tuple[float, float] | None
    others: tuple[tuple[float, float] | None, ...] = ()

    @property
    def together(self) -> tuple[float, float] | None:
        """Pence of all of them; None while nobody has said it of one."""
        low = high = 0.0
        for one in (self.own, *self.others):
            if one is None:
                return None
            low, high = low + one[0], high + one[1]
        return low, high


def pay_back(
    cost: tuple[float, float] | None, freed: Range | None, first_day: date, n_days: int
) -> Payback:
    """Return when a fix has paid back, if it goes on at the pace of the counted days.

    The earliest day takes the lowest cost and the upper end of what is freed, the latest the
    highest cost and the lower end: the widest range that the two allow.

    Parameters
    ----------
    cost : (float, float) or None
        What the fix cost, at least and at most, in pence.
    freed : Range or None
        Worth of the counted days in pence; None where they are not valued.
    first_day : date
        First counted day.
    n_days : int
        Counted days, at least 1.
    """
    if cost is None:
        return Payback(PaybackState.NO_COST)
    if freed is None:
        return Payback(PaybackState.NOT_VALUED)
    if freed.high <= 0:
        return Payback(PaybackState.NEVER)
    if freed.low <= 0:
        return Payback(PaybackState.HOLDS_ZERO)
    earliest = _day_of(cost[0] * n_days / freed.high, first_day)
    latest = _day_of(cost[1] * n_days / freed.low, first_day)
    if earliest is None:
        return Payback(PaybackState.NOT_WITHIN)
    return Payback(PaybackState.PAID, earliest, latest)


def _day_of(days: float, first_day: date) -> date | None:
    """Return the day at whose end so many days are over, None past the horizon."""
    if days > HORIZON_DAYS:
        return None
    return first_day + timedelta(days=max(1, math.ceil(days - 1e-9)) - 1)


_SENTENCES = {
    PaybackState.NO_COST: "Nobody has said what the fix cost.",
    PaybackState.NO_COST_BESIDE: "It cannot be told: it is measured as one with other changes, "
    "and nobody has said what all of them cost.",
    PaybackState.NO_RANGE: "It cannot be told yet.",
    PaybackState.INCONCLUSIVE: "It cannot be told while the verdict is inconclusive.",
    PaybackState.NOT_VALUED: "It cannot be told: the time freed has no price.",
    PaybackState.HOLDS_ZERO: "It cannot be told while the range holds zero.",
    PaybackState.NEVER: "It does not pay back: more contacts came than were expected.",
    PaybackState.CAME_BACK: "It cannot be told: the contacts came back.",
    PaybackState.NOT_WITHIN: "Not within two years.",
}


def payback_words(found: Payback) -> str:
    """Say when a fix has paid back, in a sentence."""
    if found.earliest is None:
        return _SENTENCES[found.state]
    if found.latest is None:
        return f"Not before {spelt(found.earliest)}, and perhaps not within two years."
    if found.latest == found.earliest:
        return f"On {spelt(found.earliest)}."
    return f"Between {spelt(found.earliest)} and {spelt(found.latest)}."


def cost_problems(cost_low: float | None, cost_high: float | None) -> dict[str, str]:
    """Return a sentence for each of the two costs, in pence, that cannot be.

    Both may be None, nobody having said it; a single one is asked for the other.
    """
    fields = {
        name: "A fix costs 0 or more, as far as a number goes."
        for name, cost in (("cost_low", cost_low), ("cost_high", cost_high))
        if cost is not None and not 0 <= cost <= MOST_COST
    }
    if fields:
        return fields
    if cost_low is None and cost_high is not None:
        return {"cost_low": "Say what it costs at least, too; 0 if it may cost nothing."}
    if cost_high is None and cost_low is not None:
        return {"cost_high": "Say what it costs at most, too; the same again if you know it."}
    if cost_low is not None and cost_high is not None and cost_low > cost_high:
        return {"cost_high": "It cannot cost less at most than it costs at least."}
    return {}


@dataclass(frozen=True)
class RepeatShare:
    """Contacts of a known customer, and those of them followed by the same theme in 7 days."""

    identified: int
    repeats: int

    @property
    def rate(self) -> float:
        """Share that was followed, 0 to 1; 0 without contacts."""
        return self.repeats / self.identified if self.identified else 0.0

    @property
    def variance(self) -> float:
        """Variance of the share, with two of each kind added so that 0 of 40 is not certain."""
        n = self.identified + 4
        rate = (self.repeats + 2) / n
        return rate * (1 - rate) / n


def repeats_avoided(
    avoided: Range, observed: int, before: RepeatShare, after: RepeatShare
) -> Range | None:
    """Return the repeats among the contacts avoided, 95 %; None with too few contacts to tell.

    Repeats that would have come are the share before the change of the contacts expected;
    those that came are the share since of the contacts that came. They are part of the
    contacts avoided, never on top of them.

    Parameters
    ----------
    avoided : Range
        Contacts of the theme alone.
    observed : int
        Contacts that came over the counted days.
    before, after : RepeatShare
        Of mature days. Contacts without a known customer are taken to be like the others.
    """
    if min(before.identified, after.identified) < FEWEST_IDENTIFIED:
        return None
    expected = observed + avoided.middle
    middle = before.rate * expected - after.rate * observed
    below, above = (
        _repeat_error(width, expected, observed, before, after)
        for width in (avoided.middle - avoided.low, avoided.high - avoided.middle)
    )
    return Range(middle - below, middle, middle + above)


def _repeat_error(
    width: float, expected: float, observed: int, before: RepeatShare, after: RepeatShare
) -> float:
    """Return half the 95 % range, `width` being that of the contacts avoided."""
    counted = before.rate * width
    was = Z_95 * math.hypot(expected, width / Z_95) * math.sqrt(before.variance)
    is_now = Z_95 * observed * math.sqrt(after.variance)
    return math.hypot(counted, was, is_now)


def two_figures(value: float, *, up: bool) -> float:
    """Round to two significant figures, up or down: 2,143 is 2,100 or 2,200.

    Less than a billionth is nothing.
    """
    if abs(value) < 1e-9:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = value / step
    nearest = round(steps)
    if abs(steps - nearest) < 1e-9 * max(1.0, abs(steps)):
        return nearest * step
    return (math.ceil(steps) if up else math.floor(steps)) * step


def round_out(found: Range) -> Range:
    """Round a range to two significant figures: its ends outwards, its middle to the nearest."""
    low, high = two_figures(found.low, up=False), two_figures(found.high, up=True)
    down, up = two_figures(found.middle, up=False), two_figures(found.middle, up=True)
    return Range(low, down if found.middle - down <= up - found.middle else up, high)
