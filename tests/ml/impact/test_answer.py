"""The answer rules, each just at and just over its edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ml.impact import Verdict
from ml.impact.answer import Finding, Needs, decide, explain, list_needs, visible_share

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
        ({"moved": 1, "tried": 1}, Verdict.FELL),  # one theme alone moves by chance
        ({"moved": 2, "tried": 4}, Verdict.INCONCLUSIVE),
        ({"moved": 2, "tried": 10}, Verdict.FELL),
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


# -- what is still needed --------------------------------------------------------------------

# 84 days handed in from 1 January 2026: the last is 25 March
EARLY = replace(
    FELL, n_post=10, expected=40.0, expected_a_day=4.0, first_day=date(2026, 1, 1), n_days=84
)


@pytest.mark.parametrize(
    ("change", "needs"),
    [
        ({}, Needs(days=4)),
        ({"n_post": 0, "expected": 0.0}, Needs(days=14, contacts=30)),
        ({"expected": 8.0, "expected_a_day": 0.8}, Needs(days=28, contacts=22)),
        ({"n_post": 20, "expected": 29.99, "expected_a_day": 1.5}, Needs(days=1, contacts=1)),
        ({"n_post": 20, "expected": 12.0, "expected_a_day": 0.6}, Needs(days=30, contacts=18)),
        ({"n_post": 20, "n_pre": 45}, Needs(history=15)),
        ({"n_pre": 45}, Needs(days=4, history=15)),
        ({"n_post": 20}, Needs()),
        ({"n_post": 20, "avoided_low": -5.0}, Needs()),
    ],
)
def test_a_verdict_that_waits_says_for_how_much(change, needs):
    assert list_needs(replace(EARLY, **change)) == needs


def test_too_early_names_the_day_on_which_it_no_longer_is():
    assert "14 are needed: 4 more, until about 29 March 2026." in explain(EARLY)[0]


def test_too_early_for_a_small_theme_says_that_fourteen_days_will_not_do():
    small = explain(replace(EARLY, expected=8.0, expected_a_day=0.8))[0]
    assert "4 more, until about 29 March 2026." in small
    assert (
        "At 0.8 contacts a day, the 22 that are still needed take about 28 more days, until "
        "about 22 April 2026." in small
    )


def test_too_few_contacts_say_how_many_more_and_by_when():
    few = explain(replace(EARLY, n_post=20, expected=12.0, expected_a_day=0.6))[0]
    assert "at 0.6 a day, 18 more take about 30 more days, until about 24 April 2026." in few


def test_one_contact_that_is_lacking_is_told_as_one():
    one = explain(replace(EARLY, n_post=20, expected=29.1, expected_a_day=2.1))[0]
    assert "at 2.1 a day, 1 more takes about 1 more day, until" in one
    early = explain(replace(EARLY, expected=29.1, expected_a_day=0.1))[0]
    assert "the 1 that is still needed takes about 9 more days" in early


def test_a_theme_that_would_take_years_is_called_too_small():
    for a_day in (0.002, 0.0):
        few = explain(replace(EARLY, n_post=20, expected=0.04, expected_a_day=a_day))[0]
        assert "too small to be judged by itself" in few
        assert "until" not in few


def test_lacking_history_says_that_waiting_does_not_help():
    short = explain(replace(EARLY, n_post=20, n_pre=45))[0]
    assert "contacts of 15 more days before 1 January 2026 have to be imported" in short


@pytest.mark.parametrize(
    ("p_value", "alpha", "said"),
    [
        (0.04, 0.015, "4.0% of cases, and this look asks for less than 1.5%."),
        (0.0152, 0.015, "1.52% of cases, and this look asks for less than 1.50%."),
        (0.0012, 0.001, "0.12% of cases, and this look asks for less than 0.10%."),
    ],
)
def test_a_chance_above_what_a_look_asks_never_reads_like_it(p_value, alpha, said):
    assert said in explain(replace(FELL, p_value=p_value, alpha=alpha))[0]
