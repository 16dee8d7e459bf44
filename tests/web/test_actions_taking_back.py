"""Taking a go-live back: what follows is shown first, and what was said stays readable."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import utc_now
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Action, Intervention
from tests.factories.accounts import make_department
from tests.factories.impact import make_measurement
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.pages import text_of


@pytest.fixture
def live(session):
    """The go-live of an action that no look has judged."""
    theme = make_theme(session, ThemeStatus.MEASURING)
    make_rollup(session, theme, date(2026, 1, 1), 20)
    department = make_department(session)
    action = make_action(session, theme, ActionStatus.SHIPPED, department=department)
    return make_intervention(session, action)


def test_taking_back_shows_what_follows_and_is_told_on_the_page_of_the_action(
    manager, session, live
):
    key = live.action.key
    assert f"/actions/{key}/take-back" in manager.get(f"/actions/{key}")
    text = text_of(manager.get(f"/actions/{key}/take-back"))
    assert "measuring becomes acting" in text
    assert "none was made" in text

    refused = manager.post(f"/actions/{key}/take-back", {"reason": " "}, status=422)
    assert "needs a reason" in text_of(refused.text)
    manager.post(f"/actions/{key}/take-back", {"reason": "It went live a week later."})

    text = text_of(manager.get(f"/actions/{key}"))
    assert "taken back by" in text
    assert "It went live a week later." in text
    assert "No verdict had been spoken." in text
    assert session.get(Action, live.action_id).status is ActionStatus.AGREED
    gone = manager.get(f"/impact/{key}", status=404)
    assert f"The go-live of {key} was taken back" in text_of(gone)
    assert key not in text_of(manager.get("/impact/"))
    manager.get(f"/actions/{key}/take-back", status=409)


def test_a_verdict_stays_readable_after_it_was_taken_back_and_shipped_again(manager, session, live):
    make_measurement(session, live, verdict=Verdict.ROSE, avoided=(-90.0, -50.0, -20.0))
    live.action.status = ActionStatus.NOT_EFFECTIVE
    session.flush()
    key = live.action.key
    text = text_of(manager.get(f"/actions/{key}/take-back"))
    assert "Look 1 has spoken: rose." in text

    manager.post(f"/actions/{key}/take-back", {"reason": "Pulled the same evening."})
    form = {"went_live_on": "2026-03-05", "rollout_days": "0"}
    manager.post(f"/actions/{key}/ship", form)

    html = manager.get("/impact/")
    total = text_of(html)
    assert "1 go-live was taken back and is in no number here, after a verdict" in total
    assert f'href="/actions/{key}#taken-back-title"' in html
    assert session.query(Intervention).count() == 2
    for page in (f"/actions/{key}", f"/impact/{key}"):
        text = text_of(manager.get(page))
        assert "Pulled the same evening." in text
        assert "Rose look 1, data to" in text


@pytest.mark.parametrize(("number", "is_said"), [(3, False), (4, True)])
def test_where_not_all_that_were_taken_back_are_named_it_is_said(
    manager, session, live, number, is_said
):
    for _ in range(number):
        gone = {"taken_back_at": utc_now(), "taken_back_by": "Ana", "taken_back_reason": "Wrong."}
        make_intervention(session, make_action(session, live.action.theme), **gone)

    text = text_of(manager.get("/impact/"))

    assert f"{number} go-lives were taken back" in text
    assert ("The newest: A-" in text) is is_said


def test_the_address_of_a_measurement_leads_to_the_action_once_its_go_live_was_taken_back(
    manager, session, live
):
    look = make_measurement(session, live)
    address = f"/impact/measurements/{look.id}"
    assert "At least" in text_of(manager.get(address))
    key = live.action.key
    manager.post(f"/actions/{key}/take-back", {"reason": "Pulled the same evening."})

    response = manager.client.get(address)

    assert (response.status_code, response.location.split("#")[0]) == (303, f"/actions/{key}")


def test_a_stakeholder_takes_it_back_until_a_look_has_spoken(page, session, live, sign_in_as):
    sign_in_as(Role.STAKEHOLDER, department=live.action.department)
    key = live.action.key
    assert "/take-back" in page.get(f"/actions/{key}")
    make_measurement(session, live)
    assert "/take-back" not in page.get(f"/actions/{key}")
    page.get(f"/actions/{key}/take-back", status=403)
    page.post(f"/actions/{key}/take-back", {"reason": "It was none."}, status=403)
    assert live.taken_back_at is None
