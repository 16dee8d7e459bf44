"""Saving the form of an action that somebody else may have saved in the meantime."""

from __future__ import annotations

import pytest

from closedloop.domain.audit import Actor
from closedloop.domain.errors import ChangedMeanwhile
from closedloop.services.action_edits import edit_action, last_edit
from closedloop.services.actions import agree_action, state_cost
from tests.factories.accounts import make_user
from tests.factories.themes import make_action

ANA, BEN = Actor("Ana Petrović"), Actor("Ben Okafor")


def terms_of(action, **values):
    names = (
        *("title", "description", "strategy", "department_id", "owner_id", "due_on"),
        *("expected_drop", "smallest_drop", "cost_low", "cost_high"),
    )
    return {name: getattr(action, name) for name in names} | values


def save(session, action, seen, by, **values):
    return edit_action(
        session, action_id=action.id, seen=seen, terms=terms_of(action, **values), by=by
    )


def test_what_was_changed_since_the_form_was_opened_is_a_conflict_that_says_by_whom(session):
    action = make_action(session)
    seen = last_edit(session, action.id)
    save(session, action, seen, ANA, title="Send a text")

    with pytest.raises(ChangedMeanwhile, match="Ana Petrović changed title") as refused:
        save(session, action, seen, BEN, title="Send a letter")

    assert "title" in refused.value.fields


def test_a_cost_stated_since_is_a_conflict_too(session):
    action = make_action(session)
    seen = last_edit(session, action.id)
    state_cost(session, action_id=action.id, cost_low=100.0, cost_high=200.0, by=ANA)

    with pytest.raises(ChangedMeanwhile, match="stated what"):
        save(session, action, seen, BEN, cost_low=None, cost_high=None)


def test_answers_that_change_nothing_are_no_conflict(session):
    action = make_action(session)
    seen = last_edit(session, action.id)
    save(session, action, seen, ANA, title="Send a text")

    assert save(session, action, seen, BEN).title == "Send a text"


def test_a_step_of_its_life_is_nothing_that_a_form_would_undo(session):
    action = make_action(session, owner_id=make_user(session).id)
    seen = last_edit(session, action.id)
    agree_action(session, action_id=action.id, by=ANA)

    assert save(session, action, seen, BEN, title="Send a text").title == "Send a text"


def test_one_who_does_not_say_what_they_saw_is_held_against_nothing(session):
    action = make_action(session)
    save(session, action, None, ANA, title="Send a text")

    assert save(session, action, None, BEN, title="Send a letter").title == "Send a letter"
