"""Metrics over the API: every one with its rule, small cells hidden, nonsense refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.clock import as_if
from closedloop.domain.metric_table import METRICS
from closedloop.services.metrics import import_drivers
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(datetime(2026, 4, 1, 9, tzinfo=UTC)):
        yield


@pytest.fixture
def centre(session, settings):
    """Make 20 customers who come on 2 and 5 March, the last four by fax on the 20th instead."""
    theme, batch = make_theme(session), make_batch(session)
    for i in range(20):
        customer = make_customer(session)
        for day in (2, 5) if i < 16 else (20,):
            make_contact(
                session,
                customer=customer,
                batch=batch,
                theme=theme if i < 10 else None,
                started_at=datetime(2026, 3, day, 10, tzinfo=UTC),
                channel="phone" if i < 16 else "fax",
                team="Blue" if i < 8 else "Red",
                csat=5 if i < 9 else None,
            )
    make_contact(session, batch=batch, started_at=datetime(2026, 3, 31, 10, tzinfo=UTC))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    return theme


def item(found, key):
    return next(one for one in found["items"] if one["key"] == key)


@pytest.mark.parametrize("path", ["/metrics/repeats", "/metrics/repeat_rate_any"])
def test_themes_are_given_by_the_keys_that_the_filter_takes(api, centre, path):
    groups = {group["value"]: group for group in api.get(f"{path}?by=theme")["groups"]}

    assert set(groups) == {centre.key, "none"}
    for key, group in groups.items():
        (alone,) = api.get(f"{path}?by=theme&theme={key}")["groups"]
        same = ("value", "label", "contacts")
        assert [alone[name] for name in same] == [group[name] for name in same]


def test_every_metric_comes_with_its_rule_and_days(api, centre):
    found = api.get("/metrics")

    assert [one["key"] for one in found["items"]] == [metric.key for metric in METRICS]
    assert (found["window"], found["data_to"], found["k"]) == ("7d", "2026-03-31", 5)
    rate = item(found, "repeat_rate_any")
    assert rate["cell"] == {
        "value": pytest.approx(16 / 36),
        "n": 36,
        "state": "known",
        "bound": None,
    }
    # the clocks of London went forward on the 29th: the 24th lacks an hour of its 7 days
    assert (rate["first_day"], rate["last_day"]) == ("2026-03-02", "2026-03-23")
    assert "within 7 days" in rate["rule"]
    assert rate["coverage"] == [{"share": 1.0, "of": "of contacts have a known customer"}]
    lost = item(found, "abandonment")
    assert lost["cell"]["value"] is None
    assert lost["cell"]["state"] == "none"
    assert lost["why"].startswith("The source does not say")


def test_an_empty_site_has_no_metrics_yet(api):
    assert api.get("/metrics")["items"] == []
    assert "Import some first" in api.problem("/metrics/csat", 404)["detail"]


def test_filters_reach_every_metric(api, centre):
    found = api.get(f"/metrics?channel=phone&team=Blue&theme={centre.key}")
    assert item(found, "contacts")["cell"]["value"] == 16
    bare = api.get("/metrics?theme=none")
    assert item(bare, "contacts")["cell"]["value"] == 16
    assert item(bare, "repeat_rate_same")["cell"]["value"] is None


def test_one_metric_has_its_trend_and_its_parts(api, centre):
    found = api.get("/metrics/repeat_rate_any?by=theme&step=week")

    assert [(p["first_day"], p["is_maturing"]) for p in found["trend"]] == [
        ("2026-03-02", False),
        ("2026-03-09", False),
        ("2026-03-16", False),
        ("2026-03-23", True),
        ("2026-03-30", True),
    ]
    assert {g["value"] for g in found["groups"]} == {centre.key, "none"}
    for group in found["groups"]:
        alone = api.get(f"/metrics/repeat_rate_any?theme={group['value']}")
        assert alone["cell"]["value"] == pytest.approx(group["cell"]["value"])
    assert found["source"]


def test_a_lone_small_part_is_hidden_with_another(api, centre):
    found = api.get("/metrics/repeat_rate_any?by=channel")

    states = {g["value"]: (g["cell"]["state"], g["cell"]["n"]) for g in found["groups"]}
    assert states == {"phone": ("cover", None), "fax": ("few", None)}
    assert [g["contacts"] for g in found["groups"]] == [None, None]


def test_contact_rates_are_held_against_the_driver_asked_for(api, session, actor, centre):
    days = [date(2026, 3, 2) + timedelta(days=i) for i in range(22)]
    for driver, volume in (("bills", 10), ("orders", 100)):
        data = "day,volume\n" + "\n".join(f"{day},{volume}" for day in days)
        import_drivers(session, data=data.encode(), driver=driver, by=actor)

    rates = {d: api.get(f"/metrics/contact_rate?driver={d}") for d in ("bills", "orders")}

    assert rates["bills"]["cell"]["value"] == pytest.approx(36 / 220 * 1000)
    assert rates["orders"]["cell"]["value"] == pytest.approx(36 / 2200 * 1000)
    assert "no driver ships" in api.problem("/metrics?driver=ships", 422)["detail"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/metrics/magic", 404, "no metric magic"),
        ("/metrics?window=8d", 422, "24h, 72h, 7d, 14d, 30d"),
        ("/metrics?from=2026-03-20&to=2026-03-02", 422, "lies after"),
        ("/metrics?theme=T-999", 404, "no theme T-999"),
        ("/metrics?to=1999-01-01", 422, "before the first day with data"),
        ("/metrics/repeats?to=1999-01-01", 422, "before the first day with data"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(api, centre, path, status, words):
    assert words in api.problem(path, status)["detail"]


@pytest.mark.parametrize("query", ["by=agent", "step=year", "from=x", "shape=round"])
def test_what_is_not_known_is_refused(api, centre, query):
    api.problem(f"/metrics/csat?{query}", 422)
