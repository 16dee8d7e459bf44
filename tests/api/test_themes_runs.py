"""Runs over the API: what each says, deciding about its parts, comparing two, starting one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.jobs import JobKind
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Job, RunPart
from tests.factories.contacts import make_contact
from tests.factories.run_sites import Site
from tests.factories.runs import make_labels, make_part, make_run
from tests.factories.themes import make_theme


@pytest.fixture
def run(session):
    return make_run(session)


@pytest.fixture
def theme(session):
    return make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")


def jobs(session):
    return session.scalars(sa.select(Job).order_by(Job.id)).all()


def test_runs_come_newest_first_with_what_waits(api, session, theme):
    ids = [make_run(session).id for _ in range(3)]
    run = make_run(session)
    make_part(session, run, theme)
    make_part(session, run, theme, state=PartState.DECLINED)

    found = api.pages("/themes/runs?limit=2")

    assert [one["id"] for one in found] == [run.id, *reversed(ids)]
    assert [one["waiting"] for one in found] == [1, 0, 0, 0]
    assert (found[0]["contacts"], found[0]["left_over"]) == (1200, 120)


def test_a_run_comes_with_its_manifest_and_what_became_of_each_theme(api, session, run, theme):
    before = make_run(session).id
    run = make_run(session)
    pin = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
    make_part(session, run, theme, would_move=75)
    make_part(session, run, pin, kind=PartKind.MERGED, score=0.87, detail={"into": theme.id})

    found = api.get(f"/themes/runs/{run.id}")

    assert found["before"] == before
    assert found["manifest"]["corrections"] == {"said": 4, "honoured": 3}
    grew, merged = found["parts"]
    assert (grew["kind"], grew["moves"], grew["joins"], grew["leaves"]) == ("grew", 75, 50, 10)
    assert merged["into"] == {"key": theme.key, "name": "Cards come late"}
    assert (merged["theme"]["key"], merged["match"]) == (pin.key, 0.87)
    api.problem("/themes/runs/404", 404)


def test_a_theme_that_was_not_found_again_moves_no_contact_when_it_is_dismissed(api, session):
    run = make_run(session)
    decided = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
    waiting = make_theme(session, name="Card late")
    left = {"kind": PartKind.VANISHED, "detail": {"of_theme": 40, "leave": 40}}
    make_part(session, run, decided, would_move=40, **left)
    make_part(
        session, run, waiting, would_move=0, state=PartState.ACCEPTED, decided_by="Ana", **left
    )

    found = api.get(f"/themes/runs/{run.id}")

    # what nobody had decided about was retired with the run, which its contacts left
    assert [(one["moves"], one["leaves"]) for one in found["parts"]] == [(0, 0), (0, 40)]


def test_looking_for_themes_is_queued_and_says_where_to_ask(api, session):
    answer = api.post("/themes/runs", 202, json={})

    assert [job.kind for job in jobs(session)] == [JobKind.DISCOVER_THEMES]
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
    assert api.get(f"/jobs/{answer.json['id']}")["state"] == "queued"


def test_a_body_that_could_be_empty_may_be_left_out(api, session):
    for given in ({}, {"json": {}}, {"data": b"", "content_type": "application/json"}):
        api.post("/themes/runs", 202, **given)
    assert [job.arguments for job in jobs(session)] == [{}] * 3
    api.problem("/themes/runs", 400, "POST", data=b"finer", content_type="application/json")
    operations = api.get("/openapi.json")["paths"]
    needed = {
        path: operations[f"/api/v1{path}"]["post"]["requestBody"]["required"]
        for path in ("/themes/runs", "/themes/runs/{run_id}/parts/accept")
    }
    assert list(needed.values()) == [False, True]


def test_a_look_may_be_finer_or_coarser(api, session):
    api.post("/themes/runs", 202, json={"finer": 2})
    assert [job.arguments for job in jobs(session)] == [{"finer": 2}]
    api.problem("/themes/runs", 422, "POST", json={"finer": 3})
    assert len(jobs(session)) == 1


def test_parts_are_looked_at_and_accepted_with_their_number(api, session, run, theme):
    pin = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
    for _ in range(101):
        make_contact(session, theme_id=pin.id)
    part = make_part(session, run, pin, kind=PartKind.MERGED, detail={"into": theme.id})
    parts = [part.id]  # of the 101, the run read 60
    url = f"/themes/runs/{run.id}/parts"

    seen = api.send(f"{url}/preview", {"parts": parts})
    assert (seen["contacts"], seen["needs_expected_count"]) == (101, True)
    for more in ({}, {"expected_count": 60}):
        problem = api.problem(f"{url}/accept", 422, "POST", json={"parts": parts, **more})
        assert "Type 101 to accept these parts" in problem["errors"]["expected_count"]
    assert jobs(session) == []
    job = api.send(f"{url}/accept", {"parts": parts, "expected_count": 101}, 202)

    assert session.get(Job, job["id"]).arguments == {"parts": parts, "count": 101}
    assert session.get(Job, job["id"]).queued_by == api.user.name


def test_every_contact_that_would_move_is_listed_and_accepted_by_their_number(
    api, database, settings, actor, session
):
    session.commit()
    site = Site(database, settings, actor)
    site.add(CARD=9, LOST=6)
    site.discover("CARD", "LOST")
    site.keep("Card", "Lost")
    site.discover("CARD+LOST")
    (part,) = site.parts(kind=PartKind.MERGED)
    url, sent = f"/themes/runs/{part.run_id}/parts", {"parts": [part.id]}

    first = api.send(f"{url}/contacts?limit=8&text=true", sent)
    rest = api.send(f"{url}/contacts?limit=8&after={first['next']}", sent)

    assert (first["contacts"], first["customers"], rest["next"]) == (12, 6, None)
    assert all(one["text"].startswith("LOST") for one in first["items"])
    assert len({one["id"] for one in (*first["items"], *rest["items"])}) == 12
    wrong = {**sent, "exact": True, "expected_count": 11}
    assert "Type 12" in api.problem(f"{url}/accept", 422, "POST", json=wrong)["detail"]
    job = api.send(f"{url}/accept", {**sent, "exact": True, "expected_count": 12}, 202)
    assert session.get(Job, job["id"]).arguments == {"parts": [part.id], "count": 12}
    api.problem("/themes/runs/404/parts/contacts", 404, "POST", json=sent)


def test_declining_is_put_down_once(api, session, run, theme):
    part = make_part(session, run, theme).id
    url = f"/themes/runs/{run.id}/parts/decline"

    assert api.send(url, {"parts": [part]}) == {"declined": 1}

    assert session.get(RunPart, part).state is PartState.DECLINED
    assert session.get(RunPart, part).decided_by == api.user.name
    assert "has decided" in api.problem(url, 409, "POST", json={"parts": [part]})["detail"]
    api.problem(url, 422, "POST", json={"parts": []})
    api.problem(f"/themes/runs/{run.id + 9}/parts/decline", 404, "POST", json={"parts": [part]})


def test_two_runs_are_compared_by_the_texts_both_read_and_small_clusters_have_no_name(api, session):
    one, other = make_run(session), make_run(session)
    texts = [f"{n:064x}" for n in range(10)]
    make_labels(session, one, {"card": texts[:6], "pin": texts[6:]})
    make_labels(session, other, {"cards": texts[:6], "few": texts[6:]}, people=4)

    found = api.get(f"/themes/runs/{other.id}/against/{one.id}")

    assert (found["one"], found["other"], found["contacts"]) == (one.id, other.id, 10)
    assert found["stability"] == 1
    assert {pair["one"]["name"] for pair in found["pairs"]} == {"card", "pin"}
    assert {(pair["other"]["name"], pair["other"]["contacts"]) for pair in found["pairs"]} == {
        (None, None)
    }
    bare = make_run(session).id
    problem = api.problem(f"/themes/runs/{one.id}/against/{bare}", 404)
    assert f"Run {bare} did not keep" in problem["detail"]
