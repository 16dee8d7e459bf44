"""Read points in time as exports write them, and tell the order of day and month.

Two rules hold for local times around a clock change: a time that the change skips is moved
forward by what was skipped (02:30 becomes 03:30), and of a time that comes twice the first is
taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

DATE_ORDERS = ("iso", "ymd", "dmy", "mdy", "epoch")
EARLIEST_YEAR = 1990
_PLAIN_ISO = len("2026-03-04T05:06:07Z")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_OFFSET = r"(?:\s*(?P<offset>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d\d:?(?:\d\d)?))?"
_TAIL = rf"(?:(?:T|,?\s+){_CLOCK}{_OFFSET})?"

_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<mon>\d\d?)\2(?P<day>\d\d?){_TAIL}")
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<mon>\d\d)(?P<day>\d\d)T(?P<hour>\d\d)(?P<minute>\d\d)"
    rf"(?P<second>\d\d)?{_OFFSET}"
)
_THREE_NUMBERS = re.compile(rf"(?P<a>\d\d?)([-/.])(?P<b>\d\d?)\2(?P<c>\d{{4}}|\d\d){_TAIL}")
_TWITTER = re.compile(rf"[A-Za-z]{{3}} {_MONTH} (?P<day>\d\d?) {_CLOCK}{_OFFSET} (?P<year>\d{{4}})")
_DAY_MONTH = re.compile(
    rf"(?:[A-Za-z]{{3,9}},?\s+)?(?P<day>\d\d?)[-/\s]{_MONTH}[-/\s,]+(?P<year>\d{{4}}|\d\d){_TAIL}"
)
_MONTH_DAY = re.compile(
    rf"(?:[A-Za-z]{{3,9}},?\s+)?{_MONTH}\s+(?P<day>\d\d?),?\s+(?P<year>\d{{4}}){_TAIL}"
)
_TIME_OF_DAY = re.compile(rf"{_CLOCK}{_OFFSET}")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?$")
_EPOCH = re.compile(r"(?:\d{9,10}|\d{12,13}|\d{15,16})(?:\.\d+)?")
_ZONE_WORD = re.compile(r"\d.*\b(?!UTC|GMT)[A-Z]{3,5}$")


class BadTime(Exception):
    """A time that cannot be placed. `code` counts it, `problem` and `remedy` explain it."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.remedy = remedy


class DateOrder(NamedTuple):
    """One of `DATE_ORDERS` or 'ambiguous', and the sentence that says why."""

    order: str
    reason: str


def shape_of(value: str) -> str:
    """Return the shape of a value without the value: digits as 9, letters as A."""
    shape = re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", value[:40]))
    return shape + ("…" if len(value) > 40 else "")


def parse_time(value: str | int | float, order: str | None, zone: ZoneInfo | None) -> datetime:
    """Return the instant that `value` names, in UTC, fractions of a second cut off.

    Parameters
    ----------
    value : str or number
        Numbers are seconds, milliseconds or microseconds since 1970, told by their size.
        Text may be ISO 8601, three numbers, an English month name, or such a number.
    order : str or None
        One of `DATE_ORDERS`. 'dmy' and 'mdy' place the day in 03/04/2026; without them such
        a date is refused unless one of the two numbers is above 12.
    zone : ZoneInfo or None
        Where times without an offset were written down.

    Raises
    ------
    BadTime
        With code `no_time`, `unreadable_time`, `ambiguous_date`, `no_zone`,
        `zone_abbreviation` or `too_early`.
    """
    text = str(value).strip()
    if (instant := _from_plain_iso(text)) is not None:
        return _not_too_early(instant)
    if not text:
        raise BadTime("no_time", "is empty", "Fill in when the contact started.")
    if _EPOCH.fullmatch(text) and order in (None, "epoch"):
        return _not_too_early(_from_epoch(text))
    local, offset = _local_time(text, order)
    if offset is not None:
        local = local.replace(tzinfo=offset)
    elif zone is not None:
        local = local.replace(tzinfo=zone, fold=0)
    else:
        raise BadTime(
            "no_zone",
            f"has no time zone (it looks like {shape_of(text)})",
            "Name the time zone of the file in the mapping, such as Europe/London.",
        )
    try:
        return _not_too_early(local.astimezone(UTC))
    except OverflowError as error:
        raise _unreadable(text) from error


