"""What must hold whatever the counts: finite numbers, and no surprise from relabelling."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.impact import estimate_impact

MONDAY = date(2024, 1, 1)
FEW = settings(max_examples=30, deadline=None, derandomize=True, database=None)
SCALARS = ("expected", "avoided", "avoided_low", "avoided_high", "p_value", "z", "could_have_seen")
PATHS = (
    "expected_per_day",
    "low_per_day",
    "high_per_day",
    "avoided_cumulative",
    "avoided_cumulative_low",
    "avoided_cumulative_high",
)


def assert_sane(estimate):
    for name in SCALARS:
        assert np.isfinite(getattr(estimate, name)), name
    for name in PATHS:
        assert np.isfinite(getattr(estimate, name)).all(), name
    assert estimate.avoided_low <= estimate.avoided <= estimate.avoided_high
    assert 0 <= estimate.p_value <= 1
    assert estimate.widened_by >= 1
    assert all(reason.endswith((".", ")")) for reason in estimate.reasons)


def noisy(mean, n_days, seed, n_series=None):
    shape = n_days if n_series is None else (n_days, n_series)
    return np.random.default_rng(seed).poisson(mean, shape)


days = st.one_of(
    st.integers(0, 3), st.integers(0, 300), st.sampled_from([0, 1, 5_000, 100_000_000])
)


@FEW
@given(data=st.data())
def test_any_whole_counts_are_answered_in_finite_numbers(data):
    n_days = data.draw(st.integers(1, 130))
    counts = data.draw(st.lists(days, min_size=n_days, max_size=n_days))
    n_pre = data.draw(st.integers(1, n_days))
    controls = None
    if data.draw(st.booleans()):
        many = data.draw(st.integers(1, 6))
        controls = noisy(data.draw(st.sampled_from([0.3, 20, 9_000])), n_days, n_pre, many)
        controls[data.draw(st.integers(0, n_days)) :, 0] = data.draw(days)
    begin = data.draw(st.integers(1, n_days))
    skip = range(begin, data.draw(st.integers(begin, n_days)))  # the first day is always counted
    assert_sane(estimate_impact(counts, n_pre, MONDAY, controls, skip=skip))


@FEW
@given(
    volume=st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e12)), min_size=100, max_size=100),
    shares=st.lists(st.floats(0, 1), min_size=20, max_size=20),
)
def test_any_volume_and_any_stages_are_answered_in_finite_numbers(volume, shares):
    volume[0] = 1.0
    counts = noisy(9, 100, 3)
    estimate = estimate_impact(
        counts, 80, MONDAY, driver=volume, stages=np.concatenate([np.zeros(80), shares])
    )
    assert_sane(estimate)
    if estimate.rate is not None:
        assert np.isfinite([estimate.rate.expected, estimate.rate.expected_high]).all()
    if estimate.reached is not None:
        assert np.isfinite([estimate.reached.drop_low, estimate.reached.drop_high]).all()


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(168, int),
        np.full(168, 7),
        np.where(np.arange(168) == 60, 5_000, 0),
        np.where(np.arange(168) == 150, 5_000, 3),
        np.where(np.arange(168) % 7 < 5, 40, 0),
    ],
    ids=["all zero", "constant", "a spike before", "a spike after", "closed at weekends"],
)
def test_odd_series_claim_no_fall(counts):
    estimate = estimate_impact(counts, 140, MONDAY, noisy(20, 168, 1, 8))
    assert_sane(estimate)
    assert estimate.verdict not in ("fell", "rose") or counts[150] == 5_000


def test_ten_years_of_days_are_answered():
    day = np.arange(3_652)
    season = 1 + 0.3 * np.sin(2 * np.pi * day / 365.25)
    counts = np.random.default_rng(2).poisson(30 * season)
    estimate = estimate_impact(counts, 3_600, MONDAY)
    assert_sane(estimate)
    assert abs(estimate.avoided) < 0.15 * estimate.observed


@pytest.mark.parametrize(("mean", "nearly"), [(5, 0.03), (40, 0.01), (400, 0.002)])
def test_ten_times_the_contacts_are_ten_times_expected(mean, nearly):
    counts = noisy(mean, 168, 4)
    small, large = (estimate_impact(counts * factor, 140, MONDAY) for factor in (1, 10))
    assert large.expected == pytest.approx(10 * small.expected, rel=nearly)


def test_the_unit_of_the_volume_says_nothing():
    counts, volume = noisy(30, 168, 5), 900 + 300 * np.sin(np.arange(168))
    one, other = (estimate_impact(counts, 140, MONDAY, driver=volume * u) for u in (1, 1e-3))
    assert other.expected == pytest.approx(one.expected, rel=1e-9)
    assert other.p_value == pytest.approx(one.p_value, abs=1e-9)
    assert other.rate.expected == pytest.approx(1e3 * one.rate.expected, rel=1e-9)


def test_another_name_for_the_same_weekday_changes_next_to_nothing():
    counts = np.random.default_rng(6).poisson(np.resize([30, 28, 27, 25, 24, 9, 4], 168))
    first = estimate_impact(counts, 140, MONDAY)
    for shift in (1, 3, 7, 28):
        moved = estimate_impact(counts, 140, MONDAY + timedelta(shift))
        assert moved.expected == pytest.approx(first.expected, rel=0.02), shift
        assert moved.z == pytest.approx(first.z, abs=0.25), shift


def test_the_order_of_the_unaffected_themes_says_nothing():
    rng, controls = np.random.default_rng(7), noisy(12, 150, 7, 25)
    controls[:120] = rng.permuted(np.tile(controls[:120, :1], 25), axis=0)  # all the same mean
    shuffled = controls[:, np.random.default_rng(8).permutation(25)]
    counts = noisy(20, 150, 9)
    one, other = (estimate_impact(counts, 120, MONDAY, c) for c in (controls, shuffled))
    assert (one.avoided_low, one.p_value) == (other.avoided_low, other.p_value)
    assert one.share_of_controls_moved == other.share_of_controls_moved


def test_days_named_twice_count_once():
    counts, holidays = noisy(20, 150, 10), [date(2024, 4, 1), date(2024, 5, 1)]
    once = estimate_impact(counts, 120, MONDAY, holidays=holidays, skip=[120, 121])
    twice = estimate_impact(counts, 120, MONDAY, holidays=holidays * 2, skip=[121, 120, 121])
    assert (once.avoided_low, once.n_post) == (twice.avoided_low, twice.n_post)


def test_a_missing_day_is_refused_unless_it_is_skipped_with_a_number():
    counts = noisy(20, 150, 10).astype(float)
    counts[44] = np.nan
    with pytest.raises(ValueError, match="no gaps; day 44 holds nan"):
        estimate_impact(counts, 120, MONDAY)
    counts[44] = 0
    assert estimate_impact(counts, 120, MONDAY, skip=[44]).n_pre == 119


@FEW
@given(
    day=st.integers(0, 99),
    value=st.one_of(
        st.integers(-1_000, -1),
        st.sampled_from([0.5, 12.25, 1e9, float("inf"), float("nan")]),
    ),
)
def test_no_negative_fractional_or_boundless_count_gets_through(day, value):
    counts = noisy(20, 100, 10).astype(float)
    counts[day] = value
    with pytest.raises(ValueError, match=rf"^counts must be whole numbers .* day {day} holds"):
        estimate_impact(counts, 80, MONDAY)
    controls = noisy(20, 100, 11, 6).astype(float)
    controls[day, 2] = value
    with pytest.raises(ValueError, match=rf"^controls must be whole numbers .* day {day} holds"):
        estimate_impact(noisy(20, 100, 10), 80, MONDAY, controls)


# -- histories far from their own mean -----------------------------------------------------------


def far_from_the_mean(kind, rng):
    """Return 364 days before a change that does nothing, and 84 after it."""
    days = np.arange(364 + 84)
    if kind == "nearly gone":
        return rng.poisson(np.where(days < 304, 500, 3))
    if kind == "new":
        return rng.poisson(np.where(days < 364 - 60, 0, 20))
    if kind == "grown":
        return rng.poisson(np.where(days < 304, 3, 500))
    if kind == "one day of a hundred million":
        return np.where(days == 100, 10**8, rng.poisson(20, len(days)))
    weekday = {"Mondays alone": 0, "Fridays alone": 4}[kind]
    return np.where(days % 7 == weekday, rng.poisson(40, len(days)), 0)


@pytest.mark.parametrize(
    "kind",
    [
        *("nearly gone", "new", "grown", "one day of a hundred million"),
        *("Mondays alone", "Fridays alone"),
    ],
)
def test_a_history_far_from_its_own_mean_makes_no_effect_where_there_is_none(kind):
    found = [
        estimate_impact(
            far_from_the_mean(kind, np.random.default_rng([3, seed])), 364, MONDAY, alpha=0.015
        )
        for seed in range(24)
    ]
    assert not [one for one in found if one.verdict in ("fell", "rose")]
    bias = np.median([one.avoided / one.observed for one in found])
    assert abs(bias) < 0.15
