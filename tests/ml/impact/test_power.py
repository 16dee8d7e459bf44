"""Before shipping: does the promised chance come true, and does it move the right way?"""

from __future__ import annotations

from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.impact import Verdict, estimate_impact
from ml.impact.power import could_be_proven

MONDAY = date(2026, 1, 5)
WEEK = np.array([1.3, 1.2, 1.1, 1.05, 1.0, 0.75, 0.6])
ALPHA = 0.015


def draw(seed, mean, n_days, *, drop=0.0, n_pre=None, noise=0.0):
    """Counts on an uneven week, scattered more than Poisson by `noise`, lower from n_pre on."""
    rng = np.random.default_rng(seed)
    rates = mean * np.resize(WEEK, n_days)
    rates[n_days if n_pre is None else n_pre :] *= 1 - drop
    if noise:
        rates = rates * rng.gamma(1 / noise, noise, n_days)
    return rng.poisson(rates)


@pytest.mark.parametrize(
    ("mean", "drop", "noise", "days"), [(20, 0.18, 0.0, 28), (4, 0.35, 0.0, 28), (30, 0.2, 0.1, 14)]
)
def test_the_chance_is_how_often_a_simulated_fix_is_proven(mean, drop, noise, days):
    n_pre, tries = 140, 80
    promised, proven = [], 0
    for seed in range(tries):
        counts = draw(seed, mean, n_pre + days, drop=drop, n_pre=n_pre, noise=noise)
        power = could_be_proven(counts[:n_pre], drop, MONDAY, look_days=(days,), alpha=ALPHA)
        promised.append(power.looks[0].chance)
        found = estimate_impact(counts, n_pre, MONDAY, alpha=ALPHA)
        proven += found.verdict is Verdict.FELL

    # two standard errors of 80 tries at a half are .11
    assert 0.15 < np.mean(promised) < 0.95, "a case that tells nothing"
    assert np.mean(promised) == pytest.approx(proven / tries, abs=0.13)


def test_what_is_seen_in_four_cases_of_five_is_seen_in_four_cases_of_five():
    counts = draw(1, 12, 200)
    seen = could_be_proven(counts, 0.3, MONDAY).looks[1].smallest_seen

    assert could_be_proven(counts, seen, MONDAY).looks[1].chance == pytest.approx(0.8, abs=1e-6)
    assert could_be_proven(counts, seen * 0.9, MONDAY).looks[1].chance < 0.8
    assert could_be_proven(counts, seen * 1.1, MONDAY).looks[1].chance > 0.8


def test_with_many_contacts_it_is_the_textbook_rule():
    look = could_be_proven(draw(2, 400, 364), 0.3, MONDAY, look_days=(28,)).looks[0]
    normal = NormalDist()
    z = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(0.8)

    assert look.smallest_seen == pytest.approx(1 - np.exp(-z * look.sd), abs=0.02)


def test_more_contacts_and_more_days_see_smaller_drops():
    seen = [
        could_be_proven(draw(3, mean, 200), 0.3, MONDAY, look_days=(56,)).looks[0].smallest_seen
        for mean in (2, 8, 32, 128)
    ]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 2 * seen[-1]

    # few contacts, so that chance weighs more than drift; else an early look may be the best
    looks = could_be_proven(draw(3, 4, 200), 0.3, MONDAY).looks
    by_days = [look.smallest_seen for look in looks]
    assert by_days == sorted(by_days, reverse=True)
    assert looks[0].chance < looks[-1].chance


def test_the_first_reliable_look_is_named_and_none_where_there_is_none():
    counts = draw(4, 15, 200)
    clear, hopeless = could_be_proven(counts, 0.4, MONDAY), could_be_proven(counts, 0.02, MONDAY)

    assert clear.proven_at == next(look.days for look in clear.looks if look.chance >= 0.8)
    assert hopeless.proven_at is None
    assert max(look.chance for look in hopeless.looks) < 0.5


def test_a_stricter_look_sees_less():
    counts = draw(5, 15, 200)
    easy = could_be_proven(counts, 0.2, MONDAY, alpha=0.05).looks[0]
    strict = could_be_proven(counts, 0.2, MONDAY, alpha=0.001).looks[0]

    assert strict.chance < easy.chance
    assert strict.smallest_seen > easy.smallest_seen


def test_days_of_the_roll_out_are_not_counted():
    counts = draw(6, 15, 200)
    at_once, slow = (
        could_be_proven(counts, 0.3, MONDAY, look_days=(28,), rollout_days=days) for days in (0, 21)
    )
    assert slow.looks[0].expected == pytest.approx(at_once.looks[0].expected, rel=0.02)
    assert slow.looks[0].sd >= at_once.looks[0].sd  # it is forecast from further away


