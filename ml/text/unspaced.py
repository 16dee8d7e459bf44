"""Writing without spaces between words: Chinese, Japanese, Thai, Lao, Burmese and Khmer.

What splits text at spaces takes a whole sentence of these for one word. Here they are cut without
a dictionary: into overlapping pairs of characters where words are counted, and, where a person is
to read them, into phrases that begin and end where characters are loosely joined. Texts in other
writing are never changed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

SHORTEST_PHRASE = 2
LONGEST_PHRASE = 6
# Characters together this many times as often as by chance (in powers of e) are one word.
JOINED_FROM = 2.0

_EAST_ASIAN = (
    "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003fffd"
)
_SOUTH_EAST_ASIAN = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u1000-\u103f\u1780-\u17d3"  # no digits
)
_RUN = re.compile(f"[{_EAST_ASIAN}{_SOUTH_EAST_ASIAN}]+")
# Some write Chinese with spaces here and there; in Thai a space ends a clause.
_GAP = re.compile(f"(?<=[{_EAST_ASIAN}])[ \u3000]+(?=[{_EAST_ASIAN}])")
# Little words of Chinese and particles of Japanese: a word ends before and after them.
_LITTLE = frozenset(
    "\u7684\u4e86\u5417\u5462\u5427\u554a\u6211\u4f60\u60a8\u4ed6\u5979\u5b83\u4eec\u8bf7"
    "\u8acb\u662f\u5728\u4f1a\u6703\u8981\u628a\u7ed9\u7d66\u5230\u548c\u4e0e\u8207"
    "\u4e5f\u90fd\u5c31\u8fd8\u9084\u5f88\u5c06\u5c07\u88ab\u4e3a\u70ba\u4ece\u5f9e\u5bf9"
    "\u5c0d\u8fd9\u9019\u90a3\u55ce\u55f0"
    "\u306f\u304c\u3092\u306b\u3067\u3068\u3082\u3078\u306e"
)
# "In", which Chinese puts behind: no phrase ends with it.
_NEVER_LAST = _LITTLE | frozenset("\u4e2d\u91cc\u88e1\u5185\u5167")


def is_unspaced(text: str) -> bool:
    """Whether a text holds characters of a writing without spaces."""
    return not text.isascii() and _RUN.search(text) is not None


def close_gaps(text: str) -> str:
    """Return the text without the spaces between Chinese or Japanese characters."""
    return text if text.isascii() else _GAP.sub("", text)


def pairs_apart(text: str) -> str:
    """Return the text with overlapping pairs of characters where words are not apart.

    Marks above and below letters are left out, as counters of words end a word at them. A text in
    writing with spaces comes back as it is.
    """
    if not is_unspaced(text):
        return text
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", close_gaps(text))


def without_unspaced(text: str, instead: str) -> str:
    """Return the text with something else where words are not apart."""
    return _RUN.sub(instead, text) if is_unspaced(text) else text


def length_unspaced(text: str) -> int:
    """Return the number of characters, marks not counted, in writing without spaces."""
    return sum(len(units) for units in _runs(text))


def _pairs(run: str) -> list[str]:
    bases = [unit[0] for unit in _units(run)]
    return ["".join(pair) for pair in pairwise(bases)] or bases


def _units(run: str) -> list[str]:
    """Split into characters, each with the marks above and below it."""
    units: list[str] = []
    for character in run:
        if units and unicodedata.category(character).startswith("M"):
            units[-1] += character
        else:
            units.append(character)
    return units


def _runs(text: str) -> list[list[str]]:
    if not is_unspaced(text):
        return []
    return [_units(run) for run in _RUN.findall(close_gaps(text))]


class Joints:
    """Says where a phrase may begin and end, from how often characters stand side by side.

    Parameters
    ----------
    texts : iterable of str
        The more, the better it knows which characters make a word.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._single: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            for units in _runs(text):
                self._single.update(units)
                self._pairs.update(pairwise(units))
        self._n_characters = self._single.total()

    def phrases(self, text: str) -> set[str]:
        """Return the phrases of two to six characters, as they stand in the text."""
        found: set[str] = set()
        for units in _runs(text):
            ends = self._ends(units)
            for place, start in enumerate(ends):
                if start < len(units) and units[start] in _LITTLE:
                    continue
                for stop in ends[place + 1 : place + 1 + LONGEST_PHRASE]:
                    is_right_length = SHORTEST_PHRASE <= stop - start <= LONGEST_PHRASE
                    if is_right_length and units[stop - 1] not in _NEVER_LAST:
                        found.add("".join(units[start:stop]))
        return found

    def _ends(self, units: list[str]) -> list[int]:
        """Return where words begin or end: 0, ..., len(units)."""
        inner = [at for at in range(1, len(units)) if self._is_loose(units[at - 1], units[at])]
        return [0, *inner, len(units)]

    def _is_loose(self, left: str, right: str) -> bool:
        together = self._pairs[left, right]
        if together == 0 or left in _LITTLE or right in _LITTLE:
            return True
        by_chance = self._single[left] * self._single[right] / self._n_characters
        return math.log(together / by_chance) < JOINED_FROM
