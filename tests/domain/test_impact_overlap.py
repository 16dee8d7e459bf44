"""Several changes to the same themes: together, one after the other, or not to be told apart."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.impact_overlap import (
    JOINT_DAYS,
    LEAST_BASELINE_DAYS,
    MOST_JOINED_DAYS,
    SETTLING_DAYS,
    GoLive,
    find_overlap,
    superseded_on,
)

START = date(2026, 1, 5)
LATER = START + timedelta(days=400)


def live(number: int, after: int, *themes: int, rollout: int = 0) -> GoLive:
    return GoLive(
        number,
        f"A-{number:03d}",
        f"Fix {number}",
        START + timedelta(days=after),
        rollout,
        frozenset(themes or (1,)),
    )


def ids(overlap):
    return [one.id for one in overlap.members]


def test_a_change_alone_is_measured_alone():
    found = find_overlap(live(1, 0), [live(2, 5, 9)], as_of=LATER)
    assert (ids(found), found.is_joint, found.refusal) == ([1], False, "")
    assert (found.baseline_from, found.blurs) == (None, ())


@pytest.mark.parametrize(("apart", "joint"), [(JOINT_DAYS, True), (JOINT_DAYS + 1, False)])
def test_go_lives_within_four_weeks_are_one_change_from_the_first_on(apart, joint):
    first, second = live(1, 0), live(2, apart)
    for mine, other in ((first, second), (second, first)):
        found = find_overlap(mine, [other], as_of=LATER)
        assert found.is_joint is joint
        assert not joint or ids(found) == [1, 2]


def test_what_lies_in_between_joins_what_lies_further_apart():
    found = find_overlap(live(3, 50), [live(1, 0), live(2, 25)], as_of=LATER)
    assert ids(found) == [1, 2, 3]


def test_themes_that_any_of_the_joined_touches_are_added_up():
    found = find_overlap(live(1, 0, 1, 2), [live(2, 10, 2, 3), live(3, 12, 4)], as_of=LATER)
    assert (ids(found), found.theme_ids) == ([1, 2], frozenset({1, 2, 3}))


def test_what_has_not_gone_live_by_the_day_says_nothing():
    first, second = live(1, 0), live(2, 20)
    before = second.went_live_on - timedelta(days=1)
    assert not find_overlap(first, [second], as_of=before).is_joint
    assert find_overlap(first, [second], as_of=second.went_live_on).is_joint


def test_one_day_between_two_changes_is_told_as_one():
    found = find_overlap(live(2, JOINT_DAYS + 1), [live(1, 0, rollout=14)], as_of=LATER)
    assert "lies 1 day; 60 are needed" in found.refusal


ENOUGH = 4 + SETTLING_DAYS + LEAST_BASELINE_DAYS  # after a roll-out of four days


def test_a_later_change_is_measured_against_the_days_since_the_earlier_had_settled():
    first, second = live(1, 0, rollout=4), live(2, ENOUGH)
    found = find_overlap(second, [first], as_of=LATER)
    assert (ids(found), found.refusal, found.settled) == ([2], "", first)
    assert found.baseline_from == START + timedelta(days=4 + SETTLING_DAYS)


def test_with_too_few_days_in_between_it_is_refused_and_the_earlier_goes_on_with_both():
    first, second = live(1, 0, rollout=4), live(2, ENOUGH - 1)
    refused = find_overlap(second, [first], as_of=LATER)
    assert f"lie {LEAST_BASELINE_DAYS - 1} days" in refused.refusal
    assert "A-001" in refused.refusal
    goes_on = find_overlap(first, [second], as_of=LATER)
    assert (goes_on.refusal, goes_on.blurs) == ("", (second,))
    assert superseded_on(first, [second]) is None


def test_a_later_change_that_can_be_measured_ends_the_measuring_of_the_earlier():
    first, second = live(1, 0, rollout=4), live(2, ENOUGH)
    before = second.went_live_on - timedelta(days=1)
    assert find_overlap(first, [second], as_of=before).refusal == ""
    over = find_overlap(first, [second], as_of=second.went_live_on)
    assert "A-002" in over.refusal
    assert "last look stands" in over.refusal
    assert superseded_on(first, [first, second]) == second.went_live_on
    assert superseded_on(second, [first, second]) is None


def test_one_that_cannot_be_measured_is_taken_over_by_none():
    first, second, third = live(1, 0), live(2, 40), live(3, 200)
    assert find_overlap(second, [first, third], as_of=second.went_live_on).refusal
    assert superseded_on(second, [first, second, third]) is None
    assert superseded_on(first, [first, second, third]) == third.went_live_on


def test_two_later_ones_that_are_refused_together_take_nothing_over():
    # the third lies far enough from the first, but is one change with the second, which does not
    first, second, third = live(1, 0), live(2, 64), live(3, 84)
    everything = [first, second, third]

    assert find_overlap(third, everything, as_of=LATER).refusal
    goes_on = find_overlap(first, everything, as_of=LATER)

    assert goes_on.refusal == ""
    assert goes_on.blurs == (second, third)
    assert superseded_on(first, everything) is None


def test_a_chain_of_changes_that_began_too_long_ago_is_refused_with_the_first_named():
    chain = [live(number, number * JOINT_DAYS) for number in range(15)]
    last = chain[MOST_JOINED_DAYS // JOINT_DAYS]  # as far from the first as may be
    one_more = chain[-1]

    assert find_overlap(last, chain, as_of=LATER + timedelta(days=99)).refusal == ""
    refusal = find_overlap(one_more, chain, as_of=LATER + timedelta(days=99)).refusal
    assert "A-000 “Fix 0”, went live 392 days before it" in refusal
    assert "measured with A-000" in refusal
    assert find_overlap(chain[0], chain, as_of=LATER + timedelta(days=99)).refusal == ""
    assert superseded_on(chain[0], chain) is None
    assert superseded_on(one_more, chain) is None
