"""The estimator's parts: calendar, prior, mixture, control index."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from ml.impact.control import control_index, largest_donors
from ml.impact.filtering import carry_forward
from ml.impact.grid import load_grid
from ml.impact.inputs import read_series, weekdays_and_days_of_year
from ml.impact.mixture import Mixture


@pytest.mark.parametrize("first", [date(2023, 12, 20), date(2024, 2, 20), date(1969, 12, 25)])
def test_the_calendar_agrees_with_the_standard_library(first):
    week, year = weekdays_and_days_of_year(first, 400)
    days = [first + timedelta(days=day) for day in range(400)]
    assert week.tolist() == [day.weekday() for day in days]
    assert year.tolist() == [day.timetuple().tm_yday for day in days]


def test_the_shipped_prior_has_56_points_and_sums_to_one():
    grid = load_grid()
    assert len(grid.log_prior) == 56
    assert np.exp(grid.log_prior).sum() == pytest.approx(1)
    assert len(set(zip(grid.walk_sd, grid.wobble_sd, grid.wobble_memory, strict=True))) == 56
    best = np.argmax(grid.log_prior)
    assert (grid.walk_sd[best], grid.wobble_sd[best]) == (0.003, 0.08)


def test_quantiles_of_a_mixture_invert_its_distribution():
    mixture = Mixture(np.array([0.7, 0.3]), np.array([0.0, 1.5]), np.array([0.2, 0.6]), 12.0)
    for probability in (0.001, 0.025, 0.5, 0.8, 0.9995):
        found = mixture.cdf(mixture.quantile(probability))
        assert found == pytest.approx(probability, rel=1e-6)


def test_the_spread_of_a_mixture_counts_the_distance_between_its_parts():
    mixture = Mixture(np.array([0.5, 0.5]), np.array([-1.0, 1.0]), np.array([0.5, 0.5]), 12.0)
    assert mixture.sd == pytest.approx(np.sqrt(1.25))


def series_with(controls, *, n_pre=60):
    controls = np.asarray(controls)
    return read_series([1] * len(controls), n_pre, date(2026, 1, 1), controls=controls)


def test_a_minority_of_hit_themes_does_not_drag_the_index():
    controls = np.full((90, 9), 20)
    controls[60:, :4] = 5  # four of nine were hit by the same change
    index = control_index(series_with(controls))
    assert index[:60] == pytest.approx(1000)
    assert index[60:] == pytest.approx(1000, rel=0.01)


def test_a_giant_theme_does_not_own_the_index():
    controls = np.full((90, 6), 20)
    controls[:, 0] = 20_000
    controls[30, 0] *= 2
    assert control_index(series_with(controls))[30] == pytest.approx(1000 * (1 + 1 / 3), rel=0.05)


def test_a_theme_under_half_a_contact_a_day_is_no_donor():
    controls = np.ones((90, 6), int)
    controls[:30, 5] = 0
    assert largest_donors(series_with(controls), 20) == [0, 1, 2, 3, 4, 5]  # exactly .5 a day
    controls[30, 5] = 0
    assert largest_donors(series_with(controls), 20) == [0, 1, 2, 3, 4]
    controls[0, 4] = 9
    assert largest_donors(series_with(controls), 2) == [4, 0]


def test_fewer_than_five_donors_make_no_index():
    assert control_index(series_with(np.ones((90, 5), int))) is not None
    assert control_index(series_with(np.ones((90, 4), int))) is None


@pytest.mark.parametrize("days", [1, 60, 300])
def test_the_variance_after_a_change_is_that_of_going_from_day_to_day(days):
    """Days that are not counted weigh nothing; 300 days are summed in three blocks."""
    grid, rng = load_grid(), np.random.default_rng(days)
    weights = rng.uniform(5, 20, (len(grid.walk_sd), days)) * (np.arange(days) % 7 > 0)
    walk, both, wobble = np.array([[0.004], [-0.003], [0.006]]) * np.ones(len(grid.walk_sd))
    level_var, total_var = carry_forward(weights, np.stack([walk, both, wobble]), grid)
    memory, total, with_walk, with_wobble = grid.wobble_memory, 0.0, 0.0, 0.0
    for day, weight in enumerate(weights.T):
        walk, both = walk + grid.walk_sd**2, both * memory
        wobble = wobble * memory**2 + grid.wobble_sd**2 * (1 - memory**2)
        with_wobble = with_wobble * memory
        variance = walk + 2 * both + wobble
        total = total + 2 * weight * (with_walk + with_wobble) + weight**2 * variance
        with_walk, with_wobble = (
            with_walk + weight * (walk + both),
            with_wobble + weight * (both + wobble),
        )
        np.testing.assert_allclose(level_var[:, day], variance, rtol=1e-10)
        np.testing.assert_allclose(total_var[:, day], total, rtol=1e-10)
