"""Estimating avoided contacts: do the numbers mean what their names say?"""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.impact import METHOD_VERSION, Verdict, estimate_impact

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
WEEK = [12, 11, 10, 10, 9, 4, 2]  # contacts, Monday to Sunday
MONDAY = date(2026, 1, 5)


def golden_estimate(case, *, with_control, calibrate=False):
    """The model's own word, which is what golden.json holds, unless calibration is asked for."""
    return estimate_impact(
        case["counts"],
        case["n_pre"],
        date.fromisoformat(case["first_day"]),
        controls=case["controls"] if with_control else None,
        holidays=[date.fromisoformat(day) for day in case["holidays"]],
        calibrate=calibrate,
    )


def assert_agrees(estimate, golden):
    near = pytest.approx
    tolerance = 0.005 * golden["expected"]
    assert estimate.expected == near(golden["expected"], abs=tolerance)
    assert estimate.avoided_low == near(golden["low"], abs=tolerance)
    assert estimate.avoided_high == near(golden["high"], abs=tolerance)
    assert estimate.p_value == near(golden["p"], abs=0.005)
    assert estimate.z == near(golden["z"], abs=0.005)


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda case: case["name"])
def case(request):
    return request.param


@pytest.fixture(scope="module")
def with_control(case):
    return golden_estimate(case, with_control=True)


def poisson(mean, n_days, seed, *, after=1.0, n_pre=None):
    """Poisson counts on an uneven week; from n_pre on the mean is multiplied by `after`."""
    rng = np.random.default_rng(seed)
    shape = np.resize(WEEK, n_days) / np.mean(WEEK)
    step = np.where(np.arange(n_days) >= (n_pre or n_days), after, 1.0)
    return rng.poisson(mean * shape * step)


# -- agreement with the reference ------------------------------------------------------------


def test_own_history_agrees_with_the_reference(case):
    assert_agrees(golden_estimate(case, with_control=False), case["own_history"])


def test_comparison_with_unaffected_themes_agrees_with_the_reference(case, with_control):
    assert_agrees(with_control, case["with_control"])
    assert with_control.controls_used == 20


def test_own_history_is_reported_beside_the_comparison(case, with_control):
    assert_agrees(with_control.own_history, case["own_history"])


def test_the_verdict_never_contradicts_the_range(case, with_control):
    for estimate in (with_control, golden_estimate(case, with_control=True, calibrate=True)):
        low, high = estimate.avoided_low, estimate.avoided_high
        if estimate.verdict is Verdict.FELL:
            assert low > 0
        if estimate.verdict is Verdict.ROSE:
            assert high < 0
        if estimate.verdict is Verdict.NO_CHANGE:
            assert low <= 0.5
            assert high >= -0.5


def test_calibration_leaves_a_case_alone_that_gives_no_cause(case, with_control):
    calibrated = golden_estimate(case, with_control=True, calibrate=True)
    moved = calibrated.share_of_controls_moved
    assert (calibrated.widened_by > 1) <= (moved > 0.1)
    if calibrated.gap_days == 0 and calibrated.widened_by == 1:
        assert calibrated.avoided_low == with_control.avoided_low
    else:
        ends = with_control.avoided_low, with_control.avoided_high  # a low may leave one of them
        assert (calibrated.avoided_low, calibrated.avoided_high) != ends


def test_a_second_run_gives_the_same_bits(case, with_control):
    again = golden_estimate(case, with_control=True)
    for field in dataclasses.fields(again):
        first, second = getattr(with_control, field.name), getattr(again, field.name)
        if isinstance(first, np.ndarray):
            assert first.tobytes() == second.tobytes(), field.name
        else:
            assert first == second, field.name


# -- what charts draw ------------------------------------------------------------------------


