"""The comeback watch: loud when contacts return, quiet when they do not."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from ml.impact import watch_for_comeback

WEEK = np.array([12, 11, 10, 10, 9, 4, 2]) / 8.2857
FIRST = date(2026, 1, 5)
FIX, RETURN = 150, 220


def counts_with(*, mean=20.0, left=0.5, back=None, n_days=270, seed=0):
    """Contacts that a fix cuts to a share, and that come back from a day on if asked."""
    day = np.arange(n_days)
    share = np.where(day >= FIX, left, 1.0)
    if back is not None:
        share = np.where(day >= back, 1.0, share)
    return np.random.default_rng(seed).poisson(mean * np.resize(WEEK, n_days) * share)


@pytest.mark.parametrize("mean", [4.0, 20.0, 200.0])
def test_a_full_return_raises_the_alarm_within_three_weeks(mean):
    watch = watch_for_comeback(counts_with(mean=mean, back=RETURN), FIX, FIRST)
    assert watch.alarm
    assert RETURN <= watch.alarm_day <= RETURN + 21
    assert abs(watch.since_day - RETURN) <= 7
    assert watch.since_day <= watch.alarm_day
    assert watch.alarm_date == FIRST + timedelta(days=watch.alarm_day)
    assert watch.since_date == FIRST + timedelta(days=watch.since_day)


def test_the_excess_is_what_came_above_the_settled_level():
    watch = watch_for_comeback(counts_with(mean=200, back=RETURN), FIX, FIRST)
    assert watch.excess == pytest.approx(50 * 100, rel=0.15)  # 50 days, half of 200 a day
    assert f"{watch.excess:,.0f} more have come" in watch.reasons[0]


@pytest.mark.parametrize("mean", [4.0, 20.0, 200.0])
def test_a_fix_that_holds_is_left_in_peace(mean):
    alarms = sum(
        watch_for_comeback(counts_with(mean=mean, seed=seed, n_days=330), FIX, FIRST).alarm
        for seed in range(6)
    )
    assert alarms <= 1


def test_a_single_wild_day_is_not_a_comeback():
    counts = counts_with(mean=200)
    counts[RETURN] = 2000
    watch = watch_for_comeback(counts, FIX, FIRST)
    assert not watch.alarm
    assert (watch.alarm_day, watch.since_day, watch.excess, watch.alarm_days) == (None, None, 0, ())


def test_the_watch_starts_afresh_after_an_alarm():
    watch = watch_for_comeback(counts_with(mean=200, back=RETURN), FIX, FIRST)
    first, second = watch.alarm_days[:2]
    assert first == watch.alarm_day
    assert second > first + 1
    later = watch_for_comeback(counts_with(mean=200, back=RETURN), FIX, FIRST, watch_from=first + 1)
    assert later.alarm_day == second
    assert later.since_day > first


def test_nothing_is_said_before_the_watch_starts():
    counts = counts_with(mean=200, back=FIX + 10)
    watch = watch_for_comeback(counts[: FIX + 35], FIX, FIRST)
    assert (watch.alarm, watch.days_watched) == (False, 0)
    assert "35 days counted since the fix" in watch.reasons[0]
    assert watch_for_comeback(counts[: FIX + 36], FIX, FIRST).days_watched == 1


def test_days_after_the_fix_are_counted_without_rollout_days():
    counts = counts_with(mean=200, n_days=FIX + 40)
    assert watch_for_comeback(counts, FIX, FIRST).days_watched == 5
    assert watch_for_comeback(counts, FIX, FIRST, skip=range(FIX, FIX + 5)).days_watched == 0


def test_a_rise_shared_by_unaffected_themes_is_no_comeback():
    day = np.arange(270)
    busy = np.exp(0.3 * np.sin(day / 7)) * np.where(day >= RETURN, 1.5, 1.0)  # for everyone
    rng = np.random.default_rng(2)
    counts = rng.poisson(counts_with(mean=100) * busy)
    controls = rng.poisson(80 * busy[:, None], (270, 12))
    assert watch_for_comeback(counts, FIX, FIRST).alarm
    assert not watch_for_comeback(counts, FIX, FIRST, controls=controls).alarm


def test_holidays_keep_their_meaning_after_the_fix():
    days = [FIRST + timedelta(days=day) for day in range(25, 270, 35)]
    counts = counts_with(mean=200)
    counts[25::35] *= 3  # this theme is three times as busy on holidays
    path = watch_for_comeback(counts, FIX, FIRST, holidays=days)
    assert not path.alarm


def test_an_empty_theme_is_watched_without_complaint():
    assert not watch_for_comeback([0] * 200, 100).alarm


def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="day 3 holds -2"):
        watch_for_comeback([1, 1, 1, -2], 2)


def test_contacts_that_come_back_with_the_orders_are_no_comeback():
    orders = 1_000.0 * np.resize(WEEK, 270)
    orders[RETURN:] *= 2
    rate = np.where(np.arange(270) >= FIX, 0.01, 0.02)
    counts = np.random.default_rng(3).poisson(orders * rate)
    assert watch_for_comeback(counts, FIX, FIRST).alarm
    assert not watch_for_comeback(counts, FIX, FIRST, driver=orders).alarm
    rate[RETURN:] = 0.02
    back = np.random.default_rng(4).poisson(orders * rate)
    assert watch_for_comeback(back, FIX, FIRST, driver=orders).alarm


def test_a_prior_that_is_none_is_refused_by_the_watch_as_well():
    with pytest.raises(ValueError, match="one weight for each of the 56 settings"):
        watch_for_comeback(counts_with(), FIX, FIRST, prior=[1.0])
