"""Means over contacts with the error of weeks."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from closedloop.domain.means import mean_of_weeks, student_95

WEEKS = st.lists(
    st.tuples(st.integers(0, 500), st.floats(0, 1e6, allow_nan=False)), min_size=1, max_size=60
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 7, 12, 30, 51, 1000])
def test_the_percentile_of_student_is_that_of_the_table(freedom):
    assert student_95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.004)


def test_a_mean_is_over_contacts_and_not_over_weeks():
    found = mean_of_weeks([(90, 9_000.0), (10, 3_000.0)])

    assert found is not None
    assert (found.value, found.weeks, found.contacts) == (120, 2, 100)


def test_weeks_of_one_contact_each_have_the_error_of_a_plain_mean():
    values = [310.0, 420.0, 280.0, 510.0, 333.0]

    found = mean_of_weeks([(1, value) for value in values])

    assert found is not None
    assert found.error == pytest.approx(statistics.stdev(values) / math.sqrt(len(values)))


def test_contacts_alike_within_a_week_do_not_make_the_mean_surer():
    weeks = [(1, 300.0), (1, 400.0), (1, 350.0)]

    assert mean_of_weeks([(n * 50, total * 50) for n, total in weeks]).error == pytest.approx(
        mean_of_weeks(weeks).error
    )


def test_the_error_is_that_of_means_drawn_again_and_again():
    rng = np.random.default_rng(5)
    means, errors = [], []
    for _ in range(400):
        level = rng.normal(480, 60, 40)  # what a week shares
        counts = rng.poisson(25, 40)
        totals = [rng.normal(mean, 200, n).sum() for mean, n in zip(level, counts, strict=True)]
        found = mean_of_weeks(zip(counts.tolist(), totals, strict=True))
        means.append(found.value)
        errors.append(found.error)

    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    assert np.mean(errors) > 1.5 * 200 / math.sqrt(40 * 25)  # contacts alone would say less


def test_a_single_week_tells_no_error_and_no_contact_no_mean():
    assert mean_of_weeks([(0, 0.0), (7, 700.0)]).error is None
    assert mean_of_weeks([(0, 0.0)]) is None
    assert mean_of_weeks([]) is None


@given(WEEKS, st.floats(0.1, 10))
def test_a_mean_scales_with_what_is_averaged(weeks, factor):
    found = mean_of_weeks(weeks)
    scaled = mean_of_weeks([(n, total * factor) for n, total in weeks])

    assert (found is None) == (scaled is None)
    if found is not None:
        assert scaled.value == pytest.approx(found.value * factor, rel=1e-9, abs=1e-9)
        if found.error is not None:
            size = max(total for _, total in weeks)
            assert scaled.error == pytest.approx(
                found.error * factor, rel=1e-6, abs=1e-7 * size + 1e-9
            )
