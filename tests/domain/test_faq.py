"""What asks, and what answers."""

from __future__ import annotations

import pytest

from closedloop.domain.faq import ANSWER_LENGTH, answer_of, is_question


@pytest.mark.parametrize(
    "text",
    [
        "How do I add a second card",
        "hi, can I change my address",
        "My limit is low. What can I do about that",
        "So you charge for this?",
        "我的卡在哪里？",
        "أين بطاقتي؟",
    ],
)
def test_a_question_is_known_by_its_mark_or_its_beginning(text):
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "My card has not arrived.",
        "I know how to do it",
        "Candles burn",
        "",
        "Whatever.",
        "Why is my refund not there?",
        "How come it was declined?",
    ],
)
def test_a_statement_is_no_question(text):
    assert not is_question(text)


def test_an_answer_is_what_the_agent_tells_after_the_question():
    turns = [
        ["agent", "Good morning and thank you for calling us, my name is Tom."],
        ["customer", "How do I add a second card?"],
        ["agent", "For security, could you tell me your postcode and date of birth?"],
        ["customer", "[ADDRESS]"],
        [
            "agent",
            "I'm sorry. Open Cards in the app, choose Add, and follow\nthe steps there.",
            "m1",
        ],
        ["bot", "This conversation may be recorded for training and for quality purposes."],
        ["agent", "Thank you for contacting Northbank. Have a good morning."],
    ]
    assert answer_of(turns) == ("Open Cards in the app, choose Add, and follow the steps there.")


def test_no_answer_where_none_was_given_or_it_fills_a_page():
    assert answer_of([["customer", "How?"], ["agent", "One moment."]]) == ""
    assert answer_of([["customer", "How?"], ["agent", "word " * ANSWER_LENGTH]]) == ""
