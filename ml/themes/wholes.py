"""Phrases that were cut out of a longer one: "victim of identity" is "victim of identity theft"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

LONGEST_WHOLE = 6
"""Words of a phrase that has been completed."""
LONGEST_NAME = 60
"""Characters of one."""
MOSTLY = 0.75
"""A neighbour belongs to a phrase that stands beside it in this share of places or more."""
FEWEST_PLACES = 4
LONGEST_UNIT = 2
LONGEST_WORD = 40
"""Longer ones are pasted keys and logs."""
BREAK = "|"
"""Stands between clauses, and is no word."""

Line = tuple[list[str], list[str]]
"""Words of one text and their stems, clauses apart by `BREAK`."""


class Wholes:
    """Completes phrases out of the texts they were found in.

    Parameters
    ----------
    lines : sequence of Line
        The texts of one theme.
    never_first, never_last : collection of str
        Words that neither begin nor end a phrase.
    """

    def __init__(
        self, lines: Sequence[Line], never_first: Collection[str], never_last: Collection[str]
    ) -> None:
        self._lines = [(f" {' '.join(stems)} ", words) for words, stems in lines]
        self._never_first, self._never_last = never_first, never_last

    def complete(self, stems: str) -> str | None:
        """Return the whole phrase as most write it, None if the phrase is one.

        Parameters
        ----------
        stems : str
            A phrase, by stems.
        """
        places = self._places(stems.split(" "))
        length = stems.count(" ") + 1
        first, last = 0, length  # of the whole, as seen from the beginning of the phrase
        if len(places) < FEWEST_PLACES:
            return None
        while last - first < LONGEST_WHOLE:
            room = min(LONGEST_UNIT, LONGEST_WHOLE - (last - first))
            behind = self._neighbours(places, last, 1, room)
            before = self._neighbours(places, first - 1, -1, room)
            if behind:
                last += behind
            elif before:
                first -= before
            else:
                break
        if last - first == length:
            return None
        written = Counter(
            tuple(words[at + first : at + last])
            for words, at in places
            if at + first >= 0 and BREAK not in words[at + first : at + last]
        )
        if not written:
            return None
        whole = " ".join(min(written.items(), key=lambda item: (-item[1], item[0]))[0])
        return whole if len(whole) <= LONGEST_NAME else None

    def _places(self, wanted: list[str]) -> list[tuple[list[str], int]]:
        """Return the first place of a phrase in each text that holds it."""
        sought = f" {' '.join(wanted)} "
        found = ((line.find(sought), line, words) for line, words in self._lines)
        return [(words, line.count(" ", 0, at + 1) - 1) for at, line, words in found if at >= 0]

    def _neighbours(
        self, places: list[tuple[list[str], int]], start: int, step: int, room: int
    ) -> int:
        """Return how many words on one side mostly stand there, 0 if none do."""
        units = Counter(self._unit(words, at + start, step, room) for words, at in places)
        del units[()]
        if not units:
            return 0
        unit, n = min(units.items(), key=lambda item: (-item[1], item[0]))
        return len(unit) if n >= max(FEWEST_PLACES, MOSTLY * len(places)) else 0

    def _unit(self, words: list[str], at: int, step: int, room: int) -> tuple[str, ...]:
        """Return the words from a place on up to the first that may end (or begin) a phrase."""
        not_there = self._never_last if step > 0 else self._never_first
        unit: list[str] = []
        while 0 <= at < len(words) and len(unit) < room and words[at] != BREAK:
            if len(words[at]) > LONGEST_WORD:
                break
            unit.append(words[at])
            if words[at] not in not_there and len(words[at]) > 1:
                return tuple(unit)
            at += step
        return ()
