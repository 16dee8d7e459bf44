"""Impact over the API: filters, totals, stored measurements, and standing by them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.impact import Verdict
from tests.api.caller import Caller
from tests.api.test_docs import EXAMPLE, fits
from tests.factories.impact import make_measurement
from tests.factories.themes import make_action, make_intervention

PAGE = Path(__file__).parents[2] / "docs/api/impact.md"
LOOK_1 = date(2026, 3, 16)


@pytest.fixture
def look(session):
    """The first look of a shipped action."""
    return make_measurement(session, make_intervention(session, make_action(session, key="A-001")))


def test_the_examples_do_what_the_page_says(api, session, look):
    make_intervention(session, went_live_on=date(2026, 2, 1))
    asked = 0
    for match in EXAMPLE.finditer(PAGE.read_text()):
        first, _, body = match["asked"].partition("\n")
        method, path = first.split()
        told = json.loads(match["told"])
        path = path.replace("/measurements/1", f"/measurements/{look.id}")
        sent = json.loads(body) if body.strip() else None
        answer = api.page.raw(path, method, headers=api.headers, json=sent)
        if "id" in told:
            told["id"] = look.id
        for item in told.get("items", ()):
            item |= {"id": look.id} if "id" in item else {}
        assert fits(told, answer.json), (method, path, answer.text)
        asked += 1
    assert asked == 7


def test_impact_is_filtered_by_department_verdict_and_period(api, session, look):
    rose = make_intervention(session, went_live_on=date(2026, 3, 5))
    make_measurement(session, rose, verdict=Verdict.ROSE, avoided=(-240, -150, -60))
    mine = look.intervention.action

    def keys(query):
        return [one["key"] for one in api.get(f"/impact?{query}")["items"]]

    assert keys(f"department={mine.department_id}") == [mine.key]
    assert keys("verdict=rose") == [rose.action.key]
    assert keys("from=2026-03-04&to=2026-03-05") == [rose.action.key]
    assert api.get("/impact/total?verdict=rose")["avoided"]["middle"] == -150
    assert api.get("/impact/total?verdict=moved")["avoided"] is None
    for query in ("verdict=splendid", "from=2026-02-30", "department=0", "colour=red"):
        api.problem(f"/impact?{query}", 422)


def test_measurements_are_paged_and_parted_into_looks_and_running(api, session, look):
    for day in range(5):
        make_measurement(session, look.intervention, as_of=LOOK_1 + timedelta(days=1 + day))
    path = f"/impact/{look.intervention.action.key}/measurements"

    everything = api.pages(f"{path}?limit=2")

    assert [one["as_of"] for one in everything] == [f"2026-03-{day}" for day in range(21, 15, -1)]
    assert [one["id"] for one in api.get(f"{path}?looks=true")["items"]] == [look.id]
    assert len(api.get(f"{path}?looks=false")["items"]) == 5
    api.problem("/impact/A-999/measurements", 404)
    api.problem("/impact/measurements/99999", 404)


def test_a_measurement_says_where_it_happened(api, session, look):
    beside = {"id": 3, "key": "T-903", "name": "Card broken", "observed": 90, "expected": 60.0}
    siblings = [{**beside, "avoided": -30.0, "low": -40.0, "high": -20.0, "verdict": "rose"}]
    later = make_measurement(
        session,
        look.intervention,
        as_of=LOOK_1 + timedelta(days=1),
        detail={"siblings": siblings, "remeasured_after": 60},
    )

    found = api.get(f"/impact/measurements/{later.id}")

    assert found["places"] == [
        {
            "theme": "T-903",
            "name": "Card broken",
            "role": "watched beside it",
            "observed": 90,
            "expected": 60.0,
            "avoided": {"low": -40.0, "middle": -30.0, "high": -20.0},
        }
    ]
    assert (found["remeasured_after"], found["q_value"]) == (60, None)


def test_a_measurement_says_what_it_was_made_with_and_which_days_are_in_no_sum(api, look, session):
    left_out = {"key": "T-044", "name": "Fees", "reason": "has a fix of its own"}
    made = {"not_counted": ["2026-03-05"], "left_out": [left_out], "versions": {"numpy": "2.1"}}
    made |= {"gap_days": 14, "gap_is_low": True}
    as_of = LOOK_1 + timedelta(days=1)
    later = make_measurement(session, look.intervention, as_of=as_of, detail=made)

    found = api.get(f"/impact/measurements/{later.id}")
    before = api.get(f"/impact/measurements/{look.id}")

    assert {name: found[name] for name in made} == made
    assert found["compared_with"] == ["T-901", "T-902"]
    assert (before["not_counted"], before["left_out"], before["versions"]) == ([], [], {})
    assert (before["gap_days"], before["gap_is_low"]) == (0, False)


def test_the_owner_is_refused_and_a_running_estimate_too(session, page):
    owner = Caller(page, session, Role.STAKEHOLDER)
    action = make_action(session, owner_id=owner.user.id)
    look = make_measurement(session, make_intervention(session, action))
    running = make_measurement(session, look.intervention, as_of=LOOK_1 + timedelta(days=1))

    told = owner.send(f"/impact/measurements/{look.id}/sign-off", {}, 403)
    assert "Ask somebody else" in told["detail"]
    reader = Caller(page, session, Role.EXECUTIVE)
    told = reader.send(f"/impact/measurements/{running.id}/sign-off", {}, 409)
    assert "no verdict" in told["detail"]
    told = reader.send(f"/impact/measurements/{look.id}/sign-off", {"note": "x" * 501}, 422)
    assert told["errors"]["note"]
    signed = reader.send(f"/impact/measurements/{look.id}/sign-off", {"note": "Read."}, 201)
    assert signed["name"] == reader.user.name
    assert reader.get(f"/impact/measurements/{look.id}")["signed"] == [signed]


def test_a_measurement_stays_readable_once_its_go_live_was_taken_back(api, session):
    live = make_intervention(session)
    made = make_measurement(session, live)
    session.commit()
    address = f"/impact/measurements/{made.id}"
    before = api.get(address)
    assert before["taken_back_at"] is None
    api.send(f"/actions/{live.action.key}/take-back", {"reason": "The release was pulled."})
    after = api.get(address)
    assert after["taken_back_at"] is not None
    assert after["avoided"] == before["avoided"]
    assert after["sentence"] == before["sentence"]
    assert api.get("/impact")["items"] == []
