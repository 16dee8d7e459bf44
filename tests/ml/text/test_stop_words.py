from __future__ import annotations

import pytest

from ml.text.language import LANGUAGES
from ml.text.stop_words import FILE, negations, stop_words

WRITTEN_WITHOUT_SPACES = {"ja", "th", "zh"}
WITHOUT_A_LIST = {"is", "mk", "sq", "ta", "te"}


def test_every_language_that_is_told_has_small_words_but_the_five_that_are_named():
    spaced = set(LANGUAGES.split()) - WRITTEN_WITHOUT_SPACES
    without = {code for code in spaced if len(stop_words(code)) < 20}
    assert without == WITHOUT_A_LIST
    assert {code for code in spaced if not negations(code)} == WITHOUT_A_LIST


@pytest.mark.parametrize(
    ("language", "small", "no"),
    [
        ("lt", "yra mano prieš kodėl ir į", "nėra negaliu ne"),
        ("id", "yang saya sudah untuk dan", "tidak belum bukan"),
        ("de", "mein der ist und", "nicht kein"),
        ("sr", "ali je", "nije"),
    ],
)
def test_words_that_say_no_are_not_small(language, small, no):
    assert set(small.split()) <= stop_words(language)
    assert set(no.split()) <= negations(language)
    assert not negations(language) & stop_words(language)


def test_what_a_contact_is_about_is_no_small_word():
    assert not {"masalah", "sampai", "kembali", "bulan", "uang", "kartu"} & stop_words("id")
    assert not {"kortelė", "pinigai", "sąskaita", "siunta"} & stop_words("lt")


def test_the_letters_of_the_vendored_lists_are_those_of_their_languages():
    lines = dict(line.split(" ", 1) for line in FILE.read_text(encoding="utf-8").splitlines())
    assert not set("ðþëøæ") & set(lines["lt"])
    assert lines["lt"].split() == sorted(set(lines["lt"].split()))


def test_a_language_that_is_not_known_has_none():
    assert stop_words("xx") == frozenset()
    assert stop_words("zh") == frozenset()
