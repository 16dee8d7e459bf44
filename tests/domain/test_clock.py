"""A demonstration lives on one day, whatever hour and season it really is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.clock import as_if, local_day, set_today, shift_to, today

DAY = date(2026, 5, 12)


@pytest.fixture(autouse=True)
def real_day() -> Iterator[None]:
    yield
    set_today(None)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/New_York", "Pacific/Auckland"])
def test_at_any_hour_of_a_year_the_shifted_clock_shows_the_day_in_its_zone(zone: str) -> None:
    for hour in range(0, 366 * 24, 5):
        now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC) + timedelta(hours=hour)
        shift = shift_to(DAY, now, zone)
        assert local_day(now + shift, zone) == DAY, now
        assert shift % timedelta(days=1) == timedelta(0)


def test_today_is_the_day_in_any_zone_but_where_a_history_is_lived_through() -> None:
    set_today(DAY, "Europe/London")

    assert [today(zone) for zone in ("Europe/London", "Pacific/Auckland")] == [DAY, DAY]
    with as_if(datetime(2025, 7, 1, 23, 30, tzinfo=UTC)):
        assert today("Europe/London") == date(2025, 7, 2)
