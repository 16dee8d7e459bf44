"""The pages of metrics: every number with its rule, small ones hidden, links to what is counted."""

from __future__ import annotations

import csv
import html as entities
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.clock import set_today
from closedloop.domain.metric_table import METRICS
from closedloop.domain.metrics import ListKind, Unit
from closedloop.services.metrics import (
    import_drivers,
    set_channel_cost,
    set_goal,
    set_metric_list,
)
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.web.metric_words import begin_sentence, difference_words
from closedloop.web.metrics import OVERVIEW
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
def centre(session, settings, actor):
    """Make 20 customers who come on 2, 5 and 20 March, four of them by fax; nobody six times."""
    theme, batch = make_theme(session), make_batch(session)
    for i in range(20):
        customer = make_customer(session)
        for day in (2, 5, 20):
            make_contact(
                session,
                customer=customer,
                batch=batch,
                theme=theme if i < 10 else None,
                started_at=datetime(2026, 3, day, 10, tzinfo=UTC),
                channel="phone" if i < 16 else "fax",
                team="Blue" if i % 2 else "Red",
                language="en" if i < 12 else "lt",
                csat=5 if i < 9 else None,
                handle_seconds=372,
            )
    for day in (3, 4, 10, 11, 12, 31):
        make_contact(session, batch=batch, started_at=datetime(2026, 3, day, 10, tzinfo=UTC))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    set_goal(
        session,
        metric="repeat_rate_any",
        window="7d",
        valid_from=date(2026, 3, 10),
        goal=0.3,
        note="board",
        by=actor,
    )
    return theme


def row_of(html: str, name: str) -> str:
    found = re.search(rf"data-open>{re.escape(name)}</a>.*?</th>(.*?)</tr>", html, re.S)
    assert found is not None, name
    return " ".join(text_of(found[1]).split())


def rows_of(manager, url: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(manager.raw(url).text.lstrip("\ufeff"))))


def test_a_site_without_contacts_says_what_a_metric_needs(manager):
    assert "needs one complete day" in text_of(manager.get("/metrics/"))
    words = text_of(manager.get("/metrics/aht"))
    assert "needs one complete day" in words
    assert "the median stands beside it" in words


def test_a_filter_that_no_contact_fits_says_nothing_of_known_customers(manager, centre):
    html = manager.get("/metrics/?queue=nowhere")

    assert "have no known customer" not in text_of(html)


def test_the_overview_has_every_metric_or_says_why_not(manager, centre):
    html = manager.get("/metrics/")

    for metric in METRICS:
        assert f"data-open>{metric.name}</a>" in html
    # 40 of 60 with a customer until 25 March lie before the 20th: the 2nd is followed by the 5th
    assert row_of(html, "Repeat rate, any reason").startswith("33.3 % – 30.0 % not met 60 92.3 %")
    assert "7.7 % have no known customer and enter no repeat figure" in text_of(html)
    assert row_of(html, "Average handle time").startswith("6 min")
    assert "not known The source does not say" in row_of(html, "Call resolution")
    assert "No list of wrap-up codes" in row_of(html, "Repeat rate, net")
    assert row_of(html, "Customers") == "on its page"
    assert "20 in the" in text_of(manager.get("/metrics/customers"))


def test_every_metric_has_a_page_with_its_rule(manager, centre):
    for metric in METRICS:
        for query in ("", "?step=week&by=theme&window=72h", "?step=month&by=team"):
            words = text_of(manager.get(f"/metrics/{metric.key}{query}"))
            assert metric.name in words
            assert metric.source in words


def test_the_page_of_a_metric_says_it_in_a_sentence(manager, centre):
    words = text_of(manager.get("/metrics/repeat_rate_any?from=2026-03-10"))

    assert "50.0 %" not in words  # nothing of 10 to 23 March is followed but the unknown
    assert "0.0 % in the 14 days" in words
    assert "The goal is 30.0 %, met" in words
    assert "chance" not in words.split("Repeat window")[0]  # no period before to compare with
    assert "Without customer 13.0 %" in words
    assert "from 10 Mar 2026 30.0 %, board" in words


def test_maturing_days_are_hatched_and_carry_no_value(manager, centre):
    html = manager.get("/metrics/repeat_rate_any")
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])

    # the clocks went forward on the 29th: the last hour of the 24th had 6 days and 23 hours
    assert data["maturing_from"] == "2026-03-24"
    at = data["days"].index("2026-03-25")
    series = {one["name"]: one["values"] for one in data["series"]}
    assert set(series["Seven days"][at:]) == {None}
    assert set(series["Day"][at:]) == {None}
    assert series["Day"][0] == 1.0
    assert series["Goal"][data["days"].index("2026-03-09")] is None
    assert series["Goal"][data["days"].index("2026-03-10")] == 0.3
    assert data["rate"] is True


