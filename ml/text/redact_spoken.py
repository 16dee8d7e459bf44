"""Find numbers that are said digit by digit, as transcripts of calls have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from ml.text.redact_shapes import DASH, SPACE, Span

_DIGITS_SAID = (
    "zero one two three four five six seven eight nine",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "nulis vienas du trys keturi penki šeši septyni aštuoni devyni",
    "nol satu dua tiga empat lima enam tujuh delapan sembilan",
)
_VALUES = {word: str(n) for words in _DIGITS_SAID for n, word in enumerate(words.split())}
_VALUES |= {"oh": "0", "o": "0", "nought": "0", "kosong": "0", "zwo": "2"}
_TIMES = {"double": 2, "triple": 3, "doppel": 2}
_ZEROS = ("hundred", "hundert")
_CHINESE_VALUES = dict(zip("零〇一二三四五六七八九幺两", "0012345678912", strict=True))
_CHINESE = "".join(_CHINESE_VALUES)


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern of words sorted by letter: tried one by one it takes over twice as long."""
    of_letter = groupby(sorted(words), key=lambda word: word[0])
    ends = {first: sorted((word[1:] for word in group), key=len) for first, group in of_letter}
    return "|".join(f"{first}(?:{'|'.join(reversed(ends[first]))})" for first in ends)


FEWEST_DIGITS = 7
FEWEST_WORDS = 4
"""Of a number that is said; fewer may be an amount, a date or a score."""

DIGIT_WORDS = frozenset(_VALUES)
_INTERJECTIONS = frozenset({"o", "oh"})
_BETWEEN = rf"[{SPACE}{DASH},.]{{1,3}}"
SAID_DIGIT = rf"(?:{_any_of(_VALUES)})"
"""A digit as a word, in lower case."""

_ITEM = (
    rf"(?:(?:{'|'.join(_TIMES)})[{SPACE}{DASH}](?:{SAID_DIGIT}|\d)|{SAID_DIGIT}"
    rf"(?:{_BETWEEN}(?:{'|'.join(_ZEROS)}))?|\d{{1,8}})"
)
_RUN = re.compile(rf"(?<!\w){_ITEM}(?:{_BETWEEN}{_ITEM}){{2,}}(?!\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CHINESE_RUN = re.compile(
    rf"[{_CHINESE}](?:[{SPACE}{DASH},，、]{{0,2}}[{_CHINESE}]){{{FEWEST_DIGITS - 1},}}"
)
_PAIR = re.compile(rf"(?:{SAID_DIGIT}){_BETWEEN}(?:{SAID_DIGIT})(?!\w)")


def may_be_spoken(text: str) -> bool:
    """Whether a text may hold a number that is said digit by digit, cheaply."""
    if not text.isascii() and _CHINESE_RUN.search(text):
        return True
    lower = text.lower()
    words = lower.replace(",", " ").replace("-", " ").replace(".", " ").split()
    return len(DIGIT_WORDS.intersection(words)) > 1 and _PAIR.search(lower) is not None


def find_spoken(text: str) -> Iterator[Span]:
    """Find runs of digits of which some are words: seven digits or more, four words or more."""
    for run in _RUN.finditer(text):
        if _is_number(run[0].lower()):
            yield run.span()
    if not text.isascii():
        for run in _CHINESE_RUN.finditer(text):
            yield run.span()


def said_digits(text: str) -> str:
    """Return the digits of a number that is said, in order: "double oh seven" is 007.

    Examples
    --------
    >>> said_digits("Oh seven seven, double oh 9 hundred")
    '0770090'
    """
    digits, times = "", 1
    for word in _WORD.findall(text.lower()):
        if word in _TIMES:
            times = _TIMES[word]
            continue
        if word in _ZEROS:
            digits += "00"
        else:
            digits += times * (
                _VALUES.get(word) or "".join(_CHINESE_VALUES.get(c, c) for c in word)
            )
        times = 1
    return digits


def _is_number(run: str) -> bool:
    words = _WORD.findall(run)
    said = {word for word in words if word in _VALUES}
    n_words = len(words) - sum(map(str.isdigit, words))
    is_said = n_words >= FEWEST_WORDS and len(said - _INTERJECTIONS) > 1
    return is_said and len(said_digits(run)) >= FEWEST_DIGITS
