"""Actions on the board and in the list."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import OPEN_ACTIONS, ActionStatus
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.action_page import get_action_page, list_themes_to_act_on
from closedloop.queries.actions import (
    COLUMN_ROWS,
    ActionFilter,
    Column,
    count_actions,
    cursor_of,
    get_board,
    list_actions,
)
from tests.factories.accounts import make_department, make_user
from tests.factories.impact import make_measurement
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme

ALL = ActionFilter()
TODAY = date(2026, 5, 12)


def keys(rows) -> list[str]:
    return [row.key for row in rows]


def test_the_board_puts_every_status_but_cancelled_on_one_column(session):
    made = {status: make_action(session, status=status).key for status in ActionStatus}

    board = {column.column: keys(column.rows) for column in get_board(session, ALL)}

    assert set(board[Column.PROPOSED]) == {made["proposed"], made["handed_back"]}
    assert board[Column.AGREED] == [made["agreed"]]
    assert board[Column.IN_PROGRESS] == [made["in_progress"]]
    assert board[Column.SHIPPED] == [made["shipped"]]
    assert set(board[Column.MEASURED]) == {
        made["effective"],
        made["not_effective"],
        made["cannot_tell"],
    }


def test_the_board_holds_so_many_tickets_and_counts_the_rest(session):
    theme, department = make_theme(session, ThemeStatus.ACTING), make_department(session)
    for _ in range(COLUMN_ROWS + 3):
        make_action(session, theme, department=department)
    handed_back = make_action(session, theme, ActionStatus.HANDED_BACK, department=department)

    proposed, agreed, *_ = get_board(session, ALL)

    assert (len(agreed.rows), agreed.count, agreed.more) == (COLUMN_ROWS, COLUMN_ROWS + 3, 3)
    assert (keys(proposed.rows), proposed.handed_back) == ([handed_back.key], 1)


def test_the_list_has_open_actions_by_due_day_then_the_rest_newest_first(session):
    late = make_action(session, due_on=date(2026, 6, 30))
    never = make_action(session, due_on=None)
    soon = make_action(session, status=ActionStatus.PROPOSED, due_on=date(2026, 5, 1))
    done = make_action(session, status=ActionStatus.SHIPPED, due_on=date(2026, 1, 1))

    assert keys(list_actions(session, ALL)) == keys([soon, late, done, never])


def test_the_list_goes_on_behind_the_last_row_without_gap_or_repeat(session):
    department = make_department(session)
    for day in (1, 1, 1, 2, 3):
        make_action(session, department=department, due_on=date(2026, 6, day))
    make_action(session, department=department, status=ActionStatus.SHIPPED)
    make_action(session, department=department, due_on=None)

    seen, after = [], None
    while rows := list_actions(session, ALL, after=after, limit=2):
        seen += rows
        after = cursor_of(rows[-1])

    assert keys(seen) == keys(list_actions(session, ALL))
    assert len(seen) == 7


def test_filters_narrow_by_department_owner_status_and_overdue(session):
    owner = make_user(session, Role.CX_MANAGER)
    mine = make_action(session, owner_id=owner.id, due_on=date(2026, 5, 11))
    make_action(session, due_on=TODAY)
    make_action(session, status=ActionStatus.SHIPPED, due_on=date(2026, 1, 1))

    assert keys(list_actions(session, ActionFilter(owner_id=owner.id))) == [mine.key]
    assert keys(list_actions(session, ActionFilter(department_id=mine.department_id))) == [mine.key]
    assert keys(list_actions(session, ActionFilter(overdue_on=TODAY))) == [mine.key]
    assert len(list_actions(session, ActionFilter(statuses=OPEN_ACTIONS))) == 2


def test_a_row_carries_the_newest_look_and_never_a_running_estimate(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=date(2026, 3, 16), avoided=(1, 2, 3))
    make_measurement(session, intervention, as_of=date(2026, 3, 30), avoided=(310, 420, 540))
    make_measurement(session, intervention, as_of=date(2026, 4, 2), avoided=(700, 800, 900))

    (row,) = list_actions(session, ALL)

    assert (row.verdict, row.avoided_low, row.avoided_high) == (Verdict.FELL, 310, 540)
    assert row.went_live_on == intervention.went_live_on


def test_counts_follow_the_department_but_not_the_view(session):
    owner = make_user(session)
    one = make_action(session, owner_id=owner.id, due_on=date(2026, 5, 11))
    make_action(session, status=ActionStatus.CANCELLED)
    make_action(session, status=ActionStatus.SHIPPED, owner_id=owner.id)

    everywhere = count_actions(session, ALL, user_id=owner.id, today=TODAY)
    there = count_actions(
        session,
        ActionFilter(department_id=one.department_id, overdue_on=TODAY),
        user_id=owner.id,
        today=TODAY,
    )

    assert (everywhere.everything, everywhere.under_way, everywhere.cancelled) == (3, 1, 1)
    assert (everywhere.mine, everywhere.overdue) == (1, 1)
    assert (there.everything, there.cancelled) == (1, 0)


def test_a_page_hides_figures_of_fewer_customers_than_k(session):
    action = make_action(session)
    make_stats(session, action.theme, customers=4)

    assert get_action_page(session, action.key, k=5).figures is None
    assert get_action_page(session, action.key, k=4).figures is not None


def test_an_unknown_action_is_not_found(session):
    with pytest.raises(NotFound, match="A-999"):
        get_action_page(session, "A-999", k=5)


def test_only_agreed_themes_take_actions(session):
    agreed = make_theme(session, ThemeStatus.TRIAGED)
    for status in (ThemeStatus.CANDIDATE, ThemeStatus.PARKED, ThemeStatus.CLOSED):
        make_theme(session, status)

    assert [theme.key for theme in list_themes_to_act_on(session)] == [agreed.key]
