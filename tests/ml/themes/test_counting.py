from __future__ import annotations

import subprocess
import sys

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

import ml.themes.counting as counting
from ml.themes.counting import N_FEATURES, count_pieces, count_words

TEXTS = [
    "My card has NOT arrived, my card!",
    "",
    "a b",
    "Where is the refund\tfor order 12?",
    "kodėl neveikia kortelė",
    "  spaces   at both ends ",
    "\N{GRINNING FACE} top-up \N{GRINNING FACE}",
]


def sorted_counts(table) -> list[list[float]]:
    return [sorted(table[row].data.tolist()) for row in range(table.shape[0])]


def test_words_and_pairs_of_them_are_counted_as_scikit_learn_does():
    expected = CountVectorizer(ngram_range=(1, 2)).fit_transform(TEXTS)
    found = count_words(TEXTS)
    assert found.shape == (len(TEXTS), N_FEATURES)
    assert sorted_counts(found) == sorted_counts(expected)


def test_pieces_of_words_are_counted_as_scikit_learn_does():
    expected = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)).fit_transform(TEXTS)
    assert sorted_counts(count_pieces(TEXTS)) == sorted_counts(expected)


def test_equal_words_have_one_number_in_every_text_and_every_process():
    one, other = count_words(["lost my card"]), count_words(["noise", "You lost my card"])
    assert set(one.indices) < set(other[1].indices)
    code = "from ml.themes.counting import *; print(count_words(['lost my card']).indices.sum())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(p for p in sys.path if p)},
    )
    assert int(done.stdout) == one.indices.sum()


def test_many_characters_are_counted_in_portions(monkeypatch):
    whole = count_pieces(TEXTS)
    monkeypatch.setattr(counting, "CHARACTERS_AT_ONCE", 20)
    assert (count_pieces(TEXTS) != whole).nnz == 0


def test_no_texts_and_texts_without_words_give_empty_rows():
    for count in (count_words, count_pieces):
        assert count([]).shape == (0, N_FEATURES)
        assert count(["", " "]).nnz == 0
    assert np.asarray(count_words(["\ud800 half a character"]).sum()) > 0
