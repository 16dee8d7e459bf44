"""Contacts in no theme: coverage, what emerges, and the tray itself."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.leftovers import COVERAGE_GOAL
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, EmergingState, EmergingTheme, MetricGoal
from closedloop.services.definitions import find_current_set
from closedloop.services.drift import refresh_weeks
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.leftovers import (
    LAST_DAY,
    add_texts,
    make_emerging,
    make_site,
    noise,
    noon,
    real_maker,
)
from tests.factories.series import make_definitions
from tests.factories.themes import make_theme
from tests.pages import text_of
from tests.statements import statements_of


@pytest.fixture
def held(session):
    """A theme in force, without a model that could say what is near."""
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Card", key="T-777")
    make_definitions(session, [theme])
    return theme


@pytest.fixture
def site(database, settings, actor):
    return make_site(database, settings, actor, real_maker(), noise(60))


def add(session, n, ago=0, theme=None, text="Something else"):
    batch = make_batch(session)
    at = noon(LAST_DAY - timedelta(days=ago))
    contacts = [
        make_contact(session, started_at=at, theme=theme, text=text, batch=batch) for _ in range(n)
    ]
    refresh_weeks(session, days=None)
    return contacts


def test_without_contacts_the_page_says_what_comes_here(manager):
    html = manager.get("/themes/unassigned")

    assert "There are no contacts yet" in text_of(html)
    assert 'href="/contacts/import"' in html


def test_before_the_first_discovery_it_says_what_to_do(manager, session):
    add(session, 3)

    text = text_of(manager.get("/themes/unassigned"))

    assert "No themes have been found yet" in text
    assert "Something else" not in text


def test_coverage_is_the_share_of_contacts_with_text_in_a_theme_in_use(manager, session, held):
    dismissed = make_theme(session, ThemeStatus.RETIRED)
    add(session, 30, theme=held)
    add(session, 4)
    add(session, 6, theme=dismissed)
    add(session, 50, text=None)  # says nothing, so it cannot have a theme
    add(session, 9, ago=28)  # before the last four weeks

    html = manager.get("/themes/unassigned")
    text = text_of(html)

    assert "75.0 % of the 40 contacts with text of the last 4 weeks are in a theme" in text
    assert "10 are not. The goal of 80 % is not met." in text
    assert "6 of them in themes that were dismissed" in text
    assert "0.0 % in the 4 weeks before" in text
    data = json.loads(re.search(r'id="coverage-data">(.*?)</script>', html)[1])
    assert data["series"][0]["values"][-1] == 0.75
    assert data["series"][1]["values"] == [0.8] * 13
    assert data["days"][-1] == "2026-04-27"  # the Monday before the last day
    rows = list(
        csv.DictReader(io.StringIO(manager.raw("/themes/coverage.csv").text.lstrip("\ufeff")))
    )
    assert rows[-1]["contacts_with_text"] == "40"
    assert rows[-5]["contacts_with_text"] == "9"
    assert rows[-1]["in_a_dismissed_theme"] == "6"
    assert rows[-1]["coverage"] == "0.75"


def test_a_week_of_fewer_contacts_than_may_be_shown_has_no_share(manager, session, held):
    add(session, 4, theme=held)

    html = manager.get("/themes/unassigned")

    assert "too few to give a share" in text_of(html)
    assert "100.0 %" not in html
    data = json.loads(re.search(r'id="coverage-data">(.*?)</script>', html)[1])
    assert set(data["series"][0]["values"]) == {None}
    assert "fewer than 5" in manager.raw("/themes/coverage.csv").text


def test_the_goal_is_set_from_now_on_and_told_in_the_history(manager, session, held):
    add(session, 9, theme=held)
    add(session, 1)

    manager.post("/themes/unassigned/goal", {"goal": "95 %"})

    assert "The goal of 95 % is not met" in text_of(manager.get("/themes/unassigned"))
    goal = session.scalars(sa.select(MetricGoal)).one()
    assert (goal.metric, goal.goal, goal.valid_from) == (COVERAGE_GOAL, 0.95, LAST_DAY)
    event = session.scalars(
        sa.select(AuditEvent).where(AuditEvent.verb == "themes.coverage_goal_set")
    ).one()
    assert "95%" in event.summary
    assert manager.get("/metrics/settings")  # a goal of no metric breaks no page of metrics
    manager.get("/metrics/")


@pytest.mark.parametrize("typed", ["", "lots", "0", "101", "nan", "1e999"])
def test_a_goal_that_is_none_is_refused_with_what_to_type(manager, session, held, typed):
    add(session, 9, theme=held)

    html = manager.post("/themes/unassigned/goal", {"goal": typed}, status=422).text

    assert "for example 80" in text_of(html)
    assert session.scalars(sa.select(MetricGoal)).all() == []


def test_the_tray_lists_what_no_theme_holds_with_the_nearest_theme(manager, session, site):
    with_words = "CARD has UNKNOWN STRANGE not come"  # half of it is about cards
    add_texts(session, [(with_words, 0)])
    from closedloop.models import ContactText, EncodedText

    encoder = real_maker().load_encoder("")
    row = session.scalars(sa.select(ContactText).where(ContactText.issue_text == with_words)).one()
    vector = encoder.encode([with_words])[0].astype("<f2").tobytes()
    session.add(EncodedText(encoder=encoder.name, text_hash=row.text_hash, vector=vector))

    html = manager.get("/themes/unassigned")
    text = text_of(html)

    assert with_words in text
    assert "CARD has not come c1" not in text
    first = html[html.index(with_words) :]
    assert f'<span class="cl-id">{find_key(session, site)}</span>' in first[: first.index("</tr>")]
    near = int(re.search(r"(\d+) %", text_of(first[: first.index("</tr>")]))[1])
    assert 30 < near < 100
    narrow = first[first.index('<div class="cl-sm-only">') : first.index("</div>")]
    assert f"{find_key(session, site)}" in text_of(narrow)
    assert f"{near} % near" in text_of(narrow)
    assert re.search(r'href="/themes/unassigned/\d+/give"', narrow)


def test_on_a_narrow_screen_the_columns_that_would_need_a_scroll_leave(manager, session, held):
    add(session, 1, text="like nothing else")

    html = manager.get("/themes/unassigned")
    table = html[html.index("cl-tray") :].split("</table>")[0]
    headings = re.findall(r'<th scope="col" class="([^"]*)"[^>]*>(.*?)</th>', table, re.DOTALL)

    stay = [
        text_of(words).strip()
        for cls, words in headings
        if not {"cl-md", "cl-lg"} & set(cls.split())
    ]
    assert stay == ["When", "First words"]
    row = table[table.index("<tbody") :]
    cells = re.findall(r'<t[hd](?: class="([^"]*)")?[ >]', row)
    assert sum("cl-md" in cls or "cl-lg" in cls for cls in cells) == len(headings) - 2
    assert "like none of the themes" in text_of(row)
    assert row.count("/give") == 2  # below the words and in a column, of which one is shown


def find_key(session, theme_id):
    from closedloop.models import Theme

    return session.get_one(Theme, theme_id).key


def test_the_tray_goes_on_below_and_keeps_its_filters(manager, session, held):
    make_batch(session)
    for ago in range(60):
        add(session, 1, ago=ago, text=f"text of day {ago}.")
    add(session, 1, ago=3, text="by chat.")[0].channel = "chat"

    html = manager.get("/themes/unassigned?channel=phone")
    more = re.search(r'href="(/themes/unassigned\?[^"]*after=[^"]*)"', html)[1].replace(
        "&amp;", "&"
    )
    second = manager.get(more)

    assert "by chat." not in html + second
    first_ago = set(re.findall(r"text of day (\d+)\.", html))
    second_ago = set(re.findall(r"text of day (\d+)\.", second))
    assert not first_ago & second_ago
    assert first_ago | second_ago == {str(ago) for ago in range(60)}
    assert "by chat." in manager.get("/themes/unassigned?channel=chat")
    assert "No contact fits" in manager.get("/themes/unassigned?channel=fax")


def test_nonsense_in_the_address_breaks_nothing(manager, session, held):
    add(session, 2)

    manager.get("/themes/unassigned?after=x&from=y&to=2026-99-99&theme=T-1&of=3&q=%25")


def test_what_emerges_is_shown_with_why_and_quotes_of_different_customers(manager, session, held):
    contacts = add_texts(session, [(f"The lift is stuck, number {i}.", 1) for i in range(6)])
    same = make_customer(session)
    for contact in contacts[:2]:
        contact.customer_id = same.id
    make_emerging(session, contacts)

    html = manager.get("/themes/unassigned")
    text = text_of(html[html.index('id="emerging"') : html.index('id="coverage-title"')])

    assert "41 customers in the last 4 weeks, 9 in the 4 weeks before" in text
    assert "number 0." in text
    assert "number 1." not in text  # the customer of number 0
    assert "number 3." in text
    assert "number 4." not in text  # three quotes are enough


def test_fewer_than_k_customers_are_neither_quoted_nor_counted(manager, session, held):
    contacts = add_texts(session, [(f"The lift is stuck, number {i}.", 1) for i in range(4)])
    make_emerging(session, contacts, customers_before=4)
    make_emerging(session, name="Too small", customers=4)

    html = manager.get("/themes/unassigned")
    text = text_of(html[html.index('id="emerging"') : html.index('id="coverage-title"')])

    assert "41 customers in the last 4 weeks, fewer than 5 in the 4 weeks before" in text
    assert "number 0" not in text
    assert "No quotes" in text
    assert "Too small" not in text


def test_dismissing_one_can_be_taken_back(manager, session, held):
    add(session, 1)
    row = make_emerging(session)

    manager.post(f"/themes/emerging/{row.id}/dismiss")
    html = manager.get("/themes/unassigned")

    assert "Nothing emerges" in html
    assert f"/themes/emerging/{row.id}/restore" in html
    manager.post(f"/themes/emerging/{row.id}/restore")
    assert session.get_one(EmergingTheme, row.id).state is EmergingState.PROPOSED
    assert "Lift stuck" in manager.get("/themes/unassigned")


def test_home_and_triage_tell_what_emerges(manager, session, held):
    add(session, 1)
    make_emerging(session, name="Lift <stuck>")

    home, triage = manager.get("/"), manager.get("/triage/")

    assert "“Lift &lt;stuck&gt;” emerges among contacts in no theme" in home
    assert 'href="/themes/unassigned#emerging"' in home
    assert "41 customers in the last 4 weeks, 9 in the 4 weeks before" in text_of(triage)


def test_roles_see_what_they_may(sign_in_as, session, held):
    add(session, 1)
    row = make_emerging(session)

    reader = sign_in_as(Role.STAKEHOLDER)
    html = reader.get("/themes/unassigned")
    assert "Lift stuck" in html
    assert "/take" not in html
    assert "/goal" not in html
    reader.get(f"/themes/emerging/{row.id}/take", status=403)
    for path in (f"emerging/{row.id}/take", f"emerging/{row.id}/dismiss", "unassigned/goal"):
        reader.post(f"/themes/{path}", status=403)
    executive = sign_in_as(Role.EXECUTIVE)
    executive.get("/themes/unassigned", status=403)
    assert "/themes/unassigned" not in executive.get("/themes/")
    assert "emerges" not in executive.get("/")


def test_the_number_of_statements_does_not_grow_with_the_rows(manager, session, site):
    contacts = add_texts(session, [(f"The lift is stuck, number {i}.", 1) for i in range(6)])
    make_emerging(session, contacts)
    assert find_current_set(session) is not None
    few = statements_of(manager, "/themes/unassigned")

    add_texts(session, [(f"More and more of it, number {i}.", 2) for i in range(30)])
    make_emerging(session, contacts, name="Another")

    assert statements_of(manager, "/themes/unassigned") == few
    assert few <= 21


def test_giving_a_contact_to_a_theme_moves_all_that_say_the_same_and_can_be_undone(
    manager, session, held
):
    mine = make_theme(session, ThemeStatus.TRIAGED, name="Lift")
    make_definitions(session, [held, mine], number=2)
    batch = make_batch(session)
    first, second = (
        make_contact(session, started_at=noon(LAST_DAY), text="The lift!", batch=batch, cluster=-1)
        for _ in range(2)
    )
    other = make_contact(session, started_at=noon(LAST_DAY), text="The roof!", cluster=-1)

    assert f"/themes/unassigned/{first.id}/give" in manager.get("/themes/unassigned")
    preview = text_of(manager.get(f"/themes/unassigned/{first.id}/give?to={mine.key}"))
    manager.post(f"/themes/unassigned/{first.id}/give", {"to": mine.key})

    assert f"2 contacts would move to {mine.key} Lift" in preview
    assert "1 other that says the very same words" in preview
    session.expire_all()
    assert (first.theme_id, second.theme_id, other.theme_id) == (mine.id, mine.id, None)
    html = manager.get("/themes/unassigned")
    undo = re.search(r'action="(/themes/changes/\d+/undo)"', html)[1]
    manager.post(undo)
    session.expire_all()
    assert (first.theme_id, second.theme_id) == (None, None)


def test_giving_more_than_a_hundred_takes_their_number_as_the_page_writes_it(
    manager, session, held, monkeypatch
):
    monkeypatch.setattr("closedloop.domain.curation.COUNT_TO_TYPE_ABOVE", 1)
    batch = make_batch(session)
    first, second = (
        make_contact(session, text="The lift!", batch=batch, cluster=-1) for _ in range(2)
    )
    url = f"/themes/unassigned/{first.id}/give"
    form = {"to": held.key}

    assert "the number of contacts that will move" in manager.get(f"{url}?to={held.key}")
    response = manager.post(url, form | {"typed_count": "3"}, status=422)
    assert "Type 2 to move them" in response.text
    manager.post(url, form | {"typed_count": "0,002"})

    session.expire_all()
    assert (first.theme_id, second.theme_id) == (held.id, held.id)


def test_giving_a_contact_to_what_is_no_theme_in_use_is_refused(manager, session, held):
    contact = make_contact(session, text="The lift!", cluster=-1)
    gone = make_theme(session, ThemeStatus.RETIRED)

    for to in (gone.key, "T-999999"):
        manager.post(f"/themes/unassigned/{contact.id}/give", {"to": to}, status=422)
        manager.get(f"/themes/unassigned/{contact.id}/give?to={to}")

    session.expire_all()
    assert contact.theme_id is None
    assert "Choose a theme" in manager.get(f"/themes/unassigned/{contact.id}/give")


def test_a_contact_that_has_a_theme_cannot_be_given_away_here(manager, session, held):
    contact = make_contact(session, theme=held)

    manager.get(f"/themes/unassigned/{contact.id}/give", status=409)
