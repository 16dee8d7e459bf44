from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ml.themes import graph
from ml.themes.graph import (
    COLUMNS_OF_HEAD,
    Communities,
    _highest_of_rows,
    by_size,
    nearest,
    neighbour_graph,
    neighbours,
    vote,
)
from ml.themes.vectors import unit

RNG = np.random.default_rng(0)


def test_nearest_agrees_with_sorting_everything_across_blocks():
    rows = unit(RNG.normal(size=(1500, 5)))
    similarities, indexes = nearest(rows, rows, 7, is_self=True)
    full = rows @ rows.T
    np.fill_diagonal(full, -2)
    assert np.allclose(similarities, -np.sort(-full, axis=1)[:, :7], atol=1e-6)
    assert np.allclose(np.take_along_axis(full, indexes, 1), similarities, atol=1e-6)
    assert not (indexes == np.arange(1500)[:, None]).any()


def test_nearest_gives_what_there_is():
    rows = np.eye(3, dtype=np.float32)
    assert nearest(rows, rows, 15, is_self=True)[1].shape == (3, 2)
    assert nearest(rows[:1], rows[:1], 15, is_self=True)[1].shape == (1, 0)
    assert nearest(rows[:1], rows, 2, is_self=False)[1].tolist()[0][0] == 0


def test_communities_are_the_cliques_and_loners_stay_alone():
    similarities = np.full((9, 3), 0.9, np.float32)
    similarities[8] = 0
    rows = "123 023 013 012 567 467 457 456 012"
    indexes = np.array([[int(place) for place in row] for row in rows.split()])
    found = Communities(neighbour_graph(similarities, indexes), seed=0).find(1.0)
    assert found.tolist() == [0] * 4 + [1] * 4 + [2]


def test_the_graph_is_symmetric_without_weights_below_zero():
    graph = neighbour_graph(np.array([[0.5], [-0.2], [0.4]], np.float32), np.array([[1], [2], [0]]))
    assert (graph != graph.T).nnz == 0
    assert graph.min() >= 0
    assert graph[0, 1] == 0.5
    assert graph[1, 2] == 0


def test_edges_weigh_by_the_square_where_neighbours_are_many():
    similarities = np.full((21, 20), 0.5, np.float32)
    indexes = np.array([[other for other in range(21) if other != own] for own in range(21)])
    assert neighbour_graph(similarities, indexes)[0, 20] == 0.25
    assert neighbour_graph(similarities[:, :19], indexes[:, :19])[0, 1] == 0.5


def test_labels_are_numbered_by_size_then_by_appearance():
    assert by_size(np.array([5, 7, 7, 2, 9, 9])).tolist() == [2, 0, 0, 3, 1, 1]
    assert by_size(np.array([5, 7, 7]), np.array([9.0, 1, 1])).tolist() == [0, 1, 1]


def test_votes_are_weighted_and_left_over_votes_count():
    similarities = np.array([[0.9, 0.2, 0.2], [0.4, 0.3, 0.3], [-0.1, -0.2, -0.3]], np.float32)
    labels = np.array([[1, 0, 0], [1, -1, -1], [0, 0, 0]])
    found, shares = vote(similarities, labels, 2)
    assert found.tolist() == [1, -1, -1]
    assert np.allclose(shares, [0.9 / 1.3, 0.6, 0])


def test_neighbours_agree_with_comparing_all_with_all():
    rows = unit(RNG.normal(size=(2 * COLUMNS_OF_HEAD + 1500, 6)))
    rows[-40:] = rows[:40]  # equal rows: of equally near ones the first stand first
    similarities, indexes = neighbours(rows, 7)
    expected, places = nearest(rows, rows, 7, is_self=True)
    assert np.allclose(similarities, expected, atol=1e-6)
    assert (indexes == places).mean() > 0.999
    assert not (indexes == np.arange(len(rows))[:, None]).any()
    assert neighbours(rows[:3], 7)[1].shape == (3, 2)


def test_many_equal_rows_take_memory_that_grows_with_the_rows_alone():
    n_rows = 10_000
    rows = unit(np.repeat(RNG.normal(size=(1, 4)), n_rows, axis=0))
    rows[::50] = unit(RNG.normal(size=(n_rows // 50, 4)))
    tracemalloc.start()
    similarities, indexes = neighbours(rows.astype(np.float32), 15)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All pairs of the equal rows would take 20 bytes each: 1.9 GB.
    assert peak < 400e6
    assert not (indexes == np.arange(n_rows)[:, None]).any()
    assert (np.diff(np.sort(indexes, axis=1), axis=1) > 0).all()
    equal = np.setdiff1d(np.arange(n_rows), np.arange(0, n_rows, 50))
    assert np.allclose(similarities[equal], 1, atol=1e-5)
    assert np.allclose((rows[0] * rows[indexes[0]]).sum(axis=1), similarities[0], atol=1e-5)


def test_of_equally_near_ones_the_first_are_taken_however_many_there_are():
    rows = np.zeros((300, 2), np.float32)
    rows[:, 0] = 1
    rows[250] = (0, 1)
    _, indexes = nearest(rows, rows, 5, is_self=True)
    assert indexes[100].tolist() == [0, 1, 2, 3, 4]
    assert indexes[2].tolist() == [0, 1, 3, 4, 5]
    assert indexes[250].tolist() == [0, 1, 2, 3, 4]


def test_many_rows_are_compared_once_though_more_stand_near_than_in_the_head(monkeypatch):
    # three heads of columns: two to three times as many reach what the highest of one head reach
    monkeypatch.setattr(graph, "COLUMNS_OF_HEAD", 256)
    monkeypatch.setattr(graph, "MOST_CANDIDATES", 8)
    compared = []
    whole = graph.nearest

    def spy(rows, *others, **options):
        compared.append(len(rows))
        return whole(rows, *others, **options)

    monkeypatch.setattr(graph, "nearest", spy)
    rows = unit(RNG.normal(size=(5000, 12)).astype(np.float32))
    _, indexes = graph.neighbours(rows, 5)
    assert compared == []
    assert (indexes == whole(rows, rows, 5, is_self=True)[1]).mean() > 0.999


@pytest.mark.parametrize("most", [2_000, 2**16 - 1, 2**16 + 5])
def test_pairs_are_sorted_by_value_and_column_however_large_the_columns_are(most):
    rows = np.repeat(np.arange(200), 30)
    columns = np.concatenate([RNG.choice(most + 1, 30, replace=False) for _ in range(200)])
    columns[0] = most
    # equal ones, zeros of either sign and those below zero among them
    values = (RNG.integers(-3, 4, len(rows)) / np.float32(7)).astype(np.float32)
    values[values == 0] = RNG.choice([-0.0, 0.0], np.count_nonzero(values == 0))
    mixed = RNG.permutation(len(rows))

    found, places = _highest_of_rows(rows[mixed], columns[mixed], values[mixed], (200, 7))

    for row in range(200):
        pairs = sorted(zip(-values[rows == row], columns[rows == row], strict=True))[:7]
        assert found[row].tolist() == [-value for value, _ in pairs]
        assert places[row].tolist() == [column for _, column in pairs]
    assert found.dtype == np.float32
