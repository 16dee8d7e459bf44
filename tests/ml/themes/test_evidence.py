from __future__ import annotations

import numpy as np

from ml.themes.evidence import pick_evidence


def directions(degrees: list[float]) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


PROTOTYPE = directions([0])


def test_each_kind_of_evidence_is_what_its_name_says():
    vectors = directions([1, 28, 56, 80, 100, 180, -70])
    is_member = np.array([True, True, True, True, False, False, False])
    confidence = np.array([0.9, 0.8, 0.3, 0.2, 0.0, 0.0, 0.0])
    found = pick_evidence(vectors, PROTOTYPE, confidence, is_member, n_each=2)
    assert found.typical == (0, 1)
    assert found.boundary == (3, 2) or found.boundary == (3,)
    assert found.contrary == (6, 4)


def test_nearly_equal_rows_are_shown_once():
    vectors = directions([0, 1, 2, 3, 60])
    found = pick_evidence(vectors, PROTOTYPE, np.ones(5), np.ones(5, bool), n_each=3)
    assert found.typical == (0, 4)


def test_a_theme_without_members_or_strangers_has_no_such_evidence():
    vectors = directions([0, 90])
    nobody = pick_evidence(vectors, PROTOTYPE, np.zeros(2), np.zeros(2, bool))
    assert nobody.typical == nobody.boundary == ()
    assert nobody.contrary == (0, 1)
    nothing = pick_evidence(vectors[:0], PROTOTYPE, np.zeros(0), np.zeros(0, bool))
    assert nothing.typical == nothing.boundary == nothing.contrary == ()
