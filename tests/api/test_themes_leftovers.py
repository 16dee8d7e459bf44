"""Contacts in no theme and what emerges, over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from closedloop.domain.themes import ThemeStatus
from closedloop.services.drift import refresh_weeks
from tests.factories.contacts import make_batch, make_contact
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


@pytest.fixture
def held(session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Card")
    make_definitions(session, [theme])
    return theme


def test_unassigned_gives_coverage_and_each_contact_once(api, session, held):
    batch = make_batch(session)
    for ago in range(5):
        at = noon(LAST_DAY) - timedelta(minutes=ago)
        make_contact(session, started_at=at, batch=batch, text=f"words {ago}")
        make_contact(session, started_at=at, batch=batch, text="in a theme", theme=held)
        make_contact(session, started_at=at, batch=batch, text=None)
    refresh_weeks(session, days=None)

    answer = api.get("/themes/unassigned?text=1")
    found = api.pages("/themes/unassigned?limit=2")

    assert [item["text"] for item in answer["items"]] == [f"words {ago}" for ago in range(5)]
    assert answer["coverage"] == {
        "first_day": "2026-04-06",
        "last_day": "2026-04-30",
        "contacts_with_text": 10,
        "with_theme": 5,
        "value": 0.5,
        "goal": 0.8,
        "meets_goal": False,
    }
    assert [item["id"] for item in found] == [item["id"] for item in answer["items"]]
    assert {item["text"] for item in found} == {None}


def test_unassigned_says_how_near_the_nearest_theme_is(api, session, database, settings, actor):
    session.commit()
    make_site(database, settings, actor, real_maker(), noise(20))

    items = api.get("/themes/unassigned?limit=20")["items"]

    near = [item["nearness"] for item in items if item["nearness"] is not None]
    assert len(items) == 20
    assert near
    assert max(near) < 1
    assert all((item["nearest_theme"] is None) == (item["nearness"] is None) for item in items)


def test_coverage_of_fewer_contacts_than_may_be_shown_is_null(api, session, held):
    make_contact(session, text="words")
    refresh_weeks(session, days=None)

    assert api.get("/themes/unassigned")["coverage"] is None


def test_emerging_hides_small_numbers_and_gives_quotes_only_when_asked(api, session, held):
    contacts = add_texts(session, [(f"The lift is stuck, number {i}.", 1) for i in range(6)])
    row = make_emerging(session, contacts, customers_before=3)
    make_emerging(session, customers=4)

    (one,) = api.get("/themes/emerging")["items"]
    (spoken,) = api.get("/themes/emerging?text=1")["items"]

    assert (one["id"], one["customers"], one["customers_before"]) == (row.id, 41, None)
    assert one["why"] == ("41 customers in the last 4 weeks, fewer than 5 in the 4 weeks before")
    assert one["quotes"] == []
    assert spoken["quotes"] == [f"The lift is stuck, number {i}." for i in range(3)]