def test_too_little_history_or_too_few_contacts_prove_nothing():
    short = could_be_proven(draw(7, 50, 45), 0.9, MONDAY)
    sparse = could_be_proven(draw(7, 0.2, 300), 0.9, MONDAY)

    assert (short.history_lacking, short.proven_at) == (15, None)
    assert {(look.chance, look.smallest_seen) for look in short.looks} == {(0.0, None)}
    assert sparse.history_lacking == 0
    assert not any(look.speaks for look in (*short.looks, *sparse.looks))
    assert {(look.chance, look.smallest_seen) for look in sparse.looks} == {(0.0, None)}


def test_a_look_under_fourteen_days_proves_nothing():
    looks = could_be_proven(draw(8, 50, 200), 0.9, MONDAY, look_days=(13, 14)).looks
    assert [look.chance > 0.99 for look in looks] == [False, True]


def test_unaffected_themes_help_where_they_share_what_moves_the_theme():
    rng = np.random.default_rng(9)
    together = np.exp(np.cumsum(rng.normal(0, 0.05, 200)))
    theme = rng.poisson(30 * together)
    controls = rng.poisson(30 * together[:, None] * np.ones(12))

    alone = could_be_proven(theme, 0.25, MONDAY)
    beside = could_be_proven(theme, 0.25, MONDAY, controls=controls)

    assert (alone.controls_used, beside.controls_used) == (0, 12)
    assert beside.looks[1].chance > alone.looks[1].chance + 0.1


def test_holidays_to_come_lower_what_is_expected():
    # enough holidays in the history for their effect to be learnt
    n_pre = 364
    holidays = [MONDAY + timedelta(days=n) for n in range(10, n_pre + 28, 20)]
    counts = draw(10, 40, n_pre)
    counts[[(day - MONDAY).days for day in holidays if (day - MONDAY).days < n_pre]] //= 3

    known = could_be_proven(counts, 0.3, MONDAY, holidays=holidays, look_days=(28,))
    none_to_come = could_be_proven(
        counts,
        0.3,
        MONDAY,
        holidays=[d for d in holidays if (d - MONDAY).days < n_pre],
        look_days=(28,),
    )
    assert known.looks[0].expected < none_to_come.looks[0].expected


def test_a_site_that_knows_its_themes_as_steady_sees_more():
    counts = draw(11, 30, 120)
    restless, steady = np.zeros(56), np.zeros(56)
    steady[0], restless[-1] = 1, 1

    assert (
        could_be_proven(counts, 0.2, MONDAY, prior=steady).looks[3].smallest_seen
        < could_be_proven(counts, 0.2, MONDAY, prior=restless).looks[3].smallest_seen
    )


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 400), min_size=1, max_size=150),
    drop=st.floats(0.001, 0.999),
    rollout_days=st.integers(0, 30),
)
def test_any_counts_give_probabilities_and_the_same_twice(counts, drop, rollout_days):
    found = could_be_proven(counts, drop, MONDAY, rollout_days=rollout_days)

    for look in found.looks:
        assert 0 <= look.chance <= 1
        assert look.smallest_seen is None or 0 < look.smallest_seen <= 0.99
        assert np.isfinite([look.expected, look.sd]).all()
    assert found == could_be_proven(counts, drop, MONDAY, rollout_days=rollout_days)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(0.02, 0.9), more=st.floats(1.01, 3))
def test_a_larger_drop_is_never_harder_to_prove(seed, low, more):
    counts = draw(seed, 6, 120)
    less, larger = low, min(0.99, low * more)

    chances = [
        [look.chance for look in could_be_proven(counts, drop, MONDAY).looks]
        for drop in (less, larger)
    ]
    assert all(one <= other + 1e-9 for one, other in zip(*chances, strict=True))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"drop": 0}, "drop must be a share"),
        ({"drop": 1}, "drop must be a share"),
        ({"look_days": ()}, "look_days must be days"),
        ({"look_days": (0, 14)}, "look_days must be days"),
        ({"rollout_days": -1}, "rollout_days must be 0 or more"),
        ({"alpha": 0}, "alpha must lie"),
        ({"level": 1}, "level must lie"),
        ({"counts": [1, -2]}, "whole numbers from 0 up"),
        ({"counts": []}, "counts"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(values, words):
    with pytest.raises(ValueError, match=words):
        could_be_proven(**{"counts": [5] * 90, "drop": 0.3, "first_day": MONDAY, **values})


def test_a_history_of_days_is_carried_on_by_weekday():
    from ml.impact.power import _go_on

    week = np.array([5.0, 4, 3, 3, 3, 2, 1])
    index = np.concatenate([week, week, week, week[:3]])

    assert _go_on(index, 10)[-10:].tolist() == [3, 3, 2, 1, 5, 4, 3, 3, 3, 2]
    assert _go_on(np.array([2.0, 4.0]), 3).tolist() == [2, 4, 3, 3, 3]
