"""Days without any contact of any theme: those that lack an import, and those that are closed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import MeasurementWindow
from closedloop.services.impact_gaps import EmptyDays, check_days_left, find_empty_days

MONDAY = date(2026, 1, 5)
N_PRE, N_DAYS = 70, 98
LIVE = MONDAY + timedelta(days=N_PRE)
WINDOW = MeasurementWindow(MONDAY, LIVE, 0, MONDAY + timedelta(days=N_DAYS - 1))
DAYS = [MONDAY + timedelta(days=n) for n in range(N_DAYS)]


def find(*, closed=(), mean=12, holidays=()):
    """Two themes share so many contacts a day, but for the days on which none came."""
    counts = np.array([0 if n in closed else mean for n in range(N_DAYS)], dtype=np.int32)
    halves = {1: counts // 2, 2: counts - counts // 2}
    return find_empty_days(DAYS, halves, WINDOW, holidays)


def days(*numbers):
    return tuple(MONDAY + timedelta(days=n) for n in numbers)


def test_days_that_never_were_without_a_contact_lack_an_import_before_and_since():
    found = find(closed={10, 11, 71, 80})
    assert found == EmptyDays(before=days(10, 11), since=days(71, 80))
    assert found.lacking == days(10, 11, 71, 80)


def test_weekends_that_are_closed_stay_what_they_are():
    assert find(closed={n for n in range(N_DAYS) if n % 7 > 4}) == EmptyDays()


def test_weekdays_that_are_closed_at_times_are_counted_and_told():
    saturdays = set(range(5, N_PRE, 14)) | {75}
    assert find(closed=saturdays) == EmptyDays(counted=days(75))


def test_a_holiday_is_held_against_holidays_and_not_against_its_weekday():
    easter = {3, 7, 91}
    assert find(closed=easter, holidays=days(*easter)) == EmptyDays()
    assert find(closed={91}, holidays=days(*easter)) == EmptyDays(since=days(91))
    assert find(closed={91}, holidays=days(91)) == EmptyDays(), "none before to know it by"


def test_where_hardly_a_contact_comes_a_day_without_one_may_be_chance():
    assert find(closed={20, 75}, mean=9) == EmptyDays(counted=days(75))


def test_a_look_is_not_spent_while_an_import_of_its_days_may_come():
    lacking = EmptyDays(since=days(71, 73))
    with pytest.raises(NotMeasurable, match="2 of the 14 days counted since the change hold no"):
        check_days_left(WINDOW, N_PRE + 14, (), lacking)
    with pytest.raises(NotMeasurable, match="1 of the 14 days counted since the change holds no"):
        check_days_left(WINDOW, N_PRE + 16, (70, 71), lacking)
    check_days_left(WINDOW, N_PRE + 13, (), lacking)  # too early says so by itself
    check_days_left(WINDOW, N_PRE + 16, (), lacking)
    check_days_left(WINDOW, N_PRE + 14, (), EmptyDays(before=days(3), counted=days(75)))
