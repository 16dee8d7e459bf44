"""Numbers that are said digit by digit: do they go, do words for amounts stay?"""

from __future__ import annotations

import re

import pytest

from ml.text.redact import redact
from ml.text.redact_spoken import DIGIT_WORDS, SAID_DIGIT, said_digits


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("it's oh seven seven double oh nine hundred one two three", "it's [PHONE]"),
        ("Zero seven seven, zero zero nine, zero zero one two three.", "[PHONE]."),
        ("07700 nine double oh one two 3 thanks", "[PHONE] thanks"),
        ("four" + " one" * 15 + " it is", "[CARD] it is"),
        ("account nine nine one one two seven five six", "account [ACCOUNT]"),
        ("nomor saya nol delapan satu dua tiga empat lima enam", "nomor saya [PHONE]"),
        ("null eins fünf eins zwei drei vier fünf sechs sieben acht", "[PHONE]"),
        ("nulis šeši vienas du trys keturi penki", "[ACCOUNT]"),
        ("我的电话是一三八零零一三八零零零", "我的电话是[PHONE]"),
    ],
)
def test_a_number_that_is_said_is_hidden(said, left):
    assert redact(said).text == left


@pytest.mark.parametrize(
    "said",
    [
        "one hundred and twenty five thousand pounds",
        "I called one, two, three, four times",
        "six to seven days, not two or three",
        "oh oh oh oh oh oh oh oh",
        "one of the two cards, three weeks, four calls, five agents, six letters",
        "二零二六年三月一日",
    ],
)
def test_words_for_amounts_stay(said):
    assert redact(said).text == said


def test_a_number_said_twice_is_one_token_however_it_is_said():
    found = redact("oh seven seven double oh nine hundred one two three, that is 07700 900123")

    assert found.text == "[PHONE], that is [PHONE]"


def test_said_digits_multiplies_what_is_double_or_triple():
    assert said_digits("triple oh, seven hundred double 9") == "00070099"


def test_each_word_for_a_digit_is_one_as_a_whole_and_nothing_shorter_is_taken_for_it():
    assert {re.match(SAID_DIGIT, word)[0] for word in DIGIT_WORDS} == DIGIT_WORDS
    assert not [word for word in ("of", "nol1", "size", "do") if re.fullmatch(SAID_DIGIT, word)]
