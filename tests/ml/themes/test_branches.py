"""Splitting a theme by examples: who leaves, who stays, and that nobody else notices."""

from __future__ import annotations

import numpy as np
import pytest

from ml.themes.branches import grow_branch
from ml.themes.model import ThemeModel
from ml.themes.vectors import DenseSpace, unit

DIMENSIONS = 24


@pytest.fixture(scope="module")
def data():
    """Six directions around which texts lie; the first two pass for one theme."""
    rng = np.random.default_rng(3)
    centres = unit(rng.normal(size=(6, DIMENSIONS)))
    centres[1] = unit((0.8 * centres[0] + 0.6 * centres[1])[None])[0]
    kinds = np.repeat(np.arange(6), [80, 40, 60, 60, 60, 60])
    vectors = unit(centres[kinds] + 0.06 * rng.normal(size=(len(kinds), DIMENSIONS)))
    return vectors.astype(np.float32), kinds


@pytest.fixture(scope="module")
def model(data):
    vectors, kinds = data
    return ThemeModel.fit(vectors, np.maximum(kinds - 1, 0), DenseSpace.fit(vectors))


@pytest.fixture(scope="module")
def split(model, data):
    vectors, kinds = data
    members = vectors[model.assign(vectors)[0] == 0]
    return model.branch(0, members=members, examples=vectors[kinds == 1][:3])


def test_three_examples_bring_their_kind_along_and_leave_the_rest(split, data):
    vectors, kinds = data
    found, _ = split.assign(vectors)
    assert split.n_themes == 6
    assert (found[kinds == 1] == 5).mean() > 0.9
    assert (found[kinds == 0] == 0).mean() > 0.9


def test_other_themes_and_every_confidence_stay_as_they_were(model, split, data):
    vectors, _ = data
    rng = np.random.default_rng(8)
    everything = np.vstack([vectors, unit(rng.normal(size=(400, DIMENSIONS))).astype(np.float32)])
    before, sure_before = model.assign(everything)
    after, sure_after = split.assign(everything)
    np.testing.assert_array_equal(np.where(after == 5, 0, after), before)
    np.testing.assert_array_equal(sure_after, sure_before)


def test_rejoining_gives_back_the_very_model(model, split):
    assert split.to_bytes() != model.to_bytes()
    assert split.rejoin([5]).to_bytes() == model.to_bytes()


def test_a_split_survives_saving_restricting_and_combining(split, data):
    vectors, kinds = data
    before, sure = split.assign(vectors)
    read = ThemeModel.from_bytes(split.to_bytes())
    np.testing.assert_array_equal(read.assign(vectors)[0], before)
    small = read.restrict([5, 0, 3])
    other = ThemeModel.fit(vectors[kinds > 4], kinds[kinds > 4] - 5, DenseSpace.fit(vectors[:5]))
    both = ThemeModel.combine([other, small])
    found, confidence = both.assign(vectors[kinds < 2])
    renumbered = np.array([2, -1, -1, 3, -1, 1])[before[kinds < 2]]
    np.testing.assert_array_equal(found, renumbered)
    np.testing.assert_array_equal(confidence, sure[kinds < 2])


def test_texts_of_a_part_that_is_dropped_fall_to_nobody(split, data):
    vectors, _ = data
    before, _ = split.assign(vectors)
    found, _ = split.restrict([0]).assign(vectors)
    assert (found[before == 5] == -1).all()
    assert (found[before == 0] == 0).all()


def test_a_part_claims_what_it_claimed_when_the_theme_it_left_is_dropped(split, data):
    vectors, _ = data
    members = vectors[split.assign(vectors)[0] == 0]
    twice = split.branch(0, members=members, examples=members[:10])
    inner = vectors[twice.assign(vectors)[0] == 6]
    thrice = twice.branch(6, members=inner, examples=inner[:1])
    before, _ = thrice.assign(vectors)
    assert {0, 5, 6, 7} <= set(before.tolist())
    for kept in ([5], [5, 6], [6], [7], [7, 5], [0, 7], [3, 6, 7]):
        renumber = np.full(9, -1)
        renumber[kept] = np.arange(len(kept))
        restricted = ThemeModel.from_bytes(thrice.restrict(kept).to_bytes())
        np.testing.assert_array_equal(restricted.assign(vectors)[0], renumber[before], str(kept))
        assert restricted.confidence(vectors, np.full(len(vectors), -1)).max() == 0


def test_a_part_can_be_split_again_and_only_the_last_taken_back(split, data):
    vectors, _ = data
    members = vectors[split.assign(vectors)[0] == 5]
    twice = split.branch(5, members=members, examples=members[:1])
    found, _ = twice.assign(vectors)
    assert found[np.flatnonzero(split.assign(vectors)[0] == 5)[0]] == 6
    with pytest.raises(ValueError, match="branched off label 5"):
        twice.rejoin([5])
    assert twice.rejoin([6]).to_bytes() == split.to_bytes()


def test_prototypes_of_both_parts_are_their_own(split, data):
    vectors, kinds = data
    old, new = split.prototypes(0), split.prototypes(5)
    centre = vectors[kinds == 1].mean(axis=0)
    assert (new @ centre).max() > (old @ centre).max()
    np.testing.assert_allclose(np.linalg.norm(np.vstack([old, new]), axis=1), 1, atol=1e-3)


def test_confidence_of_a_part_is_that_of_the_theme_it_left(split, model, data):
    vectors, _ = data
    found, _ = split.assign(vectors)
    rows = found == 5
    np.testing.assert_array_equal(
        split.confidence(vectors[rows], found[rows]),
        model.confidence(vectors[rows], np.zeros(rows.sum(), np.int64)),
    )


def test_examples_that_everything_is_like_leave_nothing_to_split():
    one = np.ones((4, 3), np.float32) / np.sqrt(3)
    with pytest.raises(ValueError, match="nothing is left"):
        grow_branch(0, 1, one[:0], one)
    with pytest.raises(ValueError, match="at least one example"):
        grow_branch(0, 1, one, one[:0])