def test_chart_series_have_the_length_of_their_days(case, with_control):
    n_days, n_post = len(case["counts"]), len(case["counts"]) - case["n_pre"]
    for name in ("expected_per_day", "low_per_day", "high_per_day"):
        assert getattr(with_control, name).shape == (n_days,)
    for name in ("avoided_cumulative", "avoided_cumulative_low", "avoided_cumulative_high"):
        assert getattr(with_control, name).shape == (n_post,)


def test_cumulative_series_end_at_the_totals(with_control):
    assert with_control.avoided_cumulative[-1] == with_control.avoided
    assert with_control.avoided_cumulative_low[-1] == with_control.avoided_low
    assert with_control.avoided_cumulative_high[-1] == with_control.avoided_high


def test_the_running_total_reaches_its_end_without_a_jump(case, with_control):
    came = np.cumsum(case["counts"][case["n_pre"] :])
    for name in ("avoided_cumulative", "avoided_cumulative_low", "avoided_cumulative_high"):
        expected = getattr(with_control, name) + came
        assert (np.diff(expected) > 0).all(), name
        assert np.diff(expected)[-1] < 4 * np.diff(expected)[-8:-1].max(), name


def test_bands_hold_what_they_surround(with_control):
    assert (with_control.low_per_day < with_control.expected_per_day).all()
    assert (with_control.expected_per_day < with_control.high_per_day).all()
    assert (with_control.avoided_cumulative_low < with_control.avoided_cumulative).all()
    assert (with_control.avoided_cumulative < with_control.avoided_cumulative_high).all()


def test_days_after_the_change_add_up_to_the_expected_total(case, with_control):
    after = with_control.expected_per_day[case["n_pre"] :]
    assert after.sum() == pytest.approx(with_control.expected, rel=1e-12)


@pytest.mark.parametrize("mean", [1.5, 20, 300])
def test_about_19_days_in_20_lie_inside_the_daily_band(mean):
    counts = poisson(mean, 200, seed=3)
    estimate = estimate_impact(counts, 140, MONDAY)
    inside = (estimate.low_per_day <= counts) & (counts <= estimate.high_per_day)
    # zero lies below every band of a log model; a chart draws it at its foot
    inside |= (counts == 0) & (estimate.low_per_day < 1)
    assert inside[:140].mean() > 0.88
    assert inside[140:].mean() > 0.88
    assert estimate.high_per_day[140:].mean() < mean + 6 * np.sqrt(mean)


# -- the calendar ----------------------------------------------------------------------------


def test_an_uneven_week_is_expected_day_by_day():
    counts = WEEK * 20 + (WEEK * 3)[:17]  # ends after a Wednesday: 149 of a flat week's 141
    estimate = estimate_impact(counts, 140, MONDAY)
    assert estimate.expected == pytest.approx(149, rel=0.015)
    assert estimate.expected_per_day[-1] == pytest.approx(10, rel=0.03)
    assert estimate.expected_per_day[-4] == pytest.approx(2, rel=0.15)  # a Sunday


def test_a_holiday_after_the_change_is_expected_to_be_quiet():
    holidays = [MONDAY + timedelta(days=day) for day in (10, 45, 80, 115, 150)]
    counts = poisson(40, 168, seed=5)
    for day in (10, 45, 80, 115):
        counts[day] //= 4
    quiet = estimate_impact(counts, 140, MONDAY, holidays=holidays)
    unaware = estimate_impact(counts, 140, MONDAY)
    assert quiet.expected_per_day[150] < 0.5 * unaware.expected_per_day[150]
    assert quiet.expected_per_day[149] > 0.9 * unaware.expected_per_day[149]


def test_holidays_outside_the_days_change_nothing():
    counts = poisson(20, 100, seed=6)
    far = estimate_impact(counts, 70, MONDAY, holidays=[date(2020, 1, 1), date(2030, 1, 1)])
    assert far.expected == estimate_impact(counts, 70, MONDAY).expected


# -- verdicts through the front door (each rule's edges are in test_answer) ------------------


