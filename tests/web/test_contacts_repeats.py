"""The page of repeat rates: mature days, small groups, links that show what is counted."""

from __future__ import annotations

import csv
import html as entities
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from closedloop.domain.clock import set_today
from closedloop.domain.contacts import HEADLINE_WINDOW
from closedloop.queries.repeats import default_period
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme
from tests.pages import text_of
from tests.web.test_contacts import asked_for


@pytest.fixture(autouse=True)
def first_of_april():
    set_today(date(2026, 4, 1))
    yield
    set_today(None)


@pytest.fixture
def centre(session, settings):
    """Make twelve customers who come on 2 and 5 March, two by fax, and two contacts of nobody."""
    theme = make_theme(session)
    batch = make_batch(session)
    for i in range(12):
        customer = make_customer(session)
        for day in (2, 5):
            make_contact(
                session,
                customer=customer,
                batch=batch,
                theme=theme if i < 6 else None,
                started_at=datetime(2026, 3, day, 10, tzinfo=UTC),
                channel="phone" if i < 10 else "fax",
            )
    make_contact(session, batch=batch, started_at=datetime(2026, 3, 31, 10, tzinfo=UTC))
    make_contact(session, batch=batch, started_at=datetime(2026, 3, 3, 10, tzinfo=UTC))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    return theme


def test_a_site_without_contacts_says_what_a_rate_needs(manager):
    assert "needs one complete day" in text_of(manager.get("/contacts/repeats"))


def test_the_sentence_gives_both_bounds_and_who_is_left_out(manager, centre):
    words = text_of(manager.get("/contacts/repeats"))

    assert "Within 7 days, 50.0 % of contacts were followed by another for any reason" in words
    assert "25.0 % by one about the same theme" in words
    assert "4.0 % have none and enter no rate" in words
    assert "This is an upper bound" in words
    assert "Silence is not proof" in words


def test_days_that_mature_are_hatched_and_carry_no_rate(manager, centre):
    html = manager.get("/contacts/repeats")
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])

    # the clocks went forward on the 29th: the last hour of the 24th had 6 days and 23 hours
    assert data["maturing_from"] == "2026-03-24"
    assert data["days"][-1] == "2026-03-31"
    open_days = data["days"].index("2026-03-24")
    assert set(data["any7"][open_days:]) == {None}
    assert data["any"][0] == 1.0


def test_a_group_below_the_threshold_shows_no_number(manager, centre):
    html = manager.get("/contacts/repeats?by=channel")
    row = re.search(r"<th scope=\"row\">Fax</th>(.*?)</tr>", html, re.S)

    assert row is not None  # no link either: its list would count it
    assert text_of(row[1]) == "fewer than 5"
    phone = re.search(r"<th scope=\"row\">Phone</th>(.*?)</tr>", html, re.S)
    assert phone is not None  # or fax would be the total less this
    assert text_of(phone[1]) == "not shown"
    assert "21" not in text_of(phone[1])


def test_five_contacts_of_one_customer_are_no_cell_and_no_day(manager, session, settings, centre):
    batch, one = make_batch(session), make_customer(session)
    for i in range(8):
        make_contact(
            session,
            customer=one,
            batch=batch,
            queue="robots",
            started_at=datetime(2026, 3, 9, 8 + i, tzinfo=UTC),
        )
    for i in range(8):
        make_contact(
            session,
            customer=make_customer(session),
            batch=batch,
            queue="other",
            started_at=datetime(2026, 3, 10, 8 + i, tzinfo=UTC),
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    html = manager.get("/contacts/repeats?by=queue")
    row = re.search(r"<th scope=\"row\">robots</th>(.*?)</tr>", html, re.S)
    assert row is not None
    assert text_of(row[1]) == "fewer than 5"
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])
    assert data["any"][data["days"].index("2026-03-09")] is None
    # the 2nd would give the 9th away, as the total less the other days
    assert data["any"][data["days"].index("2026-03-02")] is None
    text = manager.raw("/contacts/repeats.csv?table=groups&by=queue").text.lstrip("\ufeff")
    robots = next(r for r in csv.reader(io.StringIO(text)) if r[0] == "robots")
    assert "8" not in robots
    assert "fewer than 5" in robots


