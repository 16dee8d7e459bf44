"""How numbers, days and ranges are written: the only place where pages format anything."""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, has_app_context
from markupsafe import Markup

from closedloop.domain.actions import THEMES_TO_ACT_ON
from closedloop.domain.impact import Range
from closedloop.domain.money import WITHOUT_MINOR_UNITS
from closedloop.domain.payback import round_out
from closedloop.domain.themes import ThemeStatus

MINUS = "−"
THIN = "\N{NARROW NO-BREAK SPACE}"
UNKNOWN = "–"
SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Number = int | float | Decimal


class Axis(NamedTuple):
    """A scale for intervals.

    ``lowest`` and ``highest`` are its inclusive ends, ``ticks`` the labelled values between and
    including them, all in the unit of the values the axis was made for.
    """

    lowest: float
    highest: float
    ticks: tuple[float, ...]


def _rounded(value: Number, digits: int) -> Decimal:
    """Round half away from zero; plain ``round`` would take 2.5 to 2."""
    exact = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _known(value: object) -> bool:
    """Whether a number is there to be shown."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def n(value: Number | None, digits: int = 0) -> str:
    """Write a number with thousands separated and a real minus.

    Parameters
    ----------
    value : int, float, Decimal or None
        None, NaN and infinities are written as a dash: nothing is known.
    digits : int
        Digits after the point.
    """
    if value is None or not _known(value):
        return UNKNOWN
    # a whole number is what it is, and there are thousands of them on a page
    rounded = value if type(value) is int and not digits else _rounded(value, digits)
    sign = MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):,}"


def signed(value: Number | None, digits: int = 0) -> str:
    """Write a change with its sign: ``+6``, ``−19``, ``±0``."""
    text = n(value, digits)
    if text == UNKNOWN or text.startswith(MINUS):
        return text
    return f"±{text}" if value is not None and _rounded(value, digits) == 0 else f"+{text}"


def pct(rate: Number | None, digits: int = 1) -> str:
    """Write a rate between 0 and 1 as per cent: 0.187 is ``18.7 %``."""
    if rate is None or not _known(rate):
        return UNKNOWN
    return f"{n(Decimal(repr(float(rate))) * 100, digits)}{THIN}%"


def share(rate: Number | None) -> str:
    """Write a share between 0 and 1 in whole per cent; what is above 0 is never called ``0 %``."""
    if rate is None or not _known(rate):
        return UNKNOWN
    if 0 < rate < 0.005:
        return f"under 1{THIN}%"
    if 0.995 <= rate < 1:
        return f"over 99{THIN}%"
    return pct(rate, 0)


def signed_pct(rate: Number | None, digits: int = 0) -> str:
    """Write a relative change, 0.41 being 41 per cent more, with its sign: ``+41 %``."""
    if rate is None or not _known(rate):
        return UNKNOWN
    return f"{signed(Decimal(repr(float(rate))) * 100, digits)}{THIN}%"


def money(pence: Number | None, currency: str | None = None) -> str:
    """Write an amount of money.

    Parameters
    ----------
    pence : int, float, Decimal or None
        Amount in minor units of the currency (whole units where it has none, such as JPY).
    currency : str, optional
        ISO 4217 code; the reporting currency when left out.

    Returns
    -------
    str
        Whole units from 100 up, two decimals below: ``£2,100``, ``£0.62``.
    """
    if pence is None or not _known(pence):
        return UNKNOWN
    code = currency or _setting("currency", "GBP")
    whole = code in WITHOUT_MINOR_UNITS
    amount = _rounded(pence, 6) / (1 if whole else 100)
    digits = 0 if whole or abs(amount) >= 100 or amount == 0 else 2
    sign = MINUS if _rounded(amount, digits) < 0 else ""
    symbol = SYMBOLS.get(code, f"{code}{THIN}")
    return f"{sign}{symbol}{n(abs(amount), digits)}"


def range_words(low: Number | None, high: Number | None, digits: int = 0) -> str:
    """Write an inclusive range in words: ``310 to 540``, or one number if both are the same.

    Ends that only read alike get one decimal more, so that rounding makes no range of contacts a
    point unless it is narrower than a tenth of one.
    """
    if low is None or high is None or not (_known(low) and _known(high)):
        return "not yet known"
    first, last = n(low, digits), n(high, digits)
    if first == last and low != high:
        first, last = n(low, digits + 1), n(high, digits + 1)
    return first if first == last else f"{first} to {last}"


def money_range(low: Number | None, high: Number | None, currency: str | None = None) -> str:
    """Write a range of money in minor units: ``£1,600 to £3,200``."""
    if low is None or high is None or not (_known(low) and _known(high)):
        return "not yet known"
    first, last = money(low, currency), money(high, currency)
    return first if first == last else f"{first} to {last}"


def money_about(found: Range | None, currency: str | None = None) -> str:
    """Write a range of money without false precision: ``£1,500 to £2,700``.

    The ends are rounded outwards to two significant figures, so that no claim gets stronger.
    """
    if found is None or not (_known(found.low) and _known(found.high)):
        return "not yet known"
    ends = round_out(found)
    first, last = _coarse(ends.low, currency), _coarse(ends.high, currency)
    return first if first == last else f"{first} to {last}"


def _coarse(pence: float, currency: str | None) -> str:
    """Write an amount of two figures: no decimals from ten units up."""
    text = money(pence, currency)
    return text.removesuffix(".00") if abs(pence) >= 1000 else text


def hours_of(minutes_of: Number | None) -> str:
    """Write minutes as hours, one decimal below ten: ``56 hours``."""
    return hours(None if minutes_of is None else minutes_of * 60)


def hours_range(found: Range | None) -> str:
    """Write a range of minutes in hours, one decimal below ten: ``41 to 72 hours``."""
    if found is None:
        return "not yet known"
    digits = 1 if max(abs(found.low), abs(found.high)) < 600 else 0
    return f"{range_words(found.low / 60, found.high / 60, digits)} hours"


def people_range(found: Range | None) -> str:
    """Write a range of full-time people to two figures, rounded outwards: ``0.31 to 0.54``."""
    if found is None:
        return "not yet known"
    ends = round_out(found)
    widest = max(abs(ends.low), abs(ends.high))
    return range_words(ends.low, ends.high, 2 if widest < 1 else 1 if widest < 10 else 0)


def plural(count: Number | None, one: str, many: str = "") -> str:
    """Write a count with its noun: ``1 contact``, ``2,043 contacts``; ``many`` where s is wrong."""
    noun = one if count == 1 else (many or f"{one}s")
    return f"{n(count)} {noun}"


def minutes(seconds: Number | None) -> str:
    """Write a duration given in seconds as minutes, one decimal below ten: ``8.0 minutes``."""
    return _duration(seconds, 60, "minute")


def hours(seconds: Number | None) -> str:
    """Write a duration given in seconds as hours, one decimal below ten: ``43 hours``."""
    return _duration(seconds, 3600, "hour")


def _duration(seconds: Number | None, unit_seconds: int, noun: str) -> str:
    if seconds is None or not _known(seconds):
        return UNKNOWN
    amount = _rounded(seconds, 6) / unit_seconds
    digits = 1 if amount and abs(amount) < 10 else 0
    text = n(amount, digits)
    return f"{text} {noun if text == '1' else noun + 's'}"


def day(value: date | None, year: bool = True) -> str:
    """Write a day: ``12 May 2026``, or ``12 May``; an instant by its day in the reporting zone."""
    if value is None:
        return UNKNOWN
    on = _local(value) if isinstance(value, datetime) else value
    return f"{on.day} {MONTHS[on.month - 1]}" + (f" {on.year}" if year else "")


def weekday(value: date | None) -> str:
    """Write a near day with its weekday: ``Tue 12 May``."""
    if value is None:
        return UNKNOWN
    on = _local(value) if isinstance(value, datetime) else value
    return f"{WEEKDAYS[on.weekday()]} {day(on, year=False)}"


def instant(value: datetime | None) -> str:
    """Write an aware instant in the reporting zone: ``Mon 11 May 2026, 23:59``.

    Raises
    ------
    ValueError
        If the instant has no zone: nobody could say which hour it means.
    """
    if value is None:
        return UNKNOWN
    at = _local(value)
    return f"{WEEKDAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H:%M}"


def _local(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("An instant without a time zone cannot be shown.")
    return value.astimezone(ZoneInfo(_setting("reporting_zone", "UTC")))


def _setting(name: str, otherwise: str) -> str:
    """Give a field of the app's settings; ``otherwise`` outside an app, as in a unit test."""
    settings = current_app.config.get("SETTINGS") if has_app_context() else None
    return str(getattr(settings, name, otherwise))


