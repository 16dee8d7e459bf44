"""Do problems, chains and customers behave as in a real contact centre?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from closedloop.demo.calendar import N_DAYS, bank_holidays, day_number
from closedloop.demo.demand import DAY_SECONDS, MAX_CHAIN, MIN_GAP_SECONDS, SHOCKS
from closedloop.demo.intents import INDEX, INTENTS


@pytest.fixture(scope="module")
def contacts(centre):
    return centre.contacts


def test_contacts_are_in_order_of_time_and_inside_the_year(contacts):
    assert (np.diff(contacts.second) >= 0).all()
    assert contacts.second[0] >= 0
    assert contacts.second[-1] < N_DAYS * DAY_SECONDS
    assert np.unique(contacts.second // DAY_SECONDS).size == N_DAYS


def test_contacts_of_one_customer_are_further_apart_than_a_session_gap(contacts):
    order = np.lexsort((contacts.second, contacts.customer))
    same = np.diff(contacts.customer[order]) == 0

    assert np.diff(contacts.second[order])[same].min() >= MIN_GAP_SECONDS


def test_a_problem_is_asked_about_again_within_one_to_twenty_days(contacts):
    order = np.lexsort((contacts.ordinal, contacts.episode))
    same = np.diff(contacts.episode[order]) == 0
    gaps = np.diff(contacts.second[order] // DAY_SECONDS)[same]

    assert (gaps.min(), gaps.max()) == (1, 20)
    assert 3 <= np.median(gaps) <= 6
    assert (np.diff(contacts.ordinal[order])[same] == 1).all()
    assert contacts.ordinal.max() == MAX_CHAIN - 1


def test_a_problem_keeps_its_customer_and_its_intent(contacts):
    order = np.argsort(contacts.episode, kind="stable")
    same = np.diff(contacts.episode[order]) == 0

    assert (np.diff(contacts.customer[order])[same] == 0).all()
    assert (np.diff(contacts.intent[order])[same] == 0).all()


def test_each_intent_is_as_common_as_it_says(centre):
    for intent in INTENTS:
        per_day = centre.per_day(intent.key, without_fixes=True).mean()
        assert per_day == pytest.approx(intent.per_day, rel=0.2), intent.key


def test_mondays_are_high_and_weekends_low(centre):
    week = centre.per_day(without_fixes=True)[:364].reshape(52, 7).mean(axis=0)

    assert week.argmax() == 0
    assert week[6] < week[5] < 0.75 * week[1:5].mean()


def test_bank_holidays_are_low_and_the_day_after_high(centre):
    per_day = centre.per_day(without_fixes=True)
    days = [day_number(d) for d in bank_holidays() if d.weekday() == 0]
    days = [d for d in days if 7 <= d < N_DAYS - 7]

    assert len(days) == 4
    assert per_day[days].mean() < 0.6 * per_day[[d - 7 for d in days]].mean()
    after, week_before = [d + 1 for d in days], [d - 6 for d in days]
    assert per_day[after].mean() > 1.1 * per_day[week_before].mean()


def test_daily_counts_vary_more_than_chance_alone(centre):
    weeks = centre.per_day(without_fixes=True)[:364].reshape(52, 7)
    tuesdays = weeks[:, 1]

    assert tuesdays.var() > 1.5 * tuesdays.mean()


@pytest.mark.parametrize("shock", SHOCKS, ids=lambda shock: str(shock.day))
def test_a_bad_day_stands_out_in_the_intents_it_hits(centre, shock):
    per_day = centre.per_day(*(key for key, _ in shock.factors), without_fixes=True)
    day = day_number(shock.day)

    assert per_day[day] > 2 * per_day[day - 28 : day : 7].mean()


def test_shocks_keep_clear_of_the_planted_fixes():
    hit = {key for shock in SHOCKS for key, _ in shock.factors}
    planted = {"card_arrival", "Refund_not_showing_up", "pending_card_payment", "pending_top_up"}

    assert hit <= INDEX.keys()
    assert not hit & planted
    assert all(shock.day < date(2026, 1, 27) for shock in SHOCKS)