def test_nothing_is_claimed_about_the_same_theme_where_there_is_none(manager, session, centre):
    html = manager.get("/contacts/repeats?by=theme")
    row = re.search(r">no theme</a></th>(.*?)</tr>", html, re.S)

    assert " ".join(text_of(row[1]).split()) == "13 12 7.7 % 6 50.0 % – 0.0 % –"


def test_a_group_opens_as_a_filter_of_the_whole_page(manager, centre):
    html = manager.get("/contacts/repeats?by=theme")
    url = entities.unescape(re.search(r'href="([^"]+)" data-open>no theme<', html)[1])

    words = text_of(manager.get(url))

    assert "12 contacts with a known customer" in words
    assert "none of them has a theme yet" in words


def test_every_number_leads_to_the_contacts_it_counts(manager, centre):
    html = manager.get("/contacts/repeats?by=theme&channel=phone")
    links = re.findall(r'<a href="(/contacts/\?[^"]+)">([\d,]+)</a>', html)

    assert len(links) == 6  # four customers of no theme: their identified contacts are hidden
    for url, number in links:
        listed = text_of(manager.get(entities.unescape(url)))
        found = re.search(r"([\d,]+) contacts? fit the filters", listed)
        assert found is not None, url
        assert found[1] == number, url


def test_a_link_to_contacts_names_what_is_filtered_and_broken_down_once(manager, centre):
    html = manager.get("/contacts/repeats?by=channel&channel=phone&queue=-")
    links = [entities.unescape(url) for url in re.findall(r'<a href="(/contacts/\?[^"]+)">', html)]

    assert links
    for url in links:
        asked = parse_qsl(urlsplit(url).query)
        assert [value for name, value in asked if name == "channel"] == ["phone"]
        assert len(dict(asked)) == len(asked)


def test_a_window_longer_than_the_data_claims_nothing(manager, centre):
    words = text_of(manager.get("/contacts/repeats?window=30d"))

    # 1 March is the last mature day of 30 days, and contacts begin on the 2nd
    assert "No day of this period is mature for 30 days yet" in words
    assert "no day of the period is mature yet" in words


@pytest.mark.parametrize(
    "query",
    ["window=8d", "by=agent", "from=x&to=y", "from=2027-01-01", "theme=x", "to=1999-01-01"],
)
def test_nonsense_in_the_address_does_no_harm(manager, centre, query):
    manager.get(f"/contacts/repeats?{query}")


def test_the_csvs_hold_what_the_page_shows(manager, centre):
    def rows(query):
        text = manager.raw(f"/contacts/repeats.csv?{query}").text.lstrip("\ufeff")
        return list(csv.reader(io.StringIO(text)))

    groups = rows("table=groups&by=channel")
    assert groups[0][0] == "Channel"
    nothing = [""] * 7
    assert groups[1:] == [
        ["fax", *nothing, "fewer than 5", "", "", "", ""],
        ["phone", *nothing, "not shown", "", "", "", ""],  # or fax is the total less this
    ]
    themes = rows("table=groups&by=theme")
    assert [row[1] for row in themes[1:]] == ["13", "12"]
    assert themes[1][4] == "0.5"
    assert themes[1][9] == "50.0\N{NARROW NO-BREAK SPACE}%"
    assert [row[0] for row in rows("table=windows")[1:]] == [
        *("24 hours", "72 hours", "7 days", "14 days", "30 days")
    ]
    days = rows("table=days")
    assert days[1][:4] == ["2026-03-02", "", "12", "1.0"]  # or the 3rd is the total less it
    assert days[2][1:3] == ["", ""]