def script_json(value: Any) -> Markup:
    """Write data for a ``<script type="application/json">``, which no text in it can end.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: a chart must not draw what is not known; pass None.
    """
    text = json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))
    for char in "<>&'\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - the characters that could leave the tag are escaped above


def _plain(value: Any) -> Any:
    """Turn what json does not know into what it does."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def nice_axis(*values: Number | None, parts: int = 5) -> Axis:
    """Choose round ends and ticks for intervals that are drawn on one scale.

    Parameters
    ----------
    *values : int, float, Decimal or None
        Everything that must fit, all in one unit; None is skipped and 0 is always included.
    parts : int
        Steps wanted; the axis has this many or a few more.

    Returns
    -------
    Axis
        ``lowest <= min(0, *values)`` and ``highest >= max(0, *values)``, both ticks, never equal.
    """
    known = [float(v) for v in values if v is not None and _known(v)]
    low, high = min([0.0, *known]), max([0.0, *known])
    step = _round_step((high - low) / parts if high > low else 1.0)
    first, last = math.floor(low / step), max(math.ceil(high / step), 1 if low == high else 0)
    ticks = tuple(round(i * step, 10) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def _round_step(rough: float) -> float:
    """Give the smallest of 1, 2, 2.5, 5 or 10 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999999)


