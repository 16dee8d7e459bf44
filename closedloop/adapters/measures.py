"""Read what was measured of a contact: times, counts, ratings, yes or no, its language.

An empty cell is None; what cannot be read raises `Refused`, whose sentence says what to write.
"""

from __future__ import annotations

import math
import re

from closedloop.adapters.cells import Cells, Refused
from closedloop.adapters.language_names import LANGUAGES
from closedloop.adapters.times import shape_of

_DAY = 24 * 3600
MAX_HANDLE_SECONDS = _DAY
MAX_WAIT_SECONDS = 30 * _DAY
MAX_TRANSFERS = 1_000
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d(?:[.,]\d+)?)")
_EITHER_WAY = re.compile(r"[1-9]\d{0,2}\.\d{3}")
"""1.250 is one and a quarter, or a thousand two hundred and fifty."""

_THOUSANDS = {
    ".": re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?"),
    ",": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?"),
}
"""Numbers whose thousands are parted, by decimal mark."""

_TRUE = frozenset(("yes", "y", "true", "t", "1", "1.0", "ja", "oui", "si", "sí"))
_FALSE = frozenset(("no", "n", "false", "f", "0", "0.0", "nein", "non"))
_OPPOSITES = {
    "abandoned": ("answered", "handled", "not abandoned"),
    "resolved": ("unresolved", "not resolved"),
    "survey_resolved": ("unresolved", "not resolved"),
}
_RATINGS = {
    **dict.fromkeys(("good", "satisfied", "positive", "happy", "like", "up", "thumbs up"), 5.0),
    **dict.fromkeys(("bad", "unsatisfied", "dissatisfied", "negative", "unhappy", "down"), 1.0),
    **dict.fromkeys(("dislike", "thumbs down"), 1.0),
}
_NOT_RATED = frozenset(("", "offered", "unoffered", "not offered"))
"""No answer, among them what help desks write when they asked in vain."""

_MEANT = {
    "handle_seconds": "the time worked, not the time waited",
    "wait_seconds": "the time until somebody answered",
}
_NO_LANGUAGE = frozenset(("und", "mul", "zxx", "mis", "xx"))


def seconds_of(row: Cells, known: str, most: int) -> int | None:
    """Return a duration in whole seconds from 0 to `most`; None where there is none."""
    text = row.text(known)
    if text is None:
        return None
    if text.isdecimal():
        seconds = float(text)
    elif clock := _CLOCK.fullmatch(text):
        seconds = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3].replace(",", "."))
    else:
        if isinstance(row.value(known), str):
            text = _without_thousands(text, known, row.mapping.decimal_mark, most)
        seconds = _number(text, known, "Write seconds, such as 245, or 0:04:05.")
    if seconds < 0:
        problem, remedy = "is negative", "Write seconds, 0 or more."
        raise Refused(f"bad_{known}", known, problem, remedy)
    if seconds > most:
        problem = f"is more than {'a day' if most == _DAY else f'{most // _DAY} days'}"
        remedy = f"Write seconds, not milliseconds, and {_MEANT[known]}."
        raise Refused(f"bad_{known}", known, problem, remedy)
    return round(seconds)


def _without_thousands(text: str, known: str, mark: str | None, most: int) -> str:
    """Return a number whose thousands are not parted; refuse one that may be either."""
    if mark is None:
        if _EITHER_WAY.fullmatch(text) and int(text.replace(".", "")) <= most:
            problem = "can be read with a decimal point or with parted thousands (like 1.250)"
            remedy = "Write 1250 or 1.25, or say in the mapping which decimal_mark the file has."
            raise Refused(f"bad_{known}", known, problem, remedy)
        return text
    if not _THOUSANDS[mark].fullmatch(text):
        return text
    return text.replace("." if mark == "," else ",", "").replace(",", ".")


def csat_of(row: Cells, scale: str) -> float | None:
    """Return satisfaction on 1 to 5, the ends of each scale on the ends of that."""
    if scale == "good-bad":
        return _good_or_bad(row)
    low, high = (int(end) for end in scale.split("-"))
    score = scaled_of(row, "csat", low, high)
    return None if score is None else round(1 + (score - low) * 4 / (high - low), 2)


def is_good_or_bad(text: str) -> bool:
    """Whether a rating is a word, or says that nobody answered."""
    word = text.strip().lower()
    return word in _RATINGS or word in _NOT_RATED


def _good_or_bad(row: Cells) -> float | None:
    text = row.text("csat")
    word = "" if text is None else text.lower()
    if word in _NOT_RATED:
        return None
    if word not in _RATINGS:
        problem = f"is neither good nor bad (it looks like {shape_of(word)})"
        raise Refused("bad_csat", "csat", problem, "Say in the mapping which csat_scale it is on.")
    return _RATINGS[word]


def scaled_of(row: Cells, known: str, low: int, high: int) -> float | None:
    """Return a number from `low` to `high`, ends included."""
    text = row.text(known)
    if text is None:
        return None
    text = text.removesuffix("%").rstrip() if high == 100 else text
    number = _number(text, known, f"Write a number, such as {high - 1} or {high - 1}.5.")
    if not low <= number <= high:
        remedy = f"Write a number from {low} to {high}, or leave it empty where nobody answered."
        if known == "csat":
            remedy = "Say in the mapping which csat_scale it is on, and which value is no answer."
        raise Refused(f"bad_{known}", known, f"is not from {low} to {high}", remedy)
    return number


def count_of(row: Cells, known: str, most: int, words: str) -> int | None:
    """Return a whole number from 0 to `most`, which `words` say in a sentence."""
    text = row.text(known)
    if text is None:
        return None
    number = _number(text, known, f"Write a whole number {words}.")
    if not (0 <= number <= most and number.is_integer()):
        remedy = "Correct it, or leave it empty where it is not known."
        raise Refused(f"bad_{known}", known, f"is no whole number {words}", remedy)
    return int(number)


def flag_of(row: Cells, known: str) -> bool | None:
    """Return whether a cell says yes; None where it says nothing."""
    text = row.text(known)
    if text is None:
        return None
    word = " ".join(text.lower().split())
    if word in _TRUE or word == known.removeprefix("survey_"):
        return True
    if word in _FALSE or word in _OPPOSITES.get(known, ()):
        return False
    problem = f"is neither yes nor no (it looks like {shape_of(text)})"
    raise Refused(f"bad_{known}", known, problem, "Write yes or no, true or false, or 1 or 0.")


def language_of(row: Cells) -> str | None:
    """Return an ISO 639-1 code, of `en-GB`, `eng` and `English` alike; None for no language."""
    text = row.label("language")
    if text is None or text.lower() in _NO_LANGUAGE:
        return None
    first = re.split(r"[-_]", text.lower(), maxsplit=1)[0].strip()
    code = LANGUAGES.get(first, first)
    if not re.fullmatch("[a-z]{2}", code):
        problem = f"is no language (it looks like {shape_of(text)})"
        remedy = "Write a code of two letters, such as en, or leave the column out of the mapping."
        raise Refused("bad_language", "language", problem, remedy)
    return code


def _number(text: str, known: str, remedy: str) -> float:
    if re.fullmatch(r"[+-]?\d+,\d{1,2}", text):
        text = text.replace(",", ".")  # a decimal comma; 1,250 stays unreadable
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        problem = f"is no number (it looks like {shape_of(text)})"
        raise Refused(f"bad_{known}", known, problem, remedy)
    return number
