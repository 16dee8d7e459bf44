"""Where each contact stands among those of its customer: plain arrays in, plain arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
NONE = -1
"""Stands for "no such neighbour" in a gap."""


@dataclass(frozen=True)
class Links:
    """Links of contacts, one entry each, in the order of the input.

    Attributes
    ----------
    previous_gap, next_gap : array of int
        Seconds to the contact before and after, 0 or more; `NONE` where there is none.
    previous_same_gap, next_same_gap : array of int
        The same among contacts about the same: the same theme, or the same case.
    chain_id : array of int
        Id of the first contact of the episode.
    chain_position : array of int
        1 is the first.
    """

    previous_gap: Integers
    next_gap: Integers
    previous_same_gap: Integers
    next_same_gap: Integers
    chain_id: Integers
    chain_position: Integers


def find_tied(customers: Integers, starts: Integers) -> NDArray[np.bool_]:
    """Return which contacts started in the same second as another one of their customer."""
    order = _sorted_by(customers, starts)
    c, s = customers[order], starts[order]
    like_next = (c[1:] == c[:-1]) & (s[1:] == s[:-1])
    tied = np.zeros(len(c), dtype=bool)
    tied[order[1:][like_next]] = True
    tied[order[:-1][like_next]] = True
    return tied


def link(
    ids: Integers,
    customers: Integers,
    starts: Integers,
    themes: Integers,
    ties: Integers,
    window: int,
    cases: Integers | None = None,
) -> Links:
    """Link contacts to their neighbours and gather them into episodes.

    Parameters
    ----------
    ids, customers : array of int
        Of contacts in any order.
    starts : array of int
        Seconds since 1970.
    themes : array of int
        0 is none: such contacts have no neighbour about the same theme.
    ties : array of int
        Decides between contacts of one customer in the same second: the greater is the repeat.
    window : int
        Longest gap inside an episode in seconds, inclusive, for any reason.
    cases : array of int, optional
        0 is none. Contacts of one case are about the same, whatever their themes.
    """
    order = _sorted_by(customers, starts, ties)
    c, s = customers[order], starts[order]
    before, after = _gaps(s, c[1:] == c[:-1])
    n = len(order)
    opens = (before == NONE) | (before > window)
    opener = np.maximum.accumulate(np.where(opens, np.arange(n), 0)) if n else order
    same_before, same_after = _gaps_about(themes[order], c, s, order)
    if cases is not None and cases.any():
        few = np.flatnonzero(cases[order])
        of_case = _gaps_about(cases[order][few], c[few], s[few], np.arange(len(few)))
        for same, gaps in zip((same_before, same_after), of_case, strict=True):
            same[order[few]] = _nearer(same[order[few]], gaps)
    return Links(
        _back(before, order),
        _back(after, order),
        same_before,
        same_after,
        _back(ids[order][opener], order),
        _back(np.arange(n) - opener + 1, order),
    )


def _gaps_about(
    labels: Integers, customers: Integers, starts: Integers, places: Integers
) -> tuple[Integers, Integers]:
    """Return the gaps before and after among contacts of one customer and label, 0 being none.

    The contacts come in order of time; the gaps go to their `places`.
    """
    by_label = _sorted_by(customers, labels)
    c, t = customers[by_label], labels[by_label]
    is_same = (c[1:] == c[:-1]) & (t[1:] == t[:-1]) & (t[1:] > 0)
    before, after = _gaps(starts[by_label], is_same)
    return _back(before, places[by_label]), _back(after, places[by_label])


def _nearer(one: Integers, other: Integers) -> Integers:
    """Return the smaller of two gaps each, of which either may be `NONE`."""
    both = np.minimum(one, other)
    return np.where(both == NONE, np.maximum(one, other), both)


def _sorted_by(*keys: Integers) -> Integers:
    """Return the order by the first key, then the next; equal ones stay as they are.

    As one number where the keys fit into it, which sorts several times as fast.
    """
    if not len(keys[0]):
        return np.zeros(0, dtype=np.int64)
    lows = [int(key.min()) for key in keys]
    spans = [int(key.max()) - low + 1 for key, low in zip(keys, lows, strict=True)]
    if prod(spans) >= 2**62:
        return np.lexsort(keys[::-1])
    combined = np.zeros(len(keys[0]), dtype=np.int64)
    for key, low, span in zip(keys, lows, spans, strict=True):
        combined = combined * span + (key - low)
    return np.argsort(combined, kind="stable")


def _gaps(starts: Integers, is_neighbour: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return the gaps to the entry before and after, where it is a neighbour."""
    gaps = np.where(is_neighbour, np.diff(starts), NONE)
    end = np.array([NONE], dtype=np.int64)[: len(starts)]
    return np.concatenate((end, gaps)), np.concatenate((gaps, end))


def _back(values: Integers, order: Integers) -> Integers:
    """Return values in the order of the input."""
    found = np.empty(len(values), dtype=np.int64)
    found[order] = values
    return found
