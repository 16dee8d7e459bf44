"""What a look may claim: alone, among others, after others, and long after."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.impact import LOOK_ALPHA, QUARTER_ALPHA, Range, Verdict
from closedloop.domain.impact_judging import (
    Lately,
    LookBeside,
    is_withheld,
    judge_lately,
    look_alpha,
    only_fades,
    p_values_of_others,
    q_value,
    remeasure_days,
)


def test_a_quarterly_look_spends_next_to_nothing_unless_it_repeats_a_claim():
    assert [look_alpha(look, has_claimed=False) for look in (1, 4)] == [LOOK_ALPHA] * 2
    assert [look_alpha(look, has_claimed=False) for look in (5, 7)] == [QUARTER_ALPHA] * 2
    assert look_alpha(5, has_claimed=True) == LOOK_ALPHA


def test_the_q_value_of_a_look_is_its_false_discovery_rate_among_the_looks_beside_it():
    assert q_value(0.02, [0.001, 0.5]) == pytest.approx(0.02 * 3 / 2)
    assert q_value(0.02, []) == 0.02


def test_changes_measured_as_one_are_one_p_value_among_the_others_and_none_of_their_own():
    first, later = date(2026, 2, 20), date(2026, 2, 27)
    beside = [
        LookBeside(frozenset({1, 2}), first, 0.01),
        LookBeside(frozenset({1, 2}), first, 0.01),
        LookBeside(frozenset({3}), first, 0.2),
        LookBeside(frozenset({4}), first, 0.3),
        LookBeside(frozenset({4, 5}), later, 0.04),
        LookBeside(frozenset({5}), first, 0.5),
    ]
    assert sorted(p_values_of_others({9}, beside)) == [0.01, 0.04, 0.2]
    assert sorted(p_values_of_others({3}, reversed(beside))) == [0.01, 0.04]
    assert sorted(p_values_of_others({5}, beside)) == [0.01, 0.2], "4 is its own by way of 4 and 5"
    assert p_values_of_others({1, 3, 4}, beside) == []
    unlike = [LookBeside(frozenset({1}), first, p) for p in (0.2, 0.3, 0.1)]
    assert p_values_of_others({9}, unlike) == [0.3], "the least sure"


def test_alone_the_q_value_is_the_p_value():
    assert q_value(0.012, []) == 0.012


@pytest.mark.parametrize(
    ("verdict", "q", "withheld"),
    [
        ("fell", 0.1001, True),
        ("rose", 0.5, True),
        ("fell", 0.1, False),
        ("fell", None, False),
        ("no_change", 0.9, False),
    ],
)
def test_only_a_claim_is_withheld(verdict, q, withheld):
    assert is_withheld(Verdict(verdict), q) is withheld


FADES = {
    "has_fallen": True,
    "avoided": Range(-100, 300, 700),
    "expected": 2_000.0,
    "smallest_drop": 0.2,
}


@pytest.mark.parametrize(
    ("verdict", "look", "changes", "fades"),
    [
        ("no_change", 5, {}, True),
        ("inconclusive", 7, {}, True),
        ("no_change", 4, {}, False),  # the deciding looks take back what they gave
        ("no_change", 5, {"has_fallen": False}, False),
        ("no_change", 5, {"avoided": Range(-300, 0, 399)}, False),  # 400 is ruled out
        ("no_change", 5, {"avoided": Range(-300, 0, 400)}, True),
        ("rose", 5, {}, False),
        ("fell", 5, {}, False),
    ],
)
def test_a_range_that_only_grew_vague_takes_nothing_back(verdict, look, changes, fades):
    assert only_fades(Verdict(verdict), look, **{**FADES, **changes}) is fades


def test_it_is_measured_again_30_60_90_and_180_days_after_it_held():
    found = remeasure_days(date(2026, 3, 1))
    assert found == {
        date(2026, 3, 31): 30,
        date(2026, 4, 30): 60,
        date(2026, 5, 30): 90,
        date(2026, 8, 28): 180,
    }


@pytest.mark.parametrize(
    ("avoided", "found"),
    [
        (Range(1, 50, 90), Lately.STANDS),
        (Range(-1, 50, 90), Lately.OPEN),
        (Range(-60, -20, 19), Lately.GONE),
        (Range(-90, -50, -10), Lately.GONE),
    ],
)
def test_the_newest_days_say_whether_a_fall_still_stands(avoided, found):
    assert judge_lately(avoided, 100.0, 0.2) is found
