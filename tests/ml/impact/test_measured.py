"""Effects on a rate, and effects on the customers whom a staged roll-out has reached."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ml.impact import Verdict, estimate_impact

MONDAY = date(2026, 1, 5)
N_PRE, N_DAYS = 140, 196


def orders(*, after=1.0, seed=1):
    """Orders a day: an uneven week, a slow rise and fall, and a step at the change."""
    day = np.arange(N_DAYS)
    volume = np.resize([900, 1000, 1000, 1100, 1300, 700, 400], N_DAYS) * 1.0
    volume *= 1 + 0.2 * np.sin(day / 6) + np.random.default_rng(seed).normal(0, 0.05, N_DAYS)
    volume[N_PRE:] *= after
    return np.round(volume)


def contacts(volume, per_order=0.03, *, after=1.0, seed=2):
    rate = np.full(N_DAYS, per_order)
    rate[N_PRE:] *= after
    return np.random.default_rng(seed).poisson(volume * rate)


def test_contacts_that_only_follow_the_orders_down_did_not_fall():
    volume = orders(after=0.6)
    counts = contacts(volume)
    assert estimate_impact(counts, N_PRE, MONDAY).verdict is Verdict.FELL
    held = estimate_impact(counts, N_PRE, MONDAY, driver=volume)
    assert held.verdict is Verdict.NO_CHANGE
    assert held.rate.observed == pytest.approx(counts[N_PRE:].sum() / volume[N_PRE:].sum())
    assert held.rate.before == pytest.approx(0.03, rel=0.05)
    assert held.rate.expected == pytest.approx(0.03, rel=0.08)


def test_a_fix_under_growing_orders_is_seen_on_the_rate():
    volume = orders(after=1.5)
    counts = contacts(volume, after=0.65)
    assert estimate_impact(counts, N_PRE, MONDAY).verdict is not Verdict.FELL
    held = estimate_impact(counts, N_PRE, MONDAY, driver=volume)
    assert held.verdict is Verdict.FELL
    truly = 0.03 * volume[N_PRE:].sum() * 0.35
    assert held.avoided_low < truly < held.avoided_high
    assert held.rate.expected_low < 0.03 < held.rate.expected_high
    assert held.rate.expected * held.rate.volume == pytest.approx(held.expected)
    assert "for every 1,000 of it" in " ".join(held.reasons)


def test_a_volume_that_moves_from_day_to_day_narrows_the_range():
    volume = orders()
    counts = contacts(volume)
    held, alone = (estimate_impact(counts, N_PRE, MONDAY, driver=d) for d in (volume, None))
    assert held.avoided_high - held.avoided_low < 0.8 * (alone.avoided_high - alone.avoided_low)


def test_unaffected_themes_are_held_against_the_same_volume():
    volume = orders(after=0.6)
    others = np.random.default_rng(3).poisson(0.05 * volume[:, None], (N_DAYS, 10))
    estimate = estimate_impact(contacts(volume), N_PRE, MONDAY, others, driver=volume)
    assert estimate.share_of_controls_moved <= 0.1
    assert estimate.rate.expected == pytest.approx(0.03, rel=0.08)


@pytest.mark.parametrize("nothing", [0.0, float("nan")])
def test_days_without_a_volume_are_not_counted_and_named(nothing):
    volume = orders()
    counts = contacts(volume)
    volume[[7, 14, N_PRE + 6]] = nothing
    estimate = estimate_impact(counts, N_PRE, MONDAY, driver=volume, skip=[14])
    assert (estimate.n_pre, estimate.n_post) == (N_PRE - 2, N_DAYS - N_PRE - 1)
    assert "2 days without that volume are not counted." in estimate.reasons
    volume[[7, 14]] = 50.0
    one = estimate_impact(counts, N_PRE, MONDAY, driver=volume)
    assert "1 day without that volume is not counted." in one.reasons
    volume[[7, 14]] = nothing
    skipped = estimate_impact(
        counts, N_PRE, MONDAY, driver=np.where(volume > 0, volume, 50), skip=[7, 14, N_PRE + 6]
    )
    assert estimate.observed == skipped.observed
    assert estimate.expected == pytest.approx(skipped.expected, rel=1e-6)


STAGES = np.repeat([0.0, 0.0, 0.2, 0.5, 1.0], [N_PRE, 7, 14, 14, 21])


def staged(drop, seed):
    mean = np.full(N_DAYS, 60.0) * (1 - drop * STAGES)
    return np.random.default_rng(seed).poisson(mean)


def test_stages_give_the_drop_of_the_customers_reached():
    held = 0
    for seed in range(10):
        estimate = estimate_impact(staged(0.4, seed), N_PRE, MONDAY, stages=STAGES)
        assert estimate.reached.share == pytest.approx((2.8 + 7 + 21) / 49, rel=0.05)
        held += estimate.reached.drop_low < 0.4 < estimate.reached.drop_high
        assert estimate.reached.drop == pytest.approx(
            estimate.avoided / estimate.expected / estimate.reached.share
        )
    assert held >= 8
    assert "63% of customers on average" in " ".join(estimate.reasons)


def test_days_that_had_reached_nobody_are_not_counted():
    estimate = estimate_impact(staged(0.4, 1), N_PRE, MONDAY, stages=STAGES)
    assert estimate.n_post == 49
    assert estimate.observed == staged(0.4, 1)[N_PRE + 7 :].sum()


def test_more_than_the_customers_reached_can_explain_is_said():
    stages = np.repeat([0.0, 0.1], [N_PRE, N_DAYS - N_PRE])
    counts = np.random.default_rng(4).poisson(np.repeat([60, 30], [N_PRE, N_DAYS - N_PRE]))
    estimate = estimate_impact(counts, N_PRE, MONDAY, stages=stages)
    assert estimate.reached.drop_low > 1
    assert "something else fell as well" in " ".join(estimate.reasons)


def test_a_step_to_all_customers_is_what_it_is_without_stages():
    stages = np.repeat([0.0, 1.0], [N_PRE, N_DAYS - N_PRE])
    counts = contacts(orders(), after=0.7)
    staged_, plain = (estimate_impact(counts, N_PRE, MONDAY, stages=s) for s in (stages, None))
    assert staged_.avoided_low == plain.avoided_low
    assert staged_.reached.drop == pytest.approx(plain.avoided / plain.expected)
    assert plain.reached is None
    assert plain.rate is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"driver": [1.0, 2.0]}, "driver must be one number for each of the 3 days"),
        ({"driver": [1.0, -2.0, 1.0]}, "driver must be a volume a day.*day 1 holds -2"),
        ({"driver": [1.0, 1.0, np.inf]}, "driver must be a volume a day.*day 2 holds inf"),
        ({"driver": [0.0, 0.0, 1.0]}, "no volume on any counted day before"),
        ({"driver": ["a", "b", "c"]}, "driver must be numbers"),
        ({"stages": [0.0, 0.0, 1.5]}, "share of customers reached.*day 2 holds 1.5"),
        ({"stages": [0.0, 0.0, np.nan]}, "share of customers reached.*day 2 holds nan"),
        ({"stages": [0.0, 0.5, 1.0]}, "must be 0 before the change.*day 1 holds 0.5"),
        ({"prior": [1.0, 2.0]}, "one weight for each of the 56 settings"),
        ({"prior": np.zeros(56)}, "weights from 0 up that are not all 0"),
        ({"prior": np.full(56, np.nan)}, "weights from 0 up"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimate_impact([5, 5, 5], 2, **change)
