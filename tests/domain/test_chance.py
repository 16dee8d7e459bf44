from __future__ import annotations

import random

import pytest
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
