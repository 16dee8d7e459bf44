"""The demo year: its days, and how busy each day and each hour is."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from numpy.typing import NDArray

FIRST_DAY = date(2025, 5, 12)  # a Monday
LAST_DAY = date(2026, 5, 11)  # a Monday, inclusive
N_DAYS = (LAST_DAY - FIRST_DAY).days + 1
TODAY = LAST_DAY + timedelta(days=1)  # the morning on which the demo is looked at
ZONE = ZoneInfo("Europe/London")

BURN_IN_DAYS = 45  # simulated before FIRST_DAY and dropped, so that chains run from day one

FloatArray = NDArray[np.float64]

_WEEK = (1.26, 1.12, 1.05, 1.02, 1.00, 0.68, 0.47)  # Monday to Sunday
_HOLIDAY = 0.45
_CHRISTMAS_DAY = 0.22
_EVES = {(12, 24): 0.70, (12, 31): 0.75}
_AFTER_HOLIDAY = 1.28
_GROWTH_A_YEAR = 0.06

CHANNELS = ("phone", "chat", "message")

# Weights of the hours from 0 to 23, local time. Nobody answers at night, so no time is ever
# inside a clock change.
_HOURS = {
    "phone": {8: 5, 9: 9, 10: 11, 11: 11, 12: 9, 13: 8, 14: 9, 15: 9, 16: 9, 17: 8, 18: 6, 19: 3},
    "chat": {7: 2, 8: 4, 9: 6, 10: 7, 11: 7, 12: 9, 13: 8, 14: 6, 15: 6, 16: 6, 17: 7, 18: 8}
    | {19: 9, 20: 8, 21: 5},
    "message": {6: 2, 7: 5, 8: 6, 9: 5, 10: 5, 11: 5, 12: 7, 13: 6, 14: 5, 15: 5, 16: 5, 17: 7}
    | {18: 8, 19: 9, 20: 10, 21: 8, 22: 4},
}


def day_number(day: date) -> int:
    """Return days from `FIRST_DAY`: 0 for the first, `N_DAYS` - 1 for the last."""
    return (day - FIRST_DAY).days


@cache
def bank_holidays() -> frozenset[date]:
    """Return the bank holidays of England from the burn-in to the end of 2026."""
    found = holidays.country_holidays("GB", subdiv="ENG", years=(2025, 2026))
    return frozenset(found)


def _day_level(day: date) -> float:
    """Return how busy a day is beside an ordinary Friday, growth apart."""
    if (day.month, day.day) == (12, 25):
        return _CHRISTMAS_DAY
    if day in bank_holidays():
        return _HOLIDAY
    level = _WEEK[day.weekday()] * _EVES.get((day.month, day.day), 1.0)
    if day.weekday() < 5 and day - timedelta(days=1) in bank_holidays():
        level *= _AFTER_HOLIDAY
    return level


@cache
def _day_levels() -> tuple[float, ...]:
    """Return the level of each day, burn-in first, with mean 1 over the demo year."""
    days = range(-BURN_IN_DAYS, N_DAYS)
    levels = [
        _day_level(FIRST_DAY + timedelta(days=d)) * math.exp(_GROWTH_A_YEAR * (d / N_DAYS - 0.5))
        for d in days
    ]
    mean = sum(levels[BURN_IN_DAYS:]) / N_DAYS
    return tuple(level / mean for level in levels)


def day_levels() -> FloatArray:
    """Return how busy each day is.

    Returns
    -------
    array of float, shape (BURN_IN_DAYS + N_DAYS,)
        Burn-in days first; the mean over the `N_DAYS` of the demo year is 1.
    """
    return np.array(_day_levels())


def summer_swing(amplitude: float) -> FloatArray:
    """Return a yearly swing as factors, shape (BURN_IN_DAYS + N_DAYS,), highest about 2 August."""
    first_peak = day_number(date(2025, 8, 2))
    days = np.arange(-BURN_IN_DAYS, N_DAYS)
    swing: FloatArray = np.exp(amplitude * np.cos(2 * np.pi * (days - first_peak) / 365.25))
    return swing


def seconds_of_day(channel: NDArray[np.int8], u: FloatArray) -> NDArray[np.int64]:
    """Turn uniform draws into times of day that follow each channel's hours.

    Parameters
    ----------
    channel : int8, shape (n,)
        Positions in `CHANNELS`.
    u : float, shape (n,)
        Uniform on [0, 1).

    Returns
    -------
    int64, shape (n,)
        Seconds after local midnight.
    """
    seconds = np.zeros(len(u), dtype=np.int64)
    for code, name in enumerate(CHANNELS):
        weights = np.array([_HOURS[name].get(hour, 0) for hour in range(24)], dtype=np.float64)
        ends = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
        mine = channel == code
        # Each hour has an equal share of seconds, so the inverse is a straight line within it.
        hours = np.interp(u[mine], ends, np.arange(25.0))
        seconds[mine] = np.floor(hours * 3600).astype(np.int64)
    return seconds


@cache
def _day_prefix(day: int) -> tuple[str, str]:
    """Return the date and the offset from UTC that times on this day are written with."""
    noon = datetime.combine(FIRST_DAY + timedelta(days=day), datetime.min.time(), ZONE).replace(
        hour=12
    )
    text = noon.isoformat()
    return text[:11], text[-6:]


def iso_time(second: int) -> str:
    """Write a moment as ISO 8601 with its offset.

    Parameters
    ----------
    second : int
        Local seconds after the midnight that begins `FIRST_DAY`, days counted as 86,400 s.

    Returns
    -------
    str
        Such as `2025-05-12T09:14:22+01:00`.
    """
    day, of_day = divmod(second, 86_400)
    prefix, offset = _day_prefix(day)
    return f"{prefix}{of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}{offset}"
