"""The sentences about a measurement: no word may claim more than the numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from closedloop.domain.impact import Displacement, Range, Verdict
from closedloop.domain.impact_doubts import Doubt, DoubtKind
from closedloop.domain.impact_words import (
    NARROW,
    Finding,
    answer,
    chance,
    contacts,
    per_cent,
    plain,
    support,
    to_words,
)

FELL = Finding(
    verdict=Verdict.FELL,
    avoided=Range(310.4, 420.0, 539.6),
    expected=2060.0,
    observed=1640,
    counted_from=date(2026, 3, 6),
    n_post=28,
    p_value=0.0004,
    could_have_seen=0.12,
    smallest_drop=0.2,
)


def said(found: Finding) -> str:
    return plain(answer(found)).replace("\u202f", " ")


def also(found: Finding) -> str:
    return " ".join(support(found)).replace("\u202f", " ")


def test_a_fall_starts_with_its_least_and_ends_with_its_share():
    assert said(FELL) == (
        "At least 310 and most likely 420 contacts avoided since 6 March 2026 (95 %: 310 to 540), "
        "20 % of the 2,060 expected."
    )


def test_a_rise_is_told_with_positive_numbers_in_the_same_order():
    rose = replace(FELL, verdict=Verdict.ROSE, avoided=Range(-240, -150, -60), observed=2210)

    assert said(rose) == (
        "At least 60 and most likely 150 more contacts came since 6 March 2026 than expected "
        "(95 %: 60 to 240), 7 % more than the 2,060 expected."
    )


def test_no_change_and_inconclusive_give_the_range_and_no_least():
    for verdict, start in (
        (Verdict.NO_CHANGE, "No change can be shown. "),
        (Verdict.INCONCLUSIVE, "It cannot be told yet. "),
    ):
        text = said(replace(FELL, verdict=verdict, avoided=Range(-60, 25, 110)))
        assert text.startswith(f"{start}Between −60 and 110 contacts avoided")
        assert "At least" not in text


OTHERS = Doubt(DoubtKind.OTHERS_MOVED, moved=3, tried=12)
UNSURE = replace(FELL, verdict=Verdict.INCONCLUSIVE, avoided=Range(430, 520, 610))


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        (OTHERS, "but something else may have happened as well: 3 of 12 unaffected themes moved "
         "on the same date."),
        (Doubt(DoubtKind.CHANCE), "and chance has not been ruled out."),
        (Doubt(DoubtKind.MANY_LOOKS, q_value=0.14), "but it was judged among other looks, and of "
         "what they would claim together 14 % would be chance; more than 10 % is not claimed."),
        (Doubt(DoubtKind.OWN_HISTORY, alone="no_change"), "but its own history alone says no "
         "change."),
        (Doubt(DoubtKind.NOT_TOLD), "but it is not clear enough to be claimed."),
    ],
)  # fmt: skip
def test_an_inconclusive_verdict_gives_its_own_reason(doubt, words):
    told = said(replace(UNSURE, doubt=doubt))

    assert told.endswith(f"(95 %), {words}")
    assert ("chance has not been ruled out" in told) == (doubt.kind is DoubtKind.CHANCE)


@pytest.mark.parametrize("kind", DoubtKind)
def test_only_a_fall_is_ever_at_least_the_drop_worth_having(kind):
    told = also(replace(UNSURE, doubt=Doubt(kind, moved=3, tried=12)))

    assert "at least" not in told
    assert ("cannot be ruled out" in told) == (kind is not DoubtKind.OTHERS_MOVED)


def test_what_would_have_been_noticed_is_said_where_only_its_size_was_in_the_way():
    for kind, is_said in ((DoubtKind.CHANCE, True), (DoubtKind.OTHERS_MOVED, False)):
        assert ("would have been noticed" in also(replace(UNSURE, doubt=Doubt(kind)))) == is_said


def test_too_early_names_the_days_counted_and_claims_no_number_of_contacts():
    early = replace(FELL, verdict=Verdict.TOO_EARLY, n_post=12)

    assert "12 days are counted since the roll-out; the first look needs 14." in said(early)
    assert "420" not in said(early)
    assert support(early) == []


def test_too_early_during_the_roll_out_counts_no_day_below_zero():
    assert "0 days are counted" in said(replace(FELL, verdict=Verdict.TOO_EARLY, n_post=-2))


def test_not_enough_data_says_what_the_method_said_was_missing():
    scarce = replace(FELL, verdict=Verdict.NOT_ENOUGH_DATA, reasons=("Too few contacts: 12.",))

    assert said(scarce) == "There is not enough data to tell. Too few contacts: 12."


@pytest.mark.parametrize(
    ("avoided", "verdict", "sentence"),
    [
        (Range(413, 500, 600), Verdict.FELL, "The fall is at least the 20 % worth having"),
        (Range(310, 420, 540), Verdict.FELL, "worth having (412 contacts) is still open"),
        (
            Range(50, 100, 150),
            Verdict.FELL,
            "A fall of the 20 % worth having (412 contacts) can be",
        ),
        (Range(-60, 25, 110), Verdict.NO_CHANGE, "can be ruled out"),
        (Range(-60, 200, 480), Verdict.NO_CHANGE, "cannot be ruled out"),
        (Range(-60, 200, 480), Verdict.INCONCLUSIVE, "cannot be ruled out"),
    ],
)
def test_the_range_is_held_against_the_drop_worth_having(avoided, verdict, sentence):
    assert sentence in also(replace(FELL, avoided=avoided, verdict=verdict))


def test_a_fall_that_only_moved_says_so_with_the_net_range():
    moved = replace(FELL, displacement=Displacement.MOVED, net=Range(-80, 20, 120))

    said = plain(answer(moved))
    assert said.startswith("The contacts moved to themes beside it.")
    assert "over them together −80 to 120 were avoided: no fall can be shown." in said
    assert "At least" not in said, "the headline must not claim what moved"
    assert "not counted as a success" in also(moved)
    assert "worth having" not in also(moved)
    assert "moved" not in plain(answer(FELL)) + also(FELL)
    assert "540 fewer came on this theme since" in said
    several = plain(answer(replace(moved, n_themes=2)))
    assert "540 fewer came on the 2 themes it touches since" in several
    unsure = plain(answer(replace(moved, net=Range(17, 99, 192))))
    assert "17 to 192 were avoided: too few for chance to be ruled out" in unsure
    assert "no fall can be shown" not in unsure, "zero is not in that range"


def test_a_fall_that_may_have_moved_is_no_claim_and_says_what_is_open():
    found = replace(FELL, verdict=Verdict.INCONCLUSIVE, doubt=Doubt(DoubtKind.MAY_HAVE_MOVED))
    said = plain(answer(found))
    assert said.startswith("It cannot be told yet.")
    assert "but the contacts may have moved: a theme beside it, unusually busy or quiet" in said
    assert "At least" not in said
    assert "would have been noticed" not in also(found), "its size is not in the way"


def test_no_change_says_what_would_have_been_noticed_and_a_fall_how_rare_it_is():
    assert "fewer than 1 of 1,000 quiet periods" in also(FELL)
    quiet = also(replace(FELL, verdict=Verdict.NO_CHANGE, avoided=Range(-60, 25, 110)))
    assert "A change of 12 % or more would have been noticed in four cases of five." in quiet
    assert "quiet periods" not in quiet


def test_numbers_have_thousands_a_true_minus_and_no_minus_zero():
    assert contacts(-1234.4) == "−1,234"
    assert contacts(-0.3) == "0"
    assert per_cent(0.003) == "under 1\u202f%"


def test_a_share_that_rounds_to_nothing_has_no_minus_and_what_is_above_it_is_not_called_0():
    assert per_cent(-0.004) == f"0{NARROW}%"
    assert per_cent(-0.25) == f"\N{MINUS SIGN}25{NARROW}%"
    assert per_cent(0.005) == f"under 1{NARROW}%"  # it would be rounded to 0


def test_without_data_enough_no_number_is_told_that_was_expected():
    scarce = replace(FELL, verdict=Verdict.NOT_ENOUGH_DATA, expected=368.0, observed=278)
    assert also(scarce) == "278 came."


def test_chance_is_said_as_people_say_it():
    assert chance(0.0009) == "fewer than 1 of 1,000 quiet periods"
    assert chance(0.02) == "about 1 of 50 quiet periods"
    assert chance(0.62).replace("\u202f", " ") == "62 % of quiet periods"


def test_rounding_makes_no_range_a_point():
    assert to_words(0.6, 1.4) == "0.6 to 1.4"
    assert to_words(-1.4, -0.6) == "−1.4 to −0.6"
    assert to_words(3, 3) == "3 to 3"


def test_a_share_of_chance_above_what_is_allowed_never_reads_like_it():
    doubt = Doubt(DoubtKind.MANY_LOOKS, q_value=0.102)
    words = plain(answer(replace(FELL, verdict=Verdict.INCONCLUSIVE, doubt=doubt)))
    assert f"just over 10{NARROW}% would be chance; more than 10{NARROW}% is not" in words
