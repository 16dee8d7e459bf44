"""Time, money and cost of fixes over the API."""

from __future__ import annotations

import math
from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import Verdict
from closedloop.domain.money import ChannelFacts, MoneyFacts, Price
from closedloop.models import Action, Intervention
from tests.api.caller import Caller
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.themes import make_action, make_intervention


@pytest.fixture
def api(page, session):
    return Caller(page, session, Role.CX_MANAGER)


def shipped(session, **values) -> Action:
    action = make_action(session, status=ActionStatus.SHIPPED, **values)
    make_measurement(session, make_intervention(session, action, went_live_on=date(2026, 3, 3)))
    return action


def test_the_money_of_an_action_comes_with_its_ranges_and_its_notes(api, session):
    action = shipped(session, cost_low=100_000.0, cost_high=200_000.0)

    found = api.get(f"/impact/{action.key}/money")

    assert found["minutes"] == {"low": 2480, "middle": 3360, "high": 4320}
    assert found["pence"]["middle"] == pytest.approx(3360 * 62)
    assert (found["first_day"], found["last_day"]) == ("2026-03-03", "2026-03-16")
    assert (found["is_verdict"], found["is_priced_now"]) == (True, False)
    assert found["payback"]["state"] == "paid"
    assert found["payback"]["sentence"].startswith("Between 8 March 2026 and ")
    assert "error of the count alone" in found["notes"][0]
    assert found["repeats_avoided"] is None
    assert (found["handle_seconds"], found["handle_seconds_range"]) == (480, None)


def test_without_a_range_there_is_no_note_about_one(api, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    intervention = make_intervention(session, action, went_live_on=date(2026, 3, 3))
    make_measurement(session, intervention, verdict=Verdict.NOT_ENOUGH_DATA)

    found = api.get(f"/impact/{action.key}/money")

    assert (found["minutes"], found["pence"], found["notes"]) == (None, None, [])


def test_what_came_back_has_no_pace(api, session):
    action = shipped(session, cost_low=3_000_000.0, cost_high=4_000_000.0)
    make_comeback(session, session.query(Intervention).filter_by(action_id=action.id).one())

    found, total = api.get(f"/impact/{action.key}/money"), api.get("/impact/money")

    assert found["minutes"] == {"low": 2480, "middle": 3360, "high": 4320}
    assert (found["people"], found["payback"]["state"]) == (None, "came_back")
    assert (total["people"], total["came_back"]) == (None, 1)
    assert total["minutes"] == found["minutes"]


def test_what_is_inconclusive_is_neither_valued_nor_added(api, session):
    action = make_action(session, status=ActionStatus.SHIPPED, cost_low=100.0, cost_high=200.0)
    unsure = make_intervention(session, action)
    make_measurement(session, unsure, verdict=Verdict.INCONCLUSIVE)

    found, total = api.get(f"/impact/{action.key}/money"), api.get("/impact/money")

    assert (found["minutes"], found["people"], found["pence"]) == (None, None, None)
    assert found["payback"]["state"] == "inconclusive"
    assert "inconclusive" in found["payback"]["sentence"]
    assert (total["actions"], total["inconclusive"], total["contacts"]) == (0, 1, None)


def test_every_figure_comes_with_its_range_where_its_error_is_known(api, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    known = {"contacts": 500, "handled": 500, "weeks": 52, "price": Price.OWN}
    known["pence_per_minute"] = 50.0
    phone = ChannelFacts("phone", 0.75, handle_seconds=480.0, handle_error=12.0, **known)
    chat = ChannelFacts("chat", 0.25, handle_seconds=240.0, handle_error=30.0, **known)
    facts = MoneyFacts((phone, chat))
    intervention = make_intervention(session, action, went_live_on=date(2026, 3, 3))
    make_measurement(session, intervention, detail={"money": facts.as_detail()})

    found = api.get(f"/impact/{action.key}/money")

    half = math.hypot(0.75 * phone.half_width, 0.25 * chat.half_width)
    assert found["handle_seconds_range"] == {
        "low": pytest.approx(420 - half, abs=0.01),
        "middle": 420,
        "high": pytest.approx(420 + half, abs=0.01),
    }
    for name in ("minutes", "people", "pence"):
        assert found[name]["low"] < found[name]["middle"] < found[name]["high"], name


def test_the_money_of_all_actions_is_their_sum(api, session):
    for _ in range(2):
        shipped(session)
    make_intervention(session)  # not yet measured

    found = api.get("/impact/money")

    assert (found["actions"], found["timed"], found["priced"]) == (2, 2, 2)
    # the same days and themes: a quarter of the errors, 110 below and 120 above, is in common
    below, above = (math.sqrt(0.75 * 2 * e**2 + 0.25 * (2 * e) ** 2) for e in (110, 120))
    assert found["contacts"]["middle"] == 840
    assert found["contacts"]["low"] == pytest.approx(840 - below)
    assert found["contacts"]["high"] == pytest.approx(840 + above)
    assert found["pence"]["middle"] == pytest.approx(2 * 3360 * 62)
    assert found["currency"] == "GBP"


def test_what_was_never_measured_is_not_found(api, session):
    intervention = make_intervention(session)

    found = api.problem(f"/impact/{intervention.action.key}/money", 404)

    assert "has not been measured yet" in found["detail"]
    api.problem("/impact/A-999/money", 404)


def test_a_cost_is_stated_and_given_back(api, session):
    action = shipped(session)
    body = {"cost_low": 400_000, "cost_high": 600_000}

    found = api.send(f"/actions/{action.key}/cost", body, method="PUT")

    assert found == {"key": action.key, **body}
    assert api.get("/actions")["items"][0]["cost_high"] == 600_000
    api.send(f"/actions/{action.key}/cost", {"cost_low": None, "cost_high": None}, method="PUT")
    assert session.get(Action, action.id).cost_low is None


@pytest.mark.parametrize(
    "body", [{}, {"cost_low": 5, "cost_high": 4}, {"cost_low": 5, "cost_high": None}, {"cost": 1}]
)
def test_a_cost_that_makes_no_sense_is_refused(api, session, body):
    action = shipped(session)

    api.problem(f"/actions/{action.key}/cost", 422, "PUT", json=body)

    assert session.get(Action, action.id).cost_low is None


def test_an_executive_reads_money_and_states_no_cost(page, session):
    api = Caller(page, session, Role.EXECUTIVE)
    action = shipped(session)

    assert api.get(f"/impact/{action.key}/money")["pence"]["middle"] == pytest.approx(3360 * 62)
    api.problem(f"/actions/{action.key}/cost", 403, "PUT", json={"cost_low": 1, "cost_high": 2})
