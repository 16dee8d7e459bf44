"""Check and clean the rows of a file in stretches, in processes beside where they are worth it.

Reading and writing keep one core busy, checking and redacting what others there are.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import cycle
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.contacts import Outcome, as_outcome, read_pieces, rows_of
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import (
    BadRow,
    FileFacts,
    ParsedContact,
    Piece,
    RawRow,
    Reject,
    Skipped,
)
from closedloop.config import Settings
from closedloop.services.beside import Beside
from closedloop.services.clean_rows import CleanReject, CleanTable
from closedloop.services.contact_rows import RowCleaner

ROWS_PER_STRETCH = 2_000
CHARACTERS_PER_STRETCH = 500_000
BYTES_WORTH_A_PROCESS = 2_000_000
MOST_HELPERS = 4
STRETCHES_AHEAD = 8
"""How many stretches are cleaned while one is written: what bounds the memory."""

PIECE_CHARACTERS = 300_000
"""How much text a process beside splits into rows itself."""

Item = RawRow | BadRow | Outcome
Portion = list[Item] | Piece


@dataclass
class Stretch:
    """A stretch of a file, cleaned.

    Attributes
    ----------
    rows : CleanTable
    rejects : list of CleanReject
    withdrawn : dict of str to int
        Lines of contacts that the source has deleted or calls spam, by their ids.
    n_read : int
        Rows of the file it covers, those passed over included.
    last_line : int
        Physical line of the last of them.
    """

    rows: CleanTable
    rejects: list[CleanReject] = field(default_factory=list)
    withdrawn: dict[str, int] = field(default_factory=dict)
    n_read: int = 0
    last_line: int = 0


@dataclass(frozen=True)
class Cleaning:
    """How the rows of one file are checked and cleaned.

    Attributes
    ----------
    now : datetime
        Of the first run, so that each run refuses the same rows.
    """

    settings: Settings
    facts: FileFacts
    mapping: Mapping
    now: datetime

    def stretches(self, items: Iterable[Item | Piece], *, n_bytes: int) -> Iterator[Stretch]:
        """Yield the rest of a file in stretches of bounded size, in the order of reading.

        Parameters
        ----------
        items : iterable
            Rows, what they were found to be, or pieces that hold some.
        n_bytes : int
            Size of the file, which tells whether processes beside are worth their start.
        """
        portions = _portions(items)
        if not is_worth_processes(n_bytes):
            cleaner = RowCleaner(self.settings, self.facts, self.mapping)
            return (_clean(portion, self, cleaner) for portion in portions)
        return _beside(portions, self)


def is_worth_processes(n_bytes: int) -> bool:
    """Return whether a file is cleaned by processes beside."""
    return n_bytes >= BYTES_WORTH_A_PROCESS and (os.cpu_count() or 1) > 1


def pieces_of(bundle: Bundle, facts: FileFacts) -> Iterator[Item | Piece]:
    """Yield an export as pieces of text as far as it can be cut, as rows otherwise."""
    return read_pieces(bundle, facts, PIECE_CHARACTERS)


def without_first(
    items: Iterable[Item | Piece], facts: FileFacts, n: int
) -> Iterator[Item | Piece]:
    """Yield what comes behind the first `n` rows, those in pieces counted."""
    for item in items:
        if n == 0:
            yield item
        elif isinstance(item, Piece):
            rows = rows_of(item, facts)
            yield from rows[n:]
            n = max(0, n - len(rows))
        else:
            n -= 1


def _portions(items: Iterable[Item | Piece]) -> Iterator[Portion]:
    portion: list[Item] = []
    n_characters = 0
    for item in items:
        if isinstance(item, Piece):
            if portion:
                yield portion
            portion, n_characters = [], 0
            yield item
            continue
        portion.append(item)
        n_characters += _size(item)
        if len(portion) >= ROWS_PER_STRETCH or n_characters >= CHARACTERS_PER_STRETCH:
            yield portion
            portion, n_characters = [], 0
    if portion:
        yield portion


def _size(item: Item) -> int:
    """Return about how many characters an item holds."""
    if isinstance(item, RawRow):
        return sum(len(v) if type(v) is str else _length(v) for v in item.fields.values())
    if isinstance(item, ParsedContact):
        return sum(len(text) for _, text in item.turns)
    return len(item.raw) if isinstance(item, BadRow | Reject) else 0


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    return sum(map(_length, value)) if isinstance(value, list) else 8


def _clean(portion: Portion, how: Cleaning, cleaner: RowCleaner) -> Stretch:
    items = rows_of(portion, how.facts) if isinstance(portion, Piece) else portion
    outcomes = [
        as_outcome(item, how.mapping, how.now) if isinstance(item, RawRow | BadRow) else item
        for item in items
    ]
    return Stretch(
        cleaner.clean_all([o for o in outcomes if isinstance(o, ParsedContact)]),
        [cleaner.clean_reject(o) for o in outcomes if isinstance(o, Reject)],
        {o.withdrawn: o.line for o in outcomes if isinstance(o, Skipped) and o.withdrawn},
        n_read=len(items),
        last_line=items[-1].line if items else 0,
    )


def _beside(portions: Iterator[Portion], how: Cleaning) -> Iterator[Stretch]:
    """Clean in processes beside, some stretches ahead of whoever takes them, in turn."""
    with ExitStack() as ending:
        n = min(os.cpu_count() or 1, MOST_HELPERS)
        helpers = [
            ending.enter_context(closing(Beside(partial(_begin_cleaning, how)))) for _ in range(n)
        ]
        busy: deque[Beside] = deque()
        for portion, helper in zip(portions, cycle(helpers), strict=False):
            helper.hand_over(portion)
            busy.append(helper)
            if len(busy) > STRETCHES_AHEAD:
                yield busy.popleft().take_back()
        while busy:
            yield busy.popleft().take_back()


def _begin_cleaning(how: Cleaning) -> Callable[[Portion], Stretch]:
    cleaner = RowCleaner(how.settings, how.facts, how.mapping)
    gc.freeze()
    gc.disable()  # rows hold no cycles, and looking for some in all of them takes its time
    return partial(_clean, how=how, cleaner=cleaner)
