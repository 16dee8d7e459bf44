"""What is more than chance among pairs of themes."""

from __future__ import annotations

import math

import pytest

from closedloop.domain.followers import chance_of_as_many, poisson_tail, stand_out


@pytest.mark.parametrize("least", [1, 3, 10, 40])
@pytest.mark.parametrize("mean", [0.5, 3.0, 12.0, 60.0])
def test_the_tail_is_the_sum_of_its_terms(least, mean):
    terms = [math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(400)]
    assert poisson_tail(least, mean) == pytest.approx(sum(terms[least:]), rel=1e-9, abs=1e-13)


def test_far_out_the_approximation_agrees_with_the_sum():
    near = poisson_tail(5_060, 4_999.0)
    assert poisson_tail(5_062, 5_001.0) == pytest.approx(near, rel=0.02)
    assert poisson_tail(0, 3.0) == 1.0
    assert poisson_tail(5_000_000, 3.0) == 0.0


def test_one_customer_again_and_again_is_one_witness():
    many = chance_of_as_many(customers=20, followed=20, expected=5)
    one = chance_of_as_many(customers=1, followed=20, expected=5)
    assert many < 1e-6
    assert one > 0.2


def test_what_was_looked_at_in_vain_counts_as_a_test():
    assert stand_out([0.04, 0.9], tests=2) == [False, False]
    assert stand_out([0.02, 0.9], tests=2) == [True, False]
    assert stand_out([0.02, 0.9], tests=100) == [False, False]
    assert stand_out([0.04, 0.03, 0.02], tests=3) == [True, True, True]
    assert stand_out([], tests=0) == []
