from __future__ import annotations

import numpy as np
import pytest

from ml.themes.evidence import keyword_fit, pick_evidence


def directions(degrees: list[float]) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


PROTOTYPE = directions([0])


def test_each_kind_of_evidence_is_what_its_name_says():
    vectors = directions([1, 36, 71, 106, 140, 180, -70])
    is_member = np.array([True, True, True, True, False, False, False])
    confidence = np.array([0.9, 0.8, 0.3, 0.2, 0.0, 0.0, 0.0])
    found = pick_evidence(vectors, PROTOTYPE, confidence, is_member, n_each=2)
    assert found.typical == (1, 2)
    assert found.boundary == (3, 0)
    assert found.contrary == (6, 4)


def test_nearly_equal_rows_are_shown_once():
    vectors = directions([0, 1, 2, 3, 60])
    found = pick_evidence(vectors, PROTOTYPE, np.ones(5), np.ones(5, bool), n_each=3)
    assert found.typical == (3, 4)


def test_a_theme_without_members_or_strangers_has_no_such_evidence():
    vectors = directions([0, 90])
    nobody = pick_evidence(vectors, PROTOTYPE, np.zeros(2), np.zeros(2, bool))
    assert nobody.typical == nobody.boundary == ()
    assert nobody.contrary == (0, 1)
    nothing = pick_evidence(vectors[:0], PROTOTYPE, np.zeros(0), np.zeros(0, bool))
    assert nothing.typical == nothing.boundary == nothing.contrary == ()


def test_of_rows_equally_near_the_one_with_the_themes_words_is_typical():
    vectors = directions([-30, 30, 31, 60])
    fit = np.array([0.0, 0.0, 0.8, 0.0])

    found = pick_evidence(vectors, PROTOTYPE, np.ones(4), np.ones(4, bool), n_each=1, fit=fit)

    assert found.typical == (2,)


def test_a_far_row_does_not_become_typical_by_its_words_alone():
    vectors = directions([0, 5, 10, 85])
    fit = np.array([0.0, 0.0, 0.0, 1.0])

    found = pick_evidence(vectors, PROTOTYPE, np.ones(4), np.ones(4, bool), n_each=1, fit=fit)

    assert found.typical == (2,)


def test_typical_rows_lie_in_the_middle_also_where_the_edge_has_a_prototype():
    vectors = directions([0, 5, 10, 80])

    found = pick_evidence(vectors, vectors[3:], np.ones(4), np.ones(4, bool), n_each=1)

    assert found.typical == (2,)


def test_typical_rows_differ_from_each_other():
    # 36 degrees is nearer the middle than -37, but more like the first one.
    vectors = directions([2, 36, -37])

    found = pick_evidence(vectors, PROTOTYPE, np.ones(3), np.ones(3, bool), n_each=2)

    assert found.typical == (0, 2)


def test_nobody_is_quoted_twice_and_nothing_is_said_twice_across_kinds():
    vectors = directions([0, 40, 80, 81, 120])
    is_member = np.array([True, True, True, False, False])
    confidence = np.array([0.2, 0.9, 0.3, 0.0, 0.0])
    people = np.array([7, 7, 8, 9, 10])

    found = pick_evidence(vectors, PROTOTYPE, confidence, is_member, n_each=1, people=people)

    assert found.typical == (1,)
    assert found.boundary == (2,)  # the surer one, since the other is of person 7
    assert found.contrary == (4,)  # the nearer one says what the boundary row says


def test_spares_stand_behind_and_take_nothing_that_another_kind_shows():
    vectors = directions([0, 35, 70, 105, 140])
    confidence = np.array([0.9, 0.8, 0.7, 0.2, 0.1])

    few = pick_evidence(vectors, PROTOTYPE, confidence, np.ones(5, bool), n_each=2)
    more = pick_evidence(vectors, PROTOTYPE, confidence, np.ones(5, bool), n_each=2, n_spare=3)

    assert more.typical[:2] == few.typical
    assert more.boundary == few.boundary
    assert sorted(more.typical + more.boundary) == [0, 1, 2, 3, 4]


def test_a_text_fits_by_the_keywords_it_holds_the_first_ones_most():
    keywords = ["card not arrived", "waiting", "post"]

    assert keyword_fit("My CARD has NOT yet arrived", keywords) == pytest.approx(6 / 11)
    assert keyword_fit("I waited for the postman", keywords) == pytest.approx(5 / 11)
    assert keyword_fit("They discard compost", keywords) == 0
    assert keyword_fit("It arrived, so the card is not lost", keywords) == 0
    assert keyword_fit("I apply for it", ["app"]) == 0
    assert keyword_fit("Both apps fail", ["app"]) == 1
    assert keyword_fit("anything", []) == 0


def test_a_text_without_spaces_fits_too():
    assert keyword_fit("我的银行卡还没有收到", ["没有收到", "退款"]) == pytest.approx(2 / 3)
