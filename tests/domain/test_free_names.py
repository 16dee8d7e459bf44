"""Keys and names that nothing else has."""

from __future__ import annotations

from closedloop.domain.free_names import free_name, next_key


def test_the_next_key_follows_the_highest_of_its_letter_whatever_the_order():
    assert next_key("T", ["T-002", "T-014", "D-099", "T-003"]) == "T-015"
    assert next_key("T", ["T-999"]) == "T-1000"
    assert next_key("D", []) == "D-001"


def test_a_name_that_another_one_has_in_any_case_gets_the_next_free_number():
    taken = ["late parcel", "Late parcel (2)"]

    assert free_name(" Late  parcel ", taken, longest=160, otherwise="Unnamed") == "Late parcel (3)"
    assert free_name("Refund", taken, longest=160, otherwise="Unnamed") == "Refund"
    assert free_name("  ", taken, longest=160, otherwise="Unnamed") == "Unnamed"


def test_a_name_with_its_number_is_never_longer_than_it_may_be():
    long = "x" * 200
    first = free_name(long, [], longest=80, otherwise="Unnamed")

    assert len(free_name(long, [first], longest=80, otherwise="Unnamed")) <= 80
