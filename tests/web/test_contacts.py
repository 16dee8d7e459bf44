"""Pages of contacts: what they say, whom they let in, how many statements they take."""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.web import contacts as pages
from closedloop.web.contacts_bp import gap_words, ordinal, pseudonym, redacted, repeat_mark
from tests.factories.contacts import make_batch, make_contact, make_customer, make_history
from tests.factories.themes import make_driver, make_theme
from tests.pages import text_of

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


@contextmanager
def statements(app):
    """Count what the application asks the database."""
    engine = app.extensions["closedloop_database"].engine
    seen: list[str] = []

    def note(_conn, _cursor, statement, *_rest):
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def asked_for(page, app, url: str) -> int:
    page.get(url)
    with statements(app) as seen:
        page.get(url)
    return len(seen)


def cells_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.text.lstrip("\ufeff"))))


def test_an_empty_site_teaches_how_to_import(manager):
    html = manager.get("/contacts/")

    assert "Contacts will be listed here" in text_of(html)
    assert 'href="/contacts/import"' in html


def test_a_stakeholder_sees_contacts_but_no_way_to_import(sign_in_as, session):
    make_contact(session)
    page = sign_in_as(Role.STAKEHOLDER)

    assert "/contacts/import" not in page.get("/contacts/")
    page.get("/contacts/import", 403)


def test_an_executive_sees_no_contact(sign_in_as, session):
    contact = make_contact(session)
    page = sign_in_as(Role.EXECUTIVE)

    for url in (
        "/contacts/",
        f"/contacts/{contact.id}",
        "/contacts/repeats",
        "/contacts/contacts.csv",
    ):
        page.get(url, 403)


def test_the_list_shows_customer_theme_words_and_repeat_mark(manager, session, settings):
    theme = make_theme(session)
    history = make_history(session, [72], theme=theme)
    make_contact(session, text="Write to [EMAIL] <b>now</b>", started_at=AT - timedelta(days=9))
    chain_contacts(session, settings=settings, customer_ids=None)

    html = manager.get("/contacts/")
    words = text_of(html)

    assert "2nd in 3 days" in words
    assert theme.key in words
    assert "unidentified" in words
    assert re.search(r"c-[0-9a-f]{6}\b", words)
    assert '<mark class="cl-redacted">e-mail address</mark>' in html
    assert "&lt;b&gt;now&lt;/b&gt;" in html
    assert history[0].customer_id is not None


def test_show_more_goes_on_where_the_page_ended(manager, session, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_ROWS", 2)
    batch = make_batch(session)
    made = [make_contact(session, batch=batch, started_at=AT, queue="q&a").id for _ in range(5)]

    seen, url = [], "/contacts/?queue=q%26a"
    while url:
        html = manager.get(url)
        seen += [int(i) for i in re.findall(r'href="/contacts/(\d+)" data-open', html)]
        more = re.search(r'rel="next" href="([^"]+)"', html)
        url = more[1].replace("&amp;", "&") if more else ""

    assert seen == sorted(made, reverse=True)
    assert "Back to the first" in html


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=31.03.2026", "is not a day"),
        ("from=2026-04-01&to=2026-03-01", "Swap them"),
        ("chain=whatever", "not understood"),
    ],
)
def test_a_filter_that_makes_no_sense_is_said(manager, session, query, sentence):
    make_contact(session)

    assert sentence in text_of(manager.get(f"/contacts/?{query}"))


def test_a_theme_that_the_list_does_not_know_is_said_to_be_left_out(manager, session):
    make_history(session, [24])

    html = manager.get("/contacts/?theme=T-023")

    assert "The theme “T-023” was not understood and left out." in text_of(html)
    assert "fit the filters" not in text_of(html)
    assert "theme=T-023" not in html


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=999999999999.1", "theme=99999999999", "of=%C2%B2", "batch=-1", "q=%25_%5C"],
)
def test_nonsense_in_the_address_does_no_harm(manager, session, query):
    make_contact(session)

    manager.get(f"/contacts/?{query}")


def test_a_search_says_how_far_it_looked(manager, session):
    make_contact(session)

    assert "newest 20,000 contacts" in text_of(manager.get("/contacts/?q=card"))


def test_a_search_without_result_offers_the_way_back(manager, session):
    make_contact(session)

    assert "No contact fits" in text_of(manager.get("/contacts/?q=zzz"))


