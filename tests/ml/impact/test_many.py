"""Many themes at once, over processes: the same bits as one at a time."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context

import numpy as np
import pytest

from ml.impact import ImpactCase, estimate_impact, estimate_many

FIRST = date(2023, 3, 1)


def series(mean, n_days, seed, *, many=None, peak=None):
    """Drifting counts; a fortnight before `peak` is half again as high."""
    rng = np.random.default_rng(seed)
    level = mean * np.exp(np.cumsum(rng.normal(0, 0.004, n_days)))
    if peak is not None:
        level[peak - 14 : peak] *= 1.5
    return rng.poisson(level) if many is None else rng.poisson(level[:, None], (n_days, many))


@pytest.fixture(scope="module")
def cases():
    """Of several lengths and kinds, so that those which share a loop end on different days."""
    shared = series(25, 168, 1, many=9)
    shared[140:, :2] *= 3
    three_years = 1_095
    return [
        ImpactCase(series(20, 168, 2), 140, FIRST, shared),
        ImpactCase(series(8, 168, 3, peak=140), 140, FIRST, shared, holidays=[date(2023, 5, 1)]),
        ImpactCase(series(300, 100, 4), 77, FIRST, alpha=0.015, level=0.9),
        ImpactCase(series(3, 65, 5), 65, FIRST),
        ImpactCase(series(40, three_years, 6), three_years - 60, FIRST, skip=(1_040, 1_041)),
        ImpactCase(
            series(20, 168, 7), 140, FIRST, shared[:, 1:], driver=900.0 + np.arange(168) % 5
        ),
        ImpactCase(series(20, 168, 2), 140, FIRST, shared, calibrate=False),
        ImpactCase(series(20, 168, 2), 140, FIRST, shared, prior=np.arange(56.0)),
    ]


def one_at_a_time(case):
    given = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    return estimate_impact(**given)


def assert_same_bits(found, wanted):
    for field in dataclasses.fields(wanted):
        mine, other = getattr(found, field.name), getattr(wanted, field.name)
        if isinstance(other, np.ndarray):
            assert mine.tobytes() == other.tobytes(), field.name
        else:
            assert mine == other, field.name


@pytest.mark.parametrize("chunk", [3, 32])
def test_many_at_once_give_the_bits_of_one_at_a_time(cases, chunk):
    found = estimate_many(cases, chunk=chunk)
    assert found[1].gap_days == 14
    assert found[0].widened_by > 1
    for estimate, case in zip(found, cases, strict=True):
        assert_same_bits(estimate, one_at_a_time(case))


def test_another_process_with_one_thread_gives_the_same_bits(cases, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = estimate_many(cases, chunk=4, spread=pool.map)
    for estimate, wanted in zip(there, estimate_many(cases), strict=True):
        assert_same_bits(estimate, wanted)


def test_the_prior_of_a_site_reaches_every_fit(cases):
    found = estimate_many(cases)
    assert found[7].expected != found[0].expected
    assert found[7].own_history.expected != found[0].own_history.expected


def test_a_chunk_holds_one_case_at_least(cases):
    with pytest.raises(ValueError, match="chunk must be 1 or more"):
        estimate_many(cases, chunk=0)
    assert estimate_many([]) == []