def test_thirteen_days_are_too_early_and_fourteen_are_not():
    counts = poisson(20, 134, seed=1, after=0.3, n_pre=120)
    early = estimate_impact(counts[:133], 120, MONDAY)
    assert early.verdict is Verdict.TOO_EARLY
    assert "13 days" in early.reasons[0]
    assert estimate_impact(counts, 120, MONDAY).verdict is Verdict.FELL


def test_fifty_nine_days_of_history_are_not_enough_and_sixty_are():
    counts = poisson(40, 102, seed=1, after=0.2, n_pre=60)
    assert estimate_impact(counts[1:], 59, MONDAY).verdict is Verdict.NOT_ENOUGH_DATA
    assert estimate_impact(counts, 60, MONDAY).verdict is Verdict.FELL


def test_a_theme_with_hardly_a_contact_is_not_judged():
    estimate = estimate_impact(poisson(0.8, 228, seed=2), 200, MONDAY)
    assert estimate.expected < 30
    assert estimate.verdict is Verdict.NOT_ENOUGH_DATA


def test_a_doubling_is_called_a_rise():
    estimate = estimate_impact(poisson(20, 170, seed=4, after=2.0, n_pre=140), 140, MONDAY)
    assert estimate.verdict is Verdict.ROSE
    assert estimate.avoided_high < 0
    assert estimate.z > 2


def test_a_strict_look_does_not_call_what_an_ordinary_look_calls():
    case = next(case for case in GOLDEN if case["name"] == "sparse +20%")
    ordinary, strict = (
        estimate_impact(
            case["counts"],
            case["n_pre"],
            date.fromisoformat(case["first_day"]),
            holidays=[date.fromisoformat(day) for day in case["holidays"]],
            alpha=alpha,
            calibrate=False,
        )
        for alpha in (0.05, 0.015)
    )
    assert ordinary.verdict is Verdict.ROSE  # p is .040
    assert strict.verdict is Verdict.INCONCLUSIVE
    assert strict.avoided_high < 0  # the range itself does not hold zero
    assert "not clearly enough" in strict.reasons[0]


def test_a_level_widens_the_range_and_leaves_the_middle():
    counts = poisson(20, 170, seed=4)
    wide, narrow = (estimate_impact(counts, 140, MONDAY, level=level) for level in (0.99, 0.8))
    assert wide.avoided == pytest.approx(narrow.avoided, rel=1e-9)
    assert wide.avoided_low < narrow.avoided_low < narrow.avoided_high < wide.avoided_high


# -- unaffected themes -----------------------------------------------------------------------


def quiet_controls(n_series):
    rng = np.random.default_rng(11)
    return rng.poisson(30, (148, n_series))


def test_one_unaffected_theme_in_five_may_move_and_one_more_may_not():
    counts, controls = poisson(20, 148, seed=12, after=0.4, n_pre=120), quiet_controls(20)
    assert estimate_impact(counts, 120, MONDAY, controls).share_of_controls_moved == 0
    controls[120:, :4] *= 3
    four = estimate_impact(counts, 120, MONDAY, controls)
    controls[120:, 4] *= 3
    five = estimate_impact(counts, 120, MONDAY, controls)
    assert (four.share_of_controls_moved, four.verdict) == (0.2, Verdict.FELL)
    assert (five.share_of_controls_moved, five.verdict) == (0.25, Verdict.INCONCLUSIVE)
    assert five.reasons[0].startswith("5 of 20 themes")


def test_the_share_that_moved_counts_themes_beyond_1_96_sd_of_their_own_history():
    case = next(case for case in GOLDEN if case["name"] == "medium -20%")
    scores = [
        golden_estimate({**case, "counts": column}, with_control=False).z
        for column in np.transpose(case["controls"])
    ]
    moved = sum(abs(score) > 1.96 for score in scores)
    assert 0 < moved < 20
    assert golden_estimate(case, with_control=True).share_of_controls_moved == moved / 20