def unique_id(*parts: str) -> str:
    """Give an element id that no other call in this page's making gives."""
    digest = f"{parts[0]}-{zlib.crc32('|'.join(map(str, parts)).encode()):08x}"
    if not has_app_context():
        return digest
    seen: dict[str, int] = g.setdefault("seen_element_ids", {})
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def takes_actions(status: ThemeStatus) -> bool:
    """Return whether an action may be proposed for a theme that stands like this."""
    return status in THEMES_TO_ACT_ON


_CHANNELS = {"ivr": "IVR", "sms": "SMS", "rcs": "RCS", "whatsapp": "WhatsApp"}
"""Channels that a capital at the beginning does not write as people do."""


def channel_words(channel: str) -> str:
    """Write a channel as people do: ``Live chat``, ``SMS``."""
    words = channel.replace("_", " ")
    return _CHANNELS.get(words.lower(), words.capitalize())


FILTERS = {
    "channel_words": channel_words,
    "n": n,
    "signed": signed,
    "pct": pct,
    "share": share,
    "signed_pct": signed_pct,
    "money": money,
    "range_words": range_words,
    "money_range": money_range,
    "money_about": money_about,
    "hours_of": hours_of,
    "hours_range": hours_range,
    "people_range": people_range,
    "plural": plural,
    "minutes": minutes,
    "hours": hours,
    "day": day,
    "weekday": weekday,
    "instant": instant,
    "json": script_json,
    "takes_actions": takes_actions,
}
GLOBALS = {
    "range_words": range_words,
    "money_range": money_range,
    "plural": plural,
    "nice_axis": nice_axis,
    "unique_id": unique_id,
}


def register_filters(app: Flask) -> None:
    """Teach the app's templates every filter here.

    Instants are shown in the settings' reporting zone, money in the settings' currency.
    """
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
