"""Does the story hang together?"""

from __future__ import annotations

from datetime import date

from closedloop.demo.calendar import TODAY
from closedloop.demo.intents import DISPOSITIONS, INDEX, INTENTS, QUEUES
from closedloop.demo.scenario import DEPARTMENTS, FIXES, NET_EXCLUSIONS, OPEN_ACTIONS, PEOPLE
from closedloop.demo.stories import TRIAGE_STORIES
from closedloop.demo.truth import EFFECTS

STRATEGIES = {"eliminate", "inform", "self_serve", "assist"}
HOME_OF = {person.name: person.department for person in PEOPLE}


def test_intents_name_queues_and_codes_that_exist_and_are_uneven():
    assert 26 <= len(INTENTS) <= 34
    assert {intent.queue for intent in INTENTS} == set(QUEUES)
    assert {intent.disposition for intent in INTENTS} == set(DISPOSITIONS) - {"General enquiry"}
    volumes = sorted((intent.per_day for intent in INTENTS), reverse=True)
    assert volumes[0] > 10 * volumes[-1]
    assert set(NET_EXCLUSIONS) < set(DISPOSITIONS)
    planted = [INTENTS[INDEX[fix.intents[0]]].per_day for fix in FIXES]
    assert all(10 <= per_day <= 25 for per_day in planted)


def test_people_cover_every_role_and_department_and_have_one_address_each():
    assert {person.role for person in PEOPLE} == {"admin", "cx_manager", "stakeholder", "executive"}
    assert {person.department for person in PEOPLE} == set(DEPARTMENTS)
    assert len({person.email for person in PEOPLE}) == len(PEOPLE)
    assert all(person.email.endswith(".example") for person in PEOPLE)


def test_work_is_owned_by_somebody_of_its_department():
    for work in (*FIXES, *OPEN_ACTIONS):
        assert HOME_OF[work.owner] == work.department, work.key
        assert work.strategy in STRATEGIES
        assert 0 < work.worthwhile_drop < work.expected_drop < 1


def test_fixes_are_agreed_before_they_ship_and_touch_intents_of_their_own():
    touched = [key for fix in FIXES for key in fix.intents]
    targets = [effect.moves_to for effect in EFFECTS.values() if effect.moves_to]

    assert EFFECTS.keys() == {fix.key for fix in FIXES}
    assert len(set(touched + targets)) == len(touched + targets)
    assert set(touched + targets) <= INDEX.keys()
    for fix in FIXES:
        assert fix.agreed_on < fix.shipped_on <= TODAY
        assert fix.agreed_on < fix.due_on


def test_open_work_has_something_for_every_page():
    by_status = {action.status: action for action in OPEN_ACTIONS}

    assert by_status.keys() == {"proposed", "agreed", "in_progress", "handed_back"}
    due = [action.due_on for action in OPEN_ACTIONS if action.status == "in_progress"]
    assert min(due) < TODAY < max(due)
    assert by_status["handed_back"].reason
    assert by_status["proposed"].due_on is None
    assert all(action.agreed_on is None or action.agreed_on < TODAY for action in OPEN_ACTIONS)


def test_stories_cover_every_decision_and_every_theme_that_has_work():
    by_intent = {story.intent: story for story in TRIAGE_STORIES}

    assert len(by_intent) == len(TRIAGE_STORIES)
    assert by_intent.keys() <= INDEX.keys()
    assert {story.decision for story in TRIAGE_STORIES} == {"accept", "park", "dismiss", "leave"}
    assert {story.demand for story in TRIAGE_STORIES} == {"failure", "value", "unclear"}
    assert {story.department for story in TRIAGE_STORIES} <= set(DEPARTMENTS)
    with_work = {fix.intents[0] for fix in FIXES} | {action.intent for action in OPEN_ACTIONS}
    assert all(by_intent[intent].decision == "accept" for intent in with_work)
    assert all(
        bool(story.note) == (story.decision in {"park", "dismiss"}) for story in TRIAGE_STORIES
    )


def test_a_fix_tells_the_failure_scenario_of_its_theme():
    by_intent = {story.intent: story for story in TRIAGE_STORIES}

    for fix in FIXES:
        assert by_intent[fix.intents[0]].failure_scenario == fix.failure_scenario
    assert date(2026, 5, 12) == TODAY
