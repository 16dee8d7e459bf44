"""Phones: each country's spellings found, the plan obeyed, the rest left."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from ml.text.redact import Redactor
from ml.text.redact_phones import PhoneFinder, spellings

REDACTOR = Redactor()
COUNTRIES = ("GB", "US", "DE", "LT", "ID", "CN", "IN", "FR", "IE", "ES", "IT", "NL")


@pytest.mark.parametrize(
    "number",
    [
        "+49 151 23456789",
        "0151 23456789",
        "030/12345678",
        "+49 (0)30 12345678",
        "8 612 34567",
        "(0-612) 34567",
        "0812 3456 7890",
        "(021) 5551234",
        "13812345678",
        "010 1234 5678",
        "98765 43210",
        "06 12 34 56 78",
        "0044 20 7946 0958",
        "001 201-551-6057",
        "62812-3456-7890",
        "62 812 3456 7890",
        "86 138 1234 5678",
        "49 151 23456789",
        "0151-234 567 89",  # of which the beginning has the shape of another country
        "466 985 0032",  # an area code not issued yet, in the shape of the country
    ],
)
def test_redact_finds_phones_as_their_country_writes_them(number):
    assert REDACTOR.redact(f"ring {number} now").text == "ring [PHONE] now"


@pytest.mark.parametrize(
    "text",
    [
        "my number is 07911, 123, 456.",
        "ring me, my phone is 0 7 9 1 1, 1 2 3, 4 5 6.",
        "call 415, 555, 2671.",
        "mein Handy ist 0151, 234, 56789.",
    ],
)
def test_redact_finds_phones_of_which_a_transcript_parts_the_groups_by_commas(text):
    hidden = REDACTOR.redact(text).text
    assert hidden.endswith("[PHONE].")
    assert not any(map(str.isdigit, hidden))


def test_two_phones_side_by_side_stay_two():
    assert REDACTOR.redact("07911 123456 07911 123457").text == "[PHONE] [PHONE 2]"


@pytest.mark.parametrize("country", COUNTRIES)
def test_redact_hides_valid_numbers_drawn_from_the_whole_plan_of_a_country(country):
    rng = random.Random(country)
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    examples = [phonenumbers.example_number_for_type(country, kind) for kind in kinds]
    n_left, n = 0, 0
    while n < 100:
        number = rng.choice(examples)
        length = len(str(number.national_number)) - 1
        national = rng.choice("123456789") + "".join(rng.choices("0123456789", k=length))
        number = phonenumbers.PhoneNumber(number.country_code, int(national))
        if phonenumbers.is_valid_number_for_region(number, country):
            n += 1
            written = phonenumbers.format_number(number, rng.choice((0, 1, 2, 2)))
            n_left += any(map(str.isdigit, REDACTOR.redact(f"Call {written} please").text))

    assert n_left / n <= 0.02


def test_a_finder_knows_the_national_numbers_of_its_countries_only():
    assert list(PhoneFinder(["CN"])("13812345678")) == [(0, 11)]
    assert list(PhoneFinder(["GB"])("13812345678")) == []
    assert list(PhoneFinder([])("+86 13812345678")) == [(0, 15)]


@pytest.mark.parametrize(
    "text",
    ["RR084651640GB", "1Z031AA06660083551", "£07400123456.00", "2019 2020 2021"],
)
def test_a_finder_leaves_alone_what_is_a_part_of_something_longer(text):
    assert list(PhoneFinder(["GB", "DE"])(text)) == []


def test_spellings_are_the_number_at_home_and_abroad():
    assert spellings("0800 123 4567", ["GB"]) == {"08001234567", "448001234567"}
    assert spellings("12 34", ["GB"]) == {"1234"}
