"""Simulate the year as it would have gone had no fix shipped: problems, and contacts about them.

A problem (episode) begins on some day with one contact and is asked about again, one to twenty
days later, as long as it stays unsolved. Everything is held as arrays, one entry per contact.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from closedloop.demo import calendar
from closedloop.demo.calendar import BURN_IN_DAYS, N_DAYS, FloatArray
from closedloop.demo.intents import INDEX, INTENTS

IntArray = NDArray[np.int64]

DAY_SECONDS = 86_400
MIN_GAP_SECONDS = 13 * 3600  # contacts of one customer stay apart, past any session gap
MAX_CHAIN = 7

_POOL = 42_000  # customers of the bank who might contact it
_EAGERNESS = 0.75  # gamma shape: smaller means a few customers contact far more often
_SECOND_PROBLEM = 0.055  # share of problems that fall on somebody who had another one lately
_LATELY = (60, 800)  # how many problems of all customers ago; about 100 begin a day
_CHAIN_SPREAD = 6.0  # beta precision of the chance to ask again, from problem to problem
_CHANNEL_SHARES = (0.52, 0.31, 0.17)  # as in CHANNELS
_CHANNEL_KEPT = 0.65
_GAP_DAYS = np.arange(1, 21)
_GAP_WEIGHTS = np.sqrt(_GAP_DAYS) * np.exp(-_GAP_DAYS / 3.8)

_COMMON_LEVEL_SD, _OWN_LEVEL_SD, _LEVEL_MEMORY = 0.03, 0.045, 0.985
_COMMON_DAY_SD, _OWN_DAY_SD = 0.05, 0.11


@dataclass(frozen=True)
class Shock:
    """A bad day: the intents it multiplies, and by how much."""

    day: date
    story: str
    factors: tuple[tuple[str, float], ...]


SHOCKS = (
    Shock(
        date(2025, 9, 18),
        "Card payments were declined for four hours.",
        (("declined_card_payment", 6.0), ("card_not_working", 4.0)),
    ),
    Shock(
        date(2025, 12, 2),
        "Transfers to other banks stood still until the evening.",
        (("transfer_not_received_by_recipient", 4.0), ("failed_transfer", 5.0)),
    ),
    Shock(
        date(2026, 1, 13),
        "The app refused every sign-in for a morning.",
        (("passcode_forgotten", 6.0), ("unable_to_verify_identity", 3.0)),
    ),
)


@dataclass(frozen=True)
class Contacts:
    """Contacts in order of time, as parallel arrays of shape (n_contacts,).

    Attributes
    ----------
    second : int64
        Local seconds after the midnight that begins the first day.
    episode, customer : int64
        Which problem, and whose.
    ordinal : int8
        0 for the first contact about a problem, then 1, 2, ...
    intent, channel : int8
        Positions in `INTENTS` and `CHANNELS`.
    """

    second: IntArray
    episode: IntArray
    customer: IntArray
    ordinal: NDArray[np.int8]
    intent: NDArray[np.int8]
    channel: NDArray[np.int8]

    def take(self, rows: NDArray[np.bool_] | IntArray) -> Contacts:
        """Return the chosen contacts, in the given order."""
        return Contacts(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.second)


def simulate_year(rng: np.random.Generator) -> Contacts:
    """Return every contact of the demo year had no fix shipped, in order of time."""
    starts = _first_contacts(rng)
    everything = _with_follow_ups(rng, starts)
    inside = (everything.second >= 0) & (everything.second < N_DAYS * DAY_SECONDS)
    everything = _without_collisions(everything.take(inside))
    order = np.lexsort((everything.ordinal, everything.episode, everything.second))
    return everything.take(order)


def _slow_level(rng: np.random.Generator, sd: float, n_series: int) -> FloatArray:
    """Return stationary AR(1) log levels, shape (n_series, days), with standard deviation `sd`."""
    steps = rng.standard_normal((n_series, BURN_IN_DAYS + N_DAYS))
    steps[:, 1:] *= np.sqrt(1 - _LEVEL_MEMORY**2)
    level = steps
    for day in range(1, level.shape[1]):
        level[:, day] += _LEVEL_MEMORY * level[:, day - 1]
    return sd * level


def _expected_first_contacts(rng: np.random.Generator) -> FloatArray:
    """Return the Poisson means, shape (n_intents, days), noise in level and day included."""
    n = len(INTENTS)
    shape = (n, BURN_IN_DAYS + N_DAYS)
    log_noise = _slow_level(rng, _COMMON_LEVEL_SD, 1) + _slow_level(rng, _OWN_LEVEL_SD, n)
    log_noise += _COMMON_DAY_SD * rng.standard_normal((1, shape[1]))
    log_noise += _OWN_DAY_SD * rng.standard_normal(shape)
    variance = _COMMON_LEVEL_SD**2 + _OWN_LEVEL_SD**2 + _COMMON_DAY_SD**2 + _OWN_DAY_SD**2
    firsts = np.array([intent.per_day / _chain_length(intent.again) for intent in INTENTS])
    swing = np.array([calendar.summer_swing(intent.summer) for intent in INTENTS])
    means: FloatArray = (
        firsts[:, None] * swing * calendar.day_levels() * np.exp(log_noise - variance / 2)
    )
    for shock in SHOCKS:
        for key, factor in shock.factors:
            means[INDEX[key], BURN_IN_DAYS + calendar.day_number(shock.day)] *= factor
    return means


def _chain_length(again: float) -> float:
    """Return the mean number of contacts per problem when its chance to go on is beta."""
    b = (1 - again) * _CHAIN_SPREAD
    return (_CHAIN_SPREAD - 1) / (b - 1)


def _first_contacts(rng: np.random.Generator) -> Contacts:
    """Return one contact per problem, burn-in days included."""
    counts = rng.poisson(_expected_first_contacts(rng))
    intent = np.repeat(np.arange(len(INTENTS)), counts.sum(axis=1)).astype(np.int8)
    days = np.tile(np.arange(counts.shape[1]), len(INTENTS))
    day = np.repeat(days, counts.ravel()) - BURN_IN_DAYS
    n = len(day)
    channel = _draw_channel(rng, n)
    second = day * DAY_SECONDS + calendar.seconds_of_day(channel, rng.random(n))
    customer = _draw_customers(rng, second)
    return Contacts(second, np.arange(n), customer, np.zeros(n, np.int8), intent, channel)


def _draw_customers(rng: np.random.Generator, second: IntArray) -> IntArray:
    """Return whose each problem is: mostly anybody's, at times one who had another lately."""
    n = len(second)
    eagerness = np.cumsum(rng.gamma(_EAGERNESS, size=_POOL))
    customer: IntArray = np.searchsorted(
        eagerness, rng.random(n) * eagerness[-1], side="right"
    ).astype(np.int64)
    order = np.lexsort((np.arange(n), second))
    earlier = np.arange(n) - rng.integers(*_LATELY, size=n)
    second_problem = (rng.random(n) < _SECOND_PROBLEM) & (earlier >= 0)
    in_order = customer[order]
    in_order[second_problem] = customer[order][earlier[second_problem]]
    customer[order] = in_order
    return customer


