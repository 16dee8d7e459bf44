from __future__ import annotations

import pytest
from scipy.stats import binomtest

from closedloop.domain.proportions import wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # E. B. Wilson's formula worked out by others: Newcombe (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_one_that_is_published(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (23, 25), (25, 25), (500, 1000)])
def test_the_interval_is_that_of_another_program(successes, n, confidence):
    other = binomtest(successes, n).proportion_ci(confidence, method="wilson")

    assert wilson_interval(successes, n, confidence) == pytest.approx(tuple(other), abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "n", "confidence"), [(1, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)]
)
def test_numbers_that_are_no_sample_are_refused(successes, n, confidence):
    with pytest.raises(ValueError, match="no sample"):
        wilson_interval(successes, n, confidence)
