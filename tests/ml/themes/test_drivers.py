from __future__ import annotations

import numpy as np
import pytest

from ml.themes.drivers import FEWEST_THEMES, _by_spread, find_drivers, name_drivers
from ml.themes.vectors import unit


def make_centres(n_drivers=7, each=4, spread=0.1, seed=0):
    """Themes around so many reasons, in directions that share a good deal, as sentences do."""
    rng = np.random.default_rng(seed)
    middle = unit(rng.normal(size=(n_drivers, 64)))
    rows = np.repeat(middle, each, axis=0) + spread * rng.normal(size=(n_drivers * each, 64))
    shared = unit(rng.normal(size=(1, 64)))
    return unit(rows + 1.5 * shared), np.repeat(np.arange(n_drivers), each)


def same_groups(first, second) -> bool:
    return ((first[:, None] == first) == (second[:, None] == second)).all()


@pytest.mark.parametrize("n_drivers", [6, 7, 9])
def test_their_number_is_found_from_the_data(n_drivers):
    centres, truth = make_centres(n_drivers)
    found = find_drivers(centres)
    assert same_groups(found.labels, truth)
    assert max(found.scores, key=found.scores.get) == str(n_drivers)


def test_the_order_of_the_themes_changes_nothing_but_the_numbers():
    centres, _ = make_centres(8, 5, spread=0.25)
    order = np.random.default_rng(1).permutation(len(centres))
    first, second = find_drivers(centres), find_drivers(centres[order])
    assert same_groups(first.labels[order], second.labels)
    assert first.scores == second.scores
    assert same_groups(first.labels, find_drivers(centres).labels)
    assert first.labels[0] == 0


def test_themes_that_have_a_driver_keep_it_and_new_ones_join_them_or_make_their_own():
    centres, truth = make_centres(7)
    standing = np.where(truth < 6, truth, -1)
    standing[3::4] = -1  # one theme of each driver waits, and all four of the last
    found = find_drivers(centres, standing=standing).labels
    assert (found[standing >= 0] == standing[standing >= 0]).all()
    assert same_groups(found, truth)
    assert (found[truth == 6] == 6).all()


def test_what_people_put_together_is_neither_parted_nor_joined():
    centres, truth = make_centres(7)
    standing = truth.copy()
    standing[truth == 1] = 0  # two reasons that somebody wants as one
    standing[:2] = 7  # and one that somebody parted
    standing[standing > 1] -= 1
    standing[-1] = -1
    found = find_drivers(centres, standing=standing).labels
    assert (found[:-1] == standing[:-1]).all()
    assert found[-1] == standing[-2]


@pytest.mark.parametrize("code", [0, 1])
def test_wrap_up_codes_decide_where_words_do_not(code):
    centres, truth = make_centres(6)
    centres = np.vstack([centres, unit(centres[truth < 2].mean(axis=0, keepdims=True))])
    codes = np.eye(6, dtype=np.float32)[np.append(truth, code)]
    found = find_drivers(centres, codes=codes, standing=np.append(truth, -1)).labels
    assert found[-1] == code


def test_few_themes_get_no_level_above_them():
    centres, _ = make_centres(2, 2)
    assert (find_drivers(centres).labels == -1).all()
    assert len(centres) < FEWEST_THEMES


def test_identical_themes_are_no_obstacle():
    found = find_drivers(np.ones((9, 8), np.float32) / np.sqrt(8).astype(np.float32))
    assert len(found.labels) == 9
    assert (found.labels >= 0).all()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="7 standing drivers"):
        find_drivers(np.zeros((8, 4), np.float32), standing=np.zeros(7, int))


TEXTS = [
    *(f"my credit card was declined at shop {n}, you said it was sorted" for n in range(30)),
    *(f"the credit card has not arrived, order {n}" for n in range(30)),
    *(f"where is my parcel number {n}" for n in range(30)),
]
THEMES, DRIVERS = np.repeat([0, 1, 2], 30), np.array([0, 0, 1])


def test_a_driver_is_named_by_what_its_themes_say_and_others_do_not():
    card, parcel = name_drivers(TEXTS, THEMES, DRIVERS, ["Declined", "Not arrived", "Parcel late"])
    assert card.name == "Credit card"
    assert parcel.name == "Parcel late"


def test_a_driver_has_no_name_of_one_of_its_themes_unless_it_has_just_one():
    names = ["Credit card", "Not arrived", "Parcel"]
    card, parcel = name_drivers(TEXTS, THEMES, DRIVERS, names)
    assert card.name.lower().startswith("credit card, ")
    assert parcel.name == "Parcel"


def test_words_of_a_driver_are_written_as_people_write_them():
    texts = [text.replace("credit card", "VISA card") for text in TEXTS]
    card, _ = name_drivers(texts, THEMES, DRIVERS, ["A", "B", "C"])
    assert card.name == "VISA card"


def test_what_says_nothing_by_itself_leads_no_driver():
    themes = [["working again since card fees"] * 3, ["working again, card limit"] * 3]
    told = _by_spread(("working again", "card fees", "card limit"), themes)
    assert told[-1] == "working again"
    assert set(told) == {"working again", "card fees", "card limit"}
