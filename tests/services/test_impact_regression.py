"""Was the change made after an unusually busy, or quiet, fortnight?"""

from __future__ import annotations

import pytest

from closedloop.domain.impact import CheckState
from closedloop.services.impact_regression import LEAST_DAYS, check_regression

WEEK = [12, 11, 10, 10, 9, 4, 2]
QUIET = [*WEEK, *[count + 1 for count in WEEK]] * 9  # 18 weeks, fortnights all alike


def busy(more: float) -> list[int]:
    """The last fortnight brings a share more than those before it."""
    return [*QUIET[:-14], *[round(count * (1 + more)) for count in QUIET[-14:]]]


def test_a_fortnight_as_usual_passes_and_says_how_usual():
    check = check_regression(QUIET, gap_days=0, avoided=120.0)

    assert check.state is CheckState.OK
    assert "brought 0% more contacts than is usual, held against the 16 weeks" in check.sentence


def test_a_fall_after_a_peak_is_questioned():
    check = check_regression(busy(0.6), gap_days=0, avoided=120.0)

    assert check.state is CheckState.WARN
    assert "60% more contacts" in check.sentence
    assert "Part of the fall may be a return" in check.sentence


def test_a_rise_after_a_lull_is_questioned():
    lull = check_regression(busy(-0.6), gap_days=0, avoided=-120.0)

    assert lull.state is CheckState.WARN
    assert "fewer contacts than is usual" in lull.sentence
    assert "Part of the rise may be a return" in lull.sentence


@pytest.mark.parametrize("more", [0.6, -0.6])
def test_where_no_fall_is_shown_none_is_spoken_of(more):
    check = check_regression(busy(more), gap_days=0, avoided=3.0, is_claimed=False)

    assert check.state is CheckState.WARN
    assert "difference may" in check.sentence
    assert "fall" not in check.sentence


def test_one_day_before_the_change_is_told_as_one():
    check = check_regression(QUIET[:1], gap_days=0, avoided=3.0)

    assert check.sentence.startswith("Only 1 day lies before the change;")


@pytest.mark.parametrize(("more", "avoided"), [(-0.6, 120.0), (0.6, -120.0)])
def test_what_went_that_way_in_the_fortnight_before_already_may_be_older_than_the_change(
    more, avoided
):
    check = check_regression(busy(more), gap_days=0, avoided=avoided)

    assert check.state is CheckState.WARN
    assert check.sentence.startswith("The 14 days before the change brought 60%")
    assert "may have begun before the change" in check.sentence


def test_a_last_week_that_went_that_way_questions_a_claim_where_the_fortnight_does_not():
    restless = [count + n // 7 % 2 * 2 + n // 14 % 3 * 3 for n, count in enumerate(QUIET)]
    fell = [*restless[:-7], *[round(count * 0.3) for count in restless[-7:]]]

    check = check_regression(fell, gap_days=0, avoided=120.0)

    assert check.state is CheckState.WARN
    assert check.sentence.startswith("The 7 days before the change brought")
    assert "The fall may have begun before the change." in check.sentence
    assert check_regression(fell, gap_days=0, avoided=-120.0).state is CheckState.OK


def test_a_peak_that_the_method_allows_for_passes():
    check = check_regression(busy(0.6), gap_days=14, avoided=120.0)

    assert check.state is CheckState.OK
    assert "unusually busy" in check.sentence
    assert "so neither counts as an effect" in check.sentence


def test_a_low_that_the_method_allows_for_passes():
    check = check_regression(busy(-0.6), gap_days=14, avoided=120.0, gap_is_low=True)

    assert check.state is CheckState.OK
    assert "unusually quiet" in check.sentence


def test_what_varies_anyway_is_neither_a_peak_nor_a_low():
    restless = [count * (3 if n // 14 % 2 else 1) for n, count in enumerate(QUIET)]

    check = check_regression(restless, gap_days=0, avoided=120.0)

    assert check.state is CheckState.OK
    assert "no more than those weeks vary" in check.sentence
    assert check.sentence.endswith("so they were neither unusually busy nor quiet.")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (QUIET[: LEAST_DAYS - 1], f"Only {LEAST_DAYS - 1} days lie before the change"),
        ([0] * 120, "No contact came in the weeks before"),
        ([], "Only 0 days"),
    ],
)
def test_without_enough_before_the_change_it_does_not_apply(before, words):
    check = check_regression(before, gap_days=0, avoided=5.0)

    assert check.state is CheckState.OFF
    assert words in check.sentence


def test_one_contact_among_none_does_not_divide_by_zero():
    before = [0] * 60 + [1] + [0] * 20

    assert check_regression(before, gap_days=0, avoided=1.0).state is CheckState.OK


def test_days_whose_import_is_missing_are_no_lull_before_the_change():
    end = len(QUIET)
    missing = range(end - 5, end)
    counts = [*QUIET[:-5], 0, 0, 0, 0, 0]
    assert check_regression(counts, gap_days=0, avoided=-120.0).state is CheckState.WARN
    told = check_regression(counts, gap_days=0, avoided=-120.0, missing=missing)
    assert told.state is CheckState.OK
    assert "2% fewer contacts" in told.sentence


def test_nor_is_an_earlier_gap_what_makes_the_last_fortnight_a_peak_or_hides_one():
    gap = range(len(QUIET) - 42, len(QUIET) - 14)
    calm = [0 if day in gap else count for day, count in enumerate(QUIET)]
    told = check_regression(calm, gap_days=0, avoided=120.0, missing=gap)
    assert (told.state, "the 12 weeks before" in told.sentence) == (CheckState.OK, True)
    peak = [0 if day in gap else count for day, count in enumerate(busy(0.6))]
    assert check_regression(peak, gap_days=0, avoided=120.0).state is CheckState.OK, "hidden"
    assert check_regression(peak, gap_days=0, avoided=120.0, missing=gap).state is CheckState.WARN


def test_where_too_little_is_known_nobody_can_tell():
    end = len(QUIET)
    found = check_regression(QUIET, gap_days=0, avoided=120.0, missing=range(end - 8, end))
    assert found.state is CheckState.OFF
    assert "import is missing" in found.sentence
    found = check_regression(QUIET[-80:], gap_days=0, avoided=120.0, missing=range(10, 20))
    assert found.state is CheckState.OFF
    assert "Only 70 counted days" in found.sentence
