"""Made-up themes: seeded, of the size asked for, and changed exactly as they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from closedloop.bench.impact_cases import (
    ANY_SIZE,
    POST_DAYS,
    SIZES,
    after_worst_fortnight,
    change,
    contaminate,
    displace,
    make_case,
    make_shipped,
    make_tenant,
    make_watched,
    make_world,
    share_changed,
)


def rng(seed=1):
    return np.random.default_rng(seed)


def at_once(case):
    return replace(case, shape="at once")


@pytest.mark.parametrize("size", SIZES)
def test_a_case_is_the_same_for_the_same_seed_and_of_the_size_asked_for(size):
    case, again, other = (make_case(rng(seed), size) for seed in (3, 3, 4))

    assert (case.counts == again.counts).all()
    assert (case.controls == again.controls).all()
    assert (case.n_pre, case.first_day) == (again.n_pre, again.first_day)
    assert len(case.counts) != len(other.counts) or (case.counts != other.counts).any()
    low, high = SIZES[size]
    means = [make_case(rng(seed), size).counts.mean() for seed in range(12)]
    assert low / 3 < min(means)
    assert max(means) < high * 2
    assert max(means) > 2 * min(means)


def test_a_case_without_a_change_has_avoided_nothing():
    case = make_case(rng(), "10 to 100")

    assert case.avoided == 0
    assert case.due == case.counts[case.n_pre :].sum()
    assert 60 <= case.n_pre <= 365
    assert case.controls.shape == (len(case.counts), 20)


def test_days_of_a_stated_rollout_are_not_counted_and_as_many_follow_as_elsewhere():
    cases = [make_shipped(rng(seed), "10 to 100") for seed in range(30)]

    assert {(case.shape, case.rollout_days) for case in cases} == {
        ("at once", 0),
        ("over 14 days", 14),
        ("5 days late", 0),  # nobody knows that it sets in late
    }
    for case in cases:
        fallen = change(rng(), case, -0.3)
        first = case.n_pre + case.rollout_days
        assert list(case.skip) == list(range(case.n_pre, first))
        assert len(case.counts) - first in POST_DAYS
        assert fallen.due == case.without[first:].sum()
        assert fallen.avoided == (case.without - fallen.counts)[first:].sum()
        if case.rollout_days:
            assert (case.without - fallen.counts)[case.n_pre : first].sum() > 0


def test_themes_of_a_world_have_weeks_and_quieter_holidays_and_move_together():
    worlds = [make_world(rng(seed), (900.0, 1000.0), 730) for seed in range(6)]
    weekdays = np.zeros(7)
    quieter, likeness = [], []
    for world in worlds:
        days = [world.first_day + timedelta(days=n) for n in range(730)]
        week = np.array([day.weekday() for day in days])
        theme = world.counts[:, 0] / world.counts[:, 0].mean()
        weekdays += [theme[week == n].mean() for n in range(7)]
        closed = np.array([day in world.holidays for day in days])
        quieter.append(theme[closed].mean())
        others = world.counts[:, 1:].sum(1)
        likeness.append(np.corrcoef(np.log(theme), np.log(others))[0, 1])
        assert 15 <= closed.sum() <= 24
    assert weekdays[0] > weekdays[3] > weekdays[5] > weekdays[6]
    assert np.mean(quieter) < 0.85
    assert np.mean(likeness) > 0.4


def test_counts_are_rougher_than_chance_and_have_spikes():
    world = make_world(rng(5), ANY_SIZE, 700, n_others=40)
    large = world.counts[:, world.counts.mean(0) > 50]
    week_on_week = np.log(large[7:] + 0.5) - np.log(large[:-7] + 0.5)
    by_chance = np.sqrt(2 / large.mean(0))

    assert large.shape[1] > 10
    assert (np.median(np.abs(week_on_week), axis=0) > 1.1 * 0.6745 * by_chance).mean() > 0.9
    assert np.abs(week_on_week).max() > 8 * np.median(np.abs(week_on_week))


def test_a_change_takes_its_share_of_what_would_have_come_and_nothing_before():
    case = at_once(make_case(rng(2), "over 100"))
    changed = change(rng(9), case, -0.3)

    assert (changed.counts[: case.n_pre] == case.counts[: case.n_pre]).all()
    assert (changed.without == case.without).all()
    assert (changed.counts <= changed.without).all()
    assert changed.avoided / changed.due == pytest.approx(0.3, abs=0.02)
    assert change(rng(9), case, 0.0).avoided == 0


def test_a_change_sets_in_at_once_in_a_fortnight_or_after_five_days():
    assert list(share_changed("at once", 3)) == [1, 1, 1]
    ramp = share_changed("over 14 days", 16)
    assert ramp[[0, 6, 13, 15]] == pytest.approx([1 / 14, 0.5, 1, 1])
    assert list(share_changed("5 days late", 7)) == [0, 0, 0, 0, 0, 1, 1]


def test_the_date_after_the_worst_fortnight_follows_the_fullest_fourteen_days():
    case = after_worst_fortnight(rng(4), "10 to 100")
    last = case.counts[case.n_pre - 14 : case.n_pre].sum()
    earlier = [case.counts[end - 14 : end].sum() for end in range(90, case.n_pre)]

    assert case.avoided == 0
    assert case.n_pre >= 90
    assert not earlier or last >= max(earlier)
    assert len(case.controls) == len(case.counts)


def test_contamination_hits_the_largest_others_that_hold_half_the_volume():
    case = at_once(make_case(rng(6), "10 to 100"))
    hit = contaminate(rng(7), case, -0.5)
    after = slice(case.n_pre, None)
    lost = 1 - hit.controls[after].sum(0) / np.maximum(1, case.controls[after].sum(0))
    touched = lost > 0.2
    means = case.controls[: case.n_pre].mean(0)

    assert (hit.controls[: case.n_pre] == case.controls[: case.n_pre]).all()
    assert means[touched].min() > means[~touched].max()
    assert means[touched].sum() >= 0.5 * means.sum()
    assert means[touched].sum() - means[touched].min() < 0.5 * means.sum()


def test_half_of_what_leaves_the_theme_comes_under_the_sibling():
    own, net = displace(rng(8), at_once(make_case(rng(8), "over 100")), -0.3)

    assert own.controls.shape[1] == 19
    assert net.avoided / own.avoided == pytest.approx(0.5, abs=0.05)
    assert (net.without >= own.without).all()
    assert own.avoided / own.due == pytest.approx(0.3, abs=0.03)


def test_one_to_two_in_ten_themes_of_a_tenant_truly_fell():
    for seed in range(4):
        tenant = make_tenant(rng(seed))
        fell = [case.avoided > 0 for case in tenant.cases]
        assert 2 <= sum(fell) <= 4
        assert fell == list(tenant.fell)
        assert all((c.controls == tenant.cases[0].controls).all() for c in tenant.cases)


def test_watched_contacts_come_back_all_at_once_or_stay_away():
    stays = make_watched(rng(2), "over 100", n_pre=100, n_post=80, back_on=None)
    returns = make_watched(rng(2), "over 100", n_pre=100, n_post=80, back_on=60)

    assert stays.avoided / stays.due == pytest.approx(0.3, abs=0.03)
    assert (returns.counts[:160] == stays.counts[:160]).all()
    assert (returns.counts[160:] == returns.without[160:]).all()
    assert (stays.counts[160:] < stays.without[160:]).any()
