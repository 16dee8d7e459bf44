"""What stands beside the answer: what it is held against, what was left out, what is missing."""

from __future__ import annotations

import pytest

from closedloop.domain.impact import CheckState, Verdict
from closedloop.domain.impact_page_words import (
    CHECK_QUESTIONS,
    STATE_WORDS,
    drop_range,
    held_against,
    left_out,
    precautions,
    stands_behind,
    taken_back,
)
from closedloop.domain.impact_words import CHECK_TITLES


def used(number, **values):
    return {"controls_used": number, "share_of_controls_moved": 0.05, **values}


def test_a_fall_holds_against_the_themes_it_was_compared_with():
    said = held_against(Verdict.FELL, used(14, own_history={"verdict": "fell"}))
    assert said == "The fall holds against 14 unaffected themes."


@pytest.mark.parametrize(
    ("verdict", "detail", "words"),
    [
        (Verdict.ROSE, used(1), "The rise holds against 1 unaffected theme."),
        (Verdict.NO_CHANGE, used(14), "It was held against 14 unaffected themes."),
        (Verdict.NO_CHANGE, used(24, share_of_controls_moved=0.15, controls_tried=20), "But 3 of "
         "20 unaffected themes moved on the same date as well."),
        (Verdict.INCONCLUSIVE, used(24, share_of_controls_moved=0.15, controls_tried=20), "But 3 "
         "of 20 unaffected themes moved on the same date as well."),
        # the answer itself has said that so many moved
        (Verdict.INCONCLUSIVE, used(9, share_of_controls_moved=0.25, controls_tried=12), "It was "
         "held against 9 unaffected themes."),
        (Verdict.FELL, used(0), "There is no unaffected theme to hold it against: it rests on its "
         "own history."),
        (Verdict.FELL, used(24, share_of_controls_moved=0.15, controls_tried=20), "But 3 of 20 "
         "unaffected themes moved on the same date as well."),
        (Verdict.FELL, used(14, own_history={"verdict": "no_change"}), "The fall holds against 14 "
         "unaffected themes; its own history alone says no change."),
        (Verdict.TOO_EARLY, used(14), ""),
        (Verdict.NOT_ENOUGH_DATA, used(14), ""),
        (Verdict.FELL, {}, ""),
    ],
)  # fmt: skip
def test_what_does_not_simply_hold_is_said_otherwise(verdict, detail, words):
    assert held_against(verdict, detail) == words


def test_days_left_out_and_ranges_widened_are_told_in_words():
    said = precautions({"gap_days": 14, "widened_by": 1.3})

    assert said == [
        "The last 14 days before the change were unusually busy. Whether that would have passed "
        "by itself or stayed, nobody can tell: the range holds both.",
        "Ranges were made 1.3 times as wide, as unaffected themes moved more than chance allows.",
    ]


def test_a_low_end_of_the_history_is_told_as_one():
    (said,) = precautions({"gap_days": 14, "gap_is_low": True})

    assert said.startswith("The last 14 days before the change were unusually quiet.")


@pytest.mark.parametrize(
    ("detail", "why"),
    [
        (used(14, own_history={"widened_by": 1.0}), "strayed further apart"),
        (used(14, own_history={"widened_by": 1.7}), "strayed further apart"),
        # more than a fifth moved: what they share is not taken out either
        (used(14, own_history={"widened_by": 1.3}), "moved more"),
        (used(14, own_history={"verdict": "fell"}), "moved more"),  # before method 2.1
        (used(0, own_history=None), "moved more"),
    ],
)
def test_why_ranges_were_widened_is_told_as_it_was(detail, why):
    (said,) = precautions({"widened_by": 1.3, **detail})

    assert f"as unaffected themes {why} than chance allows" in said


@pytest.mark.parametrize("detail", [{}, {"gap_days": 0, "widened_by": 1.0}, {"gap_days": None}])
def test_nothing_is_told_of_what_was_not_done(detail):
    assert precautions(detail) == []


def test_a_total_says_which_verdicts_stand_behind_it_and_what_is_not_in_it():
    counts = {Verdict.FELL: 3, Verdict.ROSE: 1, Verdict.NO_CHANGE: 2, Verdict.TOO_EARLY: 4}

    assert stands_behind(counts, 4) == (
        "6 verdicts stand behind it: 3 fell, 1 rose, 2 showed no change. 4 more shipped actions "
        "have no range to add."
    )
    assert stands_behind({Verdict.FELL: 1}, 0) == "1 verdict stands behind it: 1 fell."
    assert stands_behind({Verdict.TOO_EARLY: 2}, 2).startswith("No verdict with a range")


def test_inconclusive_verdicts_stand_beside_a_total_and_not_behind_it():
    counts = {Verdict.FELL: 1, Verdict.INCONCLUSIVE: 2, Verdict.TOO_EARLY: 1}

    assert stands_behind(counts, 3) == (
        "1 verdict stands behind it: 1 fell. 2 more shipped actions are inconclusive and not in "
        "it. 1 more shipped action has no range to add."
    )
    assert stands_behind({Verdict.INCONCLUSIVE: 1}, 1) == (
        "No verdict that can be added stands behind it yet. 1 more shipped action is inconclusive "
        "and not in it."
    )


def test_what_is_not_in_a_total_is_counted_with_why():
    assert left_out(3, 1) == (
        "3 shipped actions are not in it: 1 inconclusive, 2 without a look yet or without enough "
        "data."
    )
    assert left_out(1, 1) == "1 shipped action is not in it: 1 inconclusive."
    assert left_out(0, 0) == ""


def test_a_drop_is_written_as_a_range_of_shares():
    assert drop_range(310, 420, 540, 2060) == (
        "15\N{NARROW NO-BREAK SPACE}% to 26\N{NARROW NO-BREAK SPACE}% fewer, most likely "
        "20\N{NARROW NO-BREAK SPACE}%"
    )
    assert drop_range(-60, 25, 110, 1000).startswith("\N{MINUS SIGN}6")


def test_a_rise_is_written_as_more():
    assert drop_range(-500, -300, -100, 1000).replace("\u202f", " ") == (
        "10 % to 50 % more, most likely 30 %"
    )


def test_every_state_has_a_word_and_every_check_that_is_titled_says_what_it_asks():
    assert set(STATE_WORDS) == {state.value for state in CheckState}
    assert set(CHECK_TITLES) - set(CHECK_QUESTIONS) == set()


def test_go_lives_that_were_taken_back_are_told_beside_the_total():
    assert taken_back(0, 0) == ""
    assert taken_back(1, 0) == (
        "1 go-live was taken back and is in no number here, before any verdict."
    )
    assert taken_back(1, 1).endswith("in no number here, after a verdict had been spoken.")
    assert taken_back(3, 2) == (
        "3 go-lives were taken back and are in no number here, 2 of them after a verdict had been "
        "spoken."
    )
