"""Every number of a metric leads to a list of contacts that counts as many."""

from __future__ import annotations

import html as entities
import random
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.clock import set_today
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.metric_contacts import contacts_address
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Unit
from closedloop.domain.themes import DemandType
from closedloop.extensions import db
from closedloop.models import ChannelCost, ContactDriver, DriverDay, MetricList
from closedloop.queries import contact_totals
from closedloop.queries.contacts import Cursor, count_contacts, list_contacts
from closedloop.queries.metrics import Reading, list_groups, list_readings
from closedloop.queries.site import get_data_span
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.web.contacts_asked import read_filter
from closedloop.web.metric_asked import Asked, filter_value, read_asked
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme
from tests.pages import text_of

FIRST, LAST = date(2026, 3, 2), date(2026, 4, 5)


@pytest.fixture(autouse=True)
def sixth_of_april():
    set_today(LAST + timedelta(days=1))
    yield
    set_today(None)


def make_random_history(session, settings, seed: int, contacts: int = 110) -> ContactDriver:
    """Make five weeks with gaps in every field, lists that change, prices, volumes and judgements.

    Returns
    -------
    ContactDriver
        Above two of the four themes.
    """
    draw, batch = random.Random(seed), make_batch(session)
    driver = ContactDriver(key=f"D-{seed + 1:03}", name="Cards")
    session.add(driver)
    session.flush()
    themes = [make_theme(session) for _ in range(4)]
    kinds = (DemandType.FAILURE, DemandType.VALUE, DemandType.UNCLEAR, None)
    for i, kind in enumerate(kinds):
        themes[i].demand_type = kind
        themes[i].driver_id = driver.id if i % 2 else None
    customers = [make_customer(session) for _ in range(contacts // 6)]
    for i in range(contacts):
        at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(
            days=draw.randrange(35), seconds=draw.randrange(3600, 80_000)
        )
        make_contact(
            session,
            batch=batch,
            started_at=at,
            source_contact_id=f"n{seed}-{i:03}",
            customer=draw.choice([*customers, None, None]),
            theme=draw.choice([*themes, None]),
            text=None,
            channel=draw.choice(["phone", "phone", "chat", ""]),
            queue=draw.choice(["cards", "owners", ""]),
            disposition=draw.choice(["Wrong number", "Card enquiry", ""]),
            team=draw.choice(["Blue", "Red", ""]),
            language=draw.choice(["en", "lt", ""]),
            handle_seconds=draw.choice([None, 0, 120, 480]),
            abandoned=draw.choice([None, True, False]),
            transfers=draw.choice([None, 0, 0, 1, 3]),
            resolved=draw.choice([None, True, False]),
            survey_resolved=draw.choice([None, True, False]),
            csat=draw.choice([None, 1, 3.9, 4, 5]),
            nps=draw.choice([None, 0, 6, 7, 9, 10]),
            ces=draw.choice([None, 1, 4.5, 7]),
        )
    held = {"set_by": "Test"}
    for valid_from, codes, queues in (
        (date(2026, 3, 8), ["Wrong number"], ["owners"]),
        (date(2026, 3, 20), ["", "Wrong number"], ["owners", "cards"]),
    ):
        session.add(MetricList(kind="net_exclusions", entries=codes, valid_from=valid_from, **held))
        session.add(
            MetricList(kind="resolution_queues", entries=queues, valid_from=valid_from, **held)
        )
    for channel, day in (("phone", date(2026, 3, 12)), ("", date(2026, 3, 25))):
        session.add(ChannelCost(channel=channel, pence_per_minute=50.0, valid_from=day, **held))
    for i in range(15):
        day = FIRST + timedelta(days=2 * i)
        session.add(DriverDay(driver="orders", day=day, volume=90.0))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.commit()
    return driver


SUMS = {"aht", "cost_per_contact", "ces", "nps"}
"""What stands above their line is no number of contacts: they lead to what they stand on."""


def numbers_of(metric, value: Value) -> list[tuple[str, float]]:
    """Return what a number leads to, and how many contacts must be there."""
    if metric.key == "customers":
        return [("known", value.denominator)]
    above = value.n if metric.key in SUMS else value.numerator
    if metric.key == "snowball_minutes":
        above = value.small[0]  # the contacts the minutes are of
    found = [(metric.above, above), (metric.stands_on, value.n)]
    return [*found, (metric.below, value.denominator)] if metric.below else found


def page_through(wanted) -> int:
    seen, after = 0, None
    while rows := list_contacts(db.session, wanted, after=after, limit=100):
        seen += len(rows)
        after = Cursor(rows[-1].started_at, rows[-1].id)
    return seen


def check_numbers(asked: Asked, reading: Reading, value: Value, monkeypatch, **here: str) -> None:
    """Follow each number of a value as its link does."""
    metric = reading.metric
    period = {"from": reading.first_day.isoformat(), "to": reading.last_day.isoformat()}
    for shows, number in numbers_of(metric, value):
        address = contacts_address(shows, reading.window, volume=asked.wanted.driver)
        found = read_filter({**asked.parts, **here, **period, **address})
        assert found.problems == []
        for read_directly in (10**9, -1):  # from the contacts themselves, and from the roll-ups
            monkeypatch.setattr(contact_totals, "READ_DIRECTLY", read_directly)
            assert count_contacts(db.session, found.wanted) == number, (metric.key, address, here)
        assert page_through(found.wanted) == number, (metric.key, address, here)


@pytest.mark.parametrize("seed", range(3))
def test_the_list_behind_every_number_counts_as_many(app, session, settings, monkeypatch, seed):
    driver, draw = make_random_history(session, settings, seed), random.Random(seed)
    filters = [
        {},
        {"contact_driver": str(driver.id)},
        {"channel": "phone"},
        {"disposition": "-", "team": "Blue"},
        {"theme": "none", "language": "lt"},
        {"queue": "owners", "contact_driver": str(driver.id)},
    ]
    with app.test_request_context():
        for i, values in enumerate(filters):
            window = WINDOWS[(i + seed) % len(WINDOWS)].key
            period = {} if i % 2 else {"from": "2026-03-03", "to": "2026-04-02"}
            query = {**values, **period, "window": window}
            asked = read_asked(query, get_data_span(db.session), None)
            assert asked is not None
            assert asked.problems == []
            readings = list_readings(db.session, asked.wanted, ground=asked.ground, metrics=METRICS)
            for reading in draw.sample(readings, 6) if i else readings:
                if reading.days:
                    check_numbers(asked, reading, reading.cell.found, monkeypatch)


def test_the_list_behind_a_group_counts_as_many(app, session, settings, monkeypatch):
    driver = make_random_history(session, settings, 7, contacts=80)
    dimensions = ("channel", "queue", "disposition", "theme", "team", "language")
    with app.test_request_context():
        asked = read_asked({"contact_driver": str(driver.id)}, get_data_span(db.session), None)
        assert asked is not None
        found = list_readings(db.session, asked.wanted, ground=asked.ground, metrics=METRICS)
        for i, reading in enumerate(found):
            by = dimensions[i % len(dimensions)]
            groups = list_groups(
                db.session, reading.metric, asked.wanted, by=by, ground=asked.ground
            ).groups
            for group in groups[:2]:
                here = {by: filter_value(by, group.value)}
                check_numbers(asked, reading, group.cell.found, monkeypatch, **here)


def test_every_metric_leads_somewhere():
    for metric in METRICS:
        assert metric.above or metric.parts, metric.key
        assert metric.stands_on or metric.key == "customers"
        if metric.unit is Unit.SHARE:
            assert metric.below, metric.key


def test_every_link_of_the_pages_shows_what_it_says(manager, session, settings):
    make_random_history(session, settings, 3, contacts=240)
    pages = [
        "/metrics/?window=72h",
        *(f"/metrics/{m.key}?window=72h&by=team" for m in METRICS[::4]),
    ]
    html = "".join(manager.get(page) for page in pages)
    links = set(re.findall(r'<a href="(/contacts/\?[^"]+)">([\d,]+)</a>', html))

    assert len(links) > 30
    for url, number in random.Random(1).sample(sorted(links), 30):
        listed = text_of(manager.get(entities.unescape(url)))
        found = re.search(r"([\d,]+) contacts? fit the filters", listed)
        assert found is not None, url
        assert found[1] == number, url


def test_the_value_and_the_parts_of_a_score_lead_to_their_answers(manager, session, settings):
    make_random_history(session, settings, 3, contacts=240)

    html = manager.get("/metrics/nps")

    assert "has=nps-promoters" in html
    assert "has=nps-detractors" in html
    assert re.search(r'<dt>Value</dt><dd><a href="[^"]*has=nps-answered', html)
    words = text_of(manager.get("/metrics/contacts_per_resolution?window=72h"))
    assert "Above the line" in words
    assert "Below the line" in words


def test_what_is_hidden_leads_nowhere(manager, session, settings):
    batch = make_batch(session)
    for i in range(12):
        make_contact(
            session,
            batch=batch,
            customer=make_customer(session),
            started_at=datetime(2026, 3, 3, 10, tzinfo=UTC),
            csat=5 if i < 3 else None,
            abandoned=i < 2,
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    for key in ("csat", "abandonment"):  # three answers; two of twelve given up
        html = manager.get(f"/metrics/{key}?by=team")
        above = get_metric(key).above.removeprefix("has:")
        assert f"has={above}" not in html


def test_nobody_is_led_where_they_may_not_go(sign_in_as, session, settings):
    make_random_history(session, settings, 3)
    page = sign_in_as(Role.EXECUTIVE)

    for key in ("nps", "cost_per_contact", "repeat_rate_net"):
        assert 'href="/contacts/' not in page.get(f"/metrics/{key}")
