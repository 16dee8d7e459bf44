from __future__ import annotations

import numpy as np

from ml.themes.graph import Communities, nearest, neighbour_graph
from ml.themes.resolution import (
    EQUAL_WITHIN,
    RESOLUTIONS,
    centres,
    choose_resolution,
    separation,
)
from ml.themes.vectors import unit


def test_the_choice_splits_well_kept_groups_no_further():
    rng = np.random.default_rng(0)
    middle = unit(rng.normal(size=(20, 32)))
    vectors = unit(np.repeat(middle, 40, axis=0) + 0.12 * rng.normal(size=(800, 32)))
    graph = neighbour_graph(*nearest(vectors, vectors, 15, is_self=True))
    resolution, scores = choose_resolution(graph, vectors, n_neighbours=15, seed=0)
    assert len(np.unique(Communities(graph, 0).find(resolution))) == 20
    assert scores[str(resolution)] >= max(scores.values()) - EQUAL_WITHIN
    assert choose_resolution(graph, vectors, n_neighbours=15, seed=0) == (resolution, scores)


def test_a_person_moves_the_choice_by_steps_and_not_beyond_the_ends():
    vectors = unit(np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32))
    graph = neighbour_graph(*nearest(vectors, vectors, 15, is_self=True))

    def choose(finer: int) -> int:
        chosen = choose_resolution(graph, vectors, n_neighbours=15, seed=0, finer=finer)[0]
        return RESOLUTIONS.index(chosen)

    own = choose(0)
    assert [choose(s) for s in (-1, 1)] == [max(0, own - 1), min(own + 1, len(RESOLUTIONS) - 1)]
    assert (choose(-99), choose(99)) == (0, len(RESOLUTIONS) - 1)


def test_separation_is_higher_for_the_true_groups():
    vectors = unit(np.repeat(np.eye(3, dtype=np.float32), 10, axis=0) + 0.05)
    truth = np.repeat(np.arange(3), 10)
    assert separation(vectors, truth) > 0.9
    assert separation(vectors, np.tile(np.arange(3), 10)) < 0.1
    assert separation(vectors, np.zeros(30, int)) == 0


def test_centres_leave_out_what_is_left_over():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert centres(vectors, np.array([0, 0, -1]), 1).tolist() == [[1, 0]]