def _draw_channel(rng: np.random.Generator, n: int) -> NDArray[np.int8]:
    ends = np.cumsum(_CHANNEL_SHARES)[:-1]
    return np.searchsorted(ends, rng.random(n), side="right").astype(np.int8)


def _with_follow_ups(rng: np.random.Generator, starts: Contacts) -> Contacts:
    """Return the first contacts and, generation by generation, those that come back."""
    mean = np.array([intent.again for intent in INTENTS])[starts.intent]
    chance = rng.beta(mean * _CHAIN_SPREAD, (1 - mean) * _CHAIN_SPREAD)
    generations = [starts]
    for _ in range(1, MAX_CHAIN):
        last = generations[-1]
        generations.append(_ask_again(rng, last.take(rng.random(len(last)) < chance[last.episode])))
    return Contacts(
        *(np.concatenate([getattr(g, f.name) for g in generations]) for f in fields(Contacts))
    )


def _ask_again(rng: np.random.Generator, last: Contacts) -> Contacts:
    """Return the next contact of each of these problems; busy days are likelier days."""
    n = len(last)
    day = last.second // DAY_SECONDS
    levels = np.concatenate([calendar.day_levels(), np.ones(MAX_CHAIN * len(_GAP_DAYS))])
    weights = np.cumsum(_GAP_WEIGHTS * levels[day[:, None] + BURN_IN_DAYS + _GAP_DAYS], axis=1)
    gap = 1 + (weights < rng.random((n, 1)) * weights[:, -1:]).sum(axis=1)
    channel = np.where(rng.random(n) < _CHANNEL_KEPT, last.channel, _draw_channel(rng, n))
    second = (day + gap) * DAY_SECONDS + calendar.seconds_of_day(channel, rng.random(n))
    earliest = last.second + MIN_GAP_SECONDS + np.floor(rng.random(n) * 3600).astype(np.int64)
    return Contacts(
        np.maximum(second, earliest),
        last.episode,
        last.customer,
        (last.ordinal + 1).astype(np.int8),
        last.intent,
        channel.astype(np.int8),
    )


def _without_collisions(contacts: Contacts) -> Contacts:
    """Drop whole problems one contact of which falls within hours of another by the customer.

    Two contacts that close would be read as one by an import with a session gap.
    """
    order = np.lexsort((contacts.episode, contacts.second, contacts.customer))
    same = np.diff(contacts.customer[order]) == 0
    close = same & (np.diff(contacts.second[order]) < MIN_GAP_SECONDS)
    dropped = np.unique(contacts.episode[order][1:][close])
    return contacts.take(~np.isin(contacts.episode, dropped))
