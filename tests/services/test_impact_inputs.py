"""Which themes stand beside a measured one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import MOST_CONTROLS, MeasurementWindow
from closedloop.services.impact_inputs import (
    choose_comparison,
    find_family,
    find_holidays,
    list_holidays,
    stack_counts,
)
from tests.factories.series import make_alike
from tests.factories.themes import make_action, make_intervention, make_theme


def test_columns_follow_the_ids_and_a_silent_theme_is_zeros():
    found = stack_counts({5: [1, 2], 3: [3, 4]}, [3, 4, 5], 2)
    assert found.tolist() == [[3, 0, 1], [4, 0, 2]]
    assert stack_counts({}, [], 2).shape == (2, 0)


def test_a_family_is_alike_whichever_of_the_two_says_so(session):
    theme, near, far, nearer = (make_theme(session) for _ in range(4))
    make_alike(session, theme, near, 0.6)
    make_alike(session, near, theme, 0.6)
    make_alike(session, theme, far, 0.599)
    make_alike(session, nearer, theme, 0.8)
    make_alike(session, near, far, 0.9)
    assert find_family(session, theme.id) == [near.id, nearer.id]
    # what another touched theme is like is of the family, and no touched theme is
    assert find_family(session, theme.id, [near.id]) == [far.id, nearer.id]


def test_the_largest_themes_are_compared_with_and_the_rest_is_named(session):
    theme, *others = (make_theme(session) for _ in range(MOST_CONTROLS + 3))
    counts = {other.id: [n + 1] * 10 for n, other in enumerate(others)}
    day = date(2026, 3, 1)
    window = MeasurementWindow(day, date(2026, 3, 11), 0, date(2026, 3, 11))
    found = choose_comparison(
        session,
        theme_id=theme.id,
        intervention_id=None,
        window=window,
        family=[],
        counts=counts,
    )
    assert [control.id for control in found.controls] == [one.id for one in others[2:]]
    assert {out.theme.id for out in found.left_out} == {one.id for one in others[:2]}


@pytest.mark.parametrize(
    ("rollout_days", "is_left_out"), [(0, False), (11, False), (12, True), (60, True)]
)
def test_a_theme_in_the_middle_of_its_own_roll_out_is_no_comparison(
    session, rollout_days, is_left_out
):
    theme, other = make_theme(session), make_theme(session)
    live = date(2026, 3, 11)
    action = make_action(session, other, ActionStatus.SHIPPED)
    make_intervention(
        session, action, went_live_on=live - timedelta(days=40), rollout_days=rollout_days
    )
    found = choose_comparison(
        session,
        theme_id=theme.id,
        intervention_id=None,
        window=MeasurementWindow(live - timedelta(days=90), live, 0, live),
        family=[],
        counts={other.id: [9] * 90},
    )
    assert [one.theme.id for one in found.left_out] == [other.id] * is_left_out
    assert [one.id for one in found.controls] == [other.id] * (not is_left_out)


def test_holidays_are_those_of_the_part_of_the_country_and_of_the_days():
    first, last = date(2025, 12, 25), date(2026, 1, 2)
    england = list_holidays("GB-ENG", first, last)
    assert england == (date(2025, 12, 25), date(2025, 12, 26), date(2026, 1, 1))
    assert list_holidays("GB-SCT", first, last) == (*england, date(2026, 1, 2))
    assert list_holidays("", first, last) == ()


def test_a_country_without_a_calendar_is_told_apart_from_one_without_holidays():
    first, last = date(2025, 12, 25), date(2026, 1, 2)
    assert find_holidays("", first, last) == ()
    assert find_holidays("XX", first, last) is None
    assert list_holidays("XX", first, last) == ()
