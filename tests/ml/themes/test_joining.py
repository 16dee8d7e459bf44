"""Texts join the theme of their neighbours: as all-with-all would say, in blocks, with words."""

from __future__ import annotations

import numpy as np
import pytest

from ml.themes import joining
from ml.themes.cells import CellIndex
from ml.themes.graph import nearest
from ml.themes.joining import Joiner, Texts, density
from ml.themes.vectors import DenseSpace, HybridSpace, unit


def cloud(n, n_centres, dimensions=48, spread=0.8, seed=0):
    generator = np.random.default_rng(seed)
    centres = unit(generator.standard_normal((n_centres, dimensions)))
    owner = generator.integers(0, n_centres, n)
    noise = generator.standard_normal((n, dimensions)) * spread / dimensions**0.5
    return unit(centres[owner] + noise), owner


def test_cells_find_nearly_all_of_the_nearest_and_never_a_wrong_similarity():
    rows, _ = cloud(6_000, 40)
    queries, _ = cloud(500, 40, seed=0)

    similarities, indexes = CellIndex(rows, seed=3).search(queries, 10)
    true, true_indexes = nearest(queries, rows, 10, is_self=False)

    assert np.allclose(similarities, np.einsum("ij,ikj->ik", queries, rows[indexes]), atol=1e-5)
    shared = [len(set(a) & set(b)) for a, b in zip(indexes, true_indexes, strict=True)]
    assert np.mean(shared) > 9.5
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert (similarities <= true + 1e-5).all()
    again = CellIndex(rows, seed=3).search(queries, 10)
    assert np.array_equal(indexes, again[1])


def test_few_rows_are_compared_with_all():
    rows, _ = cloud(300, 5)

    found = CellIndex(rows, seed=0).search(rows[:20], 7)

    expected = nearest(rows[:20], rows, 7, is_self=False)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


def test_density_counts_copies_as_neighbours():
    similarities = np.array([[0.8, 0.4], [0.8, 0.4], [0.8, 0.4]], np.float32)

    found = density(similarities, np.array([1, 2, 5]))

    assert found == pytest.approx([0.6, 0.9, 1.0])


@pytest.fixture
def fitted():
    """Give 5,000 sampled texts of 25 themes and 1,000 others, with the word of their theme."""
    vectors, owner = cloud(6_000, 25)
    texts = [f"word{theme} and then some{i % 7}" for i, theme in enumerate(owner.tolist())]
    space = DenseSpace.fit(vectors[:5_000])
    hybrid = HybridSpace(0, 0.5, 0.3)
    dense = space.transform(vectors[:5_000])
    joint = hybrid.fit_transform(dense, texts[:5_000], None)
    joiner = Joiner(space, hybrid, dense, joint, owner[:5_000], 0.2, seed=0)
    return joiner, Texts(vectors, texts, np.ones(6_000, np.int64), None), owner


def test_others_join_the_theme_of_their_neighbours_whatever_the_blocks(fitted, monkeypatch):
    joiner, others, owner = fitted
    rows = np.arange(5_000, 6_000)

    labels = joiner.join(others, rows)

    assert np.mean(labels == owner[rows]) > 0.98
    monkeypatch.setattr(joining, "ROWS_PER_BLOCK", 37)
    assert np.mean(joiner.join(others, rows) == labels) > 0.995
    assert joiner.join(others, rows[:0]).shape == (0,)


def test_who_is_not_sure_by_meaning_is_told_by_words_or_left_over(fitted, monkeypatch):
    joiner, others, owner = fitted
    middles = [others.vectors[owner == theme].mean(axis=0) for theme in range(2)]
    between = unit((middles[0] + middles[1])[None])[0]
    texts = ["word0 and then some1", "word1 and then some1"]
    asked = Texts(np.stack([between, between]), texts, np.ones(2, np.int64), None)

    monkeypatch.setattr(joining, "SURE_BY_MEANING", 0.0)
    by_meaning = joiner.join(asked, np.arange(2))
    monkeypatch.setattr(joining, "SURE_BY_MEANING", 1.1)
    by_words = joiner.join(asked, np.arange(2))
    monkeypatch.setattr(joining, "CLEAR_MAJORITY", 1.1)
    joiner._threshold = 0.99

    assert by_meaning[0] == by_meaning[1]
    assert by_words.tolist() == [0, 1]
    assert joiner.join(asked, np.arange(2)).tolist() == [-1, -1]
