"""Did contacts rise or fall steadily before the change already?"""

from __future__ import annotations

import numpy as np
import pytest

from closedloop.domain.impact import CheckState
from closedloop.services.impact_trend import check_trend


def going(a_year: float, *, start: float = 60.0, days: int = 364, seed: int = 1) -> list[int]:
    """Contacts a day with a week, growing by so much log a year."""
    at = np.arange(days)
    week = np.array([1.3, 1.2, 1.1, 1.0, 1.0, 0.8, 0.6])[at % 7]
    mean = start * np.exp(a_year * (at - days) / 364) * week
    return np.random.default_rng(seed).poisson(mean).tolist()


def test_a_fall_of_a_theme_that_was_falling_anyway_is_questioned():
    check = check_trend(going(-1.0), avoided=120.0)
    assert check.state is CheckState.WARN
    assert "In the 26 weeks before the change contacts were falling already" in check.sentence
    assert "Part of the fall may be that trend going on." in check.sentence


def test_where_no_fall_is_shown_the_trend_explains_a_difference():
    check = check_trend(going(-1.0), avoided=3.0, is_claimed=False)
    assert check.state is CheckState.WARN
    assert "Part of the difference may be that trend going on." in check.sentence


def test_a_rise_of_a_theme_that_was_rising_anyway_is_questioned():
    check = check_trend(going(1.0), avoided=-120.0)
    assert check.state is CheckState.WARN
    assert "Part of the rise" in check.sentence


@pytest.mark.parametrize(("a_year", "avoided"), [(1.0, 120.0), (-1.0, -120.0)])
def test_a_result_against_the_trend_passes_and_the_trend_is_named(a_year, avoided):
    check = check_trend(going(a_year), avoided=avoided)
    assert check.state is CheckState.OK
    assert "The result goes the other way." in check.sentence


@pytest.mark.parametrize("start", [0.5, 5.0, 60.0])
def test_contacts_that_only_vary_are_no_trend(start):
    checks = [check_trend(going(0.0, start=start, seed=seed), avoided=1.0) for seed in range(40)]
    states = [check.state for check in checks]
    assert states.count(CheckState.WARN) <= 1  # three standard errors are chance now and then
    assert "neither rose nor fell" in checks[0].sentence


def test_the_pace_is_what_a_year_of_it_makes_of_contacts():
    exact = [round(10_000 * 0.5 ** (day / 364)) for day in range(364)]
    assert "at a pace of 50% a year" in check_trend(exact, avoided=1.0).sentence


@pytest.mark.parametrize(
    "before",
    [[], [5] * 83, [0] * 300 + [5] * 83, [0] * 364, [1] + [0] * 363],
    ids=["none", "under 12 weeks", "new", "never any", "one contact"],
)
def test_with_too_little_before_the_change_nothing_is_said_of_a_trend(before):
    check = check_trend(before, avoided=10.0)
    assert check.state is CheckState.OFF
    assert "too few to tell" in check.sentence


def without(days: list[int], missing: range) -> list[int]:
    """The same days as they look while the import of some is missing."""
    return [0 if place in missing else count for place, count in enumerate(days)]


@pytest.mark.parametrize("missing", [range(330, 357), range(355, 364), range(182, 200)])
def test_days_whose_import_is_missing_make_no_trend(missing):
    days = without(going(0.0), missing)
    check = check_trend(days, avoided=120.0, missing=missing)
    assert check.state is CheckState.OK
    assert "neither rose nor fell" in check.sentence


@pytest.mark.parametrize("missing", [range(300, 309), range(361, 364), range(190, 216)])
def test_days_whose_import_is_missing_hide_no_trend(missing):
    exact = [round(10_000 * 0.5 ** (day / 364)) for day in range(364)]
    check = check_trend(without(exact, missing), avoided=1.0, missing=missing)
    assert "at a pace of 50% a year" in check.sentence


def test_weekdays_that_are_missing_lately_are_not_taken_for_a_fall():
    late = [day for day in range(364) if day > 270 and day % 7 < 2]
    days = [0 if day in late else count for day, count in enumerate(going(0.0))]
    assert check_trend(days, avoided=120.0).state is CheckState.WARN  # as if they were empty
    check = check_trend(days, avoided=120.0, missing=late)
    assert "neither rose nor fell" in check.sentence


def test_with_too_few_weeks_left_nothing_is_said_of_a_trend():
    missing = range(0, 364 - 7 * 11)
    check = check_trend(without(going(-1.0), missing), avoided=120.0, missing=missing)
    assert check.state is CheckState.OFF
