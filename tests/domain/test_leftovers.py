"""When two spots are one, and how a rise is put in words."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.leftovers import likeness, rise_in_words, spans_to


def test_two_equal_spans_end_with_the_day():
    spans = spans_to(date(2026, 4, 30))

    assert spans.last_day == date(2026, 4, 30)
    assert (spans.last_day - spans.first_day).days == 27
    assert (spans.first_day - spans.first_before).days == 28


@pytest.mark.parametrize(
    ("one", "other", "cosine", "is_same"),
    [
        ([1, 2, 3], [1, 2, 3], -1.0, True),  # the same contacts, whatever a new encoder says
        (range(10), range(7, 17), 0.0, False),  # 3 of 17
        (range(10), range(5, 15), 0.0, True),  # 5 of 15
        ([1], [2], 0.9, True),
        ([1], [2], 0.89, False),
        ([], [], 0.5, False),
    ],
)
def test_spots_are_one_by_their_contacts_or_by_their_middles(one, other, cosine, is_same):
    assert (likeness(list(one), list(other), cosine) > 0) is is_same


def test_the_more_alike_of_two_wins():
    assert likeness([1, 2], [1, 2], 0.95) > likeness([1, 2], [1, 3], 0.95)
    assert likeness([1], [2], 0.97) > likeness([1], [2], 0.93)


@pytest.mark.parametrize(
    ("customers", "before", "words"),
    [
        (41, 9, "41 customers in the last 4 weeks, 9 in the 4 weeks before"),
        (1200, 0, "1,200 customers in the last 4 weeks, none in the 4 weeks before"),
        (12, 4, "12 customers in the last 4 weeks, fewer than 5 in the 4 weeks before"),
    ],
)
def test_a_rise_is_put_in_words_without_numbers_of_few(customers, before, words):
    assert rise_in_words(customers, before, k=5) == words
