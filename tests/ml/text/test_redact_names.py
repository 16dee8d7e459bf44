"""Names and addresses: what is introduced is found, what is no name stays."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ml.text.redact import Redactor, redact
from ml.text.redact_names import NoNames

NARRATIVES = Path(__file__).parents[4] / "shared/data/cfpb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my name is Ann Smith and yours?", "my name is [NAME] and yours?"),
        ("hi my name is ann lee and my order is late", "hi my name is [NAME] and my order is late"),
        ("my full name is lalu prasad yadav", "my full name is [NAME]"),
        ("MY NAME IS JOHN SMITH, HELP", "MY NAME IS [NAME], HELP"),
        ("my name's o'neil booking number", "my name's [NAME] booking number"),
        ("My name is john.", "My name is [NAME]."),
        ("this is John O'Neil speaking", "this is [NAME] speaking"),
        ("Dear Mr Smith,", "Dear Mr [NAME],"),
        ("It broke.\nKind regards,\nAnn", "It broke.\nKind regards,\n[NAME]"),
        ("Mein Name ist Jürgen Müller-Lüdenscheidt.", "Mein Name ist [NAME]."),
        ("Guten Tag Frau Özdemir", "Guten Tag Frau [NAME]"),
        ("mano vardas Žydrė Jonaitienė", "mano vardas [NAME]"),
        ("nama saya Budi Santoso", "nama saya [NAME]"),
        ("我叫张伟，你好", "我叫[NAME]，你好"),
        ("李先生您好", "[NAME]先生您好"),
        ("I live at 12 High Street, London SW1A 1AA.", "I live at [ADDRESS]."),
        ("742 Evergreen Terrace, Springfield, IL 62704", "[ADDRESS]"),
        ("Ich wohne Musterstraße 12, 12345 Berlin", "Ich wohne [ADDRESS]"),
        ("adresas Gedimino pr. 12-3, Vilnius", "adresas [ADDRESS]"),
        ("ke Jl. Merdeka No. 12, Jakarta", "ke [ADDRESS]"),
        ("我住在北京市朝阳区建国路88号", "我住在[ADDRESS]"),
        ("write to PO Box 1234 then", "write to [ADDRESS] then"),
    ],
)
def test_redact_finds_names_that_are_introduced_and_addresses_by_their_form(text, expected):
    assert redact(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "Dear Sir or Madam, dear Customer Service,",
        "My name is still on the account. My name is Not the issue",
        "This is Important, this is Monday",
        "my name is spelled wrong, my name is not on it, my last name is registered",
        "MY NAME IS XXXX XXXX and my name is xx",
        "my name is on the account and my user name is ann",
        "Mr. XXXX XXXX said so, Mrs XXXX did not",
        "Mit freundlichen Grüßen",
        "Sitzplatz 24, Arbeitsplatz 3, the 2 Way radio",
        "I paid 300 at E10 and 5A",
    ],
)
def test_redact_leaves_alone_what_stands_where_a_name_may_and_is_none(text):
    assert redact(text).text == text


def test_the_same_person_is_the_same_token_by_a_part_of_the_name():
    turns = ["My name is Ann Smith.", "Thank you Ms Smith.", "Mr Brown told me", "regards, Ann"]

    found = Redactor().redact_turns(turns)

    assert found.texts == [
        "My name is [NAME].",
        "Thank you Ms [NAME].",
        "Mr [NAME 2] told me",
        "regards, [NAME]",
    ]


def test_names_can_be_switched_off():
    text = "My name is Ann Smith"

    assert Redactor(names=NoNames()).redact(text).text == text


def test_names_and_addresses_are_rarely_seen_in_complaints_that_hold_none():
    if not NARRATIVES.exists():
        pytest.skip("the complaint extracts are not on this machine")
    n_words, marks = 0, 0
    with (NARRATIVES / "payday_personal_loan_2023_narratives.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            text = row["Consumer complaint narrative"]
            counts = redact(text).counts
            n_words += len(text.split())
            marks += counts.get("NAME", 0) + counts.get("ADDRESS", 0)

    assert n_words > 100_000
    assert marks / n_words < 0.1 / 1000
