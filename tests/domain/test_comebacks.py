"""Case reviews of alarms: what must be said."""

from __future__ import annotations

import pytest

from closedloop.domain.comebacks import MOST_NOTE, ComebackOutcome, check_review
from closedloop.domain.errors import Invalid


def test_a_review_is_trimmed_and_needs_a_note_only_where_something_else_explains_it():
    assert check_review("real", "") == (ComebackOutcome.REAL, "")
    assert check_review("explained", "  The outage \n of May. ") == (
        ComebackOutcome.EXPLAINED,
        "The outage of May.",
    )


@pytest.mark.parametrize(
    ("outcome", "note", "field"),
    [
        ("", "x", "outcome"),
        ("maybe", "", "outcome"),
        ("explained", " ", "note"),
        ("real", "x" * (MOST_NOTE + 1), "note"),
    ],
)
def test_what_is_missing_is_said_at_its_field(outcome, note, field):
    with pytest.raises(Invalid) as refused:
        check_review(outcome, note)
    assert list(refused.value.fields) == [field]


def test_every_outcome_says_what_follows():
    assert all(outcome.label and outcome.rule.endswith(".") for outcome in ComebackOutcome)
