from __future__ import annotations

import numpy as np

from ml.themes.graph import nearest, neighbour_graph
from ml.themes.resolution import centres, choose_resolution, overlap, separation
from ml.themes.vectors import unit


def test_the_choice_splits_well_kept_groups_no_further():
    rng = np.random.default_rng(0)
    middle = unit(rng.normal(size=(20, 32)))
    vectors = unit(np.repeat(middle, 40, axis=0) + 0.12 * rng.normal(size=(800, 32)))
    graph = neighbour_graph(*nearest(vectors, vectors, 15, is_self=True))
    resolution, scores = choose_resolution(graph, vectors, min_size=5, seed=0)
    assert resolution <= 3
    assert scores[str(resolution)] == max(scores.values())
    assert choose_resolution(graph, vectors, min_size=5, seed=0) == (resolution, scores)


def test_overlap_is_one_for_the_same_partition_and_half_for_a_split():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert overlap(labels, 1 - labels) == 1
    assert overlap(labels, np.array([0, 0, 2, 2, 1, 1, 3, 3])) == 0.5
    assert overlap(labels, np.array([0, 0, 0, 0, 1, 1, 2, 2])) == 0.75


def test_separation_is_higher_for_the_true_groups():
    vectors = unit(np.repeat(np.eye(3, dtype=np.float32), 10, axis=0) + 0.05)
    truth = np.repeat(np.arange(3), 10)
    assert separation(vectors, truth) > 0.9
    assert separation(vectors, np.tile(np.arange(3), 10)) < 0.1
    assert separation(vectors, np.zeros(30, int)) == 0


def test_centres_leave_out_what_is_left_over():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert centres(vectors, np.array([0, 0, -1]), 1).tolist() == [[1, 0]]
