"""Placebos: are dates without a change found, and is what is said of them counted right?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from ml.impact import estimate_impact
from ml.impact.monitor import (
    LEAST_PRE,
    Panel,
    Placebo,
    choose_placebos,
    controls_of,
    quiet_days,
    run_placebos,
    sum_up,
)

MONDAY = date(2025, 1, 6)
LOOKS = (14, 28, 56, 84)


def steady(n_themes=9, n_days=330, *, seed=0, mean=8.0, fixes=None, families=None):
    rng = np.random.default_rng(seed)
    return Panel(
        counts=rng.poisson(mean, (n_days, n_themes)).astype(np.int32),
        first_day=MONDAY,
        fixes=fixes or ((),) * n_themes,
        families=families or (frozenset(),) * n_themes,
    )


def test_dates_are_the_same_for_the_same_seed_and_others_for_another():
    panel = steady()
    chosen = choose_placebos(panel, most=12, seed=4)

    assert chosen == choose_placebos(panel, most=12, seed=4)
    assert chosen != choose_placebos(panel, most=12, seed=5)
    assert chosen == sorted(chosen)
    assert len(chosen) == 12


def test_dates_have_history_and_all_days_of_the_looks():
    panel = steady(n_days=170)
    days = {day for day, _ in choose_placebos(panel, most=500)}

    assert min(days) >= LEAST_PRE
    assert max(days) <= 170 - 84
    assert not choose_placebos(steady(n_days=LEAST_PRE + 83), most=5)
    assert choose_placebos(steady(n_days=LEAST_PRE + 84), most=5)


def test_no_date_meets_something_shipped_or_its_after_window_or_another_date():
    live = 200
    panel = steady(3, 600, fixes=(((live, live, live + 83),), (), ()))
    quiet = quiet_days(panel)

    assert quiet[live - 84, 0], "all its days lie before the fix"
    assert not quiet[live - 83 : live + 84, 0].any()
    assert quiet[live + 84, 0]
    assert quiet[live, 1]
    chosen = choose_placebos(panel, most=1000)
    for theme in range(3):
        days = [day for day, one in chosen if one == theme]
        assert all(later - earlier >= 84 for earlier, later in pairwise(days))
    assert len({theme for _, theme in chosen}) == 3


def test_themes_with_hardly_a_contact_are_left_alone():
    panel = steady(4)
    panel.counts[:, 2] = 0
    panel.counts[::3, 2] = 1  # a third of a contact a day

    assert {theme for _, theme in choose_placebos(panel, most=500)} == {0, 1, 3}


def test_a_comparison_leaves_out_family_fixes_around_and_sparse_themes():
    fixes = ((), (), ((105, 105, 188),), ((150, 150, 233),), ((20, 20, 103),), ())
    families = (frozenset({1}), *(frozenset(),) * 5)
    panel = steady(6, fixes=fixes, families=families)
    panel.counts[:, 5] = 0

    # day 130 to 213: theme 2 was fixed 25 days before, theme 3 in between, theme 4 long ago
    assert controls_of(panel, 130, 0, 213) == [4]
    # day 140 to 149: the fix of theme 2 lies further back, that of theme 3 ahead
    assert controls_of(panel, 140, 0, 149) == [2, 3, 4]


def test_a_theme_in_the_middle_of_its_roll_out_is_no_comparison():
    # live on day 20, over 60 and over 100 days; a third, over 150, begins after the days read
    fixes = ((), ((20, 80, 163),), ((20, 120, 203),), ((214, 364, 447),), (), ())
    panel = steady(6, fixes=fixes)

    assert controls_of(panel, 130, 0, 213) == [1, 3, 4, 5]
    assert controls_of(panel, 108, 0, 213) == [3, 4, 5], "28 days after is shortly before"
    assert controls_of(panel, 109, 0, 214) == [1, 4, 5]


def test_the_days_before_the_first_contact_of_a_theme_are_not_its_history():
    panel = steady(8)
    panel.counts[:100, 3] = 0
    chosen = [(220, 3)]
    quiet = quiet_days(panel)
    [[found]] = list(run_placebos(panel, chosen, look_days=(28,)))

    expected = estimate_impact(
        panel.counts[100:248, 3],
        120,
        MONDAY + timedelta(days=100),
        controls=panel.counts[100:248][:, [0, 1, 2, 4, 5, 6, 7]],
        alpha=0.015,
    )
    assert found.z == (expected.z,)
    assert not quiet[: 100 + LEAST_PRE, 3].any()
    assert quiet[100 + LEAST_PRE, 3]


def test_days_that_lack_an_import_are_not_counted():
    panel = steady(8)
    panel.counts[[150, 225, 226]] = 0
    [[counted]] = list(run_placebos(panel, [(220, 3)], look_days=(28,)))
    [[found]] = list(
        run_placebos(replace(panel, lacking=(10, 150, 225, 226)), [(220, 3)], look_days=(28,))
    )
    expected = estimate_impact(
        panel.counts[:248, 3],
        220,
        MONDAY,
        controls=panel.counts[:248][:, [0, 1, 2, 4, 5, 6, 7]],
        skip=(10, 150, 225, 226),
        alpha=0.015,
    )
    assert found.z == (expected.z,) != counted.z


def test_the_largest_themes_are_compared_with_and_given_in_order():
    panel = steady(6)
    panel.counts[:, 4] += 5
    panel.counts[:, 2] += 9

    assert controls_of(panel, 200, 0, 283, most=2) == [2, 4]


def test_a_placebo_is_the_estimate_that_a_true_change_would_get():
    panel = steady(8)
    day, theme = 220, 3
    [[found]] = list(run_placebos(panel, [(day, theme)], pre_days=150))
    first = day - 150
    others = [column for column in range(8) if column != theme]

    expected = [
        estimate_impact(
            panel.counts[first : day + days, theme],
            150,
            MONDAY + timedelta(days=first),
            controls=panel.counts[first : day + days][:, others],
            alpha=0.015,
        )
        for days in LOOKS
    ]
    assert found.z == tuple(one.z for one in expected)
    assert found.spoke == (True,) * 4
    assert found.covered == tuple(one.avoided_low <= 0 <= one.avoided_high for one in expected)


def test_on_steady_themes_the_method_keeps_its_promise():
    panel = steady(7, 420, seed=1)
    chosen = choose_placebos(panel, most=10, seed=1)
    groups = list(run_placebos(panel, chosen))
    summed = sum_up([one for group in groups for one in group], LOOKS)

    assert [len({one.day for one in group}) for group in groups] == [1] * len(groups)
    assert summed.n_placebos == 10
    assert summed.n_false <= 1
    assert 0.6 < summed.sd_z < 1.3
    assert summed.n_covered / summed.n_looks > 0.85


def test_a_level_that_jumps_at_the_date_is_an_alarm():
    panel = steady(8, 330, seed=2)
    panel.counts[200:, 0] *= 2
    [group] = list(run_placebos(panel, [(200, 0), (200, 1)]))

    assert [one.is_false_alarm for one in group] == [True, False]
    assert not all(group[0].covered)


def test_numbers_are_counted_a_date_and_a_look():
    quiet = Placebo(0, 100, (0.5, -0.5), (True, True), (False, False), (True, True))
    wolf = Placebo(1, 100, (3.0, 4.0), (True, True), (True, True), (False, False))
    late = Placebo(2, 100, (1.0,), (False, True), (False, False), (True, True))
    mute = Placebo(3, 100, (), (False, False), (False, False), (True, True))

    found = sum_up([quiet, wolf, late, mute], (14, 28))

    assert (found.n_placebos, found.n_false) == (3, 1), "two looks of one date are one alarm"
    assert (found.n_looks, found.n_covered) == (5, 3)
    assert found.sd_z == pytest.approx(np.std([0.5, -0.5, 3, 4, 1], ddof=1))
    assert found.mean_z == pytest.approx(1.6)
    assert [(look.n, look.n_claimed, look.n_covered) for look in found.looks] == [
        (2, 1, 1),
        (3, 1, 2),
    ]
    assert found.looks[1].sd_z == pytest.approx(np.std([-0.5, 4, 1], ddof=1))


def test_nothing_told_is_no_number():
    found = sum_up([], LOOKS)
    assert (found.n_placebos, found.n_false, found.sd_z, found.mean_z) == (0, 0, None, None)


@pytest.mark.parametrize("n_themes", [12, 40])
def test_themes_of_one_date_leave_out_the_themes_that_moved_each_from_its_own(n_themes):
    day, moved = 150, (1, 2, 11)
    families = [frozenset()] * n_themes
    families[5] = frozenset({6, 7})
    panel = steady(n_themes, mean=20.0, seed=1, families=tuple(families))
    rng = np.random.default_rng(2)
    for column in moved:
        panel.counts[day:, column] = rng.poisson(45, len(panel.counts) - day)
    chosen = [(day, theme) for theme in (0, 3, 5)]

    together = next(run_placebos(panel, chosen, look_days=(28,)))

    # apart there is nothing to share, so nobody's columns can be taken for another's
    for (_, theme), found in zip(chosen, together, strict=True):
        (alone,) = next(run_placebos(panel, [(day, theme)], look_days=(28,)))
        assert found.theme == theme
        assert found.z[0] == pytest.approx(alone.z[0], abs=0.5)
        assert abs(found.z[0]) < 3, "compared with themes that moved"
