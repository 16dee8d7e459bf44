"""Ranges of what avoided contacts are worth: against draws, properties, and the worked example."""

from __future__ import annotations

import dataclasses
import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closedloop.domain.impact import Range
from closedloop.domain.means import Z_95
from closedloop.domain.money import ChannelFacts, Claim, MoneyFacts, Price
from closedloop.domain.money_totals import (
    Worth,
    total_contacts,
    total_money,
    total_worth,
    worth_of,
)

LIVE = date(2026, 3, 3)
PAGE = Path(__file__).parents[2] / "docs" / "impact" / "money.md"


def channel(name: str | None = "phone", share: float = 1.0, **values) -> ChannelFacts:
    return ChannelFacts(
        **{
            "channel": name,
            "share": share,
            "contacts": 1000,
            "handled": 1000,
            "weeks": 52,
            "handle_seconds": 480.0,
            "handle_error": 12.0,
            "pence_per_minute": 62.0,
            "price": Price.OWN,
            **values,
        }
    )


PHONE = channel(share=0.8)
CHAT = channel("chat", 0.2, handle_seconds=720.0, handle_error=30.0, pence_per_minute=40.0)


def claim(
    avoided: tuple[float, float, float] = (310.0, 420.0, 540.0),
    channels: tuple[ChannelFacts, ...] = (PHONE, CHAT),
    *,
    first: date = LIVE,
    n_days: int = 28,
    themes: str = "T-1 T-2",
    **values,
) -> Claim:
    last = first + timedelta(days=n_days - 1)
    facts = MoneyFacts(channels)
    return Claim(Range(*avoided), facts, first, last, frozenset(themes.split()), **values)


def drawn(one: Claim, factor_of, n: int = 60_000) -> np.ndarray:
    """Draw products of a count with two halves and handle times with Student's t."""
    rng = np.random.default_rng(11)
    a = one.avoided
    z = rng.standard_normal(n)
    sides = np.where(z < 0, a.middle - a.low, a.high - a.middle) / Z_95
    count = a.middle + z * sides
    worth = sum(
        factor_of(c) * (c.handle_seconds + rng.standard_t(c.weeks - 1, n) * (c.handle_error or 0.0))
        for c in one.facts.channels
    )
    return count * worth


def pence(c: ChannelFacts) -> float:
    return c.share / 60 * c.pence_per_minute


@pytest.mark.parametrize(
    ("avoided", "error"),
    [
        ((310.0, 420.0, 540.0), 12.0),
        ((310.0, 420.0, 540.0), 40.0),
        ((-60.0, 25.0, 110.0), 60.0),
        ((-100.0, 0.0, 100.0), 60.0),
        ((-340.0, -200.0, -90.0), 30.0),
        ((399.0, 400.0, 401.0), 50.0),
    ],
)
def test_a_range_holds_what_draws_of_both_errors_hold(avoided, error):
    one = claim(avoided, (dataclasses.replace(PHONE, handle_error=error), CHAT))

    found = worth_of(one, Worth.PENCE)

    draws = drawn(one, pence)
    assert found.middle == pytest.approx(np.median(draws), abs=0.05 * np.std(draws))
    inside = np.mean((draws >= found.low) & (draws <= found.high))
    assert 0.94 <= inside <= 0.965


def test_the_count_alone_would_be_too_narrow():
    wide = claim((399.0, 400.0, 401.0), (dataclasses.replace(PHONE, handle_error=50.0), CHAT))
    draws = drawn(wide, pence)
    per_contact = sum(pence(c) * c.handle_seconds for c in wide.facts.channels)

    assert np.mean((draws >= 399 * per_contact) & (draws <= 401 * per_contact)) < 0.2


def test_a_handle_time_known_exactly_leaves_the_count():
    exact = tuple(dataclasses.replace(c, handle_error=None) for c in (PHONE, CHAT))

    found = worth_of(claim(channels=exact), Worth.PENCE)

    assert found == Range(*(pytest.approx(n * 492.8) for n in (310, 420, 540)))


def test_few_weeks_make_it_wider_than_many():
    few = dataclasses.replace(PHONE, weeks=3)

    assert worth_of(claim(channels=(few, CHAT)), Worth.MINUTES).low < (
        worth_of(claim(), Worth.MINUTES).low
    )


def test_a_channel_without_handle_time_or_price_adds_nothing():
    untimed = dataclasses.replace(CHAT, handle_seconds=None, handle_error=None)
    unpriced = dataclasses.replace(CHAT, pence_per_minute=None, price=Price.NONE)

    assert worth_of(claim(channels=(PHONE, untimed)), Worth.MINUTES).middle == pytest.approx(
        420 * 0.8 * 8
    )
    assert worth_of(claim(channels=(PHONE, unpriced)), Worth.PENCE).middle == pytest.approx(
        420 * 0.8 * 8 * 62
    )
    assert worth_of(claim(channels=(unpriced,)), Worth.PENCE) is None
    assert worth_of(claim(channels=(untimed,)), Worth.MINUTES) is None


