from __future__ import annotations

import numpy as np
import pytest

from ml.themes.model import RIVALS_PER_THEME, ThemeModel
from ml.themes.vectors import DenseSpace, unit

DIMENSIONS = 24


def blobs(n_themes: int, n_each: int = 60, noise: float = 0.06, seed: int = 0):
    """Return unit vectors around random directions, and whose they are."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(n_themes, DIMENSIONS)))
    labels = np.repeat(np.arange(n_themes), n_each)
    return unit(centres[labels] + noise * rng.normal(size=(len(labels), DIMENSIONS))), labels


def strangers(n: int) -> np.ndarray:
    return unit(np.random.default_rng(99).normal(size=(n, DIMENSIONS)))


@pytest.fixture(scope="module")
def data():
    return blobs(6)


@pytest.fixture(scope="module")
def model(data):
    vectors, labels = data
    return ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors))


def test_new_texts_of_a_theme_are_recognised_and_strangers_refused(model):
    rng = np.random.default_rng(5)
    vectors, labels = blobs(6, n_each=40)
    new = unit(vectors + 0.03 * rng.normal(size=vectors.shape))
    found, confidence = model.assign(new)
    assert (found == labels).mean() > 0.95
    assert (model.assign(strangers(500))[0] == -1).mean() > 0.95
    assert (confidence[found >= 0] > 0).all()
    assert confidence.max() <= 1


def test_confidence_falls_towards_the_border_between_two_themes(model, data):
    vectors, labels = data
    a, b = vectors[labels == 0].mean(axis=0), vectors[labels == 1].mean(axis=0)
    steps = unit(np.array([a, 0.7 * a + 0.3 * b, 0.55 * a + 0.45 * b]))
    confidence = model.confidence(steps, np.zeros(3, np.int64))
    assert confidence[0] > confidence[1] > confidence[2] > 0


def test_restrict_keeps_what_the_kept_themes_claimed_and_refuses_the_rest(model, data):
    vectors, _ = data
    everything = np.vstack([vectors, strangers(300)])
    full, certainty = model.assign(everything)
    small = model.restrict([4, 1])
    assert small.n_themes == 2
    found, confidence = small.assign(everything)
    expected = np.select([full == 4, full == 1], [0, 1], -1)
    assert (found == expected).all()
    assert np.allclose(confidence[found >= 0], certainty[found >= 0], atol=1e-6)


def test_rivals_of_a_restricted_model_are_few_and_still_the_near_ones():
    vectors, labels = blobs(40, n_each=50)
    model = ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors))
    small = model.restrict([7])
    assert len(small.to_bytes()) < len(model.to_bytes()) / 2
    assert sum(len(part.ids) for part in small._parts) <= RIVALS_PER_THEME + 8
    assert ((small.assign(vectors)[0] == 0) == (model.assign(vectors)[0] == 7)).mean() > 0.999


def test_themes_of_one_run_put_together_again_are_the_run(model, data):
    vectors, _ = data
    parts = [model.restrict([label]) for label in range(6)]
    again = ThemeModel.combine(parts)
    assert again.n_themes == 6
    everything = np.vstack([vectors, strangers(200)])
    assert (again.assign(everything)[0] == model.assign(everything)[0]).all()


def test_combine_shifts_the_labels_of_later_models():
    vectors, labels = blobs(4, n_each=80)
    early = labels < 2
    one = ThemeModel.fit(vectors[early], labels[early], DenseSpace.fit(vectors[early]))
    two = ThemeModel.fit(vectors[~early], labels[~early] - 2, DenseSpace.fit(vectors[~early]))
    both = ThemeModel.combine([one, two])
    assert both.n_themes == 4
    found, _ = both.assign(vectors)
    assert (found == labels)[found >= 0].mean() > 0.99
    assert (found >= 0).mean() > 0.9


def test_a_model_combined_with_itself_prefers_the_earlier_label(model, data):
    vectors, _ = data
    twice = ThemeModel.combine([model, model])
    assert twice.n_themes == 12
    assert (twice.assign(vectors)[0] == model.assign(vectors)[0]).all()


def test_a_rival_in_one_model_does_not_take_texts_from_another_run(data):
    vectors, labels = data
    one = ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors)).restrict([0])
    half = labels < 3
    two = ThemeModel.fit(vectors[half], labels[half], DenseSpace.fit(vectors[half])).restrict([1])
    found, _ = ThemeModel.combine([one, two]).assign(vectors)
    assert (found[labels == 0] == 0).mean() > 0.9
    assert (found[labels == 1] == 1).mean() > 0.9
    assert (found[labels >= 3] == -1).mean() > 0.9


def test_a_model_that_was_saved_and_loaded_assigns_the_same(model, data, tmp_path):
    vectors, _ = data
    model.restrict([2, 0]).save(tmp_path / "model.npz")
    loaded = ThemeModel.load(tmp_path / "model.npz")
    assert loaded.to_bytes() == model.restrict([2, 0]).to_bytes()
    for mine, theirs in zip(
        model.restrict([2, 0]).assign(vectors), loaded.assign(vectors), strict=True
    ):
        assert (mine == theirs).all()


def test_assigning_in_one_go_or_one_by_one_is_the_same(model, data):
    vectors, _ = data
    alone = np.concatenate([model.assign(row[None])[0] for row in vectors])
    assert (alone == model.assign(vectors)[0]).all()


def test_a_model_without_themes_knows_nothing():
    space = DenseSpace.fit(strangers(3))
    model = ThemeModel.fit(strangers(3), np.full(3, -1), space)
    again = ThemeModel.from_bytes(model.to_bytes())
    assert again.n_themes == 0
    assert again.assign(strangers(2))[0].tolist() == [-1, -1]
    assert ThemeModel.combine([model, again]).n_themes == 0


def test_prototypes_lie_inside_their_theme(model, data):
    vectors, labels = data
    found = model.prototypes(3)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    centre = unit(vectors[labels == 3].mean(axis=0)[None])[0]
    assert (found @ centre).min() > 0.8


def test_wrong_input_is_answered_with_a_sentence(model):
    with pytest.raises(ValueError, match=r"takes vectors \(n, 24\)"):
        model.assign(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="There is no theme 6: the model knows 0 to 5"):
        model.restrict([6])
    with pytest.raises(ValueError, match="same theme twice"):
        model.restrict([1, 1])
    with pytest.raises(ValueError, match="not a theme model"):
        ThemeModel.from_bytes(b"PK but no archive")
    with pytest.raises(ValueError, match="at least one model"):
        ThemeModel.combine([])
    other = ThemeModel.fit(
        np.eye(2, dtype=np.float32), np.array([-1, -1]), DenseSpace.fit(np.eye(2))
    )
    with pytest.raises(ValueError, match="encoders of different sizes"):
        ThemeModel.combine([model, other])


def test_nearness_is_one_where_membership_begins_and_names_the_theme_a_text_is_nearest_to(
    model, data
):
    vectors, labels = data
    nearness = model.nearness(vectors)
    found, _ = model.assign(vectors)
    assert nearness.shape == (len(vectors), 6)
    assert (nearness.argmax(axis=1) == labels).mean() > 0.98
    assert (nearness[np.arange(len(found)), found] >= 1)[found >= 0].all()
    far = model.nearness(strangers(300))
    assert (far.max(axis=1)[model.assign(strangers(300))[0] < 0] < 1).mean() > 0.95
    assert (far >= 0).all()


def test_nearness_of_a_restricted_model_knows_the_kept_themes_alone(model, data):
    vectors, labels = data
    small = model.restrict([4, 1]).nearness(vectors)
    assert small.shape == (len(vectors), 2)
    assert np.allclose(small[:, 0], model.nearness(vectors)[:, 4])
    assert (small[labels == 1].argmax(axis=1) == 1).mean() > 0.98


def near_each_other():
    """Return two models of two themes each, whose first themes lie so near that both claim."""
    vectors, labels = blobs(2)
    space = DenseSpace.fit(vectors[:0])
    others, _ = blobs(2, seed=7)
    moved = unit(np.where((labels == 0)[:, None], vectors + 0.1 * others[::-1], others))
    return vectors, moved, *(ThemeModel.fit(v, labels, space) for v in (vectors, moved))


def test_in_turn_a_later_model_takes_nothing_from_an_earlier_one():
    vectors, moved, old, new = near_each_other()
    everything = np.vstack([vectors, moved])
    before, sure = old.assign(everything)
    after, confidence = ThemeModel.combine([old, new], in_turn=True).assign(everything)
    mine = before >= 0
    assert (after[mine] == before[mine]).all()
    assert (confidence[mine] == sure[mine]).all()
    alone, _ = new.assign(everything)
    assert (after[~mine] == np.where(alone >= 0, alone + 2, -1)[~mine]).all()
    assert (after >= 2).any()
    competing, _ = ThemeModel.combine([old, new]).assign(everything)
    assert (competing[mine] != before[mine]).any(), "nothing was in dispute"


def test_turns_are_kept_by_restricting_by_a_file_and_by_combining_again(tmp_path):
    vectors, moved, old, new = near_each_other()
    everything = np.vstack([vectors, moved])
    both = ThemeModel.combine([old, new], in_turn=True)
    found, _ = both.assign(everything)
    both.save(tmp_path / "model.npz")
    assert (ThemeModel.load(tmp_path / "model.npz").assign(everything)[0] == found).all()
    assert (both.restrict(range(4)).assign(everything)[0] == found).all()
    third = ThemeModel.combine([both, new], in_turn=True)
    assert (third.assign(everything)[0] == found).all()