def test_the_csv_holds_what_the_filter_gives_and_runs_nothing(manager, session):
    make_contact(session, text="=HYPERLINK(1)", disposition="-1+2", channel="chat")
    make_contact(session, channel="phone")

    response = manager.raw("/contacts/contacts.csv?channel=chat")
    headings, *rows = cells_of(response)

    assert len(rows) == 1
    row = dict(zip(headings, rows[0], strict=True))
    assert row["First words"] == "'=HYPERLINK(1)"
    assert row["Wrap-up code"] == "'-1+2"
    assert row["Handle seconds"] == "300"
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]


def test_a_capped_csv_says_so(manager, session, monkeypatch):
    monkeypatch.setattr(pages, "EXPORT_ROWS", 2)
    for _ in range(3):
        make_contact(session)

    rows = cells_of(manager.raw("/contacts/contacts.csv"))

    assert len(rows) == 4
    assert "Only the newest 2 contacts" in rows[-1][0]


def test_a_contact_shows_turns_theme_chain_and_import(manager, session, settings):
    theme = make_theme(session, name="Card has not come")
    history = make_history(session, [24, 72], theme=theme, theme_confidence=0.87, cluster=1)
    chain_contacts(session, settings=settings, customer_ids=None)

    html = manager.get(f"/contacts/{history[1].id}")
    words = text_of(html)

    assert "My card has not arrived." in words
    assert "confidence 0.87 of 1" in words
    assert "2nd contact of its episode" in words
    assert "24 hours later" in words
    assert "3 days later" in words
    assert f'href="/contacts/{history[0].id}"' in html
    assert f'href="/contacts/imports/{history[1].batch_id}"' in html
    assert f'href="/contacts/{history[1].id}"' not in html


def test_a_contact_without_text_says_why(manager, session):
    batch = make_batch(session)
    batch.mapping = {"columns": {"contact_id": "id", "started_at": "at"}}
    contact = make_contact(session, batch=batch, text=None)

    assert "never had text" in text_of(manager.get(f"/contacts/{contact.id}"))


def test_a_missing_contact_is_a_page_of_its_own(manager):
    assert "no contact 404" in text_of(manager.get("/contacts/404", 404))


def test_the_list_takes_as_many_statements_for_twice_the_rows(manager, app, session, settings):
    theme = make_theme(session)

    def add():
        for _ in range(6):
            make_history(session, [24, 30], theme=theme)
        chain_contacts(session, settings=settings, customer_ids=None)
        roll_up_days(session, days=None)

    add()
    first = asked_for(manager, app, "/contacts/?q=card")
    add()

    assert asked_for(manager, app, "/contacts/?q=card") == first == 10
    assert asked_for(manager, app, "/contacts/") == 10


def test_a_contact_takes_as_many_statements_for_a_longer_chain(manager, app, session, settings):
    short, long = make_history(session, [24]), make_history(session, [24] * 12)
    chain_contacts(session, settings=settings, customer_ids=None)

    counts = [asked_for(manager, app, f"/contacts/{h[0].id}") for h in (short, long)]

    assert counts == [7, 7]


def test_words_of_gaps_and_places():
    assert [gap_words(s) for s in (40, 89 * 60, 90 * 60, 47 * 3600, 48 * 3600, 72 * 3600)] == [
        *("40 seconds", "89 minutes", "2 hours", "47 hours", "2 days", "3 days")
    ]
    assert [ordinal(i) for i in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th")
    ]
    assert repeat_mark(1, 0) == repeat_mark(None, 0) == ""
    assert pseudonym("3f9a2bffff") == "c-3f9a2b"
    assert redacted("<i>[CARD]") == '&lt;i&gt;<mark class="cl-redacted">card number</mark>'


def test_a_customer_filter_shows_only_that_customer(manager, session):
    one, other = make_customer(session), make_customer(session)
    mine = make_contact(session, customer=one)
    make_contact(session, customer=other)

    html = manager.get(f"/contacts/?of={one.id}")

    assert re.findall(r'href="/contacts/(\d+)" data-open', html) == [str(mine.id)]


