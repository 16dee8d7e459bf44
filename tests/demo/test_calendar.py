"""Does the demo year have the rhythm of a British bank?"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from closedloop.demo import calendar
from closedloop.demo.calendar import BURN_IN_DAYS, N_DAYS, day_number, iso_time


def test_the_year_runs_from_a_monday_to_a_monday_and_is_whole():
    assert N_DAYS == 365
    assert calendar.FIRST_DAY.weekday() == calendar.LAST_DAY.weekday() == 0
    assert day_number(calendar.LAST_DAY) == N_DAYS - 1


def test_bank_holidays_are_those_of_england():
    holidays = calendar.bank_holidays()

    assert {date(2025, 8, 25), date(2025, 12, 26), date(2026, 4, 3), date(2026, 5, 4)} <= holidays
    assert date(2025, 8, 4) not in holidays  # Scotland
    assert date(2026, 3, 17) not in holidays  # Northern Ireland


def test_a_bank_holiday_is_quiet_and_the_day_after_is_loud():
    levels = calendar.day_levels()[BURN_IN_DAYS:]
    holiday = day_number(date(2025, 8, 25))

    assert levels[holiday] < 0.5 * levels[holiday - 7]
    assert levels[holiday + 1] > 1.2 * levels[holiday - 6]
    assert levels[day_number(date(2025, 12, 25))] == levels.min()


def test_levels_have_mean_one_and_grow_by_six_percent_a_year():
    levels = calendar.day_levels()[BURN_IN_DAYS:]

    assert levels.mean() == pytest.approx(1)
    assert levels[day_number(date(2026, 5, 11))] / levels[0] == pytest.approx(1.06, abs=0.002)


def test_times_of_day_stay_within_opening_hours():
    draws = np.array([0.0, 0.5, 1 - 1e-12])
    hours = [
        calendar.seconds_of_day(np.full(3, code, np.int8), draws) / 3600
        for code in range(len(calendar.CHANNELS))
    ]

    assert [(h[0], round(h[2])) for h in hours] == [(8, 20), (7, 22), (6, 23)]
    assert all(h[0] < h[1] < h[2] for h in hours)


@pytest.mark.parametrize(
    ("day", "offset"),
    [
        (date(2025, 10, 25), "+01:00"),
        (date(2025, 10, 26), "+00:00"),
        (date(2026, 3, 28), "+00:00"),
        (date(2026, 3, 29), "+01:00"),
    ],
)
def test_times_are_local_and_carry_the_offset_of_their_day(day, offset):
    text = iso_time(day_number(day) * 86_400 + 9 * 3600 + 5 * 60 + 7)

    assert text == f"{day}T09:05:07{offset}"
    moment = datetime.fromisoformat(text)
    assert moment.astimezone(calendar.ZONE).replace(tzinfo=None) == moment.replace(tzinfo=None)


def test_the_summer_swing_is_highest_at_the_start_of_august():
    swing = calendar.summer_swing(0.3)[BURN_IN_DAYS:]

    assert calendar.FIRST_DAY + timedelta(days=int(swing.argmax())) == date(2025, 8, 2)
    assert swing.max() / swing.min() == pytest.approx(np.exp(0.6), rel=1e-3)
