"""Redaction over turns: what is said piece by piece goes piece by piece."""

from __future__ import annotations

import time

import pytest

from ml.text.redact import Redactor

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (["my card is 4111 1111", "1111 1111 ok"], ["my card is [CARD]", "[CARD] ok"]),
        (
            ["card 4111", "yes", "1111", "go on", "1111", "mhm", "1111 thanks"],
            ["card [CARD]", "yes", "[CARD]", "go on", "[CARD]", "mhm", "[CARD] thanks"],
        ),
        (["it is 07700", "900 123"], ["it is [PHONE]", "[PHONE]"]),
        (
            ["07700 and", "ok, go ahead", "900 123 please"],
            ["[PHONE] and", "ok, go ahead", "[PHONE] please"],
        ),
        (["email is john.smith", "@gmail.com"], ["email is [EMAIL]", "[EMAIL]"]),
        (["email is john.smith at", "gmail dot com"], ["email is [EMAIL]", "[EMAIL]"]),
        (["it's DE89 3704 0044", "0532 0130 00"], ["it's [IBAN]", "[IBAN]"]),
        (["my account number is 5577", "9911"], ["my account number is [ACCOUNT]", "[ACCOUNT]"]),
        (
            ["zero seven seven double", "zero nine hundred one two three"],
            ["[ACCOUNT]", "[ACCOUNT]"],
        ),
    ],
)
def test_what_is_said_over_several_turns_goes_from_each_of_them(said, left):
    assert REDACTOR.redact_turns(said).texts == left


def test_a_number_over_several_turns_counts_once_and_keeps_its_token():
    found = REDACTOR.redact_turns(["07700", "900 123", "again: 07700 900123", "or 07700 900124"])

    assert found.texts == ["[PHONE]", "[PHONE]", "again: [PHONE]", "or [PHONE 2]"]
    assert found.counts == {"PHONE": 3}


@pytest.mark.parametrize(
    "said",
    [
        ["order 12345", "2 weeks ago"],
        ["I paid 30", "20 days ago"],
        ["it came on 12.", "3 items were missing"],
        ["I said thanks.", "at 5 pm I will be there"],
        ["see you at", "the branch at noon"],
        ["give it a 9", "of 10"],
    ],
)
def test_turns_that_hold_nothing_together_stay(said):
    assert REDACTOR.redact_turns(said).texts == said


def test_a_number_that_is_allowed_stays_over_turns():
    redactor = Redactor(allow=["0800 123 4567"])

    assert redactor.redact_turns(["call 0800", "123 4567"]).texts == ["call 0800", "123 4567"]


def test_many_turns_of_digits_take_no_longer_for_each():
    began = time.perf_counter()
    REDACTOR.redact_turns(["12 34"] * 2_000)

    assert time.perf_counter() - began < 20
