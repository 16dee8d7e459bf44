"""When a day is mature: to the second, in every zone, whatever the clocks do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.clock import day_bounds
from closedloop.domain.contacts import WINDOWS, last_mature_day, window_for

SECOND = timedelta(seconds=1)
LONDON = "Europe/London"
WEEK = window_for("7d")


def test_without_a_change_of_the_clocks_whole_days_pass():
    cut = date(2026, 3, 25)
    for zone in ("UTC", LONDON, "Asia/Kolkata"):
        found = [(cut - last_mature_day(cut, window, zone)).days for window in WINDOWS]
        assert found == [1, 3, 7, 14, 30], zone


@pytest.mark.parametrize(
    ("cut", "last"),
    [
        (date(2026, 3, 28), date(2026, 3, 21)),
        (date(2026, 3, 29), date(2026, 3, 21)),  # of 23 hours, so the 22nd lacks one
        (date(2026, 4, 4), date(2026, 3, 27)),
        (date(2026, 4, 5), date(2026, 3, 29)),  # the 28th and the 29th on one day
        (date(2026, 10, 24), date(2026, 10, 17)),
        (date(2026, 10, 25), date(2026, 10, 18)),  # of 25 hours: one more than needed
        (date(2026, 10, 31), date(2026, 10, 24)),
    ],
)
def test_a_week_in_which_the_clocks_go_forward_takes_a_day_more_and_back_none_less(cut, last):
    assert last_mature_day(cut, WEEK, LONDON) == last


@pytest.mark.parametrize("zone", [LONDON, "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("begin", [date(2026, 3, 1), date(2026, 9, 25)])
def test_the_last_second_of_the_day_had_the_whole_window_by_the_last_second_of_the_cut(zone, begin):
    for n in range(75):
        cut = begin + timedelta(days=n)
        known_until = day_bounds(cut, zone)[1] - SECOND
        for window in WINDOWS:
            day = last_mature_day(cut, window, zone)
            needed = [
                day_bounds(d, zone)[1] - SECOND + timedelta(seconds=window.seconds)
                for d in (day, day + timedelta(days=1))
            ]
            assert needed[0] <= known_until < needed[1], (cut, window.key, day)


def test_a_second_decides_whether_a_day_is_mature():
    # 24 October has its 7 days at the end of the 31st to the second and an hour to spare
    last_contact = day_bounds(date(2026, 10, 24), LONDON)[1] - SECOND
    known_until = day_bounds(date(2026, 10, 31), LONDON)[1] - SECOND
    assert known_until - last_contact == timedelta(days=7, hours=1)
    # in spring the last contact of the 28th lacks an hour, and that of the 29th not a second
    last_contact = day_bounds(date(2026, 3, 28), LONDON)[1] - SECOND
    known_until = day_bounds(date(2026, 4, 4), LONDON)[1] - SECOND
    assert known_until - last_contact == timedelta(days=6, hours=23)
    last_contact = day_bounds(date(2026, 3, 29), LONDON)[1] - SECOND
    known_until = day_bounds(date(2026, 4, 5), LONDON)[1] - SECOND
    assert known_until - last_contact == timedelta(days=7)
    assert last_mature_day(date(2026, 4, 5), WEEK, LONDON) == date(2026, 3, 29)
