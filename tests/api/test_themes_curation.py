"""Changing themes over the API: what the pages can do, with the same services and the same care."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, Contact, Job, Theme, ThemeChange, TriageDecision
from closedloop.models.curation import ChangeKind
from closedloop.services.themes import discover_themes
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.series import make_definitions
from tests.factories.theme_maker import Discoverer, make_maker
from tests.factories.themes import make_theme

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def themes(session):
    """Two agreed themes by definition, the first of 12 customers."""
    pair = [make_theme(session, ThemeStatus.TRIAGED, name=name) for name in ("Card", "Refund")]
    make_definitions(session, pair)
    fill(session, pair[0], 12)
    return pair


def fill(session, theme, n, text="my card number {}", **values):
    batch = make_batch(session)
    return [
        make_contact(
            session,
            theme=theme,
            batch=batch,
            theme_confidence=0.8,
            customer=make_customer(session),
            started_at=START + timedelta(hours=number),
            text=text.format(number),
            **{"cluster": 0, **values},
        )
        for number in range(n)
    ]


def contacts_of(session, theme):
    query = sa.select(Contact.id).where(Contact.theme_id == theme.id).order_by(Contact.id)
    return list(session.scalars(query))


def events(session):
    return session.execute(sa.select(AuditEvent.verb, AuditEvent.actor_name)).all()


def test_a_theme_is_renamed_and_described_all_or_nothing(api, session, themes):
    first, _ = themes
    words = {"name": "  Card   late ", "cause": "The plant prints weekly."}

    found = api.send(f"/themes/{first.key}", words, method="PATCH")

    assert (found["name"], found["cause"]) == ("Card late", "The plant prints weekly.")
    assert found["status"] == "cause_known"
    verbs = {verb for verb, by in events(session) if by == api.user.name}
    assert "themes.renamed" in verbs
    problem = api.problem(
        f"/themes/{first.key}", 422, "PATCH", json={"name": "Other", "scenario": "short"}
    )
    assert problem["errors"] == {
        "scenario": "Say in one sentence what goes wrong for the customer."
    }
    assert session.get(Theme, first.id).name == "Card late"


def test_moving_is_looked_at_made_listed_and_taken_back(api, session, themes):
    first, second = themes
    one, two = contacts_of(session, first)[:2]
    asked = {"contacts": [one, two], "to": second.key}

    seen = api.send(f"/themes/{first.key}/move/preview?text=1", asked)

    assert (seen["contacts"], seen["named"], seen["stay"]) == (2, 2, 10)
    assert seen["customers"] is None  # fewer than 5
    assert seen["needs_expected_count"] is False
    assert [item["text"] for item in seen["items"]] == ["my card number 1", "my card number 0"]
    assert len(contacts_of(session, first)) == 12

    done = api.send(f"/themes/{first.key}/move", {**asked, "expected_count": 2})

    assert contacts_of(session, second) == [one, two]
    assert (done["theme"], done["other_theme"], done["contacts"]) == (first.key, second.key, 2)
    (listed,) = api.get(f"/themes/{second.key}/changes")["items"]
    assert (listed["change"], listed["kind"], listed["is_source"]) == (
        done["change"],
        "move",
        False,
    )
    assert listed["changed_by"] == api.user.name
    api.send(f"/themes/changes/{done['change']}/undo")
    assert len(contacts_of(session, first)) == 12
    assert (
        "undone already"
        in api.problem(f"/themes/changes/{done['change']}/undo", 409, "POST")["detail"]
    )
    assert {by for _, by in events(session)} >= {api.user.name}


def test_text_comes_only_when_asked_for(api, session, themes):
    first, _ = themes
    asked = {"contacts": contacts_of(session, first)[:1], "to": "none"}

    seen = api.send(f"/themes/{first.key}/move/preview", asked)

    assert [item["text"] for item in seen["items"]] == [None]


def test_the_whole_list_of_what_would_move_comes_page_by_page(api, session, themes):
    first, _ = themes
    url, seen, after = f"/themes/{first.key}/retire/preview?limit=5", [], ""
    while after is not None:
        answer = api.send(f"{url}&after={after}")
        seen += [item["id"] for item in answer["items"]]
        after = answer["next"]

    assert seen == list(reversed(contacts_of(session, first)))
    api.problem(f"{url}&after=nowhere", 422, "POST")


def test_an_expected_count_that_is_off_changes_nothing_however_few_move(api, session, themes):
    first, second = themes
    asked = {"contacts": contacts_of(session, first)[:2], "to": second.key}

    problem = api.problem(
        f"/themes/{first.key}/move", 422, "POST", json={**asked, "expected_count": 3}
    )

    assert set(problem["errors"]) == {"expected_count"}
    assert "Send that number as `expected_count`" in problem["detail"]
    assert session.scalar(sa.select(sa.func.count(ThemeChange.id))) == 0


def test_more_than_a_hundred_need_their_number(api, session, themes):
    _, second = themes
    fill(session, second, 101, "my refund {}", cluster=1)
    url = f"/themes/{second.key}/retire"
    assert api.send(f"{url}/preview")["needs_expected_count"] is True

    for body in ({}, {"expected_count": 100}, {"expected_count": None}):
        assert "Type 101 to retire" in api.problem(url, 422, "POST", json=body)["detail"]
    assert session.get(Theme, second.id).status is ThemeStatus.TRIAGED
    done = api.send(url, {"expected_count": 101})

    assert session.get(Theme, second.id).status is ThemeStatus.RETIRED
    assert contacts_of(session, second) == []
    assert api.send(f"/themes/{second.key}/restore/preview")["contacts"] == 101
    restored = api.send(f"/themes/{second.key}/restore", {"expected_count": 101})
    assert restored["change"] > done["change"]
    assert len(contacts_of(session, second)) == 101


def test_a_merge_is_counted_made_and_taken_back(api, session, themes):
    first, second = themes
    fill(session, second, 101, "my refund {}", cluster=1)
    url = f"/themes/{second.key}/merge"
    seen = api.send(f"{url}/preview", {"into": first.key})
    assert (seen["contacts"], seen["contacts_after"], seen["customers_after"]) == (101, 113, 113)
    more = api.send(f"{url}/preview?limit=200&after={seen['next']}", {"into": first.key})
    moving = [one["id"] for one in (*seen["items"], *more["items"])]
    assert sorted(moving) == sorted(contacts_of(session, second))
    assert more["next"] is None
    body = {"into": first.key, "reason": "Both are about cards."}

    assert "Type 101 to merge" in api.problem(url, 422, "POST", json=body)["detail"]
    assert api.problem(url, 422, "POST", json={**body, "expected_count": 101, "reason": " "})
    assert api.problem(url, 404, "POST", json={**body, "into": "T-999"})
    assert api.problem(url, 422, "POST", json={**body, "expected_count": 101, "into": second.key})
    done = api.send(url, {**body, "expected_count": 101})

    assert len(contacts_of(session, first)) == 113
    history = api.get(f"/themes/{first.key}/history")["items"]
    assert [e["undo_decision"] for e in history if e["verb"] == "themes.merged"] == [
        done["decision"]
    ]
    api.send(f"/themes/decisions/{done['decision']}/undo")
    assert len(contacts_of(session, first)) == 12
    assert session.scalars(sa.select(TriageDecision.undone_at)).one() is not None


def test_changes_come_each_once(api, session, themes):
    first, second = themes
    for contact in contacts_of(session, first)[:3]:
        api.send(f"/themes/{first.key}/move", {"contacts": [contact], "to": second.key})

    found = [change["change"] for change in api.pages(f"/themes/{first.key}/changes?limit=1")]

    assert found == sorted(session.scalars(sa.select(ThemeChange.id)), reverse=True)
    assert len(found) == 3


def test_accepted_parts_of_a_run_are_taken_back_by_a_job(api, session, themes):
    change = ThemeChange(
        theme_id=themes[0].id,
        kind=ChangeKind.PARTS,
        contacts=12,
        detail={"run": 3, "kinds": ["grew"], "parts": [31]},
        changed_by="Priya Nair",
    )
    session.add(change)
    session.commit()
    (listed,) = api.get(f"/themes/{themes[0].key}/changes")["items"]
    assert (listed["kind"], listed["run"], listed["became"]) == ("parts", 3, ["grew"])

    done = api.send(f"/themes/changes/{change.id}/undo", status=202)

    job = session.get(Job, done["job"]["id"])
    assert job.arguments == {"undo_parts": change.id}
    session.get(ThemeChange, change.id).undone_at = START
    again = api.problem(f"/themes/changes/{change.id}/undo", 409, "POST")
    assert "undone already" in again["detail"]


@pytest.fixture
def real(settings, database, actor, session, monkeypatch):
    """A theme of two things, with a real definition: the model is the tests' small one."""
    maker = make_maker(
        discover=lambda texts, **values: Discoverer()(
            [text.replace("APPLE", "apple") for text in texts], **values
        )
    )
    monkeypatch.setattr("closedloop.services.curation.own_maker", lambda: maker)
    monkeypatch.setattr("closedloop.services.undoing.own_maker", lambda: maker)
    for text in ("CARD {}", "CARD APPLE pay wallet phone {}"):
        fill(session, None, 8, text, cluster=None)
    session.execute(sa.update(Contact).values(theme_confidence=None))
    session.commit()
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
    session.expire_all()
    return session.scalars(sa.select(Theme)).one()


