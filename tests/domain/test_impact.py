"""Impact: looks, windows, money, and what a verdict does."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closedloop.domain.actions import ACTION_MOVES, SHIPPED_ACTIONS, ActionStatus
from closedloop.domain.impact import (
    FIRST_LOOKS,
    LOOK_DAYS,
    Beside,
    Displacement,
    Range,
    Verdict,
    action_status_after_look,
    counted_from,
    judge_displacement,
    look_number,
    look_on,
    looks,
    measurement_window,
    theme_status_after_look,
    verdict_beside,
)
from closedloop.domain.themes import ThemeStatus

LIVE = date(2026, 2, 3)
FELL, ROSE, SAME = Verdict.FELL, Verdict.ROSE, Verdict.NO_CHANGE
INCONCLUSIVE = Verdict.INCONCLUSIVE


def test_the_first_look_reads_fourteen_whole_days_after_the_roll_out():
    first = looks(LIVE, 4)[0]
    assert first == date(2026, 2, 20)  # 7 to 20 February
    window = measurement_window(LIVE, 4, date(2025, 1, 1), first)
    assert window.n_post == 14
    assert window.n_pre == 364


def test_four_looks_decide_and_one_a_quarter_follows_to_the_end_of_51_weeks():
    days = [(day - LIVE).days + 1 for day in looks(LIVE, 0)]
    assert days == [14, 28, 56, 84, 175, 266, 357]
    assert {after - before for before, after in pairwise(days[3:])} == {91}
    assert days[FIRST_LOOKS - 1] == 84


@given(st.integers(0, 60), st.integers(-5, 450))
def test_look_numbers_agree_with_the_days_of_the_looks(rollout, after):
    day = LIVE + timedelta(days=after)
    number = look_number(LIVE, rollout, day)
    following = next((look for look in looks(LIVE, rollout) if look > day), None)
    assert (following is None) == (number == len(LOOK_DAYS))
    assert look_on(LIVE, rollout, day) == (number if day in looks(LIVE, rollout) else None)
    if following:
        assert look_on(LIVE, rollout, following) == number + 1


def test_a_baseline_starts_with_the_data():
    window = measurement_window(LIVE, 0, date(2026, 1, 1), LIVE)
    assert (window.first_day, window.n_pre, window.n_post) == (date(2026, 1, 1), 33, 1)


def test_a_range_in_another_unit_keeps_its_order():
    assert Range(-10, 20, 50).scaled(1.5) == Range(-15, 30, 75)
    assert Range(1, 2, 4).scaled(-1) == Range(-4, -2, -1)


def beside(verdict, low, middle, high, *, passed=None):
    return Beside(verdict, Range(low, middle, high), passed and Range(*passed))


NET_OPEN = beside(SAME, -120, 10, 140)
NET_UNSURE = beside(INCONCLUSIVE, 17, 99, 192)


@pytest.mark.parametrize(
    ("verdict", "net", "siblings", "found"),
    [
        # nothing beside it
        (FELL, None, [], Displacement.NONE),
        # the family fell too
        (FELL, beside(FELL, 20, 200, 380), [beside(SAME, -250, -100, 50)], Displacement.NONE),
        (FELL, beside(FELL, 20, 200, 380), [beside(ROSE, -150, -120, -50)], Displacement.NONE),
        # one sibling took up more than a third
        (FELL, NET_OPEN, [beside(SAME, -400, -290, -9)], Displacement.MOVED),
        # over the family chance alone has not been ruled out as surely as the look asks
        (FELL, NET_UNSURE, [beside(ROSE, -170, -132, -84)], Displacement.MOVED),
        (FELL, NET_UNSURE, [beside(ROSE, -90, -60, -30)], Displacement.NONE),
        # several together did, none alone
        (
            FELL,
            beside(SAME, -120, 100, 320),
            [beside(SAME, -150, -70, -5), beside(SAME, -150, -70, -5)],
            Displacement.MOVED,
        ),
        # as much came up, but in a sibling that may as well have stayed where it was
        (FELL, NET_OPEN, [beside(SAME, -500, -290, 40)], Displacement.POSSIBLE),
        # one rose beyond chance, if by less than a third
        (
            FELL,
            beside(SAME, -10, 230, 470),
            [beside(ROSE, -110, -60, -10)],
            Displacement.MOVED,
        ),
        # too noisy to show a fall, but nothing came up
        (
            FELL,
            beside(SAME, -500, 280, 900),
            [beside(SAME, -500, -20, 500)],
            Displacement.POSSIBLE,
        ),
        # as much came up if a peak there would have passed, but it may have been a new level
        (
            FELL,
            NET_OPEN,
            [beside(SAME, -450, -340, 3, passed=(-450, -360, -250))],
            Displacement.OPEN,
        ),
        # with or without its peak it took up too little, or may have stayed where it was
        (
            FELL,
            NET_OPEN,
            [beside(SAME, -110, -80, 3, passed=(-110, -90, -20))],
            Displacement.POSSIBLE,
        ),
        (
            FELL,
            NET_OPEN,
            [beside(SAME, -450, -190, 60, passed=(-450, -200, 20))],
            Displacement.POSSIBLE,
        ),
        # a peak there does not hide that the family fell
        (
            FELL,
            beside(FELL, 40, 170, 300),
            [beside(SAME, -250, -140, 3, passed=(-250, -150, -60))],
            Displacement.NONE,
        ),
        # no fall, nothing to move
        (SAME, beside(SAME, -500, -200, 100), [beside(ROSE, -400, -220, -40)], Displacement.NONE),
    ],
)
def test_a_fall_that_only_moved_is_told_from_one_that_is_gone(verdict, net, siblings, found):
    assert judge_displacement(verdict, 300, net, siblings) is found


def test_only_what_may_have_moved_is_not_claimed_for_now():
    for displacement in Displacement:
        is_open = displacement is Displacement.OPEN
        assert (verdict_beside(FELL, displacement) is FELL) == (not is_open)
    assert verdict_beside(FELL, Displacement.OPEN) is INCONCLUSIVE


@pytest.mark.parametrize(
    ("verdict", "displacement", "action", "theme", "theme_at_last"),
    [
        ("fell", "none", "effective", "held", "held"),
        ("fell", "possible", "effective", "held", "held"),
        ("fell", "moved", "cannot_tell", "not_held", "not_held"),
        ("no_change", "none", "not_effective", "not_held", "not_held"),
        ("rose", "none", "not_effective", "not_held", "not_held"),
        ("inconclusive", "none", "cannot_tell", "measuring", "not_held"),
        ("not_enough_data", "none", "cannot_tell", "measuring", "not_held"),
        ("too_early", "none", "shipped", "measuring", "not_held"),
    ],
)
def test_what_a_look_does_to_action_and_theme(verdict, displacement, action, theme, theme_at_last):
    judged, moved = Verdict(verdict), Displacement(displacement)
    assert action_status_after_look(judged, moved) is ActionStatus(action)
    assert theme_status_after_look(judged, moved, 1) is ThemeStatus(theme)
    assert theme_status_after_look(judged, moved, 3) is ThemeStatus(theme)
    for look in (4, 5, 7):
        assert theme_status_after_look(judged, moved, look) is ThemeStatus(theme_at_last)


def test_every_judgement_can_follow_every_other_one():
    judged = set(SHIPPED_ACTIONS) - {ActionStatus.SHIPPED}
    for status in SHIPPED_ACTIONS:
        assert judged - {status} <= ACTION_MOVES[status]


@pytest.mark.parametrize(("rollout", "day"), [(0, 2), (1, 3), (30, 32)])
def test_the_first_day_that_counts_is_the_first_behind_the_roll_out(rollout, day):
    go_live = date(2026, 3, 2)

    found = counted_from(go_live, rollout)

    assert found == date(2026, 2, 28) + timedelta(days=day)
    assert looks(go_live, rollout)[0] == found + timedelta(days=LOOK_DAYS[0] - 1)
