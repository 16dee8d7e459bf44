"""How far the data reach, and which of their days are over."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from closedloop.domain.clock import as_if
from closedloop.queries.site import DataSpan, get_data_span
from tests.factories.contacts import make_contact

ZONE = "Europe/London"
NOON = datetime(2026, 5, 12, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "cut", "whole"),
    [
        ((), None, None),
        ((12,), 11, None),  # today is not over, and there was nothing before it
        ((11,), 11, (11, 11)),
        ((3, 9), 9, (3, 9)),
        ((3, 12), 11, (3, 11)),
        ((3, 14), 11, (3, 11)),  # clocks of sources run ahead
        ((13,), 11, None),
    ],
)
def test_the_cut_is_the_last_day_that_is_over_and_that_the_data_reach(session, days, cut, whole):
    for day in days:
        make_contact(session, started_at=datetime(2026, 5, day, 10, tzinfo=UTC))

    with as_if(NOON):
        span = get_data_span(session)
        found = (span.cut(ZONE), span.whole_days(ZONE))

    assert found == (
        date(2026, 5, cut) if cut else None,
        tuple(date(2026, 5, day) for day in whole) if whole else None,
    )


def test_a_day_is_over_by_the_clock_of_the_zone():
    span = DataSpan(date(2026, 5, 1), date(2026, 5, 31))
    with as_if(datetime(2026, 5, 12, 23, 30, tzinfo=UTC)):
        assert span.cut("Europe/London") == date(2026, 5, 12)
        assert span.cut("UTC") == date(2026, 5, 11)
