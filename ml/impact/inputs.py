"""Check what a caller hands in; say what is wrong in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.types import Bools, Floats

MOST_A_DAY = 100_000_000
LEAST_VOLUME = 1e-6  # of the usual: a day with less has no volume to speak of
MOST_VOLUME = 1e15


@dataclass(frozen=True, eq=False)
class Series:
    """A theme's days around a change, checked.

    Attributes
    ----------
    counts : float array, shape (n_days,)
        Whole contacts a day.
    n_pre : int
        Days before the change.
    counted : bool array, shape (n_days,)
        False on days left out of the fit and of the totals.
    day_of_week : int array, shape (n_days,)
        0 is Monday.
    day_of_year : int array, shape (n_days,)
        1 is 1 January.
    holiday : float array, shape (n_days,)
        1 on a holiday, else 0.
    controls : float array, shape (n_days, n_series)
        Contacts a day of unaffected themes; n_series may be 0.
    first_day : date
        The day of counts[0].
    volume : float array, shape (n_days,), or None
        The driver, 0 on days without one; None when effects are on the counts themselves.
    offset : float array, shape (n_days,)
        Log of the volume over its mean before the change; 0 without a driver.
    reached : float array, shape (n_days,), or None
        Share of customers the change has reached, 0..1; None when it reached all at once.
    days_without_volume : int
        Days that are not counted for want of a driver volume alone.
    """

    counts: Floats
    n_pre: int
    counted: Bools
    day_of_week: Floats
    day_of_year: Floats
    holiday: Floats
    controls: Floats
    first_day: date
    volume: Floats | None
    offset: Floats
    reached: Floats | None
    days_without_volume: int

    @property
    def n_days(self) -> int:
        """Days in all."""
        return len(self.counts)

    @property
    def seen(self) -> Bools:
        """Counted days before the change, shape (n_pre,)."""
        return self.counted[: self.n_pre]

    @property
    def counted_after(self) -> Bools:
        """Counted days after the change, shape (n_days - n_pre,)."""
        return self.counted[self.n_pre :]


def read_series(
    counts: ArrayLike,
    n_pre: int,
    first_day: date,
    *,
    controls: ArrayLike | None = None,
    holidays: Collection[date] = (),
    skip: Iterable[int] = (),
    driver: ArrayLike | None = None,
    stages: ArrayLike | None = None,
) -> Series:
    """Check the input and place it on the calendar.

    Days without a driver volume, and days after the change on which it had reached nobody,
    are not counted.

    Parameters
    ----------
    counts : int array, shape (n_days,)
    n_pre : int
        1..n_days.
    first_day : date
        The day of counts[0].
    controls : int array, shape (n_days, n_series), optional
    holidays : collection of date
    skip : iterable of int
        Indexes into counts of days not to be counted.
    driver : float array, shape (n_days,), optional
        Daily volume, not negative; 0 or NaN where there is none.
    stages : float array, shape (n_days,), optional
        Share of customers reached a day, 0..1, 0 before the change.

    Raises
    ------
    ValueError
        With a sentence saying what is wrong and where.
    """
    first_day = _a_day(first_day)
    checked = _whole_counts(counts, "counts")
    n_days = len(checked)
    n_pre = _days_before(n_pre, n_days)
    week, year = weekdays_and_days_of_year(first_day, n_days)
    asked_for = _counted_days(skip, n_days, n_pre)
    volume, reached = _driver_volume(driver, n_days), _shares_reached(stages, n_days, n_pre)
    counted = asked_for.copy()
    if volume is not None:
        volume = _without_traces(volume, asked_for[:n_pre])
        counted &= volume > 0
    days_without_volume = int((asked_for & ~counted).sum())
    if reached is not None:
        counted[n_pre:] &= reached[n_pre:] > 0
    return Series(
        counts=checked,
        n_pre=n_pre,
        counted=counted,
        day_of_week=week,
        day_of_year=year,
        holiday=_holiday_flags(first_day, n_days, holidays),
        controls=_control_counts(controls, n_days),
        first_day=first_day,
        volume=volume,
        offset=_log_volume(volume, counted, n_pre),
        reached=reached,
        days_without_volume=days_without_volume,
    )


def weekdays_and_days_of_year(first_day: date, n_days: int) -> tuple[Floats, Floats]:
    """Return weekday (0 is Monday) and day of year (1 is 1 January), each shape (n_days,)."""
    days = np.datetime64(first_day, "D") + np.arange(n_days)
    since_epoch = days.astype(np.int64)
    new_year = days.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    # 1970-01-01, day 0, was a Thursday
    return ((since_epoch + 3) % 7).astype(float), (since_epoch - new_year + 1).astype(float)


def _whole_counts(values: ArrayLike, name: str) -> Floats:
    try:
        read = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, one for each day.") from None
    if name == "counts" and (read.ndim != 1 or not len(read)):
        raise ValueError(f"counts must be one number for each day; got shape {read.shape}.")
    bad = ~np.isfinite(read) | (read < 0) | (read != np.floor(read)) | (read > MOST_A_DAY)
    if bad.any():
        day = int(np.argwhere(bad)[0][0])
        found = read[bad].flat[0]
        raise ValueError(
            f"{name} must be whole numbers from 0 up to {MOST_A_DAY:,}, with no gaps; "
            f"day {day} holds {found:g}."
        )
    return read


def _a_day(first_day: date) -> date:
    if isinstance(first_day, datetime):
        return first_day.date()
    if not isinstance(first_day, date):
        raise ValueError(f"first_day must be a date; got {first_day!r}.")
    return first_day


def _days_before(n_pre: int, n_days: int) -> int:
    if isinstance(n_pre, bool) or not isinstance(n_pre, int | np.integer):
        raise ValueError(f"n_pre must be a whole number of days; got {n_pre!r}.")
    if not 1 <= n_pre <= n_days:
        raise ValueError(f"n_pre must lie between 1 and the {n_days} days in counts; got {n_pre}.")
    return int(n_pre)


def _counted_days(skip: Iterable[int], n_days: int, n_pre: int) -> Bools:
    counted = np.ones(n_days, dtype=bool)
    for day in skip:
        if isinstance(day, bool) or not isinstance(day, int | np.integer):
            raise ValueError(f"skip must hold whole numbers of days; got {day!r}.")
        if not 0 <= day < n_days:
            raise ValueError(f"skip names day {day}, but counts has days 0 to {n_days - 1}.")
        counted[day] = False
    if not counted[:n_pre].any():
        raise ValueError("skip leaves no day before the change to compare with.")
    return counted


def _holiday_flags(first_day: date, n_days: int, holidays: Collection[date]) -> Floats:
    flags = np.zeros(n_days)
    for day in holidays:
        if not isinstance(day, date):
            raise ValueError(f"holidays must be dates; got {day!r}.")
        index = ((day.date() if isinstance(day, datetime) else day) - first_day).days
        if 0 <= index < n_days:
            flags[index] = 1.0
    return flags


def _control_counts(controls: ArrayLike | None, n_days: int) -> Floats:
    if controls is None:
        return np.empty((n_days, 0))
    read = _whole_counts(controls, "controls")
    if read.ndim != 2 or len(read) != n_days:
        raise ValueError(
            f"controls must have a row for each of the {n_days} days and a column for each "
            f"theme; got shape {read.shape}."
        )
    return read


def _driver_volume(driver: ArrayLike | None, n_days: int) -> Floats | None:
    """Read the volume; a day without one becomes 0."""
    if driver is None:
        return None
    read = _a_number_a_day(driver, n_days, "driver")
    read = np.where(np.isnan(read), 0.0, read)
    bad = (read < 0) | (read > MOST_VOLUME)
    if bad.any():
        day = int(np.flatnonzero(bad)[0])
        raise ValueError(
            "driver must be a volume a day, 0 or missing where there was none; "
            f"day {day} holds {read[day]:g}."
        )
    return read


def _without_traces(volume: Floats, asked_for: Bools) -> Floats:
    """Set days that have next to no volume beside the usual to 0."""
    before = volume[: len(asked_for)][asked_for]
    if not before.any():
        raise ValueError("driver has no volume on any counted day before the change.")
    usual = float(before[before > 0].mean())
    return np.where(volume < LEAST_VOLUME * usual, 0.0, volume)


def _log_volume(volume: Floats | None, counted: Bools, n_pre: int) -> Floats:
    offset = np.zeros(len(counted))
    if volume is not None:
        usual = float(volume[:n_pre][counted[:n_pre]].mean())
        there = volume > 0
        offset[there] = np.log(volume[there] / usual)
    return offset


def _shares_reached(stages: ArrayLike | None, n_days: int, n_pre: int) -> Floats | None:
    if stages is None:
        return None
    read = _a_number_a_day(stages, n_days, "stages")
    bad = ~((read >= 0) & (read <= 1))
    if bad.any():
        day = int(np.flatnonzero(bad)[0])
        raise ValueError(
            "stages must be the share of customers reached a day, from 0 to 1; "
            f"day {day} holds {read[day]:g}."
        )
    if read[:n_pre].any():
        day = int(np.flatnonzero(read)[0])
        raise ValueError(
            "stages must be 0 before the change, which reached nobody yet; "
            f"day {day} holds {read[day]:g}."
        )
    return read


def _a_number_a_day(values: ArrayLike, n_days: int, name: str) -> Floats:
    try:
        read = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, one for each day.") from None
    if read.shape != (n_days,):
        raise ValueError(
            f"{name} must be one number for each of the {n_days} days; got shape {read.shape}."
        )
    return read
