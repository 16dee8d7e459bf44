"""The part of an action's form about what it touches, and the stages of a roll-out."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import today
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Action, DriverDay, Intervention
from closedloop.queries.action_scope import get_scope
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_theme
from tests.pages import text_of

TODAY = today("Europe/London")


@pytest.fixture
def action(session):
    """An action in progress whose theme has contacts, and orders to hold it against."""
    theme = make_theme(session, ThemeStatus.ACTING)
    make_rollup(session, theme, TODAY - timedelta(days=60), 20)
    session.add(DriverDay(driver="orders", day=date(2026, 1, 1), volume=9.0))
    session.flush()
    return make_action(session, theme, ActionStatus.IN_PROGRESS)


def form_of(action, **values):
    return {
        "title": action.title,
        "description": "",
        "strategy": action.strategy.value,
        "department_id": str(action.department_id),
        "owner_id": "",
        "due_on": "",
        "expected_drop": "30",
        "smallest_drop": "20",
        **values,
    }


def test_the_form_asks_what_else_it_touches_and_keeps_it(manager, session, action):
    first, second = make_theme(session), make_theme(session, name="<b>Bold</b>")
    html = manager.get(f"/actions/{action.key}/edit")
    assert "<select" in html
    assert "multiple" in html
    assert "&lt;b&gt;Bold" in html
    assert "None: contacts as they come" in text_of(html)
    chosen = form_of(action, has_scope="1", also=[str(first.id), str(second.id)], driver="orders")
    manager.post(f"/actions/{action.key}/edit", chosen)
    session.expire_all()
    scope = get_scope(session, action.id)
    assert ({theme.key for theme in scope.also}, scope.driver) == (
        {first.key, second.key},
        "orders",
    )
    again = manager.get(f"/actions/{action.key}/edit")
    assert again.count(" selected") >= 3  # both themes and the driver
    manager.post(f"/actions/{action.key}/edit", form_of(action, has_scope="1"))
    session.expire_all()
    assert get_scope(session, action.id).also == ()


def test_an_action_does_not_offer_its_own_theme_among_the_others(manager, session, action):
    other = make_theme(session)

    html = manager.get(f"/actions/{action.key}/edit")

    offered = re.search(r'<select[^>]*name="also".*?</select>', html, re.S)[0]
    assert f">{other.key} " in offered
    assert f">{action.theme.key} " not in offered


def test_a_driver_that_is_not_imported_is_refused_and_what_was_typed_stays(
    manager, session, action
):
    other = make_theme(session)
    wrong = form_of(action, title="Half typed", has_scope="1", also=[str(other.id)], driver="moons")
    answer = manager.post(f"/actions/{action.key}/edit", wrong, status=422)
    assert "No driver volume “moons” is imported" in text_of(answer.text)
    assert "Half typed" in answer.text
    session.expire_all()
    assert session.get_one(Action, action.id).title == action.title != "Half typed"


def test_stages_are_read_shown_and_shipped(manager, session, action):
    live = TODAY - timedelta(days=9)
    later = live + timedelta(days=7)
    stages = f"{live} 25 %\n{later} 100"
    address = f"/actions/{action.key}/ship"
    query = f"went_live_on={live}&rollout_days=0&stages={live}+25+%25%0A{later}+100"
    html = manager.get(f"{address}?{query}")
    shown = text_of(html)
    assert "each day counts by the share of customers reached" in shown
    assert "reckoned for changes that reach everybody at once" in shown
    assert f"/actions/{action.key}/power?went_live_on={live}" in html
    assert "rollout_days" not in html.split("/power?")[1].split('"')[0]
    asked = {"went_live_on": live.isoformat(), "rollout_days": "0", "stages": stages}
    manager.post(address, asked)
    found = session.query(Intervention).one()
    assert [one["share"] for one in found.stages] == [0.25, 1.0]
    assert found.rollout_days == 7


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ("tomorrow 25", "Line 1 of the stages"),
        ("2020-01-01 25", "The first stage begins on 2020-01-01"),
    ],
)
def test_stages_that_cannot_be_are_refused_in_both_steps(
    manager, session, action, stages, sentence
):
    live = TODAY - timedelta(days=3)
    address = f"/actions/{action.key}/ship"
    shown = manager.get(f"{address}?went_live_on={live}&stages={stages.replace(' ', '+')}")
    assert sentence in text_of(shown)
    asked = {"went_live_on": live.isoformat(), "rollout_days": "0", "stages": stages}
    assert sentence in text_of(manager.post(address, asked, status=422).text)
    assert session.query(Intervention).count() == 0