def test_a_split_is_looked_at_made_and_taken_back(api, session, real):
    picked = [
        contact
        for contact in contacts_of(session, real)
        if "wallet" in session.get(Contact, contact).text.issue_text
    ]
    url = f"/themes/{real.key}/split"
    seen = api.send(f"{url}/preview", {"contacts": picked[:3]})
    assert (seen["contacts"], seen["named"], seen["customers"]) == (8, 3, 8)

    problem = api.problem(url, 422, "POST", json={"contacts": picked[:3], "name": "  "})
    assert "name" in problem["errors"]
    done = api.send(url, {"contacts": picked[:3], "name": "Apple Pay"})

    new = session.scalars(sa.select(Theme).where(Theme.key == done["other_theme"])).one()
    assert contacts_of(session, new) == picked
    api.send(f"/themes/changes/{done['change']}/undo")
    assert len(contacts_of(session, real)) == 16


def test_what_left_meanwhile_is_refused_with_a_sentence(api, session, themes):
    first, second = themes
    body = {"contacts": contacts_of(session, first)[:1], "to": second.key}
    api.send(f"/themes/{first.key}/move", body)

    problem = api.problem(f"/themes/{first.key}/move", 422, "POST", json=body)

    assert "The contact picked is not in" in problem["detail"]
    assert set(problem["errors"]) == {"contacts"}
