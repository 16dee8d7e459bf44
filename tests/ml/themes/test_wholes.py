from __future__ import annotations

import numpy as np
import pytest

from ml.themes.label import label_themes
from ml.themes.wholes import Wholes


def wholes_of(*texts: str) -> Wholes:
    lines = [text.split(" ") for text in texts]
    return Wholes([(words, words) for words in lines], {"of", "the"}, {"of", "the"})


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("victim of identity", "victim of identity theft"),
        ("pass to mail", "boarding pass to mail"),
        ("identity", "victim of identity theft"),
        ("victim of identity theft", None),
    ],
)
def test_a_phrase_that_was_cut_is_completed_on_both_sides(part, whole):
    texts = ["am victim of identity theft", "victim of identity theft again"] * 2
    passes = ["my boarding pass to mail", "boarding pass to mail soon"] * 2
    assert wholes_of(*texts, *passes).complete(part) == whole


def test_a_phrase_stays_as_it_is_where_its_neighbours_differ_or_are_few():
    assert wholes_of("lost card", "new card", "card stolen", "old card").complete("card") is None
    assert wholes_of("credit card", "credit card", "credit card").complete("credit") is None
    assert wholes_of(*["credit | card"] * 5).complete("credit") is None
    assert wholes_of(*["end of the"] * 5).complete("end") is None
    assert wholes_of(*[f"card {'k' * 50}"] * 5).complete("card") is None


def test_no_whole_is_longer_than_six_words_or_sixty_characters():
    whole = wholes_of(*["a1 a2 a3 a4 a5 a6 a7 a8 a9"] * 5).complete("a4")
    assert whole is not None
    assert len(whole.split()) == 6
    assert wholes_of(*[f"card {'k' * 35} {'l' * 35}"] * 5).complete("card") is None


def test_a_name_is_not_cut_in_the_middle_of_a_phrase():
    said = ["I found an error in my credit card bill", "There is an error in my credit card bill"]
    texts = [f"{text} {end}" for text in said for end in ("again", "", "please look", "of March")]
    others = [f"I lost my credit card {end}" for end in ("at home", "on a bus", "and keys", "")]
    labels = np.array([0] * len(texts) + [1] * len(others))
    named = label_themes([*texts, *others], labels, 2)
    assert named[0].name == "Error in credit card bill"