def _from_plain_iso(text: str) -> datetime | None:
    """Return the instant of `2026-03-04T05:06:07Z`, which most exports write; None otherwise."""
    if len(text) != _PLAIN_ISO or text[-1] != "Z" or not text.isascii():
        return None
    if text[4] != "-" or text[7] != "-" or text[10] not in "T ":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def guess_date_order(values: Iterable[str]) -> DateOrder:
    """Tell the order of day, month and year from a sample of times.

    Parameters
    ----------
    values : iterable of str
        Empty ones are ignored. Evidence for both orders counts as ambiguous.
    """
    kinds = {"iso": 0, "ymd": 0, "epoch": 0, "dmy": 0, "mdy": 0, "either": 0}
    for value in values:
        if kind := _kind_of(value.strip()):
            kinds[kind] += 1
    if kinds["dmy"] and kinds["mdy"]:
        return DateOrder(
            "ambiguous",
            f"{kinds['dmy']} dates only make sense as day/month and {kinds['mdy']} only as "
            "month/day; split the file or export it with ISO dates.",
        )
    for order, words in (("dmy", "day before month"), ("mdy", "month before day")):
        if kinds[order]:
            return DateOrder(order, f"{kinds[order]} dates only make sense with {words}.")
    if kinds["either"]:
        return DateOrder(
            "ambiguous", "No day in the sample is above 12: say which comes first, day or month."
        )
    if kinds["epoch"]:
        return DateOrder("epoch", "The times are numbers of seconds since 1970.")
    if kinds["ymd"]:
        return DateOrder("ymd", "The dates begin with the year.")
    if kinds["iso"]:
        return DateOrder("iso", "The dates are ISO 8601 or name the month.")
    return DateOrder("ambiguous", "No time in the sample could be read.")


def has_offset(value: str) -> bool:
    """Whether a time in text says how far it is from UTC (numbers since 1970 do)."""
    text = value.strip()
    if _EPOCH.fullmatch(text):
        return True
    return any(
        (match := pattern.fullmatch(text)) is not None and match["offset"] is not None
        for pattern in (_YEAR_FIRST, _COMPACT, _TWITTER, _THREE_NUMBERS, _DAY_MONTH, _MONTH_DAY)
    )


def is_day(value: str) -> bool:
    """Whether a time in text is a date alone, or one at midnight, as spreadsheets write dates."""
    text = _MIDNIGHT.sub("", value.strip())
    no_day = ":" in text or _COMPACT.fullmatch(text) or _EPOCH.fullmatch(text)
    return not no_day and _kind_of(text) is not None


def is_date_and_time(value: str) -> bool:
    """Whether a time in text is a date with a time of day; a number alone says neither."""
    text = value.strip()
    return ":" in text and not is_day(text) and _kind_of(text) not in (None, "epoch")


def is_time_of_day(value: str) -> bool:
    """Whether a text is a time of day without its date."""
    return _TIME_OF_DAY.fullmatch(value.strip()) is not None


def join_day(day: str, time_of_day: str) -> str:
    """Return a date and a time of day, of two cells, in one text that `parse_time` reads.

    Raises
    ------
    BadTime
        If the time of day is missing or none; what the date is worth `parse_time` says.
    """
    if not day:
        return ""
    if not time_of_day:
        raise BadTime("no_time", "is empty", "Fill in at what time of the day it started.")
    if not is_time_of_day(time_of_day):
        problem = f"is no time of day (it looks like {shape_of(time_of_day)})"
        raise BadTime("unreadable_time", problem, "Write it as 14:05, 14:05:30 or 2:05 PM.")
    return f"{_MIDNIGHT.sub('', day.strip())} {time_of_day.strip()}"


