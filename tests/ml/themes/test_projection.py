"""The picture of themes: islands apart, like themes near, the same picture every time."""

from __future__ import annotations

import numpy as np
import pytest

from ml.themes.projection import label_agreement, project_themes


def islands(sizes, dimensions=32, spread=0.4, seed=3):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(len(sizes), dimensions))
    if len(sizes) > 2:
        base[1] = base[0] + 0.3 * rng.normal(size=dimensions)  # the first two are alike
    labels = np.repeat(np.arange(len(sizes)), sizes)
    vectors = base[labels] + spread * rng.normal(size=(len(labels), dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels


def test_islands_do_not_overlap_and_hold_their_own_texts():
    vectors, labels = islands([400, 300, 200, 100, 50, 20, 5, 1])

    found = project_themes(vectors, labels)

    apart = np.linalg.norm(found.centres[:, None] - found.centres[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart >= found.radii[:, None] + found.radii[None]).all()
    within = np.linalg.norm(found.positions - found.centres[labels], axis=1)
    assert (within <= found.radii[labels] + 1e-9).all()
    assert found.agreement > 0.9


def test_like_themes_lie_nearer_than_unlike_ones():
    vectors, labels = islands([100] * 8)

    found = project_themes(vectors, labels)

    apart = np.linalg.norm(found.centres[0] - found.centres[1:], axis=1)
    assert apart.argmin() == 0
    assert found.faithfulness > 0.4


def test_the_picture_is_the_same_every_time():
    vectors, labels = islands([100, 80, 60])

    first, second = project_themes(vectors, labels), project_themes(vectors, labels)

    assert first.positions.tobytes() == second.positions.tobytes()


def test_the_same_words_again_and_again_fill_an_island_instead_of_a_spot():
    vectors, labels = islands([200, 100, 50])
    vectors[:200] = vectors[0]

    found = project_themes(vectors, labels)

    assert len(np.unique(found.positions[:200].round(3), axis=0)) == 200
    assert np.isfinite(found.positions).all()


@pytest.mark.parametrize("sizes", [[1], [3], [1, 1], [2, 1], [1, 1, 1]])
def test_few_texts_are_placed_too(sizes):
    vectors, labels = islands(sizes)

    found = project_themes(vectors, labels)

    assert np.isfinite(found.positions).all()
    assert len(np.unique(found.positions.round(6), axis=0)) == len(labels)


def test_without_texts_there_is_no_picture():
    with pytest.raises(ValueError, match="no text"):
        project_themes(np.zeros((0, 8), np.float32), np.zeros(0, np.int64))


def test_agreement_counts_neighbours_and_not_the_text_itself():
    line = np.array([[0.0, 0], [1, 0], [10, 0], [11, 0]])

    assert label_agreement(line, np.array([0, 0, 1, 1]), neighbours=1) == 1.0
    assert label_agreement(line, np.array([0, 1, 0, 1]), neighbours=1) == 0.0
