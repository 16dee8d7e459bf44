"""Values of telephone and chat systems: what is a number, and what only looks like one."""

from __future__ import annotations

import pytest

from closedloop.adapters.vendor_rows import moment_of
from closedloop.adapters.vendor_values import (
    address_of,
    decoded_object,
    identifiers_of,
    language_of,
    seconds_between,
    sort_key,
    waiting_seconds,
    with_snake_keys,
    working_seconds,
)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("tel:+14155550123", "+14155550123"),
        ("sip:+442079460101@carrier.example;user=phone", "+442079460101"),
        ("whatsapp:+447700900111", "+447700900111"),
        ("sip:desk7@office.example", "desk7@office.example"),
        ("+266696687", None),  # anonymous, typed on a keypad
        ("+7378742833", None),  # restricted
        ("sip:anonymous@anonymous.invalid", None),
        ("Unavailable", None),
        ("", None),
        (None, None),
        (["+14155550123"], None),
        (14155550123, "14155550123"),
    ],
)
def test_address_of_takes_schemes_off_and_hidden_numbers_for_nobody(value, address):
    assert address_of(value) == address


def test_identifiers_of_tells_numbers_from_mail_and_takes_the_first():
    found = identifiers_of(
        None, "+44 20 7946 0101", "a@b.example", "+44 20 7946 0102", "web-user-9"
    )
    assert found == {"customer_phone": "+44 20 7946 0101", "customer_email": "a@b.example"}


def test_seconds_between_needs_both_ends_in_order():
    early, late = moment_of("2026-03-01T00:00:00Z"), moment_of("2026-03-01T01:00:30+01:00")
    assert seconds_between(early, late) == 30
    assert seconds_between(late, early) is None
    assert seconds_between(None, late) is None


@pytest.mark.parametrize(("seconds", "kept"), [(86_400, 86_400), (86_401, None), (-1, None)])
def test_more_than_a_day_is_no_working_time(seconds, kept):
    assert working_seconds(seconds) == kept


def test_sort_key_sorts_times_of_all_kinds_and_none_first():
    values = ["2026-03-01T00:00:00Z", 1772323199, "2026-02-28T23:00:00-02:00", None, "soon"]
    assert sorted(values, key=sort_key)[:2] == [None, "soon"]
    assert sorted(values, key=sort_key)[2:] == [values[1], values[0], values[2]]


@pytest.mark.parametrize(
    ("code", "language"), [("en-US", "en"), ("DE", "de"), ("english", None), ("", None), (7, None)]
)
def test_language_of_takes_codes_only(code, language):
    assert language_of(code) == language


@pytest.mark.parametrize("value", ["[1]", "{", "[" * 100_000, None, 3])
def test_decoded_object_is_empty_for_what_is_no_object(value):
    assert decoded_object(value) == {}
    assert decoded_object('{"a": 1}') == {"a": 1}


def test_with_snake_keys_leaves_names_alone_that_are_written_so():
    assert with_snake_keys({"dateCreated": 1, "sid": 2, "from": 3, "call_sid": {"aB": 1}}) == {
        "date_created": 1,
        "sid": 2,
        "from": 3,
        "call_sid": {"aB": 1},
    }


def test_a_wait_of_more_than_30_days_is_none_and_costs_no_contact():
    assert waiting_seconds(30 * 86_400) == 30 * 86_400
    assert waiting_seconds(30 * 86_400 + 1) is None
    assert waiting_seconds(None) is None
