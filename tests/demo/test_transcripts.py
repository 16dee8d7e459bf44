"""Are conversations varied, the sentence word for word, and the personal data well made?"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import replace

import pytest
from stdnum import iban, luhn

from closedloop.demo import phrases
from closedloop.demo.intents import INTENTS
from closedloop.demo.transcripts import (
    PRIVATE_KINDS,
    TEXTS,
    Facts,
    Picker,
    load_sentences,
    private_value,
    render_turns,
)

FIRST = Facts(
    seed=1,
    channel="phone",
    family="delivery",
    sentence="Where {is} my card?",
    agent="Grace",
    hour=9,
    is_known=True,
    ordinal=0,
    days_since=0,
    channel_before="",
    private="",
)


def test_the_vendored_texts_are_those_the_readme_names():
    unpacked = hashlib.sha256(gzip.decompress(TEXTS.read_bytes())).hexdigest()

    assert unpacked in (TEXTS.parent / "README.md").read_text(encoding="utf-8")
    assert sum(len(texts) for texts in load_sentences()) == 4485


def test_each_intent_has_enough_different_sentences_for_the_longest_chain():
    for intent, texts in zip(INTENTS, load_sentences(), strict=True):
        assert len(set(texts)) == len(texts) >= 50, intent.key
        assert intent.family in phrases.ANSWERS


@pytest.mark.parametrize("channel", ["phone", "chat", "message"])
@pytest.mark.parametrize("ordinal", [0, 1, 6])
def test_a_conversation_has_four_to_nine_turns_and_the_sentence_alone_in_one(channel, ordinal):
    scripts = set()
    for seed in range(300):
        facts = replace(
            FIRST,
            seed=seed,
            channel=channel,
            ordinal=ordinal,
            days_since=8 if ordinal else 0,
            channel_before="chat" if ordinal else "",
            private=PRIVATE_KINDS[seed % 5] if seed % 7 == 0 else "",
            is_known=seed % 11 > 0,
        )
        turns = render_turns(facts)
        assert 4 <= len(turns) <= 9
        assert [t["speaker"] for t in turns if t["text"] == facts.sentence] == ["customer"]
        others = [t["text"] for t in turns if t["text"] != facts.sentence]
        assert not [text for text in others if "{" in text or not text.strip()]
        scripts.add(tuple(others))
    assert len(scripts) > 150


def test_only_somebody_who_asked_before_says_so():
    again = replace(FIRST, ordinal=1, days_since=8, channel_before="message")

    def words(facts):
        seeds = range(200)
        turns = [t for s in seeds for t in render_turns(replace(facts, seed=s))]
        return " ".join(t["text"] for t in turns if t["speaker"] == "customer")

    assert "wrote to you" in words(again)
    assert "last week" in words(again)
    assert "called" not in words(again)
    assert "last week" not in words(FIRST)


def test_the_same_facts_give_the_same_turns():
    assert render_turns(FIRST) == render_turns(replace(FIRST))
    assert render_turns(FIRST) != render_turns(replace(FIRST, seed=2))


@pytest.mark.parametrize("seed", range(50))
def test_personal_data_is_fictional_and_passes_its_checks(seed):
    pick = Picker(seed)
    card = re.sub(r"\D", "", private_value("card", pick))

    assert luhn.is_valid(card)
    assert card.startswith("400000")
    assert len(card) == 16
    assert iban.is_valid(private_value("iban", pick))
    assert re.search(r"@[a-z.]*example(\.(com|org|net))?$", private_value("e-mail", pick))
    phone = private_value("phone", pick).replace(" ", "")
    assert phone.startswith(("07700900", "+447700900", "02079460"))
    assert re.fullmatch(r"00-00-\d\d, account \d{8}", private_value("account", pick))