def test_people_reach_to_zero_where_the_minutes_do():
    quick = claim((150.0, 200.0, 250.0), n_days=14)  # pulls up the pace more than the minutes
    slow = claim((-420.0, -120.0, 180.0), n_days=280)

    total = total_money([quick, slow])

    assert total.minutes.low < 0 < total.minutes.high
    assert total_worth([quick, slow], Worth.PEOPLE).low > 0
    assert total.people.low == 0
    assert total.people.middle > 0


def test_people_are_the_pace_of_the_days_that_counted():
    whole, holes = claim(n_days=28), claim(n_days=56, n_counted=28)

    assert worth_of(whole, Worth.PEOPLE).middle == pytest.approx(3696 / 28 * 365 / 96_000)
    assert worth_of(holes, Worth.PEOPLE) == worth_of(whole, Worth.PEOPLE)


ENDS = st.tuples(
    st.floats(-1e5, 1e5), st.floats(0, 1e5, allow_nan=False), st.floats(0, 1e5, allow_nan=False)
).map(lambda t: (t[0] - t[1], t[0], t[0] + t[2]))
CHANNEL = st.builds(
    channel,
    st.sampled_from(["phone", "chat", None]),
    st.floats(0.01, 1),
    handle_seconds=st.floats(1, 5_000),
    handle_error=st.floats(0, 2_000),
    weeks=st.integers(2, 60),
    pence_per_minute=st.floats(0, 500),
)
CLAIM = st.builds(
    claim,
    ENDS,
    st.lists(CHANNEL, min_size=1, max_size=4).map(tuple),
    first=st.integers(0, 400).map(lambda n: LIVE + timedelta(n)),
    n_days=st.integers(1, 360),
    themes=st.sampled_from(["", "T-1", "T-1 T-2", "T-2 T-3 T-4"]),
)


@given(CLAIM, st.sampled_from(list(Worth)))
def test_a_range_is_ordered_and_as_sure_of_its_sign_as_the_count(one, worth_in):
    found = worth_of(one, worth_in)

    assert found.low <= found.middle <= found.high
    assert all(math.isfinite(end) for end in (found.low, found.middle, found.high))
    if one.avoided.low >= 0:
        assert found.low >= 0
    if one.avoided.high <= 0:
        assert found.high <= 0


@given(CLAIM)
def test_a_range_is_never_narrower_than_the_count_makes_it(one):
    found = worth_of(one, Worth.MINUTES)
    each = sum(c.share * c.handle_seconds / 60 for c in one.facts.channels)
    slack = 1e-6 + 1e-9 * max(abs(found.low), abs(found.high))

    if one.avoided.low < 0 < one.avoided.high:
        assert found.low <= one.avoided.low * each + slack
    if one.avoided.low < 0:
        assert found.low <= one.avoided.low * each + slack
    if one.avoided.high > 0:
        assert found.high >= one.avoided.high * each - slack


@given(CLAIM)
def test_more_came_than_expected_is_the_mirror_of_fewer(one):
    a = one.avoided
    mirrored = dataclasses.replace(one, avoided=Range(-a.high, -a.middle, -a.low))
    found, other = worth_of(one, Worth.MINUTES), worth_of(mirrored, Worth.MINUTES)
    slack = 1e-6 + 1e-9 * (found.high - found.low)

    assert other.low == pytest.approx(-found.high, abs=slack)
    assert other.high == pytest.approx(-found.low, abs=slack)


@given(st.lists(CLAIM, min_size=1, max_size=6))
def test_a_total_lies_between_independent_errors_and_errors_added_in_full(claims):
    found = total_contacts(claims)
    below = [c.avoided.middle - c.avoided.low for c in claims]
    width = found.middle - found.low
    clamped = found.low == 0

    assert found.middle == pytest.approx(math.fsum(c.avoided.middle for c in claims), abs=1e-6)
    assert width <= sum(below) * (1 + 1e-9) + 1e-6
    assert clamped or width >= math.hypot(*below) * (1 - 1e-9) - 1e-6


@given(st.lists(CLAIM, min_size=2, max_size=5), st.randoms())
def test_a_total_does_not_depend_on_the_order(claims, random):
    shuffled = random.sample(claims, len(claims))
    found, other = (total_worth(some, Worth.MINUTES) for some in (claims, shuffled))
    slack = 1e-6 + 1e-9 * (found.high - found.low)

    assert other.low == pytest.approx(found.low, abs=slack)
    assert other.high == pytest.approx(found.high, abs=slack)


def test_a_total_of_one_is_its_own_range():
    for worth_in in Worth:
        assert total_worth([claim()], worth_in) == worth_of(claim(), worth_in)


def together(one, other, shared):
    """The error of a sum of two counts whose themes share a quarter of their variance."""
    return math.sqrt(one**2 + other**2 + 2 * 0.25 * shared * one * other)


