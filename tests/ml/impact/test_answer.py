"""The answer rules, each just at and just over its edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml.impact import Verdict
from ml.impact.answer import Finding, decide, explain, visible_share

FELL = Finding(
    observed=60,
    expected=100.0,
    avoided_low=12.4,
    avoided_high=70.0,
    p_value=0.01,
    could_have_seen=0.3,
    n_pre=60,
    n_post=14,
)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.FELL),
        ({"n_post": 13}, Verdict.TOO_EARLY),
        ({"n_pre": 59}, Verdict.NOT_ENOUGH_DATA),
        ({"expected": 30.0}, Verdict.FELL),
        ({"expected": 29.99}, Verdict.NOT_ENOUGH_DATA),
        ({"moved": 4, "tried": 20}, Verdict.FELL),
        ({"moved": 5, "tried": 20}, Verdict.INCONCLUSIVE),
        ({"moved": 1, "tried": 5}, Verdict.FELL),
        ({"moved": 1, "tried": 4}, Verdict.INCONCLUSIVE),
        ({"p_value": 0.0499}, Verdict.FELL),
        ({"p_value": 0.05}, Verdict.INCONCLUSIVE),
        ({"p_value": 0.0149, "alpha": 0.015}, Verdict.FELL),
        ({"p_value": 0.015, "alpha": 0.015}, Verdict.INCONCLUSIVE),
        ({"avoided_low": 0.5}, Verdict.NO_CHANGE),
        ({"avoided_low": 0.51}, Verdict.FELL),
        ({"avoided_low": -70.0, "avoided_high": -0.51}, Verdict.ROSE),
        ({"avoided_low": -70.0, "avoided_high": -0.5}, Verdict.NO_CHANGE),
    ],
)
def test_each_rule_turns_at_its_edge(change, verdict):
    assert decide(replace(FELL, **change)) is verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"n_post": 13, "n_pre": 59}, Verdict.TOO_EARLY),
        ({"n_pre": 59, "moved": 9, "tried": 9}, Verdict.NOT_ENOUGH_DATA),
        ({"avoided_low": -5.0, "moved": 9, "tried": 9}, Verdict.INCONCLUSIVE),
    ],
)
def test_the_rules_silence_each_other_in_order(change, verdict):
    assert decide(replace(FELL, **change)) is verdict


def test_a_fall_leads_with_the_least_that_was_avoided():
    first, second = explain(FELL)
    assert first == (
        "At least 12 fewer contacts came than would have come without the change, most likely "
        "40 (95% range: 12 to 70)."
    )
    assert second == "100 contacts were expected without the change over 14 days; 60 came."


def test_a_rise_turns_the_range_around():
    rose = replace(FELL, observed=1_130, expected=100.0, avoided_low=-1_200.0, avoided_high=-900.0)
    assert "At least 900 more contacts" in explain(rose)[0]
    assert "900 to 1,200" in explain(rose)[0]


@pytest.mark.parametrize(("share", "words"), [(0.5, "four cases of five"), (0.51, "hard to read")])
def test_no_change_says_what_it_could_have_seen(share, words):
    unchanged = replace(FELL, avoided_low=-20.0, could_have_seen=share)
    first, second = explain(unchanged)
    assert "between −20 and 70" in first
    assert f"{share:.0%}" in second
    assert words in second


def test_too_early_also_says_when_waiting_will_not_help():
    reasons = explain(replace(FELL, n_post=1, n_pre=20))
    assert "1 day counted" in reasons[0]
    assert "20 days counted before the change, 60 are needed" in reasons[1]


def test_just_under_thirty_expected_does_not_read_as_thirty():
    assert "29.9 were expected" in explain(replace(FELL, expected=29.99))[0]


def test_what_could_have_been_seen_is_two_point_eight_sd_and_more_on_a_strict_look():
    assert visible_share(0.1, alpha=0.05) == pytest.approx(0.28, abs=0.001)
    assert visible_share(0.1, alpha=0.015) > 0.32
    assert visible_share(5.0, alpha=0.05) == 1.0
