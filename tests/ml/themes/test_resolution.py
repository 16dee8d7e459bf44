from __future__ import annotations

import numpy as np
from scipy import sparse

from ml.themes.graph import nearest, neighbour_graph
from ml.themes.resolution import (
    RESOLUTIONS,
    agreed_communities,
    centres,
    choose_resolution,
    separation,
)
from ml.themes.vectors import unit


def groups(n_groups: int, n_members: int, spread: float, seed: int = 0):
    """Return a graph and vectors of groups around directions of their own."""
    rng = np.random.default_rng(seed)
    middle = unit(rng.normal(size=(n_groups, 32)))
    noise = spread * rng.normal(size=(n_groups * n_members, 32))
    vectors = unit(np.repeat(middle, n_members, axis=0) + noise)
    return neighbour_graph(*nearest(vectors, vectors, 15, is_self=True)), vectors


def test_the_choice_splits_well_kept_groups_no_further():
    graph, vectors = groups(20, 40, 0.12)
    resolution, scores = choose_resolution(graph, vectors, n_neighbours=15, seed=0)
    labels = agreed_communities(graph, vectors, np.arange(800), resolution, 0)
    assert len(np.unique(labels)) == 20
    assert list(scores) == [str(r) for r in RESOLUTIONS]
    assert choose_resolution(graph, vectors, n_neighbours=15, seed=0) == (resolution, scores)


def test_many_small_groups_are_parted_finer_than_few_large_ones():
    few, many = (
        choose_resolution(*groups(n, 1_200 // n, 0.12), n_neighbours=15, seed=0)[0] for n in (4, 60)
    )
    assert RESOLUTIONS[0] < few < many < RESOLUTIONS[-1]


def test_a_clear_group_is_not_parted_however_fine_the_others_are_compared():
    graph, vectors = groups(3, 40, 0.03)
    labels = agreed_communities(graph, vectors, np.arange(120), 1.8, 0)
    assert np.bincount(labels).tolist() == [40, 40, 40]


def test_what_most_partitions_leave_whole_stays_so_amid_texts_that_they_disagree_on():
    clear = groups(2, 60, 0.12)[1]
    strangers = unit(np.random.default_rng(1).normal(size=(400, 32)).astype(np.float32))
    vectors = np.vstack([clear, strangers]).astype(np.float32)
    graph = neighbour_graph(*nearest(vectors, vectors, 15, is_self=True))
    labels = agreed_communities(graph, vectors, np.arange(520), 2.5, 0)
    assert len(np.unique(labels[:60])) == len(np.unique(labels[60:120])) == 1
    assert labels[0] != labels[60]


def test_nodes_without_edges_are_alone():
    rows = np.eye(3, dtype=np.float32)
    alone = agreed_communities(sparse.csr_matrix((3, 3)), rows, np.arange(3), 2.0, 0)
    assert alone.tolist() == [0, 1, 2]


def test_separation_is_higher_for_the_true_groups():
    vectors = unit(np.repeat(np.eye(3, dtype=np.float32), 10, axis=0) + 0.05)
    truth = np.repeat(np.arange(3), 10)
    assert separation(vectors, truth) > 0.9
    assert separation(vectors, np.tile(np.arange(3), 10)) < 0.1
    assert separation(vectors, np.zeros(30, int)) == 0


def test_centres_leave_out_what_is_left_over():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert centres(vectors, np.array([0, 0, -1]), 1).tolist() == [[1, 0]]
