"""What a contact is worth, as it was known when something was measured.

A contact is worth the mean handle time of its channel before go-live, times what a minute costs
there; the channels count as the contacts of the theme came before go-live. How worths are added
and what their ranges carry is in `money_totals`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from closedloop.domain.impact import Range
from closedloop.domain.means import student_95

PERSON_MINUTES = 96_000.0
"""Minutes that a full-time person handles contacts in a year, until the site says otherwise:
1,600 hours, which is 37.5 a week less leave, training and breaks."""

WITHOUT_MINOR_UNITS = frozenset({"JPY", "KRW", "VND"})
"""Currencies that have none."""


def minor_units(currency: str) -> int:
    """Return how many minor units a whole unit of a currency has: 100 pence, one yen."""
    return 1 if currency in WITHOUT_MINOR_UNITS else 100


class Price(StrEnum):
    """Where the price of a minute came from; of several over the days, the vaguest.

    NOW is the site's of today, where none was set when it was measured.
    """

    OWN = "own"
    OTHER = "other"
    SITE = "site"
    NOW = "now"
    NONE = "none"


@dataclass(frozen=True)
class ChannelFacts:
    """What a channel contributes to the worth of a contact of the theme.

    Attributes
    ----------
    channel : str or None
        None is every channel too small for figures of its own, with the theme's mean.
    share : float
        Of the theme's contacts before go-live, 0 to 1.
    contacts, handled : int
        All of them, and those with a handle time.
    weeks : int
        With handle times.
    handle_seconds : float or None
        Mean; None where no handle time is recorded.
    handle_error : float or None
        Standard error of it, seconds; None where it is not known.
    pence_per_minute : float or None
        Mean over the counted days, in minor units; None where nothing was set.
    price : Price
    """

    channel: str | None
    share: float
    contacts: int
    handled: int
    weeks: int
    handle_seconds: float | None
    handle_error: float | None
    pence_per_minute: float | None
    price: Price

    @property
    def half_width(self) -> float:
        """Half the 95 % range of the mean handle time in seconds; 0 where it is not known."""
        return student_95(self.weeks - 1) * self.handle_error if self.handle_error else 0.0


@dataclass(frozen=True)
class MoneyFacts:
    """What was known of time and money when something was measured.

    Attributes
    ----------
    channels : tuple of ChannelFacts
        Shares add up to 1.
    person_minutes : float
        Minutes a year of a full-time person, as the site had it then.
    is_dated : bool
        Written down with the measurement; else made up from its two columns.
    """

    channels: tuple[ChannelFacts, ...]
    person_minutes: float = PERSON_MINUTES
    is_dated: bool = True

    @property
    def timed_share(self) -> float:
        """Share of the contacts for whose channel a handle time is known."""
        return sum(c.share for c in self.channels if c.handle_seconds is not None)

    @property
    def priced_share(self) -> float:
        """Share of the contacts for whose channel a handle time and a price are known."""
        return sum(
            c.share
            for c in self.channels
            if c.handle_seconds is not None and c.pence_per_minute is not None
        )

    @property
    def knows_error(self) -> bool:
        """Whether the error of every handle time is known."""
        timed = [c for c in self.channels if c.handle_seconds is not None]
        return bool(timed) and all(c.handle_error is not None for c in timed)

    @property
    def mean_seconds(self) -> float | None:
        """Mean handle time over the timed channels; None without one."""
        timed = [c for c in self.channels if c.handle_seconds is not None]
        total = sum(c.share * (c.handle_seconds or 0.0) for c in timed)
        return total / self.timed_share if self.timed_share else None

    @property
    def seconds_range(self) -> Range | None:
        """That mean with its 95 % range; None where the error of a handle time is not known."""
        mean = self.mean_seconds
        if mean is None or not self.knows_error:
            return None
        timed = [c for c in self.channels if c.handle_seconds is not None]
        half = math.hypot(*(c.share * c.half_width for c in timed)) / self.timed_share
        return Range(max(0.0, mean - half), mean, mean + half)

    @property
    def mean_pence(self) -> float | None:
        """Price of a minute over the priced channels, weighted by their minutes."""
        pairs = [
            (c.share * c.handle_seconds, c.pence_per_minute)
            for c in self.channels
            if c.handle_seconds is not None and c.pence_per_minute is not None
        ]
        minutes = sum(weight for weight, _ in pairs)
        return sum(weight * pence for weight, pence in pairs) / minutes if minutes else None

    @property
    def is_priced_now(self) -> bool:
        """Whether the prices are those of today."""
        return any(c.price is Price.NOW for c in self.channels)

    def at_price(self, pence: float) -> MoneyFacts:
        """Return the facts at a price of today where none was set when it was measured."""
        if pence <= 0 or any(c.pence_per_minute is not None for c in self.channels):
            return self
        priced = (replace(c, pence_per_minute=pence, price=Price.NOW) for c in self.channels)
        return replace(self, channels=tuple(priced))

    def as_detail(self) -> dict[str, Any]:
        """Return what a measurement keeps, as JSON."""
        return {
            "person_minutes": self.person_minutes,
            "channels": [vars(c) | {"price": c.price.value} for c in self.channels],
        }


def read_facts(
    kept: Mapping[str, Any] | None, *, handle_seconds: float, pence_per_minute: float
) -> MoneyFacts:
    """Return the facts of a measurement, from its two columns where it kept no more.

    Parameters
    ----------
    kept : mapping or None
        What `MoneyFacts.as_detail` gave.
    handle_seconds, pence_per_minute : float
        Mean over all channels and the site's rate when measured; 0 is not known.
    """
    if kept:
        channels = tuple(
            ChannelFacts(**{**one, "price": Price(one["price"])}) for one in kept["channels"]
        )
        return MoneyFacts(channels, float(kept["person_minutes"]))
    only = ChannelFacts(
        channel=None,
        share=1.0,
        contacts=0,
        handled=0,
        weeks=0,
        handle_seconds=handle_seconds or None,
        handle_error=None,
        pence_per_minute=pence_per_minute or None,
        price=Price.SITE if pence_per_minute else Price.NONE,
    )
    return MoneyFacts((only,), is_dated=False)


@dataclass(frozen=True)
class Claim:
    """The contacts that one action avoided, and what is needed to value and to add them.

    Attributes
    ----------
    avoided : Range
        Contacts over the counted days, 95 %.
    facts : MoneyFacts
    first_day, last_day : date
        Counted days, both inclusive.
    compared : frozenset of str
        Keys of the themes that it was compared with.
    n_counted : int
        Days that count; 0 is all of them.
    measured_as_one : frozenset of int
        Itself and the changes that cannot be told apart from it; empty where it is not known.
    came_back : bool
        Its contacts came back since: what it avoided stays, at its pace it goes on no more.
    themes : frozenset of str
        Keys of the themes that it touches.
    moved_into : tuple of (str, float)
        Of a fall that moved, the themes beside it that are in `avoided`: their keys, and the
        contacts avoided there, negative when more came.
    intervention_id : int
        Whose claim it is; 0 where nobody asks.
    """

    avoided: Range
    facts: MoneyFacts
    first_day: date
    last_day: date
    compared: frozenset[str] = frozenset()
    n_counted: int = 0
    measured_as_one: frozenset[int] = frozenset()
    came_back: bool = False
    themes: frozenset[str] = frozenset()
    moved_into: tuple[tuple[str, float], ...] = ()
    intervention_id: int = 0

    @property
    def span_days(self) -> int:
        """Days from the first counted one to the last, at least 1."""
        return max(1, (self.last_day - self.first_day).days + 1)

    @property
    def n_days(self) -> int:
        """Counted days, at least 1."""
        return self.n_counted or self.span_days
