"""`closedloop report metrics`: the same facts as the API gives, and a table for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from closedloop.domain.metric_table import METRICS
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer


@pytest.fixture
def run(run_here):
    """Run `closedloop report metrics` on this test's database; give what it prints."""
    return lambda *arguments, code=0: run_here("report", "metrics", *arguments, code=code).output


@pytest.fixture
def centre(session, settings):
    """Make ten customers by phone who come twice, ten by chat who come once, a long time ago."""
    batch = make_batch(session)
    for i in range(20):
        customer = make_customer(session)
        for day in (2, 5) if i < 10 else (2,):
            make_contact(
                session,
                customer=customer,
                batch=batch,
                started_at=datetime(2026, 1, day, 10, tzinfo=UTC),
                channel="phone" if i < 10 else "chat",
            )
    make_contact(session, batch=batch, started_at=datetime(2026, 1, 20, tzinfo=UTC))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.commit()


def test_json_has_every_metric_and_its_parts(run, centre):
    found = json.loads(run("--json", "--window", "72h", "--by", "channel"))

    assert [one["key"] for one in found["metrics"]] == [metric.key for metric in METRICS]
    rate = found["metrics"][0]
    assert rate["window"] == "72h"
    assert rate["cell"]["value"] == pytest.approx(10 / 30)
    assert {g["value"]: g["cell"]["value"] for g in rate["groups"]} == {"phone": 0.5, "chat": 0.0}
    assert found["data_to"] == "2026-01-20"


def test_days_mature_by_the_clock_of_the_reporting_zone(run_here, session, settings, monkeypatch):
    customer, batch = make_customer(session), make_batch(session)
    for day in (10, 24, 31):
        at = datetime(2026, 3, day, 10, tzinfo=UTC)
        make_contact(session, customer=customer, batch=batch, started_at=at)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.commit()

    # London lost an hour on the 29th, so that the 24th had no 7 days by the end of the 31st
    for zone, last in (("UTC", "2026-03-24"), ("Europe/London", "2026-03-23")):
        monkeypatch.setenv("CLOSEDLOOP_REPORTING_ZONE", zone)
        summary = json.loads(run_here("report", "repeats", "--json").stdout)
        assert summary["mature_until"] == last
        metrics = run_here("report", "metrics", "--metric", "repeat_rate_any", "--json").stdout
        assert json.loads(metrics)["metrics"][0]["last_day"] == last


def test_one_metric_comes_with_its_trend(run, centre):
    arguments = ("--metric", "repeat_rate_any", "--step", "week", "--channel", "phone")
    found = json.loads(run("--json", *arguments))["metrics"]

    assert [one["key"] for one in found] == ["repeat_rate_any"]
    assert found[0]["trend"][0]["cell"]["n"] == 10
    words = run(*arguments)
    assert "50.0%" in words
    assert "within 7 days" in words


def test_the_table_says_why_a_value_is_not_there(run, centre):
    words = run("--by", "channel")

    assert "33.3%" in words
    assert "No customer answered this question." in words


def test_repeat_figures_stand_beside_the_share_without_a_customer(run, session, settings, centre):
    batch = make_batch(session)
    for hour in range(10):
        make_contact(session, batch=batch, started_at=datetime(2026, 1, 3, hour, tzinfo=UTC))
    roll_up_days(session, days=None)
    session.commit()

    lines = {line.split()[0]: line for line in run().splitlines() if line.strip()}

    assert lines["repeat_rate_any"].split()[3] == "25.0%"  # 10 of the 40 of days that count


def test_refusals_are_a_sentence(run, session, centre):
    assert "no metric magic" in run("--metric", "magic", code=1)
    assert "lies after" in run("--from", "2026-01-05", "--to", "2026-01-02", code=1)


def test_an_empty_site_says_what_to_do(run):
    assert "Import some first" in run(code=1)


def test_a_single_day_is_not_told_the_wrong_way_round(run, session, settings):
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    make_contact(session, customer=make_customer(session), batch=make_batch(session), started_at=at)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.commit()

    for days in ((), ("--from", "0001-01-01")):
        assert run(*days).startswith("2026-01-05 to 2026-01-05, window 7 days")
        one = run(*days, "--metric", "repeat_rate_any")
        assert one.startswith("No day has had its whole window yet, window 7 days")
