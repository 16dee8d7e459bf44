"""The form of an action that two people have open at the same time."""

from __future__ import annotations

import re
from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.clock import set_today
from closedloop.models import Action
from closedloop.web.actions_form import FIELDS
from tests.factories.accounts import make_department, make_user
from tests.factories.themes import make_action
from tests.pages import text_of

NOW_THERE = "Text on the day of posting"


@pytest.fixture(autouse=True)
def one_day():
    """Stay on one day, so that what is due does not become overdue with the years."""
    set_today(date(2026, 5, 12))
    yield
    set_today(None)


@pytest.fixture
def action(session):
    department = make_department(session)
    owner = make_user(session, Role.STAKEHOLDER, department=department)
    return make_action(session, department=department, owner_id=owner.id, title="Send a letter")


def fields_of(html):
    """The answers of the form as a browser would send them back."""
    found = {}
    for name in (*FIELDS, "seen"):
        hit = re.search(rf'<input[^>]*name="{name}"[^>]*>', html)
        value = hit and re.search(r'value="([^"]*)"', hit[0])
        found[name] = value[1] if value else ""
        if chosen := re.search(rf'<select[^>]*name="{name}".*?</select>', html, re.S):
            option = re.search(r'value="([^"]*)" selected', chosen[0])
            found[name] = option[1] if option else ""
        if name == "strategy":
            checked = re.search(r'name="strategy"[^>]*value="(\w+)" checked', html)
            found[name] = checked[1] if checked else ""
    return found


def test_the_second_of_two_savings_is_told_of_the_first_and_keeps_what_was_typed(
    sign_in_as, manager, session, action
):
    address = f"/actions/{action.key}/edit"
    other = sign_in_as(Role.CX_MANAGER)
    theirs, mine = fields_of(other.get(address)), fields_of(manager.get(address))
    other.post(address, {**theirs, "title": NOW_THERE})

    page = manager.post(address, {**mine, "description": "With a stamp."}, status=409)

    text = text_of(page.text)
    assert f"{other.user.name} changed title of {action.key}" in text
    assert f"“{NOW_THERE}” stands here now" in text
    assert "With a stamp." in text
    assert session.get(Action, action.id).title == NOW_THERE
    assert session.get(Action, action.id).description == ""

    again = {**fields_of(page.text), "description": "With a stamp.", "title": "Send both"}
    manager.post(address, again)
    assert session.get(Action, action.id).title == "Send both"


def test_what_stands_now_is_said_in_words_for_lists_days_and_shares(
    sign_in_as, manager, session, action
):
    address = f"/actions/{action.key}/edit"
    other = sign_in_as(Role.CX_MANAGER)
    theirs, mine = fields_of(other.get(address)), fields_of(manager.get(address))
    changed = {"owner_id": "", "due_on": "2027-05-04", "expected_drop": "45", "strategy": "assist"}
    other.post(address, {**theirs, **changed})

    text = text_of(manager.post(address, {**mine, "title": "Send both"}, status=409).text)

    for words in ("Nobody yet", "4 May 2027", "“45 %”", "“Assist, own to the end”"):
        assert f"{words} stands here now" in text, words


def test_a_day_that_was_overdue_and_has_been_moved_is_no_mistake_of_whoever_saves_second(
    sign_in_as, manager, session, action
):
    action.due_on = date(2026, 5, 1)
    session.flush()
    address = f"/actions/{action.key}/edit"
    other = sign_in_as(Role.CX_MANAGER)
    theirs, mine = fields_of(other.get(address)), fields_of(manager.get(address))
    other.post(address, {**theirs, "due_on": "2026-06-01"})

    text = text_of(manager.post(address, {**mine, "title": NOW_THERE}, status=409).text)

    assert "1 Jun 2026 stands here now" in text
    assert "has passed" not in text
    wrong = {**fields_of(manager.get(address)), "due_on": "2026-05-02"}
    assert "has passed" in text_of(manager.post(address, wrong, status=422).text)


def test_the_same_answers_sent_twice_are_no_conflict(manager, session, action):
    address = f"/actions/{action.key}/edit"
    form = {**fields_of(manager.get(address)), "title": NOW_THERE}

    manager.post(address, form)
    manager.post(address, form)

    assert session.get(Action, action.id).title == NOW_THERE


def test_an_owner_who_no_longer_signs_in_stays_until_somebody_chooses_another(
    manager, session, action
):
    owner = action.owner
    owner.is_active = False
    address = f"/actions/{action.key}/edit"

    html = manager.get(address)
    manager.post(address, {**fields_of(html), "title": NOW_THERE})

    assert f"{owner.name} (no longer signs in)" in text_of(html)
    kept = session.get(Action, action.id)
    assert (kept.title, kept.owner_id) == (NOW_THERE, owner.id)
    assert "(no longer signs in)" not in manager.get("/actions/new")


def test_nobody_is_given_to_an_owner_who_no_longer_signs_in(manager, session, action):
    gone = make_user(session, Role.CX_MANAGER)
    gone.is_active = False
    address = f"/actions/{action.key}/edit"
    form = fields_of(manager.get(address))

    page = manager.post(address, {**form, "owner_id": str(gone.id)}, status=422)

    assert "Choose an owner who still works here." in text_of(page.text)


def test_what_a_fix_touches_is_held_against_what_others_saved_too(
    sign_in_as, manager, session, action
):
    address = f"/actions/{action.key}/edit"
    other = sign_in_as(Role.CX_MANAGER)
    theirs, mine = fields_of(other.get(address)), fields_of(manager.get(address))
    beside = make_action(session).theme
    other.post(address, {**theirs, "has_scope": "1", "also": [str(beside.id)]})

    text = text_of(manager.post(address, {**mine, "has_scope": "1"}, status=409).text)

    assert f"{beside.key} {beside.name} stands here now" in text
    assert [one.theme_id for one in session.get(Action, action.id).also] == [beside.id]
