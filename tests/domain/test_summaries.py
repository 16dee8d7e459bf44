from __future__ import annotations

import pytest

from closedloop.domain.summaries import SUMMARY_LENGTH, count_words_held, summary_of


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        (
            "I ordered in May. The card has not arrived! My card is new.",
            "Cards not arrived",
            "The card has not arrived!",
        ),
        ("Hello there. Where is it? The refund.", "Refunds late", "The refund."),
        ("No word fits. None at all.", "Cards", "No word fits."),
        ("我想问。我的包裹还没有到。谢谢。", "包裹", "我的包裹还没有到。"),
        ("one line\nof two", "x", "one line of two"),
        ("", "Cards", ""),
    ],
)
def test_the_first_sentence_that_holds_the_words_of_the_name_is_taken(text, name, line):
    assert summary_of(text, name) == line


def test_a_long_sentence_is_cut_at_a_word():
    words = "seven letters " * 20
    line = summary_of(words, "letters")
    assert SUMMARY_LENGTH - 10 < len(line) <= SUMMARY_LENGTH
    assert line.endswith("letters…") or line.endswith("seven…")
    assert len(summary_of("包" * 300, "包裹")) == SUMMARY_LENGTH
    assert summary_of("a" * SUMMARY_LENGTH, "x") == "a" * SUMMARY_LENGTH


def test_words_are_counted_whatever_their_endings():
    assert count_words_held("My cards were refunded", "Card refund (2)") == 2
    assert count_words_held("Nothing", "Card refund") == 0