def test_a_part_of_a_week_of_what_adds_up_is_not_drawn(manager, centre):
    html = manager.get("/metrics/contacts?step=week&from=2026-03-02&to=2026-03-26")
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])

    assert data["days"] == ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"]
    # the second are 3, too few; the third cover them; the fourth is not over
    assert data["series"][0]["values"] == [42.0, None, None, None]
    assert "part of the week" in text_of(html)


def test_a_lone_small_group_is_hidden_with_the_next_smallest(manager, centre):
    html = manager.get("/metrics/csat?by=channel")

    assert "not known" not in html
    html = manager.get("/metrics/repeat_rate_any?by=channel&from=2026-03-20&to=2026-03-20")
    hidden = re.search(r'<th scope="row">Fax</th>(.*?)</tr>', html, re.S)  # no link either
    assert hidden is not None
    assert text_of(hidden[1]).startswith("fewer than 5")
    shown = re.search(r'<th scope="row">Phone</th>(.*?)</tr>', html, re.S)
    assert shown is not None
    assert text_of(shown[1]).startswith("not shown")
    assert "16" not in text_of(shown[1])


@pytest.mark.parametrize("path", ["/contacts/", "/contacts/repeats", "/metrics/"])
def test_languages_are_chosen_by_name(manager, centre, path):
    html = manager.get(f"{path}?language=en")

    chosen = re.search(r'<select[^>]+name="language".*?</select>', html, re.DOTALL)
    assert chosen is not None
    assert re.findall(r'value="([^"]*)"', chosen[0]) == ["", "-", "en", "lt"]
    assert text_of(chosen[0]) == "All none given English Lithuanian"
    assert '<option value="en" selected>' in chosen[0]
    assert '<option value="phone">Phone</option>' in html


def test_numbers_lead_to_the_contacts_they_count(manager, centre):
    html = manager.get("/metrics/repeat_rate_any?by=language")
    html += manager.get("/metrics/one_contact_resolution?by=team&channel=phone")
    links = set(re.findall(r'<a href="(/contacts/\?[^"]+)">([\d,]+)</a>', html))

    assert len(links) >= 6
    for url, number in links:
        listed = text_of(manager.get(entities.unescape(url)))
        found = re.search(r"([\d,]+) contacts? fit the filters", listed)
        assert found is not None, url
        assert found[1] == number, url


def test_the_share_leads_to_what_stands_above_the_line(manager, centre):
    html = manager.get("/metrics/repeat_rate_any")
    url = entities.unescape(re.search(r'<dd><a href="([^"]+)">33.3', html)[1])

    assert "20 contacts fit the filters" in text_of(manager.get(url))


def test_executives_see_numbers_and_no_links_to_contacts(sign_in_as, centre):
    page = sign_in_as(Role.EXECUTIVE)
    assert 'href="/contacts/' not in page.get("/metrics/")
    assert 'href="/contacts/' not in page.get("/metrics/repeat_rate_any")
    assert "Set a goal" not in page.get("/metrics/repeat_rate_any")
    assert "Save the goal" not in page.get("/metrics/settings")


@pytest.mark.parametrize(
    "query",
    [
        *("window=8d", "by=agent", "step=year", "from=x&to=y", "from=2027-01-01"),
        *("theme=x", "theme=99999", "to=1999-01-01", "driver=x", "channel=-&team=-&language=-"),
    ],
)
def test_nonsense_in_the_address_does_no_harm(manager, centre, query):
    manager.get(f"/metrics/?{query}")
    manager.get(f"/metrics/repeat_rate_any?{query}")
    manager.get(f"/metrics/customers?{query}")


def test_a_last_day_alone_ends_a_period_of_the_usual_length(manager, session, centre):
    make_contact(session, started_at=datetime(2026, 1, 1, 10, tzinfo=UTC))

    words = text_of(manager.get("/metrics/contacts?to=2026-02-10"))

    assert "14 Jan 2026 to 10 Feb 2026" in words
    assert "“From” lies" not in words
    words = text_of(manager.get("/metrics/contacts?to=2025-12-24"))
    assert "“To” lies before 1 Jan 2026, the first day with data: that day is shown." in words
    assert "“From” lies" not in words
    words = text_of(manager.get("/metrics/contacts?from=2026-03-05&to=2026-03-04"))
    assert "“From” lies after 4 Mar 2026" in words
    assert "only that day is shown" in words


def test_a_sentence_begins_with_a_capital():
    assert begin_sentence("over 93.9 %") == "Over 93.9 %"
    assert begin_sentence("18.2 %") == "18.2 %"


def test_a_metric_that_is_none_is_not_found(manager, centre):
    manager.get("/metrics/magic", 404)


