"""What measurements are worth, read from what they kept."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.impact import Range, Verdict
from closedloop.domain.money import ChannelFacts, MoneyFacts, Price
from closedloop.domain.payback import Costs, PaybackState
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.impact_measured import list_measured
from closedloop.queries.impact_money import (
    get_action_money,
    get_total_money,
    money_of,
)
from closedloop.queries.impact_page import get_impact_page
from tests.factories.impact import make_measurement
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.statements import count_statements

LIVE = date(2026, 3, 3)
REPEATS = {
    "before": {"identified": 1000, "repeats": 300},
    "after": {"identified": 900, "repeats": 180},
}


def facts(**values) -> dict:
    phone = ChannelFacts(
        **{
            "channel": "phone",
            "share": 1.0,
            "contacts": 1000,
            "handled": 1000,
            "weeks": 52,
            "handle_seconds": 480.0,
            "handle_error": 12.0,
            "pence_per_minute": 50.0,
            "price": Price.OWN,
            **values,
        }
    )
    return MoneyFacts((phone,), person_minutes=80_000.0).as_detail()


def measured(session, *, detail=None, **values):
    """Add a measured action; return what queries read of the measurement."""
    action = values.pop("action", None)
    intervention = make_intervention(session, action)
    row = make_measurement(
        session, intervention, detail={"money": facts(), **(detail or {})}, **values
    )
    return list_measured(session, [row.id])[row.id]


def test_money_is_that_of_the_facts_that_were_kept(session):
    found = get_action_money(session, measured(session, pence_per_minute=999.0), pence_now=777)

    assert found.minutes.middle == pytest.approx(420 * 8)
    assert found.pence.middle == pytest.approx(420 * 8 * 50)
    assert found.minutes.low < 310 * 8  # both errors
    assert found.people.middle == pytest.approx(420 * 8 / 14 * 365 / 80_000)


def test_an_older_measurement_has_the_error_of_its_count_alone(session):
    found = get_action_money(session, measured(session, detail={"money": None}), pence_now=777)

    assert found.pence == Range(*(pytest.approx(n * 8 * 62) for n in (310, 420, 540)))
    assert not found.claim.facts.is_dated


def test_the_rate_of_today_is_used_only_where_none_was_set(session):
    unpriced = {"money": facts(pence_per_minute=None, price=Price.NONE)}
    found = get_action_money(session, measured(session, detail=unpriced), pence_now=70)

    assert found.pence.middle == pytest.approx(420 * 8 * 70)
    assert found.claim.facts.is_priced_now
    nothing = get_action_money(session, measured(session, detail=unpriced), pence_now=0)
    assert nothing.pence is None
    assert nothing.minutes is not None


@pytest.mark.parametrize(
    "verdict", [Verdict.TOO_EARLY, Verdict.NOT_ENOUGH_DATA, Verdict.INCONCLUSIVE]
)
def test_a_verdict_without_a_range_claims_nothing(session, verdict):
    found = get_action_money(session, measured(session, verdict=verdict), pence_now=70)

    assert (found.minutes, found.people, found.pence, found.repeats) == (None,) * 4
    assert found.payback.state is PaybackState.NO_COST


def test_cost_and_pay_back_come_from_the_action(session):
    action = make_action(session, cost_low=100_000.0, cost_high=100_000.0)
    found = get_action_money(session, measured(session, action=action), pence_now=0)

    assert found.costs == Costs((100_000, 100_000))
    assert found.payback.state is PaybackState.PAID
    assert found.payback.earliest < LIVE + timedelta(days=100_000 / (420 * 8 * 50 / 14))
    assert found.payback.latest > LIVE + timedelta(days=100_000 / (420 * 8 * 50 / 14))


def test_changes_measured_as_one_pay_back_what_they_cost_together(session):
    dear = make_action(session, cost_low=5_000_000.0, cost_high=6_000_000.0)
    cheap = make_action(session, cost_low=1_000.0, cost_high=2_000.0)
    both = [make_intervention(session, action) for action in (dear, cheap)]
    detail = {"money": facts(), "joint": [{"id": one.id} for one in both]}
    ids = [make_measurement(session, one, detail=detail).id for one in both]
    rows = list_measured(session, ids)

    of_dear, of_cheap = (get_action_money(session, rows[i], pence_now=0) for i in ids)

    assert of_dear.costs.together == of_cheap.costs.together == (5_001_000, 6_002_000)
    assert of_cheap.payback == of_dear.payback
    assert of_cheap.payback.latest is None or of_cheap.payback.latest > LIVE + timedelta(days=400)
    assert get_impact_page(session, cheap.key).costs == of_cheap.costs


def test_nothing_pays_back_while_one_of_those_measured_as_one_has_no_cost(session):
    cheap = make_action(session, cost_low=1_000.0, cost_high=2_000.0)
    mine, beside = make_intervention(session, cheap), make_intervention(session)
    joint = {"joint": [{"id": mine.id}, {"id": beside.id}]}
    row = make_measurement(session, mine, detail={"money": facts(), **joint})

    found = get_action_money(session, list_measured(session, [row.id])[row.id], pence_now=0)

    assert found.payback.state is PaybackState.NO_COST_BESIDE
    assert found.costs.together is None


@pytest.mark.parametrize(
    ("verdict", "avoided", "state"),
    [
        (Verdict.INCONCLUSIVE, (318, 530, 749), PaybackState.INCONCLUSIVE),
        (Verdict.NOT_ENOUGH_DATA, (318, 530, 749), PaybackState.NO_RANGE),
        (Verdict.TOO_EARLY, (318, 530, 749), PaybackState.NO_RANGE),
        # within half a contact of zero is zero
        (Verdict.NO_CHANGE, (0.4, 60, 120), PaybackState.HOLDS_ZERO),
        (Verdict.ROSE, (-240, -150, -60), PaybackState.NEVER),
    ],
)
def test_only_a_fall_pays_back(session, verdict, avoided, state):
    action = make_action(session, cost_low=1_000.0, cost_high=2_000.0)
    row = measured(session, action=action, verdict=verdict, avoided=avoided)

    assert get_action_money(session, row, pence_now=0).payback.state is state


def test_a_fix_that_came_back_frees_nobody_at_this_pace_any_more(session):
    action = make_action(session, cost_low=100_000.0, cost_high=100_000.0)
    row = measured(session, action=action)
    held = get_action_money(session, row, pence_now=0)
    back = LIVE + timedelta(days=10)

    found = get_action_money(session, row, pence_now=0, came_back_since=back)

    assert (found.minutes, found.pence) == (held.minutes, held.pence)  # of days that are over
    assert found.people is None
    assert (held.payback.latest, found.payback.state) == (date(2026, 3, 14), PaybackState.CAME_BACK)
    page = get_impact_page(session, action.key)
    assert found == money_of(page.spoken, page.costs, pence_now=0, came_back_since=back)


def test_what_had_paid_back_before_it_came_back_has_paid_back(session):
    action = make_action(session, cost_low=100_000.0, cost_high=100_000.0)
    row = measured(session, action=action)
    held = get_action_money(session, row, pence_now=0)

    found = get_action_money(
        session, row, pence_now=0, came_back_since=held.payback.latest + timedelta(days=1)
    )

    assert found.payback == held.payback


def test_a_total_keeps_the_contacts_of_what_came_back_and_not_its_pace(session):
    rows = [measured(session) for _ in range(2)]
    back = {rows[0].intervention_id}

    found = get_total_money(session, rows, pence_now=0, came_back=back)
    of_all = get_total_money(session, rows, pence_now=0)
    alone = get_total_money(session, rows[1:], pence_now=0)

    assert (found.contacts, found.minutes, found.pence) == (
        *(of_all.contacts, of_all.minutes, of_all.pence),
    )
    assert found.people == alone.people
    assert (found.came_back, of_all.came_back) == (1, 0)
    nothing = get_total_money(session, rows[:1], pence_now=0, came_back=back)
    assert (nothing.people, nothing.minutes) == (None, alone.minutes)


def test_a_change_measured_as_one_with_what_came_back_came_back_too_and_a_rise_goes_on(session):
    other = make_intervention(session)
    joint = measured(session, detail={"joint": [{"id": other.id}]})
    rose = measured(session, verdict=Verdict.ROSE, avoided=(-250.0, -150.0, -50.0))

    found = get_total_money(
        session, [joint, rose], pence_now=0, came_back={other.id, rose.intervention_id}
    )

    assert found.came_back == 1
    assert found.people.middle < 0


def moved(session, taken_up, own=280.0, **values):
    """Add a fall whose contacts came up in the theme T-9 beside it."""
    detail = {
        "displacement": "moved",
        "net": {"low": own - taken_up - 60, "avoided": own - taken_up, "high": own - taken_up + 60},
        "siblings": [{"id": 9, "key": "T-9", "name": "Taker", "avoided": -taken_up}],
        **values.pop("detail", {}),
    }
    return measured(session, avoided=(own - 40, own, own + 40), detail=detail, **values)


def test_what_came_up_in_a_theme_that_two_falls_moved_to_is_taken_off_once(session):
    rows = [moved(session, 560.0), moved(session, 560.0)]

    both = get_total_money(session, rows, pence_now=0)
    alone = get_total_money(session, rows[:1], pence_now=0)

    assert both.contacts.middle == pytest.approx(2 * 280 - 560)
    assert both.contacts.low < 0 < both.contacts.high
    assert alone.contacts == rows[0].net
    assert both.minutes.middle == pytest.approx(0, abs=1e-6)


def test_days_that_only_one_of_two_falls_has_seen_are_taken_off_by_that_one(session):
    first = moved(session, 560.0, as_of=LIVE + timedelta(days=27))
    second = moved(session, 280.0)  # 14 days, at the same pace

    total = get_total_money(session, [first, second], pence_now=0)

    assert total.contacts.middle == pytest.approx(2 * 280 - 560)


def test_a_rise_that_has_a_look_of_its_own_is_not_taken_off_by_what_moved_there(session):
    theme = make_theme(session, ThemeStatus.MEASURING)
    own = make_action(session, theme)
    rose = measured(session, action=own, verdict=Verdict.ROSE, avoided=(-640.0, -560.0, -480.0))
    siblings = [{"id": theme.id, "key": theme.key, "name": theme.name, "avoided": -560.0}]
    row = moved(session, 560.0, detail={"siblings": siblings})

    total = get_total_money(session, [row, rose], pence_now=0)

    assert total.contacts.middle == pytest.approx(280 - 560)


def test_repeats_are_told_apart_and_not_where_contacts_moved(session):
    found = get_action_money(session, measured(session, detail={"repeats": REPEATS}), pence_now=0)
    moved = {
        "repeats": REPEATS,
        "displacement": "moved",
        "net": {"low": -50.0, "avoided": 10.0, "high": 70.0},
    }
    beside = get_action_money(session, measured(session, detail=moved), pence_now=0)

    assert found.repeats.middle == pytest.approx(0.3 * 2060 - 0.2 * 1640)
    assert beside.repeats is None
    assert beside.minutes.middle == pytest.approx(10 * 8)  # net, as it is credited


def test_what_was_read_in_full_is_worth_the_same_without_a_statement(session, database):
    action = make_action(session, cost_low=100_000.0, cost_high=150_000.0)
    detail = {
        "repeats": REPEATS,
        "controls": ["T-7"],
        "joint": [{"id": 7}],
        "window": {"counted_from": "2026-02-25"},  # before the first day of the count
    }
    row = measured(session, action=action, detail=detail)
    page = get_impact_page(session, action.key)

    with count_statements(database.engine) as seen:
        found = money_of(page.spoken, page.costs, pence_now=70)

    assert seen == []
    assert found == get_action_money(session, row, pence_now=70)
    assert found.costs == Costs((100_000, 150_000), (None,))
    assert found.claim.first_day == date(2026, 2, 25)


def test_a_total_reads_what_was_kept_in_one_statement(session, database):
    rows = [measured(session) for _ in range(3)]
    session.commit()

    with count_statements(database.engine) as of_three:
        get_total_money(session, rows, pence_now=0)
    with count_statements(database.engine) as of_none:
        get_total_money(session, [None], pence_now=0)

    read = [sum("detail" in statement for statement in seen) for seen in (of_three, of_none)]
    assert read == [1, 0]


def test_a_total_leaves_out_what_has_no_range_and_counts_one_change_once(session):
    alone = measured(session)  # before the other one joined it
    joint = {"joint": [{"id": alone.intervention_id}, {"id": 900_000}]}
    rows = [
        alone,
        measured(session, as_of=alone.as_of + timedelta(days=1), detail=joint),
        measured(session, avoided=(90.0, 100.0, 110.0), detail={"controls": ["T-7"]}),
        measured(session, verdict=Verdict.NOT_ENOUGH_DATA),
        None,
    ]

    found = get_total_money(session, rows, pence_now=0)

    assert (found.actions, found.as_one, found.timed, found.priced) == (3, 1, 3, 3)
    assert found.contacts.middle == 520
    assert found.pence.middle == pytest.approx(520 * 8 * 50)
    # other themes compared with: the counts are independent of each other
    assert found.contacts.high == pytest.approx(520 + (120**2 + 10**2) ** 0.5)


def test_the_days_of_a_claim_begin_where_counting_began(session):
    late = {"window": {"counted_from": "2026-02-20"}}
    found = get_action_money(session, measured(session, detail=late), pence_now=0)

    assert (found.claim.first_day, found.claim.last_day) == (date(2026, 2, 20), date(2026, 3, 16))
    assert found.claim.n_days == 14
