from __future__ import annotations

import numpy as np

from ml.themes.prototypes import fit_prototypes, fit_thresholds
from ml.themes.vectors import DenseSpace, unit

RNG = np.random.default_rng(0)


def test_a_theme_of_two_wordings_gets_prototypes_for_both():
    ends = np.eye(4, dtype=np.float32)[:2]
    vectors = unit(np.repeat(ends, 20, axis=0) + 0.05 * RNG.normal(size=(40, 4)))
    found, owners = fit_prototypes(vectors, np.zeros(40, int), 1, DenseSpace.fit(vectors))
    assert set(owners.tolist()) == {0}
    assert 2 <= len(found) <= 8
    assert (found @ ends.T).max(axis=0).min() > 0.98


def test_small_themes_have_one_prototype_and_owners_are_sorted():
    vectors = unit(RNG.normal(size=(16, 4)))
    labels = np.array([1] * 4 + [0] * 12)
    _, owners = fit_prototypes(vectors, labels, 2, DenseSpace.fit(vectors))
    assert owners.tolist() == sorted(owners.tolist())
    assert owners.tolist().count(1) == 1


def test_thresholds_turn_away_strangers_at_the_cost_of_few_members():
    members = np.linspace(0.5, 0.9, 100, dtype=np.float32)
    strangers = np.full(50, 0.51, np.float32)
    own = np.concatenate([members, strangers])[:, None]
    labels = np.array([0] * 100 + [-1] * 50)
    with_strangers, typical = fit_thresholds(lambda rows: rows, own, labels, 1)
    alone, _ = fit_thresholds(lambda rows: rows, own[:100], labels[:100], 1)
    assert with_strangers[0] > alone[0]
    assert (members < with_strangers[0] + 0.03).mean() <= 0.1
    assert np.isclose(typical[0], 0.7, atol=0.01)
