"""`closedloop actions scope`, `ship` and `review`."""

from __future__ import annotations

import json
from datetime import date

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Comeback, Intervention
from tests.factories.impact import make_comeback
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_theme

LIVE = date(2026, 3, 3)


@pytest.fixture
def action(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_rollup(session, theme, date(2026, 1, 1), 20)
    action = make_action(session, theme, ActionStatus.AGREED)
    session.commit()
    return action


def test_what_an_action_touches_is_said_printed_and_taken_back(run_here, session, action):
    other = make_theme(session)
    session.commit()
    run_here("actions", "scope", action.key, "--also", other.key)
    found = json.loads(run_here("actions", "scope", action.key, "--json").stdout)
    assert found == {"action": action.key, "also": [other.key], "driver": ""}
    assert "nothing" in run_here("actions", "scope", action.key, "--unset").stdout
    run_here("actions", "scope", action.key, "--also", "T-999", code=1)
    run_here("actions", "scope", action.key, "--driver", "moons", code=1)


def test_an_action_is_shipped_in_stages(run_here, session, action):
    stages = ["--stage", "2026-03-03 25 %", "--stage", "2026-03-10 100 %"]
    run_here("actions", "ship", action.key, "--live-on", "2026-03-03", "--stage", "x", code=1)
    said = run_here("actions", "ship", action.key, "--live-on", "2026-03-03", *stages).stdout
    assert "The first look reads data to 2026-03-23." in said
    found = session.query(Intervention).one()
    assert (found.went_live_on, found.rollout_days) == (LIVE, 7)


def test_an_alarm_is_reviewed(run_here, session, action):
    alarm = make_comeback(session, make_intervention(session, action))
    session.commit()
    said = run_here("actions", "review", str(alarm.id), "--outcome", "real").stdout
    assert "it is back" in said
    session.expire_all()
    assert session.get_one(Comeback, alarm.id).reviewed_by == "Command line"
    run_here("actions", "review", str(alarm.id), "--outcome", "real", code=1)


def test_a_go_live_is_taken_back_and_shipped_on_another_day(run_here, session, action):
    theme_key = action.theme.key
    session.commit()
    run_here("actions", "take-back", action.key, "--reason", "Not live.", code=1)
    run_here("actions", "ship", action.key, "--live-on", "2026-03-03")
    said = run_here("actions", "take-back", action.key, "--reason", "The wrong day.").stdout
    assert "on 2026-03-03 is taken back" in said
    assert f"{action.key} is agreed, {theme_key} acting." in said
    run_here("actions", "ship", action.key, "--live-on", "2026-03-05")
    days = session.query(Intervention).order_by(Intervention.id).all()
    assert [one.went_live_on.day for one in days] == [3, 5]
    assert [one.taken_back_reason for one in days] == ["The wrong day.", ""]