def _kind_of(text: str) -> str | None:
    if match := _YEAR_FIRST.fullmatch(text):
        return "iso" if match[2] == "-" else "ymd"
    if match := _THREE_NUMBERS.fullmatch(text):
        first, second = int(match["a"]), int(match["b"])
        if first > 12 or second > 12:
            return "dmy" if first > 12 else "mdy"
        return "either"
    if _EPOCH.fullmatch(text):
        return "epoch"
    named = (_COMPACT, _TWITTER, _DAY_MONTH, _MONTH_DAY)
    return "iso" if any(pattern.fullmatch(text) for pattern in named) else None


def _from_epoch(text: str) -> datetime:
    whole = text.split(".", 1)[0]
    divisor = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6}[len(whole)]
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(whole) // divisor)


def _not_too_early(instant: datetime) -> datetime:
    if instant.year < EARLIEST_YEAR:
        raise BadTime(
            "too_early",
            f"is before {EARLIEST_YEAR}",
            "Correct the year; such dates usually stand for “unknown”.",
        )
    return instant.replace(microsecond=0)


def _local_time(text: str, order: str | None) -> tuple[datetime, timezone | None]:
    """Return the wall-clock time as written and its offset, where it carries one."""
    for pattern in (_YEAR_FIRST, _COMPACT):
        if match := pattern.fullmatch(text):
            return _build(text, match, match["year"], match["mon"], match["day"])
    if match := _THREE_NUMBERS.fullmatch(text):
        return _build(text, match, *_placed(text, match, order))
    for pattern in (_TWITTER, _DAY_MONTH, _MONTH_DAY):
        if match := pattern.fullmatch(text):
            year = _full_year(match["year"])
            return _build(text, match, year, _month_number(text, match), match["day"])
    if _ZONE_WORD.search(text):
        raise BadTime(
            "zone_abbreviation",
            "ends with the abbreviation of a time zone, which can mean several",
            "Export times with an offset such as +01:00.",
        )
    raise _unreadable(text)


def _placed(text: str, match: re.Match[str], order: str | None) -> tuple[str, str, str]:
    """Return (year, month, day) of a date made of three numbers."""
    a, b, c = match["a"], match["b"], match["c"]
    if order == "ymd" and len(c) == 2:
        return _full_year(a), b, c
    if order not in ("dmy", "mdy"):
        if int(a) <= 12 and int(b) <= 12:
            raise BadTime(
                "ambiguous_date",
                f"can be read with the day or the month first (it looks like {shape_of(text)})",
                "Say in the mapping which comes first: date_order dmy or mdy.",
            )
        order = "dmy" if int(a) > 12 else "mdy"
    month, day = (b, a) if order == "dmy" else (a, b)
    return _full_year(c), month, day


def _full_year(year: str) -> str:
    """Return a year of four digits; 00 to 69 belong to this century."""
    if len(year) == 4:
        return year
    return f"{'20' if int(year) < 70 else '19'}{year.zfill(2)}"


def _month_number(text: str, match: re.Match[str]) -> str:
    name = match["month"].lower()[:3]
    if name not in _MONTHS:
        raise _unreadable(text)
    return str(_MONTHS.index(name) + 1)


def _build(
    text: str, match: re.Match[str], year: str, month: str, day: str
) -> tuple[datetime, timezone | None]:
    parts = match.groupdict()
    hour = int(parts["hour"] or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise _unreadable(text)
        hour = hour % 12 + (12 if half in "pP" else 0)
    minute, second = int(parts["minute"] or 0), int(parts["second"] or 0)
    try:
        # a leap second is counted as the last second of its minute
        second = 59 if second == 60 else second
        local = datetime(int(year), int(month), int(day), hour, minute, second)
        return local, _offset(parts["offset"])
    except ValueError as error:
        raise _unreadable(text) from error


def _offset(written: str | None) -> timezone | None:
    if written is None:
        return None
    digits = re.sub(r"[^0-9+-]", "", written)
    if not digits:
        return UTC
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return timezone(timedelta(minutes=minutes if digits[0] == "+" else -minutes))


def _unreadable(text: str) -> BadTime:
    return BadTime(
        "unreadable_time",
        f"is no date and time (it looks like {shape_of(text)})",
        "Write it as 2026-03-29T14:05:00+01:00, or state the date order in the mapping.",
    )
