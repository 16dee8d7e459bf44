from __future__ import annotations

import numpy as np
import pytest

from ml.themes.forms import are_forms, is_code, stem_of
from ml.themes.label import label_themes, phrases


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("inquiry", "inquiries"), ("apply", "applied"), ("charge", "charging")),
        *(("movie", "movies"), ("copy", "copies")),
    ],
)
def test_forms_of_a_word_have_one_stem(one, other):
    assert stem_of(one) == stem_of(other)
    assert stem_of("money") == "money"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("ad", "ads"), ("tax", "taxes"), ("spend", "spent"), ("delivered", "delivery")),
        *(("remind", "reminder"), ("payoff", "pay off"), ("fixed", "fixing")),
    ],
)
def test_two_forms_of_a_word_are_known(one, other):
    assert are_forms(one, other)
    assert are_forms(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("car", "card"), ("play", "playlist"), ("account", "contact"), ("pin", "ping pong")),
        *(("reinstalled", "uninstalled"), ("card", "new card")),
    ],
)
def test_other_words_are_no_forms(one, other):
    assert not are_forms(one, other)
    assert not are_forms(other, one)


def test_a_name_of_two_keywords_does_not_say_one_word_twice():
    ads = ["ad", "ads", "an ad again", "ads ads", "skip ads", "the ad crashes", "ads crash it"]
    cards = ["card lost", "my card is lost", "lost card"]
    named = label_themes([*ads, *cards], np.array([0] * len(ads) + [1] * len(cards)), 2)
    assert "ad, ads" not in named[0].name.lower()
    assert "ads, ad" not in named[0].name.lower()


def test_no_pasted_number_of_a_version_is_in_a_phrase():
    assert is_code("g1296534d")
    assert not is_code("android")
    assert not is_code("ios11")
    assert "g1296534d" not in phrases("desktop app g1296534d")


def test_clauses_after_but_and_because_are_in_no_phrase_with_what_is_before():
    found = phrases("I booked a ticket but I change it because the seat is bad")
    assert not any("but" in phrase.split() or "because" in phrase.split() for phrase in found)
    assert {"book ticket", "chang"} <= set(found)


def test_the_no_of_a_number_is_named_as_one():
    assert "seat number" in phrases("I want to know my seat no").values()