def test_the_csvs_hold_what_the_pages_show(manager, centre):
    everything = rows_of(manager, "/metrics/metrics.csv")
    assert [row[0] for row in everything[1:]] == [metric.name for metric in OVERVIEW]
    rate = dict(zip(everything[0], everything[1], strict=True))
    assert [rate[name] for name in ("Window", "First day", "Value", "Goal")] == [
        *("7 days", "2026-03-02", "0.333333", "0.3")
    ]
    assert rate["Shown as"] == "33.3\N{NARROW NO-BREAK SPACE}%"
    assert rate["Contacts or answers"] == "60"
    assert rate["Covers"] == "0.923077"
    assert rate["Covers which"] == "of contacts have a known customer"
    assert rate["Meets goal"] == "no"
    time = next(row for row in everything if row[0] == "Average handle time")
    assert float(time[4]) > 300
    assert time[5] == "seconds"
    assert time[7] == "known"
    groups = rows_of(manager, "/metrics/repeat_rate_any/groups.csv?by=language")
    assert groups[0] == [
        *("Language", "Repeat rate, any reason", "Unit", "Shown as", "State", "Bound"),
        *("Contacts or answers", "Covers", "Covers which", "Contacts"),
    ]
    assert [row[0] for row in groups[1:]] == ["en", "lt", "no language"]
    assert groups[1][1] == "0.333333"
    assert groups[1][6:8] == ["36", "1.0"]
    days = rows_of(manager, "/metrics/repeat_rate_any/trend.csv")
    assert days[1][:2] == ["2026-03-02", "1.0"]
    assert days[-1][0] == "2026-03-31"
    assert days[-1][-1] == "maturing"
    weeks = rows_of(manager, "/metrics/contacts/trend.csv?step=week")
    assert weeks[0][:3] == ["From", "To", "Contacts"]


def test_drivers_costs_and_lists_come_into_the_figures(manager, session, actor, centre):
    data = "\n".join(f"2026-03-{day:02},orders,500" for day in range(2, 24)).encode()
    import_drivers(session, data=data, by=actor)
    set_channel_cost(
        session, channel="", valid_from=date(2026, 3, 1), pence_per_minute=100, by=actor
    )
    for kind, entries in (
        (ListKind.NET_EXCLUSIONS, ["x"]),
        (ListKind.RESOLUTION_QUEUES, ["cards"]),
    ):
        set_metric_list(
            session,
            kind=kind,
            valid_from=date(2026, 3, 2),
            entries=entries,
            today=date(2026, 4, 1),
            by=actor,
        )

    html = manager.get("/metrics/")

    assert row_of(html, "Contact rate").startswith("5.9")  # 65 contacts of 11,000 orders
    assert row_of(html, "Cost per contact").startswith("£6.")
    assert row_of(html, "Repeat rate, net").startswith("33.3 %")
    assert row_of(html, "Resolution teams, repeat rate").startswith("33.3 %")
    assert "orders" in text_of(manager.get("/metrics/contact_rate?driver=orders"))


def test_the_pages_take_as_many_statements_for_more_contacts_and_themes(
    manager, app, session, settings, centre
):
    urls = ("/metrics/", "/metrics/repeat_rate_any?by=theme", "/metrics/customers")
    first = [asked_for(manager, app, url) for url in urls]
    for i in range(30):
        make_contact(
            session,
            customer=make_customer(session),
            theme=make_theme(session),
            queue=f"q{i}",
            started_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=i % 20),
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    assert [asked_for(manager, app, url) for url in urls] == first == PINNED


PINNED = [18, 16, 15]


# ---------- what metrics are held against ----------


def test_a_goal_is_set_and_ended_by_the_form(manager, centre):
    form = {"metric": "csat", "window": "7d", "valid_from": "2026-03-01", "goal": "80"}
    manager.post("/metrics/settings/goals", {**form, "note": "as last year"})
    words = text_of(manager.get("/metrics/settings"))
    assert "1 Mar 2026 Customer satisfaction – 80.0 % as last year" in words

    manager.post("/metrics/settings/goals", {**form, "valid_from": "2026-03-20", "end": "1"})
    words = text_of(manager.get("/metrics/csat"))
    assert "from 20 Mar 2026 ended" in words
    assert "from 1 Mar 2026 80.0 %" in words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"metric": ""}, "Choose the metric"),
        ({"metric": "aht"}, "Choose the metric"),
        ({"goal": "lots"}, "is no number"),
        ({"goal": "800"}, "between 0 and 1"),
        ({"valid_from": "1 March"}, "is not a day"),
    ],
)
def test_a_goal_that_makes_no_sense_comes_back_with_a_sentence(manager, centre, values, words):
    form = {"metric": "csat", "window": "7d", "valid_from": "2026-03-01", "goal": "80", **values}
    answer = manager.post("/metrics/settings/goals", form, 422)
    assert words in text_of(answer.text)


