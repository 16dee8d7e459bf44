"""Both filters beside one that goes from day to day, for one grid point after the other."""

from __future__ import annotations

import numpy as np
import pytest

from ml.impact.blocks import Track
from ml.impact.filtering import look_ahead, run_filter
from ml.impact.grid import load_grid
from ml.impact.inverses import invert_all
from ml.impact.side_by_side import run_filters

GRID = load_grid()
POINTS = [0, 7, 20, 33, 55]


def a_track(n_pre, *, noise=0.02, unseen=()):
    """Constant, weekdays, three other columns and a response that drifts."""
    rng = np.random.default_rng(n_pre)
    weekday = (np.arange(n_pre) + 3) % 7
    contrasts = [np.where(weekday == day, 1.0, 0.0) - (weekday == 0) for day in range(1, 7)]
    others = [rng.random(n_pre) < 0.05, np.sin(np.arange(n_pre) / 58), np.arange(n_pre) / 365]
    response = rng.normal(0, np.sqrt(noise), n_pre) + np.cumsum(rng.normal(0, 0.02, n_pre))
    seen = np.ones(n_pre, dtype=bool)
    seen[list(unseen)] = False
    data = np.column_stack([np.ones(n_pre), *contrasts, *others, response])
    return Track(data, noise * rng.uniform(0.5, 2, n_pre), seen)


def day_by_day(track, point):
    """The textbook's filter."""
    walk_sd, wobble_sd, memory = (
        GRID.walk_sd[point],
        GRID.wobble_sd[point],
        GRID.wobble_memory[point],
    )
    night, added = np.diag([1.0, memory]), np.diag([walk_sd**2, wobble_sd**2 * (1 - memory**2)])
    state, covariance = np.zeros((2, track.data.shape[1])), np.diag([0.0, wobble_sd**2])
    residuals, variances = [], []
    for day, (row, noise, seen) in enumerate(zip(track.data, track.noise, track.seen, strict=True)):
        if day:
            state, covariance = night @ state, night @ covariance @ night + added
        residuals.append(row - state.sum(0))
        variances.append(covariance.sum() + noise)
        gain = seen * covariance.sum(1) / variances[-1]
        state = state + np.outer(gain, residuals[-1])
        covariance = covariance - np.outer(gain, covariance.sum(0))
    residuals, variances = np.array(residuals), np.array(variances)
    white = (residuals / np.sqrt(variances)[:, None])[track.seen]
    logs = np.log(variances[track.seen]).sum()
    return residuals, variances, white.T @ white, logs, state, covariance


TRACKS = {
    "one day": a_track(1),
    "six days": a_track(6),
    "a week": a_track(7),
    "days that teach nothing": a_track(100, unseen=(0, 1, 17, 18, 50, *range(86, 100))),
    "more blocks than run at once": a_track(400),
    "next to no noise": a_track(90, noise=1e-8),
}


@pytest.mark.parametrize("name", TRACKS)
def test_the_filter_of_weeks_is_that_of_days(name):
    track = TRACKS[name]
    found = run_filter(track, GRID)
    mix = np.random.default_rng(1).normal(size=(len(GRID.walk_sd), track.data.shape[1]))
    missed, variances = look_ahead(found.ahead, mix, GRID)
    for point in POINTS:
        residuals, wanted, cross, logs, state, covariance = day_by_day(track, point)
        sizes = np.sqrt(np.outer(np.diag(cross), np.diag(cross))) + 1e-9
        assert (np.abs(found.cross[point] - cross[:-1]) / sizes[:-1]).max() < 1e-7
        assert found.squares[point] == pytest.approx(cross[-1, -1], rel=1e-9)
        assert found.log_variances[point] == pytest.approx(logs, rel=1e-10)
        np.testing.assert_allclose(found.state[:, point], state, atol=1e-9)
        three = covariance[(0, 0, 1), (0, 1, 1)]
        np.testing.assert_allclose(found.covariance[:, point], three, rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(variances[:, point], wanted, rtol=1e-9)
        np.testing.assert_allclose(missed[:, point], residuals @ mix[point], atol=1e-9)


def test_side_by_side_is_that_of_days_whatever_the_lengths():
    tracks = [TRACKS[name] for name in ("a week", "days that teach nothing", "one day")]
    for track, found in zip(tracks, run_filters(tracks, GRID), strict=True):
        for point in POINTS:
            _, _, cross, logs, state, covariance = day_by_day(track, point)
            np.testing.assert_allclose(found.cross[point], cross[:-1], rtol=1e-9, atol=1e-9)
            assert found.squares[point] == pytest.approx(cross[-1, -1], rel=1e-10)
            assert found.log_variances[point] == pytest.approx(logs, rel=1e-10)
            np.testing.assert_allclose(found.state[:, point], state, atol=1e-10)
            three = covariance[(0, 0, 1), (0, 1, 1)]
            np.testing.assert_allclose(found.covariance[:, point], three, rtol=1e-9, atol=1e-15)


def test_inverses_and_determinants_are_those_of_lapack():
    factors = np.random.default_rng(3).normal(size=(9, 12, 11)) * 10.0 ** np.arange(-3, 8)
    matrices = factors.transpose(0, 2, 1) @ factors + np.diag(np.full(11, 1e-4))
    inverses, logs = invert_all(matrices)
    sizes = np.sqrt(np.einsum("pii->pi", np.linalg.inv(matrices)))
    away = np.abs(inverses - np.linalg.inv(matrices)) / (sizes[:, :, None] * sizes[:, None])
    assert away.max() < 1e-9
    np.testing.assert_allclose(logs, np.linalg.slogdet(matrices)[1], rtol=1e-10)
