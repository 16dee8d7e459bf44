from __future__ import annotations

import pytest

from ml.text.answers import declines, without_numbering
from ml.text.clean import issue_text

WISH = "I am looking for new cable service"


@pytest.mark.parametrize(
    "answer",
    [
        *("no need", "Not really", "not really thanks", "Nothing more needed.", "no thank byee"),
        *("No thanks Charlie", "ok no need", "that's all I need for now, thanks a lot"),
        *("no more help needed", "not right now", "no, that is it"),
    ],
)
def test_who_declines_more_help_states_no_issue_by_it(answer):
    turns = [("customer", WISH), ("agent", "Anything else?"), ("customer", answer)]
    assert issue_text(turns) == WISH
    assert issue_text([("customer", answer)]) == ""
    assert issue_text([("agent", "?"), ("customer", answer)]) == ""


@pytest.mark.parametrize(
    "complaint",
    [
        *("no signal", "not working", "not happy", "no refund", "It is not helpful", "why not?"),
        *("no thanks, my card is still broken and I want a refund", "nothing arrived"),
    ],
)
def test_a_complaint_that_begins_with_no_is_kept(complaint):
    assert not declines(complaint.lower())
    assert issue_text([("customer", complaint)]) == complaint


@pytest.mark.parametrize(
    "answer",
    [
        *("ssn no 6526", "my policy no is brt 654", "name Anu, card no 5689 and ac no 0005"),
        *("confirmation number b 67 r 23", "y 67 t 56", "claim no. 12"),
    ],
)
def test_a_number_by_which_to_find_somebody_is_not_the_issue(answer):
    turns = [("customer", "my seat assignment"), ("agent", ""), ("customer", answer)]
    assert issue_text(turns) == "my seat assignment"


def test_only_the_no_of_a_number_denies_nothing():
    assert without_numbering("card no 12 and order no") == "card number 12 and order number"
    assert without_numbering("my account no one can open") == "my account no one can open"


def test_who_names_a_number_without_giving_one_may_state_an_issue():
    wish = "boarding pass to be sent to my email address or phone number"
    turns = [("customer", wish), ("agent", ""), ("customer", "Kuru 67 yu"), ("customer", "no")]
    assert issue_text(turns) == wish
    said = "sure, my phone number and email address"
    assert issue_text([("customer", said), ("agent", "."), ("customer", wish)]) == wish