def test_five_unaffected_themes_are_compared_with_and_four_are_not():
    counts, controls = poisson(20, 148, seed=12), quiet_controls(5)
    five = estimate_impact(counts, 120, MONDAY, controls)
    four = estimate_impact(counts, 120, MONDAY, controls[:, :4])
    alone = estimate_impact(counts, 120, MONDAY)
    assert five.controls_used == 5
    assert five.expected != alone.expected
    assert five.own_history.expected == alone.expected
    assert (four.controls_used, four.own_history) == (0, None)
    assert four.expected == alone.expected
    assert four.share_of_controls_moved is not None
    assert alone.share_of_controls_moved is None


def test_a_busy_season_shared_by_all_is_not_put_down_to_the_change():
    day = np.arange(148)
    busy = np.exp(0.3 * np.sin(day / 7)) * np.where(day >= 118, 1.5, 1.0)  # for everyone
    rng = np.random.default_rng(13)
    counts = rng.poisson(40 * busy)
    controls = rng.poisson(60 * busy[:, None], (148, 10))
    compared = estimate_impact(counts, 120, MONDAY, controls)
    alone = estimate_impact(counts, 120, MONDAY)
    assert abs(compared.avoided) < 0.1 * compared.observed
    assert abs(alone.avoided) > 0.15 * alone.observed


# -- days that are not counted ---------------------------------------------------------------


def test_rollout_days_count_neither_as_observed_nor_as_expected():
    counts = poisson(20, 154, seed=7, after=0.5, n_pre=120)
    rollout = range(120, 126)
    whole = estimate_impact(counts, 120, MONDAY)
    wild = counts.copy()
    wild[120:126] = 500
    estimate = estimate_impact(wild, 120, MONDAY, skip=rollout)
    assert estimate.observed == counts[126:].sum()
    assert estimate.n_post == 28
    assert estimate.expected == pytest.approx(whole.expected_per_day[126:].sum(), rel=0.01)
    assert (estimate.avoided_cumulative[:6] == 0).all()
    assert estimate.avoided_cumulative[-1] == estimate.avoided


def test_a_skipped_day_before_the_change_leaves_no_trace():
    counts = poisson(20, 150, seed=8)
    wild = counts.copy()
    wild[70] = 9000
    assert (
        estimate_impact(wild, 120, MONDAY, skip=[70]).avoided_low
        == estimate_impact(counts, 120, MONDAY, skip=[70]).avoided_low
    )
    assert estimate_impact(wild, 120, MONDAY, skip=[70]).n_pre == 119


def test_before_any_day_is_counted_it_is_too_early():
    counts = poisson(20, 125, seed=8)
    for estimate in (
        estimate_impact(counts, 125, MONDAY),
        estimate_impact(counts, 120, MONDAY, skip=range(120, 125)),
    ):
        assert estimate.verdict is Verdict.TOO_EARLY
        assert (estimate.observed, estimate.expected, estimate.avoided) == (0, 0, 0)
        assert estimate.p_value == 1
        assert np.isfinite(estimate.expected_per_day).all()


# -- chance ----------------------------------------------------------------------------------


def test_without_an_effect_p_is_small_about_as_often_as_it_should_be():
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drift = np.exp(np.cumsum(rng.normal(0, 0.004, 148)) + rng.normal(0, 0.08, 148))
        counts = rng.poisson(15 * drift * np.resize(WEEK, 148) / np.mean(WEEK))
        estimate = estimate_impact(counts, 120, MONDAY)
        p_values.append(estimate.p_value)
        assert estimate.verdict is not Verdict.INCONCLUSIVE
        assert (estimate.p_value < 0.05) == (estimate.verdict is not Verdict.NO_CHANGE)
    assert np.mean(np.array(p_values) < 0.05) <= 0.10
    assert 0.35 < np.median(p_values) < 0.75


