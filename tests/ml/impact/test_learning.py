"""Learning the prior: does it follow the themes, and not further than they reach?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ml.impact.grid import load_grid
from ml.impact.learning import delivered_prior, learn_prior, log_evidence

MONDAY = date(2025, 1, 6)
N_POINTS = 56


def one_sided(point, rows=1):
    """Evidence that only one setting can explain."""
    evidence = np.full((rows, N_POINTS), -600.0)
    evidence[:, point] = 0.0
    return evidence


def test_the_delivered_prior_are_weights():
    delivered = delivered_prior()
    assert delivered.shape == (N_POINTS,)
    assert delivered.sum() == pytest.approx(1)
    assert (delivered >= 0).all()


def test_themes_that_say_nothing_change_nothing():
    learnt = learn_prior([np.zeros((2, N_POINTS))] * 80, delivered_prior())

    assert learnt.weights == pytest.approx(delivered_prior())
    assert learnt.gain == pytest.approx(0, abs=1e-12)
    assert learnt.n_themes == 80


def test_the_delivered_weights_count_for_so_many_themes():
    delivered = delivered_prior()
    point = int(np.argmin(np.abs(delivered - 0.02)))
    learnt = learn_prior([one_sided(point)] * 100, delivered, shrink=50)

    assert learnt.weights[point] == pytest.approx((50 * delivered[point] + 100) / 150)
    assert learnt.weights.sum() == pytest.approx(1)
    assert learnt.gain > 0


def test_a_theme_counts_once_however_often_it_was_fitted():
    delivered = delivered_prior()
    one, other = (int(point) for point in np.argsort(delivered)[-2:])
    learnt = learn_prior([one_sided(one, rows=2)] * 30 + [one_sided(other)] * 30, delivered)

    grown = learnt.weights - delivered * 50 / 110
    assert grown[one] == pytest.approx(grown[other])


def test_themes_of_two_kinds_share_the_weights_as_they_are_many():
    delivered = delivered_prior()
    calm, restless = (int(point) for point in np.argsort(delivered)[-2:])
    learnt = learn_prior([one_sided(calm)] * 90 + [one_sided(restless)] * 30, delivered)

    taken = learnt.weights - delivered * 50 / 170
    assert taken[calm] / taken[restless] == pytest.approx(3)


def test_more_themes_move_further_from_what_is_delivered():
    delivered = delivered_prior()
    point = int(np.argsort(delivered)[-5])
    few, many = (learn_prior([one_sided(point)] * n, delivered) for n in (10, 200))

    assert delivered[point] < few.weights[point] < many.weights[point]


def test_one_theme_is_not_enough():
    with pytest.raises(ValueError, match="two themes or more; got 1"):
        learn_prior([one_sided(3)], delivered_prior())


def drifting(seed, sd, n_days=250):
    rng = np.random.default_rng(seed)
    return rng.poisson(60 * np.exp(np.cumsum(rng.normal(0, sd, n_days))))


def mean_walk(rows):
    weights = np.exp(rows[0])
    return float(weights @ load_grid().walk_sd / weights.sum())


def test_evidence_tells_a_drifting_theme_from_a_steady_one():
    steady, drifts = log_evidence(drifting(1, 0.0), MONDAY), log_evidence(drifting(1, 0.04), MONDAY)

    assert steady.shape == (1, N_POINTS)
    assert steady.max() == drifts.max() == 0
    assert mean_walk(drifts) > 3 * mean_walk(steady)


def test_evidence_with_enough_to_compare_has_a_second_row():
    rng = np.random.default_rng(3)
    together = np.exp(np.cumsum(rng.normal(0, 0.04, 250)))
    theme, controls = rng.poisson(60 * together), rng.poisson(60 * np.tile(together, (8, 1)).T)

    rows = log_evidence(theme, MONDAY, controls=controls)

    assert rows.shape == (2, N_POINTS)
    # what moves every theme is no drift of this one
    assert mean_walk(rows[1:]) < mean_walk(rows[:1]) / 2
    assert log_evidence(theme, MONDAY, controls=controls[:, :4]).shape == (1, N_POINTS)


def test_a_site_of_drifting_themes_learns_that_they_drift():
    evidence = [log_evidence(drifting(seed, 0.03, 150), MONDAY) for seed in range(20)]
    learnt = learn_prior(evidence, delivered_prior(), shrink=10)
    walk = load_grid().walk_sd

    assert learnt.weights @ walk > delivered_prior() @ walk
    assert learnt.gain > 0
