"""The sentences of the executive report."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from closedloop.domain.impact import Displacement, Range, Verdict
from closedloop.domain.impact_doubts import Doubt, DoubtKind
from closedloop.domain.report_words import (
    headline,
    in_words,
    rates_sentence,
    what_did_not,
    what_worked,
)
from tests.domain.test_impact_words import FELL


@pytest.mark.parametrize(
    ("avoided", "came_back", "rose", "title"),
    [
        (None, 0, 0, "No change has a verdict yet"),
        (Range(300, 400, 500), 0, 0, "300 to 500 contacts avoided"),
        (Range(300, 400, 500), 1, 2, "300 to 500 contacts avoided; one fix came back"),
        (Range(300, 400, 500), 0, 2, "300 to 500 contacts avoided; two changes made it worse"),
        (Range(-20, 100, 220), 0, 0, "No avoided contacts can be shown yet"),
        (Range(-300, -200, -100), 0, 0, "100 to 300 more contacts came than expected"),
    ],
)
def test_the_headline_claims_only_what_the_range_allows(avoided, came_back, rose, title):
    assert headline(avoided, came_back=came_back, rose=rose) == title


def test_inconclusive_verdicts_alone_make_no_headline():
    for number, said in ((1, "one verdict is inconclusive"), (2, "two verdicts are inconclusive")):
        title = headline(None, came_back=0, rose=0, inconclusive=number)
        assert title == f"Nothing can be claimed yet: {said}"
    fell = headline(Range(300, 400, 500), came_back=0, rose=0, inconclusive=2)
    assert fell == "300 to 500 contacts avoided"


@pytest.mark.parametrize(
    ("doubt", "text", "note"),
    [
        (Doubt(DoubtKind.CHANCE), "cannot be told from chance so far.", "cannot be ruled out."),
        (Doubt(DoubtKind.OTHERS_MOVED, moved=3, tried=12), "cannot be told: something else may "
         "have happened as well: 3 of 12 unaffected themes moved on the same date.", ""),
        (Doubt(DoubtKind.NOT_TOLD), "cannot be told: it is not clear enough to be claimed.",
         "cannot be ruled out."),
    ],
)  # fmt: skip
def test_an_inconclusive_change_is_listed_with_its_own_reason(doubt, text, note):
    found = replace(FELL, verdict=Verdict.INCONCLUSIVE, doubt=doubt)
    line = what_did_not("Text", "A-027", found, None)

    assert line is not None
    assert line.text == text
    assert line.note.endswith(note)
    assert bool(line.note) == bool(note)


def test_what_worked_names_the_least_avoided_not_the_middle():
    line = what_worked("Text when posted", "A-027", FELL)

    assert line.text == "at least 310 contacts avoided since 6 March 2026."
    assert line.key == "A-027"


def test_a_failed_check_is_told_beside_what_worked_and_what_made_it_worse():
    but = "But contacts were going that way before the change already."
    found = replace(FELL, failed_checks=("earlier_trend",))
    assert what_worked("Text when posted", "A-027", found).note == but
    rose = replace(found, verdict=Verdict.ROSE, avoided=Range(-90, -50, -20))
    line = what_did_not("Text when posted", "A-027", rose, None)
    assert line is not None
    assert line.note == but


def test_what_did_not_work_leaves_out_what_worked_and_what_is_not_known():
    assert what_did_not("Text", "A-027", FELL, None) is None
    assert what_did_not("Text", "A-027", None, None) is None


def test_a_fix_that_came_back_is_listed_although_it_fell():
    line = what_did_not("Text", "A-027", FELL, date(2026, 4, 28))

    assert line is not None
    assert line.text == "worked at first, and came back on 28 April 2026."


def test_a_fall_that_moved_is_listed_with_its_net_range():
    moved = replace(FELL, displacement=Displacement.MOVED, net=Range(-80, 20, 120))
    line = what_did_not("Text", "A-027", moved, None)

    assert line is not None
    assert "moved its contacts" in line.text
    assert "−80 to 120" in line.note


def test_no_change_says_whether_the_drop_worth_having_can_be_ruled_out():
    for high, words in ((110.0, "can be ruled out"), (480.0, "cannot be ruled out")):
        found = replace(FELL, verdict=Verdict.NO_CHANGE, avoided=Range(-60, 25, high))
        line = what_did_not("Text", "A-027", found, None)
        assert line is not None
        assert line.note.replace("\u202f", " ") == f"A fall of 20 % (412 contacts) {words}."


def test_a_rise_names_how_many_more_came():
    rose = replace(FELL, verdict=Verdict.ROSE, avoided=Range(-240, -150, -60))
    line = what_did_not("Menu", "A-030", rose, None)

    assert line is not None
    assert line.text == "made it worse: 60 to 240 more contacts came than expected."


def test_rates_name_both_ends_and_claim_no_trend():
    days = (date(2025, 12, 7), date(2026, 5, 4))
    text = rates_sentence(days, (0.21, 0.187), (0.128, 0.113)).replace("\u202f", " ")

    assert text == (
        "In the four weeks to 7 December 2025 and to 4 May 2026: any reason 21.0 % and 18.7 %, "
        "same theme 12.8 % and 11.3 %."
    )
    assert rates_sentence(days, (None, 0.1), (None, None)) == ""


def test_small_counts_are_words():
    assert in_words(1, "fix", "fixes") == "one fix"
    assert in_words(14, "fix", "fixes") == "14 fixes"
