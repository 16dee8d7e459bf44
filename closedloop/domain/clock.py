"""The one clock, and what a reporting day is.

`utc_now` is the only place that asks what time it is. A demonstration site lives on a fixed
day (`set_today`), and whoever replays a history lives through it with `as_if`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_shift = timedelta(0)
_day: date | None = None
_pretended: ContextVar[datetime | None] = ContextVar("pretended", default=None)


def utc_now() -> datetime:
    """Return now in UTC, in whole seconds."""
    pretended = _pretended.get()
    if pretended is not None:
        return pretended
    return datetime.now(UTC).replace(microsecond=0) + _shift


def set_today(today: date | None, zone: str = "UTC") -> None:
    """Let this process live on `today` (the time of day still runs); None is the real day.

    The shift is a whole number of days, so sessions and leases keep their order, and such that it
    is that day in `zone` now: between winter and summer an hour of the evening is the next day's.
    `today` stays that day however long the process runs.
    """
    global _shift, _day
    _day = today
    _shift = timedelta(0) if today is None else shift_to(today, datetime.now(UTC), zone)


def shift_to(day: date, now: datetime, zone: str) -> timedelta:
    """Return the whole days from now to the same time of day in UTC that is on `day` in `zone`.

    Examples
    --------
    In November it is half past eleven in London, and half past midnight in summer time:

    >>> evening = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    >>> shift_to(date(2026, 5, 12), evening, "Europe/London").days
    -199
    """
    ahead = (day - local_day(now, zone)).days
    shifts = [timedelta(days=ahead + more) for more in (0, -1, 1)]
    return next(shift for shift in shifts if local_day(now + shift, zone) == day)


@contextmanager
def as_if(moment: datetime) -> Iterator[None]:
    """Pretend it is `moment` (aware) inside the block: a demonstration lives through a year."""
    token = _pretended.set(moment.astimezone(UTC).replace(microsecond=0))
    try:
        yield
    finally:
        _pretended.reset(token)


def local_day(instant: datetime, zone: str) -> date:
    """Return the reporting day of an aware instant: local midnight to midnight in `zone`."""
    return instant.astimezone(ZoneInfo(zone)).date()


def today(zone: str) -> date:
    """Return the reporting day that is running now."""
    if _day is not None and _pretended.get() is None:
        return _day
    return local_day(utc_now(), zone)


def last_full_day(zone: str) -> date:
    """Return yesterday: the last day that is complete, so no rate holds half a day."""
    return today(zone) - timedelta(days=1)


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of `day` and of the day after it, in UTC (23 to 25 hours apart)."""
    tz = ZoneInfo(zone)
    start = datetime.combine(day, time(0), tzinfo=tz).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(0), tzinfo=tz).astimezone(UTC)
    return start, end
