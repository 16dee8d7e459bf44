"""Home: when a change of a share may be called one, and what waits for whom."""

from __future__ import annotations

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.home import TODO_FOR, Change, Todo, judge_change


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        ((180, 1000), (210, 1000), Change.FLAT),  # 18.0 and 21.0 %: 1.7 errors apart
        ((1800, 10_000), (2100, 10_000), Change.FELL),  # the same shares, of ten times as many
        ((2100, 10_000), (1800, 10_000), Change.ROSE),
        ((0, 50), (0, 50), Change.FLAT),
        ((50, 50), (50, 50), Change.FLAT),
    ],
)
def test_a_share_changed_only_when_chance_does_not_explain_it(now, before, change):
    assert judge_change(*now, *before) is change


def test_a_change_of_three_errors_is_still_called_chance():
    # three pooled standard errors are 66.9 contacts of 1,000 here
    assert judge_change(500, 1000, 566, 1000) is Change.FLAT
    assert judge_change(500, 1000, 567, 1000) is Change.FELL


def test_every_role_has_its_list_and_none_names_a_thing_twice():
    assert set(TODO_FOR) == set(Role)
    for kinds in TODO_FOR.values():
        assert len(kinds) == len(set(kinds))


def test_executives_are_not_asked_to_triage_nor_told_of_jobs():
    assert not {Todo.CANDIDATES, Todo.JOB_FAILED, Todo.OVERDUE} & set(TODO_FOR[Role.EXECUTIVE])
