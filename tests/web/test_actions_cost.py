"""What a fix costs: on the action's form, on a page of its own, and who may say it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Action, AuditEvent
from tests.factories.accounts import make_department
from tests.factories.themes import make_action, make_theme
from tests.pages import text_of


def seen_in(html):
    return re.search(r'name="seen" value="([^"]*)"', html)[1]


def form_of(session, **values):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    return {
        "theme_id": str(theme.id),
        "title": "Text when the card is posted",
        "strategy": "inform",
        "department_id": str(make_department(session).id),
        "expected_drop": "30",
        "smallest_drop": "10",
        **values,
    }


def test_an_action_is_proposed_with_what_it_costs(manager, session):
    manager.post("/actions/new", form_of(session, cost_low="4,000", cost_high="6000,50"))

    action = session.scalars(sa.select(Action)).one()
    assert (action.cost_low, action.cost_high) == (400_000, 600_050)
    text = text_of(manager.get(f"/actions/{action.key}"))
    assert "£4,000 to £6,001" in text
    html = manager.get(f"/actions/{action.key}/edit")
    assert 'value="4000"' in html
    assert 'value="6000.5"' in html


def test_a_cost_is_optional_and_then_said_to_be_missing(manager, session):
    manager.post("/actions/new", form_of(session))

    action = session.scalars(sa.select(Action)).one()
    assert (action.cost_low, action.cost_high) == (None, None)
    assert "not stated" in text_of(manager.get(f"/actions/{action.key}"))


@pytest.mark.parametrize(
    ("costs", "sentence"),
    [
        ({"cost_low": "much"}, "“much” is no amount"),
        ({"cost_high": "100"}, "Say what it costs at least, too"),
        ({"cost_low": "100"}, "Say what it costs at most, too"),
        ({"cost_low": "200", "cost_high": "100"}, "cannot cost less at most"),
        ({"cost_low": "-1", "cost_high": "100"}, "A fix costs 0 or more"),
        ({"cost_low": "1", "cost_high": "9" * 15}, "A fix costs 0 or more"),
    ],
)
def test_a_cost_that_makes_no_sense_stays_in_its_field(manager, session, costs, sentence):
    action = make_action(session)

    new = manager.post("/actions/new", form_of(session, **costs), 422)
    own = manager.post(f"/actions/{action.key}/cost", costs, 422)

    for answer in (new, own):
        assert sentence in text_of(answer.text)
        assert all(f'value="{typed}"' in answer.text for typed in costs.values())


def test_the_second_of_two_costs_is_told_of_the_first_and_keeps_what_was_typed(
    sign_in_as, manager, session
):
    action = make_action(session, status=ActionStatus.SHIPPED)
    url = f"/actions/{action.key}/cost"
    other = sign_in_as(Role.CX_MANAGER)
    seen = seen_in(manager.get(url))
    other.post(url, {"cost_low": "10", "cost_high": "20", "seen": seen_in(other.get(url))})

    page = manager.post(url, {"cost_low": "30", "cost_high": "40", "seen": seen}, status=409)

    text = text_of(page.text)
    assert f"{other.user.name} stated what {action.key} costs" in text
    assert "“10” stands here now" in text
    assert "Save mine over it" in text
    assert 'value="30"' in page.text
    assert (action.cost_low, action.cost_high) == (1000, 2000)

    manager.post(url, {"cost_low": "30", "cost_high": "40", "seen": seen_in(page.text)})
    assert (action.cost_low, action.cost_high) == (3000, 4000)


def test_the_same_cost_sent_twice_is_no_conflict(manager, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    url = f"/actions/{action.key}/cost"
    form = {"cost_low": "10", "cost_high": "20", "seen": seen_in(manager.get(url))}

    manager.post(url, form)
    manager.post(url, form)

    assert action.cost_low == 1000


def test_a_cost_is_stated_after_shipping_and_taken_back(manager, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    url = f"/actions/{action.key}/cost"

    assert "the frozen plan keeps" in text_of(manager.get(url))
    manager.post(url, {"cost_low": "10", "cost_high": "20"})
    assert (action.cost_low, action.cost_high) == (1000, 2000)
    assert 'value="20"' in manager.get(url)
    manager.post(url, {"cost_low": "10", "cost_high": "20"})  # the same again is no change
    manager.post(url, {"cost_low": "", "cost_high": ""})

    assert (action.cost_low, action.cost_high) == (None, None)
    events = session.scalars(
        sa.select(AuditEvent)
        .where(AuditEvent.verb == "actions.cost_stated")
        .order_by(AuditEvent.id)
    ).all()
    assert [event.detail["cost_high"] for event in events] == [[None, 2000], [2000, None]]


def test_others_do_not_say_what_an_action_costs(sign_in_as, session):
    action = make_action(session)
    other = sign_in_as(Role.STAKEHOLDER, department=make_department(session))

    other.post(f"/actions/{action.key}/cost", {"cost_low": "1", "cost_high": "2"}, 403)

    other.get(f"/actions/{action.key}/cost", 403)
    assert action.cost_low is None
    assert f"/actions/{action.key}/cost" not in other.get(f"/actions/{action.key}")
