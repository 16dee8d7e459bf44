from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from closedloop.domain.chance import false_discovery_rates


def test_false_discovery_rates_are_those_of_another_program():
    drawn = random.Random(3)
    p_values = [drawn.random() ** 4 for _ in range(60)]

    assert false_discovery_rates(p_values) == pytest.approx(false_discovery_control(p_values))
    assert false_discovery_rates([]) == []


def test_tests_that_found_nothing_count_as_if_each_had_been_certainly_chance():
    p_values = [0.04, 0.001, 0.02]
    with_others = false_discovery_control([*p_values, *([1.0] * 7)])

    assert false_discovery_rates(p_values, tests=10) == pytest.approx(with_others[:3])
    assert false_discovery_rates(p_values, tests=2) == false_discovery_rates(p_values)


def test_false_discovery_rates_are_those_of_benjamini_and_hochbergs_paper():
    # their example, 15 p-values; the largest that is claimed at .05 is the fourth
    paper = [
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
    ]
    found = false_discovery_rates(paper)
    assert [q <= 0.05 for q in found] == [True] * 4 + [False] * 11
    assert found[3] == pytest.approx(0.0095 * 15 / 4)
    assert found[5] == pytest.approx(0.0298 * 15 / 7)  # the seventh is the least from there on


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_discovery_rates_never_lie_below_p_values_and_keep_their_order(p_values):
    found = false_discovery_rates(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, found, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, found, strict=True))]
    assert ranked == sorted(ranked)
