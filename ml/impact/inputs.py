"""Check what a caller hands in; say what is wrong in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.types import Bools, Floats


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
    """

    counts: Floats
    n_pre: int
    counted: Bools
    day_of_week: Floats
    day_of_year: Floats
    holiday: Floats
    controls: Floats

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
) -> Series:
    """Check the input and place it on the calendar.

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

    Raises
    ------
    ValueError
        With a sentence saying what is wrong and where.
    """
    checked = _whole_counts(counts, "counts")
    n_days = len(checked)
    n_pre = _days_before(n_pre, n_days)
    week, year = weekdays_and_days_of_year(first_day, n_days)
    return Series(
        counts=checked,
        n_pre=n_pre,
        counted=_counted_days(skip, n_days, n_pre),
        day_of_week=week,
        day_of_year=year,
        holiday=_holiday_flags(first_day, n_days, holidays),
        controls=_control_counts(controls, n_days),
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
    bad = ~np.isfinite(read) | (read < 0) | (read != np.floor(read))
    if bad.any():
        day = int(np.argwhere(bad)[0][0])
        found = read[bad].flat[0]
        raise ValueError(
            f"{name} must be whole numbers from 0 up, with no gaps; day {day} holds {found:g}."
        )
    return read


def _days_before(n_pre: int, n_days: int) -> int:
    if isinstance(n_pre, bool) or not isinstance(n_pre, int | np.integer):
        raise ValueError(f"n_pre must be a whole number of days; got {n_pre!r}.")
    if not 1 <= n_pre <= n_days:
        raise ValueError(f"n_pre must lie between 1 and the {n_days} days in counts; got {n_pre}.")
    return int(n_pre)


def _counted_days(skip: Iterable[int], n_days: int, n_pre: int) -> Bools:
    counted = np.ones(n_days, dtype=bool)
    for day in skip:
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
