"""Pay-back, repeats among the contacts avoided, and rounding."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closedloop.domain.impact import Range
from closedloop.domain.payback import (
    HORIZON_DAYS,
    PaybackState,
    RepeatShare,
    cost_problems,
    pay_back,
    payback_words,
    repeats_avoided,
    round_out,
    two_figures,
)

PAGE = Path(__file__).parents[2] / "docs" / "impact" / "money.md"
LIVE = date(2026, 3, 3)
FREED = Range(100.0, 200.0, 400.0)  # pence over ten days: 10 to 40 a day


def test_the_range_of_the_day_takes_both_ranges_at_their_widest():
    found = pay_back((800, 1200), FREED, LIVE, 10)

    assert found.earliest == LIVE + timedelta(days=800 // 40 - 1)
    assert found.latest == LIVE + timedelta(days=1200 // 10 - 1)
    assert payback_words(found) == "Between 22 March 2026 and 30 June 2026."


def test_the_pay_back_of_the_worked_example_is_what_the_page_says():
    worth = Range(152_007, 206_976, 266_810)  # as tested beside the totals

    said = payback_words(pay_back((400_000, 600_000), worth, LIVE, 28))

    assert said[0].lower() + said[1:-1] in " ".join(PAGE.read_text().split())


def test_a_day_that_is_not_reached_counts_whole():
    assert pay_back((401, 401), Range(400, 400, 400), LIVE, 10).latest == LIVE + timedelta(days=10)


def test_what_costs_nothing_has_paid_back_at_once():
    assert payback_words(pay_back((0, 0), FREED, LIVE, 10)) == "On 3 March 2026."


@pytest.mark.parametrize(
    ("cost", "freed", "state", "words"),
    [
        (None, FREED, PaybackState.NO_COST, "Nobody has said"),
        ((1, 2), None, PaybackState.NOT_VALUED, "has no price"),
        ((1, 2), Range(-1, 5, 9), PaybackState.HOLDS_ZERO, "cannot be told while the range holds"),
        ((1, 2), Range(0, 5, 9), PaybackState.HOLDS_ZERO, "cannot be told while the range holds"),
        ((1, 2), Range(-9, -5, -1), PaybackState.NEVER, "does not pay back"),
        ((1, 2), Range(-9, -5, 0), PaybackState.NEVER, "does not pay back"),
        # what costs nothing may still make things worse
        ((0, 0), Range(-9, -5, -1), PaybackState.NEVER, "does not pay back"),
        ((0, 0), Range(-1, 5, 9), PaybackState.HOLDS_ZERO, "cannot be told while the range holds"),
        ((30_000, 40_000), FREED, PaybackState.NOT_WITHIN, "Not within two years."),
    ],
)
def test_where_no_day_can_be_told_it_is_said_why(cost, freed, state, words):
    found = pay_back(cost, freed, LIVE, 10)

    assert (found.state, found.earliest) == (state, None)
    assert words in payback_words(found)


def test_a_range_that_ends_past_two_years_says_so():
    found = pay_back((20_000, 40_000), FREED, LIVE, 10)

    assert found.latest is None
    assert payback_words(found) == "Not before 15 July 2027, and perhaps not within two years."


@given(
    st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted),
    st.tuples(st.floats(0.01, 1e7), st.floats(0.01, 1e7)).map(sorted),
    st.integers(1, 400),
)
def test_days_lie_in_order_within_two_years(cost, freed, n_days):
    found = pay_back(tuple(cost), Range(freed[0], freed[0], freed[1]), LIVE, n_days)

    if found.earliest is not None:
        last = LIVE + timedelta(days=HORIZON_DAYS)
        assert LIVE <= found.earliest <= (found.latest or last) <= last


@pytest.mark.parametrize(
    ("costs", "field"),
    [
        ((None, None), None),
        ((0, 0), None),
        ((100, 200), None),
        ((100, None), "cost_high"),
        ((None, 100), "cost_low"),
        ((200, 100), "cost_high"),
        ((-1, 100), "cost_low"),
        ((0, float("inf")), "cost_high"),
        ((float("nan"), 1), "cost_low"),
        ((0, 2e12), "cost_high"),
    ],
)
def test_a_cost_is_two_numbers_in_order_or_none(costs, field):
    assert list(cost_problems(*costs)) == ([field] if field else [])


def test_repeats_avoided_are_expected_ones_minus_those_that_came():
    found = repeats_avoided(
        Range(310, 420, 540), 1640, RepeatShare(1800, 540), RepeatShare(1500, 360)
    )

    assert found.middle == pytest.approx(0.3 * 2060 - 0.24 * 1640)
    assert f"avoided {found.low:.0f} to {found.high:.0f} repeats" in " ".join(
        PAGE.read_text().split()
    )


def test_repeats_avoided_hold_what_draws_hold():
    rng = np.random.default_rng(3)
    before, after, n = RepeatShare(400, 120), RepeatShare(300, 60), 60_000
    was = rng.beta(120, 280, n)
    now = rng.beta(60, 240, n)
    avoided = rng.normal(420, 60, n)
    draws = was * (1640 + avoided) - now * 1640

    found = repeats_avoided(Range(420 - 117.6, 420, 420 + 117.6), 1640, before, after)

    assert 0.94 <= np.mean((draws >= found.low) & (draws <= found.high)) <= 0.965


def test_repeats_are_not_told_from_few_contacts():
    enough, few = RepeatShare(30, 9), RepeatShare(29, 9)
    avoided = Range(1, 2, 3)

    assert repeats_avoided(avoided, 10, enough, enough) is not None
    assert repeats_avoided(avoided, 10, few, enough) is None
    assert repeats_avoided(avoided, 10, enough, few) is None


def test_no_repeat_of_forty_is_not_certain():
    found = repeats_avoided(Range(0, 0, 0), 100, RepeatShare(40, 0), RepeatShare(40, 0))

    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        (2143, 2100, 2200),
        (2100, 2100, 2100),
        (-2143, -2200, -2100),
        (0.0374, 0.037, 0.038),
        (99.5, 99, 100),
        (7, 7, 7),
        (0, 0, 0),
        (5e-324, 0, 0),
    ],
)
def test_two_figures_are_rounded_the_way_asked(value, down, up):
    assert two_figures(value, up=False) == pytest.approx(down)
    assert two_figures(value, up=True) == pytest.approx(up)


@given(st.tuples(*[st.floats(-1e9, 1e9)] * 3).map(sorted))
def test_rounding_never_makes_a_range_narrower(ends):
    found = round_out(Range(*ends))
    slack = 1e-9 * max(1, *(abs(end) for end in ends))

    assert found.low <= ends[0] + slack
    assert found.high >= ends[2] - slack