def test_the_page_reads_no_contacts_and_takes_as_many_statements_for_more(
    manager, app, session, settings, centre
):
    from tests.web.test_contacts import statements

    first = asked_for(manager, app, "/contacts/repeats?by=theme")
    for i in range(30):
        make_contact(
            session,
            theme=make_theme(session),
            queue=f"q{i}",
            started_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=i % 20),
        )
    roll_up_days(session, days=None)

    assert asked_for(manager, app, "/contacts/repeats?by=theme") == first == 10
    with statements(app) as seen:
        manager.get("/contacts/repeats")
    scans = [s for s in seen if " contacts" in s.lower() and "min(" not in s.lower()]
    # the span of the data is one look at each end of an index; the contacts themselves are read
    # once a table, for the people of what the sums do not decide, and only while they are few
    assert len(scans) <= 2
    assert all("local_day BETWEEN" in s for s in scans)


def test_contacts_of_nobody_are_no_matter_of_patience(manager, session, settings):
    batch = make_batch(session)
    for day in (2, 3, 4, 5, 6, 30):
        make_contact(session, batch=batch, started_at=datetime(2026, 3, day, 10, tzinfo=UTC))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    words = text_of(manager.get("/contacts/repeats"))

    assert "no contact of this period names its customer" in words
    assert "only a keyed hash of it is kept" in words
    assert "mature for 7 days yet" not in words


def test_what_lies_before_the_last_ninety_days_is_one_step_away(manager, session, centre):
    assert "All since" not in text_of(manager.get("/contacts/repeats"))
    make_contact(session, started_at=datetime(2025, 3, 3, 10, tzinfo=UTC))

    page = manager.get("/contacts/repeats")

    assert "All since 3 Mar 2025" in text_of(page)
    assert "from=2025-03-03" in page
    assert "All since" not in text_of(manager.get("/contacts/repeats?from=2025-03-03"))


def test_a_period_that_would_begin_behind_its_end_is_its_last_day_and_says_so(manager, centre):
    words = text_of(manager.get("/contacts/repeats?from=2026-03-12&to=2026-03-10"))

    assert "“From” lies after 10 Mar 2026" in words
    assert "only that day is shown" in words
    assert "10 Mar 2026 to 10 Mar 2026" in words


def test_where_nothing_fits_the_page_says_so_and_not_that_too_few_have_a_customer(manager, centre):
    words = text_of(manager.get("/contacts/repeats?channel=carrier-pigeon"))

    assert "No contact of this period fits the filters." in words
    assert "Too few contacts" not in words
    assert "have none and enter no rate" not in words


def test_a_last_day_alone_ends_ninety_days(manager, session, centre):
    make_contact(session, started_at=datetime(2025, 3, 3, 10, tzinfo=UTC))

    page = manager.get("/contacts/repeats?to=2025-06-10")

    assert "“From” lies" not in text_of(page)
    to = date(2025, 6, 10)
    found = default_period(date(2025, 3, 3), date(2026, 3, 31), HEADLINE_WINDOW, last_day=to)
    assert found == (date(2025, 3, 13), to)
    words = text_of(manager.get("/contacts/repeats?to=2025-02-10"))
    assert "“To” lies before 3 Mar 2025" in words


def test_repeats_are_filtered_by_team_and_language(manager, session, settings, centre):
    for _ in range(2):
        make_contact(
            session,
            team="Blue",
            language="lt",
            customer=make_customer(session),
            started_at=datetime(2026, 3, 3, 12, tzinfo=UTC),
        )
    roll_up_days(session, days=None)

    html = manager.get("/contacts/repeats?team=Blue&language=lt")

    assert '<option value="Blue" selected>' in html
    assert '<option value="lt" selected>' in html
    assert "Too few contacts" in text_of(html)
    assert "team=-" in manager.get("/contacts/repeats?team=-")