def test_a_change_as_large_as_could_have_been_seen_is_usually_seen():
    seen = 0
    for seed in range(30):
        share = estimate_impact(poisson(15, 148, seed=seed), 120, MONDAY).could_have_seen
        counts = poisson(15, 148, seed=seed, after=1 - share, n_pre=120)
        seen += estimate_impact(counts, 120, MONDAY).verdict is Verdict.FELL
    assert 0.2 < share < 0.5
    assert seen >= 22


# -- input that cannot be meant, and input that merely looks so ------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"counts": [5, -1, 5]}, "day 1 holds -1"),
        ({"counts": [5.0, 5.0, float("nan")]}, "day 2 holds nan"),
        ({"counts": [5.0, float("inf"), 5.0]}, "day 1 holds inf"),
        ({"counts": [5, 5.5, 5]}, "day 1 holds 5.5"),
        ({"counts": [[1, 2, 3]]}, "one number for each day"),
        ({"counts": []}, "one number for each day"),
        ({"counts": ["many", 2, 3]}, "counts must be numbers"),
        ({"n_pre": 0}, "between 1 and the 3 days"),
        ({"n_pre": 4}, "between 1 and the 3 days"),
        ({"n_pre": 1.5}, "whole number of days"),
        ({"controls": [[1], [2]]}, "a row for each of the 3 days"),
        ({"controls": [1, 2, 3]}, "a row for each of the 3 days"),
        ({"controls": [[1], [-2], [3]]}, "controls must be whole numbers from 0 up"),
        ({"holidays": ["2026-01-01"]}, "holidays must be dates"),
        ({"skip": [3]}, "skip names day 3"),
        ({"skip": [0, 1]}, "no day before the change"),
        ({"skip": [1.5]}, "skip must hold whole numbers of days; got 1.5"),
        ({"skip": ["2"]}, "skip must hold whole numbers"),
        ({"first_day": "2026-01-01"}, "first_day must be a date; got '2026-01-01'"),
        ({"prior": ["a"] * 56}, "prior must be numbers"),
        ({"level": 95}, "level must lie between"),
        ({"alpha": 0}, "alpha must lie between"),
    ],
)
def test_input_that_cannot_be_meant_is_refused_in_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimate_impact(**({"counts": [5, 5, 5], "n_pre": 2} | change))


def test_a_first_day_with_a_time_counts_as_its_day():
    counts, holiday = [7, 9, 8, 6] * 30, [date(2026, 3, 1)]
    one, other = (
        estimate_impact(counts, 90, first_day, holidays=holiday)
        for first_day in (date(2026, 1, 5), datetime(2026, 1, 5, 13, 30))
    )
    assert one.expected == other.expected


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(150, int),
        np.r_[np.zeros(120, int), np.full(30, 9)],
        np.r_[np.full(120, 9), np.zeros(30, int)],
        np.full(150, 1_000_000),
        np.r_[np.full(119, 5), 4000, np.full(30, 5)],
    ],
    ids=["all zero", "zero before", "zero after", "a million a day", "a spike"],
)
def test_odd_series_give_finite_numbers(counts):
    estimate = estimate_impact(counts, 120, MONDAY, controls=np.zeros((150, 6), int))
    for name in ("expected", "avoided_low", "avoided_high", "p_value", "z"):
        assert np.isfinite(getattr(estimate, name)), name
    for name in ("low_per_day", "high_per_day", "avoided_cumulative_high"):
        assert np.isfinite(getattr(estimate, name)).all(), name


@pytest.mark.parametrize(("n_days", "n_pre"), [(1, 1), (2, 1), (15, 1), (30, 29)])
def test_very_short_series_are_answered(n_days, n_pre):
    estimate = estimate_impact([7] * n_days, n_pre)
    assert estimate.verdict in {Verdict.TOO_EARLY, Verdict.NOT_ENOUGH_DATA}


def test_an_estimate_cannot_be_altered():
    estimate = estimate_impact([7] * 100, 70)
    with pytest.raises(ValueError, match="read-only"):
        estimate.expected_per_day[0] = 0
    assert estimate.method_version == METHOD_VERSION
