"""How the history ends, and unaffected themes that stray: what they do to an estimate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from ml.impact import Verdict, estimate_impact
from ml.impact.calibration import days_before_gap, is_high, is_low, judge_strays
from ml.impact.inputs import read_series

MONDAY = date(2026, 1, 5)
N_PRE = 140


def quiet(mean, n_days, seed):
    return np.random.default_rng(seed).poisson(mean, n_days)


def after_a_peak(seed, *, fortnight=1.7):
    """A fortnight above the rest just before a change that does nothing."""
    mean = np.full(N_PRE + 28, 20.0)
    mean[N_PRE - 14 : N_PRE] *= fortnight
    return np.random.default_rng(seed).poisson(mean)


# -- the gap ---------------------------------------------------------------------------------


def test_a_change_made_on_a_peak_is_not_praised_for_the_way_back():
    believed, calibrated = (
        [estimate_impact(after_a_peak(seed), N_PRE, MONDAY, calibrate=c) for seed in range(8)]
        for c in (False, True)
    )
    assert all(one.gap_days == 14 for one in calibrated)
    assert all(one.gap_days == 0 for one in believed)
    assert sum(one.verdict is Verdict.FELL for one in believed) >= 4
    assert sum(one.verdict is Verdict.FELL for one in calibrated) <= 1
    assert "most likely is half way" in " ".join(calibrated[0].reasons)


def test_a_peak_begins_at_1_64_sd_and_not_at_1_as_in_the_study():
    assert [is_high(score) for score in (1.05, 1.63, 1.65)] == [False, False, True]


def test_a_low_begins_further_below_than_a_peak_above():
    assert [is_low(score) for score in (-1.65, -1.95, -1.97)] == [False, False, True]


@pytest.mark.parametrize("days", [7, 10, 14, 18])
@pytest.mark.parametrize("times", [0.4, 0.6])
def test_a_fall_that_began_shortly_before_is_not_put_down_to_a_change_that_did_nothing(days, times):
    began = np.arange(N_PRE + 56) >= N_PRE - days
    for seed in range(4):
        rng = np.random.default_rng([seed, days])
        counts = rng.poisson(np.where(began, times * 20, 20))
        found = estimate_impact(counts, N_PRE, MONDAY, alpha=0.015)
        assert found.gap_days == 14
        assert found.verdict is not Verdict.FELL
        assert found.avoided_low < 0 < found.avoided_high
        assert "may have fallen for good before the change" in " ".join(found.reasons)


def test_the_way_back_from_a_lull_is_not_blamed_on_a_change_that_did_nothing():
    believed, calibrated = (
        [
            estimate_impact(after_a_peak(seed, fortnight=0.6), N_PRE, MONDAY, calibrate=c)
            for seed in range(8)
        ]
        for c in (False, True)
    )
    assert sum(one.verdict is Verdict.ROSE for one in believed) >= 4
    assert sum(one.verdict is Verdict.ROSE for one in calibrated) <= 1


def test_a_fall_far_below_the_low_is_still_a_fall():
    counts = after_a_peak(3, fortnight=0.6)
    counts[N_PRE:] //= 4
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert (found.gap_days, found.verdict) == (14, Verdict.FELL)
    assert found.avoided_low > 0


def test_what_it_would_be_if_the_low_had_stayed_is_told_by_itself():
    found = estimate_impact(after_a_peak(2, fortnight=0.6), N_PRE, MONDAY)
    assert found.peak_passed is None
    assert found.low_stayed.avoided_low < found.low_stayed.avoided < found.low_stayed.avoided_high
    assert found.low_stayed.avoided < found.avoided
    believed = estimate_impact(after_a_peak(2, fortnight=0.6), N_PRE, MONDAY, calibrate=False)
    assert believed.low_stayed is None


def test_a_rise_after_a_low_is_not_made_larger_by_the_level_of_its_last_days():
    began = np.arange(N_PRE + 28) >= N_PRE - 7
    counts = np.random.default_rng(4).poisson(np.where(began, 5, 20))
    counts[N_PRE:] = np.random.default_rng(5).poisson(40, 28)
    believed = estimate_impact(counts, N_PRE, MONDAY, calibrate=False)
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert (found.gap_days, found.verdict) == (14, Verdict.ROSE)
    assert found.avoided_low >= believed.avoided_low


def test_a_history_that_ends_on_days_without_any_contact_may_have_ended():
    counts = np.random.default_rng(8).poisson(20, N_PRE + 28)
    counts[N_PRE - 14 :] = 0
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert found.gap_days == 14
    assert found.verdict is not Verdict.FELL


@pytest.mark.parametrize("days", [7, 10, 14, 18])
@pytest.mark.parametrize("times", [1.5, 3.0])
def test_trouble_that_began_shortly_before_is_not_put_down_to_a_change_that_did_nothing(
    days, times
):
    began = np.arange(N_PRE + 56) >= N_PRE - days
    for seed in range(4):
        rng = np.random.default_rng([seed, days])
        counts = rng.poisson(np.where(began, times * 20, 20))
        found = estimate_impact(counts, N_PRE, MONDAY, alpha=0.015)
        assert found.gap_days == 14
        assert found.verdict is not Verdict.ROSE
        assert found.avoided_low < found.avoided < found.avoided_high


def test_a_rise_far_above_the_peak_is_still_a_rise():
    counts = after_a_peak(3)
    counts[N_PRE:] *= 4
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert found.gap_days == 14
    assert found.verdict is Verdict.ROSE


def test_after_a_peak_the_middle_lies_between_both_beliefs_and_the_range_holds_both():
    for seed in range(4):
        counts = after_a_peak(seed)
        believed = estimate_impact(counts, N_PRE, MONDAY, calibrate=False)
        found = estimate_impact(counts, N_PRE, MONDAY)
        assert found.avoided < believed.avoided
        assert found.avoided_low < believed.avoided_low
        assert found.avoided_high >= believed.avoided_high
        ends = found.low_per_day, found.expected_per_day, found.high_per_day
        low, middle, high = (end[N_PRE:].sum() for end in ends)
        assert low < middle < high
        assert middle == pytest.approx(found.expected)
        assert found.avoided_cumulative[-1] == pytest.approx(found.avoided)


def test_what_it_would_be_if_the_peak_had_passed_is_told_by_itself():
    counts = after_a_peak(2)
    believed = estimate_impact(counts, N_PRE, MONDAY, calibrate=False)
    found = estimate_impact(counts, N_PRE, MONDAY)
    passed = found.peak_passed
    assert passed.avoided_low == found.avoided_low
    assert passed.avoided_low < passed.avoided < passed.avoided_high < found.avoided_high
    assert found.avoided == pytest.approx((passed.avoided + believed.avoided) / 2)
    assert believed.peak_passed is None


def test_a_fall_after_a_peak_is_not_made_larger_by_the_level_of_its_last_days():
    began = np.arange(N_PRE + 28) >= N_PRE - 7
    counts = np.random.default_rng(4).poisson(np.where(began, 60, 20))
    counts[N_PRE:] = np.random.default_rng(5).poisson(10, 28)
    believed = estimate_impact(counts, N_PRE, MONDAY, calibrate=False)
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert found.gap_days == 14
    assert found.verdict is Verdict.FELL
    assert found.avoided_high == believed.avoided_high


def test_between_both_beliefs_what_came_is_no_sign_of_anything():
    began = np.arange(N_PRE + 28) >= N_PRE - 12
    counts = np.random.default_rng(1).poisson(np.where(began, 40, 20))
    counts[N_PRE:] = np.random.default_rng(2).poisson(30, 28)
    found = estimate_impact(counts, N_PRE, MONDAY)
    assert (found.gap_days, found.p_value, found.z) == (14, 1.0, 0.0)
    assert found.verdict is Verdict.NO_CHANGE


def test_the_gap_days_are_still_drawn_with_what_was_expected_of_them():
    estimate = estimate_impact(after_a_peak(2), N_PRE, MONDAY)
    gap = estimate.expected_per_day[N_PRE - 14 : N_PRE]
    assert gap.mean() < 24
    assert gap.std() < 3  # a level that learnt from those days would climb


@pytest.mark.parametrize(("n_pre", "gap_days"), [(73, 0), (74, 14)])
def test_seventy_four_days_are_needed_to_try_the_last_fourteen(n_pre, gap_days):
    counts = after_a_peak(3)[N_PRE - n_pre :]
    assert estimate_impact(counts, n_pre, MONDAY).gap_days == gap_days


def test_days_that_are_not_counted_do_not_make_up_the_seventy_four():
    counts = after_a_peak(3)[N_PRE - 74 :]
    assert estimate_impact(counts, 74, MONDAY, skip=[5]).gap_days == 0


def test_a_peak_that_all_themes_shared_is_left_to_the_comparison():
    rng = np.random.default_rng(6)
    mean = np.exp(0.3 * np.sin(np.arange(N_PRE + 28) / 5))  # all themes go up and down together
    mean[N_PRE - 14 : N_PRE] *= 1.6
    controls = rng.poisson(60 * mean[:, None], (N_PRE + 28, 12))
    estimate = estimate_impact(rng.poisson(40 * mean), N_PRE, MONDAY, controls)
    assert (estimate.gap_days, estimate.own_history.gap_days) == (0, 14)


def test_the_days_before_a_gap_end_where_the_change_begins():
    counts = np.arange(N_PRE + 28)
    series = read_series(
        counts,
        N_PRE,
        MONDAY,
        controls=counts[:, None],
        driver=counts + 1.0,
        stages=np.where(counts >= N_PRE, 0.5, 0.0),
    )
    earlier = days_before_gap(series)
    assert (earlier.n_pre, earlier.n_days) == (N_PRE - 14, N_PRE)
    assert earlier.counts[-1] == N_PRE - 1
    assert len(earlier.controls) == len(earlier.volume) == len(earlier.offset) == N_PRE
    assert earlier.reached is None


# -- unaffected themes that stray ------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "moved", "factor"),
    [
        ([], 0, 1.0),
        ([3.0, -3.0] + [0.0] * 18, 2, 1.0),  # one in ten is no more than one in ten
        ([3.0, -3.0, 3.0] + [0.0] * 17, 3, np.sqrt((27 + 8) / 28)),
        ([2.0, -2.0, 2.0] + [0.0] * 17, 3, 1.0),  # never narrower
        ([4.0], 1, np.sqrt((16 + 8) / 9)),  # one theme says little
        ([40.0, 4.0, -5.0] + [0.0] * 17, 3, np.sqrt((3 * 16 + 8) / 28)),  # however far one strays
    ],
)
def test_ranges_widen_to_what_more_than_one_in_ten_themes_did(scores, moved, factor):
    strays = judge_strays(scores, range(len(scores)))
    assert (strays.tried, strays.moved) == (len(scores), moved)
    assert strays.widened_alone == pytest.approx(factor)
    if len(scores) != 1:  # which is not apart from itself
        assert strays.widened_by == pytest.approx(factor)


@pytest.fixture(scope="module")
def strayed():
    """The same theme without and with widened ranges, beside 3 of 20 themes that moved."""
    rng = np.random.default_rng(11)
    controls = rng.poisson(30, (N_PRE + 28, 20))
    controls[N_PRE:, :3] = rng.poisson(60, (28, 3))
    counts = quiet(25, N_PRE + 28, 12)
    counts[N_PRE:] = quiet(19, 28, 13)
    wide = estimate_impact(counts, N_PRE, MONDAY, controls)
    own = replace(wide.own_history, widened_by=1.0)
    known = replace(wide, widened_by=1.0, own_history=own)
    return estimate_impact(counts, N_PRE, MONDAY, controls, same_controls_as=known), wide


def test_widening_moves_every_range_by_the_same_factor(strayed):
    plain, wide = strayed
    factor = wide.widened_by
    assert plain.widened_by == 1
    assert factor > 1.2
    assert wide.expected == pytest.approx(plain.expected, rel=0.01)
    for one in (plain, wide):  # the last running total is the total
        assert one.avoided_cumulative_low[-1] == one.avoided_low

    def width(one, low, high):
        return np.log((getattr(one, high) + 0.0) / getattr(one, low))

    total = [
        np.log((one.expected - one.avoided + one.avoided_high) / (one.observed + one.avoided_low))
        for one in strayed
    ]
    assert total[1] / total[0] == pytest.approx(factor, rel=0.02)
    bands = [width(one, "low_per_day", "high_per_day") for one in strayed]
    assert bands[1][N_PRE:] / bands[0][N_PRE:] == pytest.approx(factor, rel=0.02)
    assert bands[1][:N_PRE] == pytest.approx(bands[0][:N_PRE], rel=0.001)
    running = [
        np.log(
            (one.avoided_cumulative_high - one.avoided_cumulative)
            / (one.avoided_cumulative - one.avoided_cumulative_low)
        )
        for one in strayed
    ]
    assert (running[1] > running[0]).all()  # the wider, the more lopsided


@pytest.mark.parametrize("shared", [1.0, -1.0])
def test_what_themes_share_on_a_date_widens_own_history_alone(shared):
    """The comparison takes it out: four of twenty beyond 1.96, and none far from the others."""
    scores = [2.1 * shared] * 4 + [shared] * 16
    strays = judge_strays(scores, range(20))
    assert (strays.moved, strays.apart) == (4, 0)
    assert strays.widened_by == 1
    assert strays.widened_alone == pytest.approx(np.sqrt((4 * 2.1**2 + 16 + 8) / 28))
    assert strays.left_out == ()


def test_themes_far_from_each_other_widen_a_comparison_though_none_moved():
    strays = judge_strays([1.8] * 11 + [-1.8] * 9, range(20))
    assert (strays.moved, strays.apart) == (0, 9)
    assert strays.widened_alone == 1
    assert strays.widened_by == pytest.approx(np.sqrt((9 * 3.6**2 + 8) / 28))


def test_where_more_than_a_fifth_moved_a_comparison_is_not_trusted_to_take_it_out():
    strays = judge_strays([2.1] * 5 + [1.0] * 15, range(20))
    assert strays.apart == 0
    assert strays.widened_by == strays.widened_alone == pytest.approx(np.sqrt(45.05 / 28))


def test_themes_that_moved_are_left_out_where_they_are_some_and_not_most():
    some = judge_strays([3.0, 0.1, -3.0, 0.2, 0.0, 2.0], [7, 2, 0, 4, 5, 9])
    assert some.left_out == (0, 7)  # the last moved, and lies no further from the middle than 1.85
    apart = judge_strays([1.9] * 17 + [-0.5] * 3, range(20))
    assert (apart.apart, apart.left_out) == (3, ())  # far from the others, and did not move
    assert judge_strays([3.0, 3.0, -3.0, 0.2], range(4)).left_out == ()
    assert judge_strays([3.0] + [0.0] * 19, range(20)).left_out == ()  # chance alone


def test_a_comparison_without_the_themes_that_moved_is_what_it_is_without_their_columns(strayed):
    _, wide = strayed
    assert (wide.controls_left_out, wide.controls_used) == ((0, 1, 2), 17)
    rng = np.random.default_rng(11)
    controls = rng.poisson(30, (N_PRE + 28, 20))
    counts = quiet(25, N_PRE + 28, 12)
    counts[N_PRE:] = quiet(19, 28, 13)
    without = estimate_impact(
        counts,
        N_PRE,
        MONDAY,
        controls[:, 3:],
        same_controls_as=replace(wide, controls_left_out=()),
    )
    assert without.avoided_low == wide.avoided_low
    controls[N_PRE:, :3] = rng.poisson(60, (28, 3))
    believed = estimate_impact(counts, N_PRE, MONDAY, controls, calibrate=False)
    assert (believed.controls_left_out, believed.controls_used) == ((), 20)
    assert "Compared with 17 themes" in " ".join(wide.reasons)
    assert "3 more moved on the same date and are left out" in " ".join(wide.reasons)


def test_one_theme_left_out_or_alone_is_told_as_one():
    controls = np.random.default_rng(11).poisson(30, (N_PRE + 28, 6))
    controls[N_PRE:, 0] *= 3
    counts = quiet(25, N_PRE + 28, 12)
    left_out = " ".join(estimate_impact(counts, N_PRE, MONDAY, controls).reasons)
    assert "1 more moved on the same date and is left out" in left_out
    alone = " ".join(estimate_impact(counts, N_PRE, MONDAY, controls[:, 1:2]).reasons)
    assert "1 unaffected theme has enough contacts to compare with, 5 are needed" in alone


def test_five_themes_stay_in_the_comparison_even_if_one_of_them_moved():
    controls = np.random.default_rng(11).poisson(30, (N_PRE + 28, 5))
    controls[N_PRE:, 4] *= 3
    estimate = estimate_impact(quiet(20, N_PRE + 28, 3), N_PRE, MONDAY, controls)
    assert estimate.share_of_controls_moved == 0.2
    assert (estimate.controls_used, estimate.controls_left_out) == (5, ())


def test_widening_weakens_p_and_z_and_what_could_have_been_seen(strayed):
    plain, wide = strayed
    assert wide.z / plain.z == pytest.approx(1 / wide.widened_by, rel=0.02)
    assert wide.could_have_seen / plain.could_have_seen == pytest.approx(wide.widened_by, rel=0.02)
    assert wide.p_value > plain.p_value
    alone = wide.own_history.widened_by
    assert alone != wide.widened_by
    assert wide.own_history.z / plain.own_history.z == pytest.approx(1 / alone, rel=0.03)
    assert f"{wide.controls_apart} of 20 unaffected themes strayed from the others" in " ".join(
        wide.reasons
    )
    assert not any("strayed" in reason for reason in plain.reasons)


def test_a_sibling_takes_the_factor_over_from_the_estimate_it_is_given(strayed):
    _, wide = strayed
    counts = quiet(12, N_PRE + 28, 14)
    rng = np.random.default_rng(11)
    controls = rng.poisson(30, (N_PRE + 28, 20))
    controls[N_PRE:, :3] = rng.poisson(60, (28, 3))
    asked = estimate_impact(counts, N_PRE, MONDAY, controls)
    told = estimate_impact(counts, N_PRE, MONDAY, controls, same_controls_as=wide)
    assert asked.widened_by == told.widened_by == wide.widened_by
    assert (asked.avoided_low, asked.p_value) == (told.avoided_low, told.p_value)
    other = replace(wide, widened_by=5.0)
    wider = estimate_impact(counts, N_PRE, MONDAY, controls, same_controls_as=other)
    assert wider.avoided_low < asked.avoided_low
