"""Whether an action could be proven, over the API."""

from __future__ import annotations

import pytest

from tests.factories.power import make_site
from tests.factories.themes import make_action


@pytest.fixture
def action(session):
    return make_site(session)


def test_the_answer_has_every_look_and_the_first_reliable_one(api, action):
    found = api.get(f"/actions/{action.key}/power")

    assert (found["key"], found["theme"]) == (action.key, action.theme.key)
    assert (found["live_on"], found["data_to"]) == ("2026-02-20", "2026-02-02")
    assert [look["days"] for look in found["looks"]] == [14, 28, 56, 84]
    assert found["proven_by"] == found["looks"][0]["day"] == "2026-03-05"
    assert 0.8 < found["looks"][0]["chance"] <= 1
    assert 0 < found["looks"][0]["smallest_seen"] < 0.3
    assert found["sentences"][0].startswith("If it works as planned")


def test_another_day_and_a_roll_out_can_be_asked_for(api, action):
    found = api.get(f"/actions/{action.key}/power?live_on=2026-01-12&rollout_days=3")

    assert (found["data_to"], found["rollout_days"]) == ("2026-01-11", 3)
    assert found["looks"][0]["day"] == "2026-01-28"


@pytest.mark.parametrize("query", ["live_on=soon", "rollout_days=-1", "rollout_days=9999", "x=1"])
def test_what_is_no_question_is_refused(api, action, query):
    api.problem(f"/actions/{action.key}/power?{query}", 422)


def test_without_days_it_cannot_be_reckoned(api, session):
    answer = api.problem(f"/actions/{make_action(session).key}/power", 409)
    assert "Import some first" in answer["detail"]


def test_an_action_that_is_not_there_is_not_found(api):
    api.problem("/actions/A-404/power", 404)
