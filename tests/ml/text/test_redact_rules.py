"""Rules of a site: read with sentences, kept or hidden as they say, never slow."""

from __future__ import annotations

import re
import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.text.redact import RedactionRules, Redactor, UnusableRules
from ml.text.redact_rules import MAX_PATTERN_CHARACTERS, compile_pattern

TOML = """
countries = ["gb", "DE"]
names = "off"

[allow]
values = ["0800 123 4567", "help@shop.example"]
patterns = ['SKU-\\d{8}']

[extra]
"order number" = 'ORD-\\d{6}'
"""


def from_toml(text: str) -> Redactor:
    return Redactor.from_rules(RedactionRules.from_dict(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call 0800 1234567 or +44 800 123-4567", "call 0800 1234567 or +44 800 123-4567"),
        ("HELP@shop.example, ann@shop.example", "HELP@shop.example, [EMAIL]"),
        ("SKU-12345678 and 12345678", "SKU-12345678 and [ACCOUNT]"),
        (
            "ORD-123456 twice: ORD-123456, ORD-654321",
            "[ORDER_NUMBER] twice: [ORDER_NUMBER], [ORDER_NUMBER 2]",
        ),
        ("0800 123 4567 07700 900123", "0800 123 4567 [PHONE]"),
        ("Dear Mr Smith", "Dear Mr Smith"),
    ],
)
def test_a_redactor_keeps_what_is_allowed_and_hides_what_is_extra(text, expected):
    assert from_toml(TOML).redact(text).text == expected


def test_a_number_that_is_allowed_does_not_bare_the_middle_of_a_card():
    redactor = Redactor(allow=["1111 1111"])

    assert redactor.redact("4111 1111 1111 1111").text == "[CARD]"
    assert redactor.redact("at 1111-1111 only").text == "at 1111-1111 only"


def test_an_extra_pattern_that_matches_every_word_leaves_tokens_alone_and_ends():
    redactor = Redactor(extra={"word": r"\w{1,30}"})

    once = redactor.redact("ann@example.org said [PHONE]").text

    assert "[PHONE]" in once
    assert redactor.redact(once).text == once


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"colour": 1}, "cannot have 'colour'"),
        ({"countries": ["XX"]}, "XX is no country"),
        ({"countries": "GB"}, "list of texts"),
        ({"names": "all"}, "auto, list, cues, off"),
        ({"allow": ["0800"]}, r"written as \[allow\]"),
        ({"allow": {"values": [800]}}, "list of texts"),
        ({"extra": {"1x": "a"}}, "begins with a letter"),
        ({"extra": {"order": ""}}, "is empty"),
        ({"extra": {"order": "("}}, "no regular expression"),
        ({"extra": {"order": "a*"}}, "matches nothing at all"),
        ({"extra": {"order": "a" * (MAX_PATTERN_CHARACTERS + 1)}}, "is the most"),
        ({"extra": {"order": "(a+)+b"}}, "repeats a group"),
        ({"extra": {"order": "(a|aa)+b"}}, "repeats a group"),
        ({"extra": {"order": "((a?){3}){30}b"}}, "repeats a group"),
        ({"extra": {"order": r"(a)\1"}}, "refers back"),
        ({"extra": {"order": "a+b+c+d+e"}}, "more than 3"),
        ({"extra": {"order": r"\d+\d+\d+x"}}, "seconds on a text"),
        ({"extra": {"order": r"(?:é+ü?){2,6}ß"}}, "seconds on a text"),
        ({"extra": {"order": "[^x]*[^y]*[^z]*!"}}, "seconds on a text"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_with_a_sentence(rules, says):
    with pytest.raises(UnusableRules, match=says):
        RedactionRules.from_dict(rules)


@pytest.mark.parametrize(
    "pattern",
    [
        r"ORD-\d{6}",
        r"[A-Z]{2}\d+",
        r"(?:AB|CD)-\d{4,8}",
        r"(?i)ticket #\d{1,9}",
        r"(\d{3} ){2}\d",
        "[+*]x",
    ],
)
def test_everyday_patterns_are_taken(pattern):
    assert compile_pattern(pattern, "x").pattern == pattern


@given(st.text("ab()[]{}|*+?.\\d13,^$x ", max_size=24))
@settings(max_examples=300, deadline=None)
def test_a_pattern_is_refused_or_ends_soon_on_a_text_made_to_hold_it_up(text):
    try:
        pattern = compile_pattern(text, "x")
    except UnusableRules:
        return
    started = time.thread_time()
    for probe in ("ab" * 400, "a" * 800, "1" * 800, "x" * 800 + "!"):
        re.search(pattern, probe)

    assert time.thread_time() - started < 1
