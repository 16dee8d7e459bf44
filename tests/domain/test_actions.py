"""Actions: their life, who may work on them, and what shipping asks for."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import (
    ACTION_MOVES,
    OPEN_ACTIONS,
    SHIPPED_ACTIONS,
    STARTS_ACTING,
    THEMES_TO_ACT_ON,
    ActionStatus,
    check_action_move,
    check_may_work_on,
    check_theme_takes_actions,
    drop_problems,
    due_problem,
    go_live_doubts,
    go_live_problem,
    is_overdue,
    may_own,
    may_work_on,
    theme_left_without_actions,
)
from closedloop.domain.errors import InvalidTransition, NotAllowed
from closedloop.domain.themes import ThemeStatus, check_theme_move

DAY = date(2026, 3, 3)


def test_every_status_has_its_moves_and_none_leads_back_from_shipped_to_open():
    assert set(ACTION_MOVES) == set(ActionStatus)
    for status in SHIPPED_ACTIONS:
        assert not ACTION_MOVES[status] & {*OPEN_ACTIONS, ActionStatus.CANCELLED}


@pytest.mark.parametrize("wanted", sorted(ActionStatus))
def test_only_agreed_work_can_be_shipped_or_started(wanted):
    if wanted in (ActionStatus.SHIPPED, ActionStatus.IN_PROGRESS):
        with pytest.raises(InvalidTransition, match=r"proposed cannot become"):
            check_action_move(ActionStatus.PROPOSED, wanted)


def test_an_action_is_overdue_the_day_after_its_due_day_and_only_while_open():
    assert not is_overdue(ActionStatus.AGREED, DAY, today=DAY)
    assert is_overdue(ActionStatus.AGREED, DAY, today=date(2026, 3, 4))
    assert not is_overdue(ActionStatus.SHIPPED, DAY, today=date(2026, 3, 4))
    assert not is_overdue(ActionStatus.AGREED, None, today=DAY)


def test_a_candidate_takes_no_actions_and_the_sentence_says_what_to_do():
    with pytest.raises(InvalidTransition, match=r"T-014 is still a candidate.*Accept it in triage"):
        check_theme_takes_actions("T-014", ThemeStatus.CANDIDATE)


@pytest.mark.parametrize("status", sorted(ThemeStatus))
def test_themes_put_aside_take_no_actions(status):
    if status in THEMES_TO_ACT_ON:
        check_theme_takes_actions("T-014", status)
    else:
        with pytest.raises(InvalidTransition, match="T-014"):
            check_theme_takes_actions("T-014", status)


def test_the_moves_an_action_causes_are_moves_a_theme_has():
    for status in STARTS_ACTING:
        check_theme_move(status, ThemeStatus.ACTING)
    for measuring in (True, False):
        check_theme_move(ThemeStatus.ACTING, theme_left_without_actions(measuring))


@pytest.mark.parametrize(
    ("today", "latest"),
    [
        (date(2026, 5, 12), date(2028, 5, 12)),
        (date(2028, 2, 29), date(2030, 2, 28)),
    ],
)
def test_an_action_is_due_from_today_to_two_years_ahead(today, latest):
    assert due_problem(None, today) == due_problem(today, today) == due_problem(latest, today) == ""
    assert "has passed" in due_problem(today - timedelta(days=1), today)
    assert "more than 2 years ahead" in due_problem(latest + timedelta(days=1), today)


@pytest.mark.parametrize(
    ("expected", "smallest", "wrong"),
    [
        (0.3, 0.2, set()),
        (0.3, 0.3, set()),
        (1, 1, set()),
        (0.2, 0.3, {"smallest_drop"}),
        (0, 0.1, {"expected_drop"}),
        (1.01, 0.1, {"expected_drop"}),
        (0.3, 0, {"smallest_drop"}),
        (float("nan"), 0.1, {"expected_drop"}),
        (-1, 2, {"expected_drop", "smallest_drop"}),
    ],
)
def test_drops_are_shares_and_the_smallest_is_at_most_the_expected(expected, smallest, wrong):
    assert set(drop_problems(expected, smallest)) == wrong


def test_a_go_live_lies_after_the_first_contacts_and_not_in_the_future():
    def problem(live, first=date(2026, 3, 1)):
        return go_live_problem(live, theme_key="T-1", first_contact_on=first, today=DAY)

    assert problem(DAY) == ""
    assert problem(date(2026, 3, 2)) == ""
    assert "3 March 2026" in problem(date(2026, 3, 4))
    assert "no day before it" in problem(date(2026, 3, 1))
    assert "no contacts about T-1" in problem(DAY, first=None)


@pytest.mark.parametrize(
    ("role", "user_id", "department", "may"),
    [
        (Role.ADMIN, 9, None, True),
        (Role.CX_MANAGER, 9, None, True),
        (Role.STAKEHOLDER, 9, 5, True),  # of the department
        (Role.STAKEHOLDER, 7, 6, True),  # the owner, elsewhere
        (Role.STAKEHOLDER, 9, 6, False),
        (Role.STAKEHOLDER, 9, None, False),
        (Role.EXECUTIVE, 7, 5, False),
    ],
)
def test_who_may_work_on_an_action(role, user_id, department, may):
    user = SimpleNamespace(id=user_id, role=role, department_id=department)
    action = SimpleNamespace(
        key="A-1", owner_id=7, department_id=5, department=SimpleNamespace(name="Stock")
    )
    assert may_work_on(user, action) is may
    if may:
        check_may_work_on(user, action)
    else:
        with pytest.raises(NotAllowed, match="A-1 belongs to Stock"):
            check_may_work_on(user, action)


def test_an_owner_is_of_the_department_or_a_manager():
    assert may_own(Role.STAKEHOLDER, user_department_id=5, department_id=5)
    assert not may_own(Role.STAKEHOLDER, user_department_id=6, department_id=5)
    assert may_own(Role.CX_MANAGER, user_department_id=None, department_id=5)
    assert not may_own(Role.EXECUTIVE, user_department_id=5, department_id=5)


@pytest.mark.parametrize(
    ("first", "due", "words"),
    [
        (date(2026, 1, 1), date(2026, 3, 31), []),
        (date(2026, 3, 1), None, ["for 1 day before the change, 60 are needed"]),
        (None, None, ["for 0 days before the change, 60 are needed"]),
        (date(2026, 1, 1), date(2026, 8, 29), ["180 days before it was due, on 29 August 2026"]),
        (date(2026, 1, 1), date(2026, 8, 28), []),
        (date(2026, 1, 1), date(2025, 1, 1), []),
    ],
)
def test_a_go_live_is_doubted_for_too_few_days_before_it_and_long_before_it_was_due(
    first, due, words
):
    said = go_live_doubts(
        date(2026, 3, 2), theme_key="T-001", first_contact_on=first, due_on=due, needed=60
    )

    assert len(said) == len(words)
    assert all(one in sentence for one, sentence in zip(words, said, strict=True))


@pytest.mark.parametrize(
    ("over", "words"), [(0, ""), (1, "The days of 1 look are over"), (3, "The days of 3 looks are")]
)
def test_a_go_live_whose_looks_could_have_been_read_before_the_plan_froze_is_doubted(over, words):
    said = go_live_doubts(
        date(2026, 3, 2),
        theme_key="T-001",
        first_contact_on=date(2026, 1, 1),
        due_on=None,
        needed=60,
        looks_over=over,
    )

    assert len(said) == bool(over)
    assert words in "".join(said)