@pytest.mark.parametrize("text", [None, ""])
def test_a_contact_that_says_nothing_waits_for_no_theme(manager, session, text):
    contact = make_contact(session, text=text)

    words = text_of(manager.get(f"/contacts/{contact.id}"))

    assert "no theme nothing said what it is about" in words
    assert "not yet assigned" not in words


def test_the_list_tells_no_text_from_thanks_alone(manager, session):
    make_contact(session, text="")
    assert "courtesies or links only" in text_of(manager.get("/contacts/"))
    assert "no text" not in text_of(manager.get("/contacts/"))

    make_contact(session, text=None)
    assert "no text" in text_of(manager.get("/contacts/"))


def test_a_contact_shows_what_the_source_and_the_customer_said_beside_it(manager, session):
    contact = make_contact(
        session, language="de", wait_seconds=45, transfers=2, resolved=True, nps=3, ces=5.5,
        survey_resolved=False, team="Blue", csat=2.0, follows_contact_id="T-1",
    )  # fmt: skip

    html = manager.get(f"/contacts/{contact.id}")
    words = text_of(html)

    assert "team Blue, agent a1" in words
    assert "Language German Waited 45 seconds Handed on 2 times" in words
    assert "Resolved, says the source yes Resolved, says the customer no" in words
    assert "Would recommend 3 of 10 Made it easy 5.5 of 7" in words
    assert "Gave up" not in words
    assert 'href="/contacts/?q=T-1"' in html


def test_the_list_takes_a_filter_of_every_kind(manager, app, session, settings):
    theme = make_theme(session)
    history = make_history(session, [24], theme=theme, csat=5, team="Blue", language="lt")
    make_contact(session, csat=2)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    def total(query: str) -> str:
        return re.search(r"(\d+) contacts? fit", text_of(manager.get(f"/contacts/?{query}")))[1]

    assert total("chain=followed-any-24h") == "1"
    assert total("chain=unfollowed-any-24h") == "1"
    assert total("chain=again-same-30d") == "1"
    assert total("has=csat-satisfied") == "2"
    assert total("has=csat-answered&team=-") == "1"
    assert total("among=judged") == "0"
    assert total("who=known&has=handled") == "2"
    for query, more in (("channel=chat", 0), ("has=handled", 0), ("among=net", 1)):
        assert asked_for(manager, app, f"/contacts/?{query}") == 11 + more, query
    html = manager.get(f"/contacts/?has=csat-satisfied&of={history[0].customer_id}")
    assert '<option value="csat-satisfied" selected>' in html
    assert '<optgroup label="Not followed by another">' in html
    assert "driver_id" not in html


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("has=magic", "The mark or answer asked for was not understood"),
        ("among=magic", "The choice “Counted as” was not understood"),
        ("among=volume", "Days with a driver volume need its name"),
        ("chain=again-any-8d", "The choice of repeats was not understood"),
    ],
)
def test_a_filter_of_metrics_that_makes_no_sense_is_said(manager, session, query, sentence):
    make_contact(session)

    assert sentence in text_of(manager.get(f"/contacts/?{query}"))


def test_contacts_are_filtered_by_contact_driver(manager, app, session):
    driver = make_driver(session, name="Cards")
    under, other = make_theme(session, driver_id=driver.id), make_theme(session)
    for theme in (under, under, other, None):
        make_contact(session, theme=theme)

    html = manager.get(f"/contacts/?contact_driver={driver.id}")

    assert "2 contacts fit the filters" in text_of(html)
    assert f'<option value="{driver.id}" selected>{driver.key} Cards' in html
    assert asked_for(manager, app, f"/contacts/?contact_driver={driver.id}") == 11
    assert "contact driver number 999" in manager.get("/contacts/?contact_driver=999")


def test_the_csv_has_plain_columns_for_programs(manager, session, settings):
    make_history(session, [24], team="Blue", language="lt")
    chain_contacts(session, settings=settings, customer_ids=None)

    headings, newest, first = cells_of(manager.raw("/contacts/contacts.csv"))

    row = dict(zip(headings, newest, strict=True))
    assert row["Started"] == "2026-03-03 10:00:00+00:00"
    assert (row["Team"], row["Language"]) == ("Blue", "lt")
    assert (row["Place in episode"], row["Seconds since episode began"]) == ("2", "86400")
    assert dict(zip(headings, first, strict=True))["Seconds since episode began"] == "0"
