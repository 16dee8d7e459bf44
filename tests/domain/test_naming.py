"""Which answers of a language model are believed."""

from __future__ import annotations

import json

import pytest

from closedloop.domain.naming import BadAnswer, Question, read_answer


def answer(name="Card has not come", summary="Cards do not arrive.", **more):
    return json.dumps({"name": name, "summary": summary, **more})


def test_a_plain_answer_is_read_without_the_space_around_it():
    found = read_answer(answer(name=" Card has not come "))
    assert (found.name, found.summary) == ("Card has not come", "Cards do not arrive.")


def test_lengths_are_inclusive_and_words_of_other_scripts_are_words():
    assert read_answer(answer(name="n" * 60, summary="s" * 160)).name == "n" * 60
    assert read_answer(answer(name="کارت نمی\u200cرسد")).name == "کارت نمی\u200cرسد"
    assert read_answer(answer(name="卡片没有到")).name == "卡片没有到"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Card has not come",
        "```json\n" + answer() + "\n```",
        "[" * 60_000,
        "[]",
        "null",
        answer(note="more than was asked for"),
        '{"name": "Card"}',
        answer(name=7),
        answer(name=None),
        answer(summary=["a"]),
        answer(name=""),
        answer(name="   "),
        answer(name="–"),
        answer(name="n" * 61),
        answer(summary="s" * 161),
        answer(name="Card\nhas not come"),
        answer(summary="Card\u202e emoc"),
        answer(name="Card\u2028lost"),
        answer(name="Card \ud800"),
        answer(name="<script>alert(1)</script>"),
        answer(summary="See https://example.org for more."),
    ],
)
def test_anything_else_is_refused_without_repeating_it(text):
    with pytest.raises(BadAnswer) as refusal:
        read_answer(text)
    assert "alert" not in str(refusal.value)
    assert len(str(refusal.value)) < 100


def test_what_is_sent_holds_neither_the_id_nor_the_key_of_a_theme():
    question = Question(9731, "T-482", "card arrived", ("card",), ("“It” never came",))
    sent = question.to_json()
    assert json.loads(sent) == {
        "statistical_name": "card arrived",
        "keywords": ["card"],
        "quotes": ["“It” never came"],
    }
    assert "T-482" not in sent
    assert "9731" not in sent
