"""Contacts in no theme over the API: given to one, the goal of coverage, what emerges."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.clock import as_if
from closedloop.domain.jobs import JobKind
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, Contact, EmergingState, EmergingTheme, Job
from closedloop.services.drift import refresh_weeks
from closedloop.services.emerging import find_emerging_themes
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.leftovers import (
    LAST_DAY,
    SPOT,
    make_emerging,
    make_site,
    noise,
    noon,
    real_maker,
    spot,
)
from tests.factories.series import make_definitions
from tests.factories.themes import make_theme


@pytest.fixture
def theme(session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Card")
    make_definitions(session, [theme])
    return theme


@pytest.fixture
def loose(session):
    """Six contacts in no theme, the last two in the same words."""
    batch = make_batch(session)
    return [
        make_contact(
            session,
            started_at=noon(LAST_DAY) - timedelta(minutes=n),
            customer=make_customer(session),
            batch=batch,
            text=f"words {min(n, 4)}",
        ).id
        for n in range(6)
    ]


def test_contacts_are_given_to_a_theme_with_all_that_say_the_same(api, session, theme, loose):
    body = {"contacts": [loose[0], loose[4]], "to": theme.key}
    seen = api.send("/themes/unassigned/give/preview?text=1", body)
    assert [(item["id"], item["text"]) for item in seen["items"]] == [
        (loose[0], "words 0"),
        (loose[4], "words 4"),
        (loose[5], "words 4"),
    ]
    assert (seen["named"], seen["contacts"]) == (2, 3)

    done = api.send("/themes/unassigned/give", {**body, "expected_count": 3})

    there = sa.select(Contact.id).where(Contact.theme_id == theme.id)
    assert sorted(session.scalars(there)) == sorted([loose[0], *loose[4:]])
    again = api.problem("/themes/unassigned/give", 422, "POST", json=body)
    assert "not in the contacts without a theme (any more)" in again["detail"]
    api.send(f"/themes/changes/{done['change']}/undo")
    assert session.scalars(there).all() == []


@pytest.mark.parametrize(("to", "status"), [("T-999", 404), ("none", 404), ("", 404), (None, 422)])
def test_contacts_are_given_to_themes_that_are_there_only(api, loose, to, status):
    body = {"contacts": loose[:1], "to": to}

    for path in ("/themes/unassigned/give/preview", "/themes/unassigned/give"):
        api.problem(path, status, "POST", json=body)


def test_the_goal_of_coverage_is_set_from_the_last_day_of_the_data(api, session, theme, loose):
    refresh_weeks(session, days=None)
    with as_if(noon(LAST_DAY + timedelta(days=9))):
        assert api.send("/themes/coverage/goal", {"goal": 0.9}) == {
            "goal": 0.9,
            "valid_from": LAST_DAY.isoformat(),
        }

    found = api.get("/themes/coverage")
    assert (found["coverage"]["goal"], found["coverage"]["meets_goal"]) == (0.9, False)
    assert len(found["weeks"]) == 13
    assert found["weeks"][-1]["contacts_with_text"] == 6
    for goal in (0, -1, 1.01, 80, "0.8", None, True):
        assert (
            "goal"
            in api.problem("/themes/coverage/goal", 422, "POST", json={"goal": goal})["errors"]
        )


def test_a_week_of_few_customers_is_null_and_no_contacts_no_coverage(api, session, theme):
    assert api.get("/themes/coverage") == {"coverage": None, "weeks": []}
    make_contact(session, started_at=noon(LAST_DAY), text="words")
    refresh_weeks(session, days=None)

    week = api.get("/themes/coverage")["weeks"][-1]
    assert (week["contacts_with_text"], week["with_theme"], week["value"]) == (None, None, None)


def test_what_emerges_is_looked_at_to_the_contact_and_taken_by_a_job(
    api, database, settings, actor, session
):
    session.commit()
    make_site(database, settings, actor, real_maker(), [*noise(200), *spot(20, [*range(18), 40])])
    find_emerging_themes(database.transaction, settings=settings, by=actor)
    emerging_id = session.scalars(sa.select(EmergingTheme.id)).one()
    url = f"/themes/emerging/{emerging_id}/take"

    first = api.send(f"{url}/preview?limit=15&text=true")
    second = api.send(f"{url}/preview?limit=15&after={first['next']}")

    assert (first["contacts"], first["needs_expected_count"], second["next"]) == (20, False, None)
    assert all(one["text"].startswith(SPOT) for one in first["items"])
    assert len({one["id"] for one in (*first["items"], *second["items"])}) == 20
    api.problem(url, 422, "POST", json={"expected_count": 21})
    for body, arguments in ((None, {}), ({"expected_count": 20}, {"count": 20})):
        job = api.send(url, body, status=202)
        assert session.get(Job, job["id"]).kind is JobKind.ASSIGN_THEMES
        assert session.get(Job, job["id"]).arguments == {"emerging_id": emerging_id, **arguments}
    api.problem("/themes/emerging/404/take/preview", 404, "POST")


def test_what_emerges_is_dismissed_and_restored(api, session, theme):
    row = make_emerging(session)
    url = f"/themes/emerging/{row.id}"

    assert "nothing left" in api.problem(f"{url}/take", 409, "POST")["detail"]
    assert api.send(f"{url}/dismiss")["state"] == "dismissed"
    assert [one["id"] for one in api.get("/themes/emerging/dismissed")["items"]] == [row.id]
    assert api.user.name in api.problem(f"{url}/take", 409, "POST")["detail"]
    api.problem(f"{url}/dismiss", 409, "POST")
    assert api.send(f"{url}/restore")["state"] == "proposed"

    assert session.get(EmergingTheme, row.id).state is EmergingState.PROPOSED
    assert api.get("/themes/emerging/dismissed")["items"] == []
    api.problem("/themes/emerging/404/take", 404, "POST")
    verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs[-2:] == ["emerging.dismissed", "emerging.restored"]