def test_a_price_is_set_by_the_form(manager, centre):
    form = {"channel": "phone", "valid_from": "2026-03-01", "price": "0,75"}
    manager.post("/metrics/settings/costs", form)
    assert "1 Mar 2026 Phone £0.75" in text_of(manager.get("/metrics/settings/costs"))
    answer = manager.post("/metrics/settings/costs", {**form, "price": "-1"}, 422)
    assert "between 0 and 1,000" in text_of(answer.text)
    answer = manager.post("/metrics/settings/costs", {**form, "price": "much"}, 422)
    assert "such as 0.62" in text_of(answer.text)


@pytest.mark.parametrize(
    ("path", "tab"),
    [("goals", "Goals"), ("costs", "Costs"), ("drivers", "Driver volumes"), ("lists", "Lists")],
)
def test_a_form_that_comes_back_still_says_on_which_page_it_is(manager, centre, path, tab):
    html = manager.post(
        f"/metrics/settings/{path}", {"kind": "net_exclusions", "valid_from": "soon"}, 422
    ).text
    assert re.findall(r'aria-current="page">([^<]+)</a>', html) == [tab]


def test_a_change_of_minutes_has_its_unit():
    minutes = next(m for m in METRICS if m.unit is Unit.MINUTES)
    assert difference_words(minutes, -2201) == "−2,201 min"


def send(manager, content: bytes, **values):
    data = {"file": (io.BytesIO(content), "orders.csv"), "driver": "orders", **values}
    return manager.post("/metrics/settings/drivers", data, values.pop("status", 303))


def test_drivers_are_uploaded_and_replaced(manager, centre):
    send(manager, b"day,volume\n2026-03-02,500\n2026-03-03,700\n")
    words = text_of(manager.get("/metrics/settings/drivers"))
    assert "orders: 2 days new, 0 replaced, 0 as before" in words
    assert "orders 2 2 Mar 2026 3 Mar 2026 600" in words
    send(manager, b"day,volume\n2026-03-02,501\n2026-03-03,700\n")
    assert "0 days new, 1 replaced, 1 as before" in text_of(
        manager.get("/metrics/settings/drivers")
    )


def test_a_file_of_drivers_that_makes_no_sense_names_the_line(manager, centre):
    data = {"file": (io.BytesIO(b"day,volume\nx,1\n"), "orders.csv"), "driver": "orders"}
    answer = manager.post("/metrics/settings/drivers", data, 422)
    assert "Line 2: the day “x” is no day" in text_of(answer.text)
    answer = manager.post("/metrics/settings/drivers", {"driver": "orders"}, 422)
    assert "No file came with the form" in text_of(answer.text)


def test_a_list_is_fixed_from_today_on(manager, centre):
    form = {"kind": "net_exclusions", "valid_from": "2026-03-02", "entries": "Wrong number\nTest"}
    manager.post("/metrics/settings/lists", form)
    assert "from 2 Mar 2026 Wrong number, Test" in text_of(manager.get("/metrics/settings/lists"))
    answer = manager.post("/metrics/settings/lists", {**form, "entries": "Test"}, 422)
    assert "from today (2026-04-01) on, not before" in text_of(answer.text)
    manager.post("/metrics/settings/lists", {**form, "kind": "x"}, 422)


def test_a_change_that_chance_may_bring_is_called_no_more(manager, session, centre):
    for day, happy in ((16, 5), (17, 6)):
        for i in range(10):
            make_contact(
                session,
                started_at=datetime(2026, 3, day, 10, tzinfo=UTC),
                csat=5 if i < happy else 2,
            )
    roll_up_days(session, days=None)

    words = text_of(manager.get("/metrics/csat?from=2026-03-17&to=2026-03-17"))
    assert "+10.0 points against the 1 day before, no more than chance may bring" in words
    words = text_of(manager.get("/metrics/repeat_rate_any?from=2026-03-04&to=2026-03-05"))
    assert "−100.0 points against the 2 days before" in words
    assert "no more than chance" not in words


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("call_resolution", "Import a file that says it"),
        ("repeat_rate_net", "Say which codes are left out"),
        ("resolution_team_repeats", "Say which queues they are"),
        ("contact_rate", "Import volumes"),
    ],
)
def test_a_metric_without_data_says_what_it_needs_and_where_to_give_it(
    manager, centre, key, remedy
):
    html = manager.get(f"/metrics/{key}")

    assert "Nothing to count yet" in html
    assert re.search(rf'<a class="btn btn-primary" href="/[^"]+">{remedy}</a>', html)
    assert 'id="trend-data"' not in html


def test_the_median_handle_time_stands_beside_the_mean(manager, centre):
    words = text_of(manager.get("/metrics/aht"))

    assert "Median 6 min 12 s" in words
    assert "Median" not in text_of(manager.get("/metrics/contacts"))