def test_on_the_same_days_and_themes_a_quarter_of_the_error_is_in_common():
    found = total_contacts([claim(), claim((90.0, 100.0, 115.0))])

    assert 520 - found.low == pytest.approx(together(110, 10, 1))
    assert found.high - 520 == pytest.approx(together(120, 15, 1))


def test_many_alike_fixes_keep_what_they_have_in_common():
    found = total_contacts([claim((90.0, 100.0, 110.0)) for _ in range(100)])

    assert 10_000 - found.low == pytest.approx(10 * math.sqrt(0.75 * 100 + 0.25 * 100**2))


@pytest.mark.parametrize(
    "other", [{"first": LIVE + timedelta(28)}, {"themes": "T-3 T-4"}, {"themes": ""}]
)
def test_other_days_or_other_themes_are_independent(other):
    found = total_contacts([claim(), claim((90.0, 100.0, 115.0), **other)])

    assert found.low == pytest.approx(520 - math.hypot(110, 10))
    assert found.high == pytest.approx(520 + math.hypot(120, 15))


def test_in_between_the_correlation_is_days_and_themes_in_common():
    one = claim()
    other = claim((90.0, 100.0, 115.0), first=LIVE + timedelta(14), n_days=56, themes="T-2 T-3 T-4")
    shared = (14 / math.sqrt(28 * 56)) * (1 / math.sqrt(2 * 3))

    found = total_contacts([one, other])

    assert 520 - found.low == pytest.approx(together(110, 10, shared))


def test_two_without_a_comparison_are_held_to_share_their_days():
    found = total_contacts([claim(themes=""), claim((90.0, 100.0, 115.0), themes="")])

    assert 520 - found.low == pytest.approx(together(110, 10, 1))


def test_handle_times_of_one_channel_are_added_in_full_and_of_two_as_squares():
    sure = (400.0, 400.0, 400.0)
    phone, chat = (channel(), channel("chat"))
    alone = worth_of(claim(sure, (phone,)), Worth.MINUTES)
    half = alone.high - alone.middle

    same = total_worth([claim(sure, (phone,)), claim(sure, (phone,))], Worth.MINUTES)
    apart = total_worth([claim(sure, (phone,)), claim(sure, (chat,))], Worth.MINUTES)

    assert same.high - same.middle == pytest.approx(2 * half)
    assert apart.high - apart.middle == pytest.approx(math.sqrt(2) * half)


def test_a_fix_that_made_it_worse_takes_off_and_still_adds_its_error():
    better, worse = claim((90.0, 100.0, 110.0)), claim((-45.0, -40.0, -35.0), themes="T-9")

    found = total_worth([better, worse], Worth.MINUTES)

    assert found.middle == pytest.approx(60 * 8.8)
    assert found.high - found.middle > worth_of(better, Worth.MINUTES).high - (
        worth_of(better, Worth.MINUTES).middle
    )


def test_changes_measured_as_one_count_once():
    pair = frozenset({7, 9})
    one, other = claim(measured_as_one=pair), claim(n_days=30, measured_as_one=pair)

    found = total_money([one, other, claim((90.0, 100.0, 115.0))])

    assert (found.actions, found.as_one) == (3, 1)
    assert found.contacts.middle == 520
    assert total_money([one, other]).people == worth_of(other, Worth.PEOPLE)  # the newest data


def test_actions_without_time_or_price_are_counted_apart():
    untimed = claim(channels=(dataclasses.replace(PHONE, handle_seconds=None),))
    unpriced = claim(channels=(dataclasses.replace(PHONE, pence_per_minute=None),))

    found = total_money([claim(), untimed, unpriced])

    assert (found.actions, found.timed, found.priced) == (3, 2, 1)
    assert found.pence == worth_of(claim(), Worth.PENCE)
    assert total_money([untimed]).minutes is None
    assert total_money([]).contacts is None


def test_the_worked_example_is_what_the_page_says():
    one = claim()
    other = claim(
        (100.0, 160.0, 230.0),
        (channel(handle_seconds=300.0, handle_error=9.0),),
        first=LIVE + timedelta(14),
        themes="T-1 T-3",
    )
    both = total_money([one, other])
    text = PAGE.read_text()

    ends = [worth_of(one, worth_in) for worth_in in (Worth.MINUTES, Worth.PENCE)]
    for found in ends:
        assert f"| {found.low:,.0f} | {found.middle:,.0f} | {found.high:,.0f} |" in text
    people = worth_of(one, Worth.PEOPLE)
    assert f"| {people.low:.2f} | {people.middle:.2f} | {people.high:.2f} |" in text
    assert f"{310 * 492.8:,.0f} to {540 * 492.8:,.0f}" in text
    assert f"{both.contacts.low:,.0f} to {both.contacts.high:,.0f} contacts" in text
    words = " ".join(text.split())
    assert f"{both.minutes.low:,.0f} to {both.minutes.high:,.0f} minutes" in words
    assert f"worth {both.pence.low:,.0f} to {both.pence.high:,.0f} pence" in words
