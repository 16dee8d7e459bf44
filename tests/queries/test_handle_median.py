"""The median handle time beside the mean."""

from __future__ import annotations

import statistics
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.contacts import HEADLINE_WINDOW
from closedloop.domain.metric_table import get_metric
from closedloop.queries.handle_median import MOST_READ, find_median
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms
from closedloop.queries.metrics import Ground, list_readings
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer

DAY = date(2026, 3, 2)
SECONDS = [30, 31, 33, 40, 900, 5_000]


def add(session, seconds, *, day: date = DAY, channel: str = "phone") -> None:
    batch = make_batch(session, f"{channel} {day}")
    for n, one in enumerate(seconds):
        at = datetime(day.year, day.month, day.day, 10, tzinfo=UTC) + timedelta(minutes=n)
        customer = make_customer(session)
        make_contact(
            session,
            batch=batch,
            customer=customer,
            started_at=at,
            channel=channel,
            handle_seconds=one,
            text=None,
        )


def median(session, *, key: str = "aht", most: int = MOST_READ, **values):
    roll_up_days(session, days=None)
    ground = Ground(DAY, DAY + timedelta(days=1), 5, Terms(), "Europe/London")
    wanted = MetricFilter(first_day=DAY, last_day=DAY, window=HEADLINE_WINDOW, values=values)
    (reading,) = list_readings(session, wanted, ground=ground, metrics=[get_metric(key)])
    return find_median(session, reading, wanted, ground.terms, most=most)


@pytest.mark.parametrize("number", [5, 6])
def test_the_median_is_that_of_the_handle_times_of_the_period(session, number):
    add(session, SECONDS[:number])
    add(session, [None, None])
    add(session, [7_000] * 9, day=DAY + timedelta(days=1))

    assert median(session).seconds == statistics.median(SECONDS[:number])


def test_a_filter_counts_for_the_median_as_for_the_mean(session):
    add(session, SECONDS)
    add(session, [7_000] * 9, channel="chat")

    assert median(session, channel="phone").seconds == statistics.median(SECONDS)


def test_where_the_mean_is_hidden_the_median_is_too(session):
    add(session, SECONDS[:4])

    assert median(session).seconds is None


def test_where_more_contacts_were_to_be_read_it_is_not_told(session):
    add(session, SECONDS)
    add(session, [60] * 5, channel="chat")

    assert median(session, most=11, channel="phone").seconds is not None
    found = median(session, most=10, channel="phone")

    assert found.seconds is None
    assert "choose fewer days" in found.why


def test_other_metrics_have_none(session):
    add(session, SECONDS)

    assert median(session, key="contacts") is None
