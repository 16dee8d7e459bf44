"""What an action touches, shipping and reviews of alarms over the API."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import today
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Comeback, DriverDay, Intervention
from tests.factories.impact import make_comeback
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_theme

TODAY = today("Europe/London")


@pytest.fixture
def action(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_rollup(session, theme, TODAY - timedelta(days=60), 20)
    session.add(DriverDay(driver="orders", day=date(2026, 1, 1), volume=9.0))
    session.flush()
    return make_action(session, theme, ActionStatus.AGREED)


def test_what_it_touches_is_put_down_and_frozen_when_it_ships(api, session, action):
    other = make_theme(session)
    session.commit()
    body = {"also": [other.key], "driver": "orders"}
    found = api.send(f"/actions/{action.key}/scope", body)
    assert found == {
        "key": action.key,
        "also": [{"key": other.key, "name": other.name}],
        "driver": "orders",
    }
    live = TODAY - timedelta(days=9)
    stages = [{"day": live.isoformat(), "share": 0.5}]
    shipped = api.send(
        f"/actions/{action.key}/ship", {"went_live_on": live.isoformat(), "stages": stages}
    )
    assert shipped["looks"][0] == (live + timedelta(days=13)).isoformat()
    assert len(shipped["looks"]) == 7
    stored = session.query(Intervention).one()
    assert [one["key"] for one in stored.plan["also"]] == [other.key]
    api.problem(f"/actions/{action.key}/scope", 409, "POST", json=body)


def test_a_theme_that_is_not_there_is_not_found(api, session, action):
    session.commit()
    found = api.problem(f"/actions/{action.key}/scope", 404, "POST", json={"also": ["T-999"]})
    assert "T-999" in found["detail"]


def test_an_alarm_is_reviewed_once(api, session):
    theme = make_theme(session, ThemeStatus.REOPENED)
    alarm = make_comeback(session, make_intervention(session, make_action(session, theme)))
    session.commit()
    path = f"/comebacks/{alarm.id}/review"
    api.problem(path, 422, "POST", json={"outcome": "explained"})
    found = api.send(path, {"outcome": "no_matter", "note": "Nine contacts."})
    assert (found["outcome"], found["reviewed_by"]) == ("no_matter", api.user.name)
    api.problem(path, 409, "POST", json={"outcome": "real"})
    assert session.query(Comeback).one().review_note == "Nine contacts."


def test_a_go_live_is_taken_back_with_a_reason_and_shipped_again(api, session, action):
    session.commit()
    live = (TODAY - timedelta(days=9)).isoformat()
    api.problem(f"/actions/{action.key}/take-back", 409, "POST", json={"reason": "Not live."})
    api.send(f"/actions/{action.key}/ship", {"went_live_on": live})
    api.problem(f"/actions/{action.key}/take-back", 422, "POST", json={"reason": "  "})
    found = api.send(f"/actions/{action.key}/take-back", {"reason": "The wrong day."})
    assert (found["went_live_on"], found["reason"]) == (live, "The wrong day.")
    assert (found["status"], found["theme_status"]) == ("agreed", "acting")
    again = (TODAY - timedelta(days=5)).isoformat()
    assert api.send(f"/actions/{action.key}/ship", {"went_live_on": again})["went_live_on"] == again
