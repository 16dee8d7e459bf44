"""What a failed check says beside the claim that it questions."""

from __future__ import annotations

import pytest

from closedloop.domain.impact import CheckState, Verdict
from closedloop.domain.impact_questions import QUESTIONS, caution, failed_checks
from closedloop.domain.impact_words import CHECK_TITLES

SAID_ELSEWHERE = {"controls", "many_looks", "own_history", "smallest_drop"}


def check(name, state=CheckState.WARN):
    return {"name": name, "state": state.value, "sentence": "A sentence."}


def test_every_check_is_told_beside_the_claim_or_by_the_answer_itself():
    assert set(QUESTIONS) | SAID_ELSEWHERE == set(CHECK_TITLES)
    assert not set(QUESTIONS) & SAID_ELSEWHERE


def test_failed_checks_question_a_claim_the_gravest_first():
    checks = [check("data_gaps"), check("spill", CheckState.OK), check("earlier_trend")]
    assert failed_checks(Verdict.FELL, checks) == ("earlier_trend", "data_gaps")
    assert failed_checks(Verdict.ROSE, checks) == ("earlier_trend", "data_gaps")


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.FELL, Verdict.ROSE}))
def test_what_claims_nothing_needs_no_caution(verdict):
    assert failed_checks(verdict, [check("earlier_trend")]) == ()


def test_a_theme_that_began_lately_questions_that_nothing_changed():
    checks = [check("newborn"), check("earlier_trend")]
    assert failed_checks(Verdict.NO_CHANGE, checks) == ("newborn",)
    assert failed_checks(Verdict.INCONCLUSIVE, checks) == ()


def test_a_caution_says_two_in_words_and_counts_the_others():
    trend = "contacts were going that way before the change already"
    assert caution(()) == ""
    assert caution(("earlier_trend",)) == f"But {trend}."
    two = caution(("earlier_trend", "lately"))
    assert two == f"But {trend} and it may be wearing off."
    assert caution(("earlier_trend", "lately", "holidays")).endswith("and 1 more check fails.")
    assert caution(tuple(QUESTIONS)).endswith(f"and {len(QUESTIONS) - 2} more checks fail.")
