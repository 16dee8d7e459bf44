"""National numbers: are valid ones found as people write them, and their neighbours left?"""

from __future__ import annotations

import pytest

from ml.text.redact import redact


@pytest.mark.parametrize(
    "text",
    [
        "NINO AB 12 34 56 C.",
        "ab123456c",
        "NHS number 943 476 5919",
        "my NHS no is 9434765919",
        "SSN 536-90-4399",
        "social security number 536904399",
        "ITIN 912-70-1234",
        "Steuer-ID 36 574 261 809",
        "36574261809",
        "asmens kodas 38703181745",
        "NIK 3171011708450001",
        "身份证360426199101010071，谢谢",
        "11010519491231002X",
    ],
)
def test_redact_finds_national_numbers_as_people_write_them(text):
    found = redact(text)

    assert found.counts == {"NATIONAL_ID": 1}
    assert sum(map(str.isdigit, found.text)) == 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("36574261808", "PHONE"),  # Steuer-ID with a wrong check digit
        ("38702301745", "PHONE"),  # born on 30 February
        ("11010519491231002", "ACCOUNT"),  # without its check digit
        ("3171013217450001", "ACCOUNT"),  # born on the 32nd
        ("415 555 2671", "PHONE"),  # no health number, though ten digits in threes
        ("0044 20 7946 0958", "PHONE"),
    ],
)
def test_redact_names_numbers_that_fail_their_check_something_else(text, kind):
    assert redact(f"here: {text}.").text == f"here: [{kind}]."


@pytest.mark.parametrize(
    "text",
    [
        "BG 12 34 56 C",
        "000-12-3456",
        "666-12-3456",
        "912-10-1234",
        "AB 12 34 56 X",
        "1275.50 1410.25",
    ],
)
def test_redact_leaves_numbers_alone_that_no_authority_issues(text):
    assert redact(text, countries=("GB",)).text == text


def test_redact_takes_the_tail_of_a_card_for_no_national_number():
    assert redact("6263-8995-9184-1297-567").text == "[CARD]"
