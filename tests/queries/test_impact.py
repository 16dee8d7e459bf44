"""What was shipped and what it did."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Range, Verdict
from closedloop.queries.impact import get_total, list_shipped
from closedloop.queries.impact_page import (
    RUNNING_ROWS,
    find_shipped,
    get_impact_page,
    get_measurement_page,
)
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.themes import make_action, make_intervention

LIVE = date(2026, 3, 3)
LOOK_1, LOOK_2 = date(2026, 3, 16), date(2026, 3, 30)
MOVED = {"displacement": "moved", "net": {"low": -50.0, "avoided": 10.0, "high": 70.0}}


def test_a_shipped_action_has_the_verdict_of_its_newest_look_and_what_runs_since(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1, verdict=Verdict.INCONCLUSIVE)
    second = make_measurement(session, intervention, as_of=LOOK_2, verdict=Verdict.FELL)
    running = make_measurement(session, intervention, as_of=date(2026, 4, 2))

    (row,) = list_shipped(session)

    assert row.look is not None
    assert row.look.id == second.id
    assert row.running is not None
    assert row.running.id == running.id
    assert (row.verdict, row.look_number) == (Verdict.FELL, 2)
    assert row.next_look == LIVE + timedelta(days=55)


def test_before_the_first_look_the_verdict_is_too_early(session):
    intervention = make_intervention(session, rollout_days=3)
    make_measurement(session, intervention, as_of=date(2026, 3, 10))

    (row,) = list_shipped(session)

    assert row.verdict is Verdict.TOO_EARLY
    assert row.look is None
    assert row.running is not None
    assert row.counted_from == date(2026, 3, 6)
    assert row.next_look == date(2026, 3, 19)
    assert row.unspoken_looks(date(2026, 3, 18)) == []
    assert row.unspoken_looks(date(2026, 4, 2)) == [date(2026, 3, 19), date(2026, 4, 2)]


def test_after_the_fourth_look_none_is_left(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LIVE + timedelta(days=83))

    assert list_shipped(session)[0].next_look is None


def test_measured_again_the_newer_row_of_the_same_day_counts(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1, verdict=Verdict.FELL)
    make_measurement(session, intervention, as_of=LOOK_1, verdict=Verdict.NO_CHANGE)

    assert list_shipped(session)[0].verdict is Verdict.NO_CHANGE


def test_until_leaves_out_what_was_not_known_yet(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1, verdict=Verdict.INCONCLUSIVE)
    make_measurement(session, intervention, as_of=LOOK_2, verdict=Verdict.FELL)
    make_comeback(session, intervention, alarm_on=date(2026, 5, 6))
    make_intervention(session, went_live_on=date(2026, 4, 1))

    (row,) = list_shipped(session, until=date(2026, 3, 29))

    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.came_back_since is None
    assert list_shipped(session, until=date(2026, 5, 6))[-1].came_back_since == date(2026, 4, 28)


def test_the_plan_frozen_at_ship_wins_over_the_action(session):
    action = make_action(session, status=ActionStatus.SHIPPED, smallest_drop=0.2)
    make_intervention(session, action, plan={"smallest_drop": 0.35})

    assert list_shipped(session)[0].smallest_drop == pytest.approx(0.35)


def test_paging_neither_skips_nor_repeats_actions_of_one_day(session):
    for day in (1, 1, 1, 2, 5):
        make_intervention(session, went_live_on=date(2026, 3, day))

    seen, after = [], None
    while rows := list_shipped(session, after=after, limit=2):
        seen += rows
        after = (rows[-1].went_live_on, rows[-1].intervention_id)

    assert [row.key for row in seen] == [row.key for row in list_shipped(session)]
    assert len(seen) == 5


def test_the_total_adds_middles_and_errors_in_quadrature(session):
    for low, middle, high in ((300, 400, 500), (0, 100, 200)):
        make_measurement(session, make_intervention(session), avoided=(low, middle, high))

    total = get_total(session)

    width = (100**2 + 100**2) ** 0.5
    assert total.avoided is not None
    assert total.avoided.middle == pytest.approx(500)
    assert total.avoided.low == pytest.approx(500 - width)
    assert total.minutes is not None
    assert total.minutes.high == pytest.approx((500 + width) * 8)
    assert (total.actions, total.without_range, total.moved) == (2, 0, 0)


def test_the_total_leaves_out_running_estimates_and_what_cannot_be_judged(session):
    make_measurement(session, make_intervention(session), as_of=date(2026, 3, 12))
    make_measurement(session, make_intervention(session), verdict=Verdict.NOT_ENOUGH_DATA)
    make_intervention(session)

    total = get_total(session)

    assert (total.actions, total.without_range) == (0, 3)
    assert total.avoided is None


def test_the_total_takes_off_what_got_worse(session):
    make_measurement(session, make_intervention(session), avoided=(300, 400, 500))
    make_measurement(
        session, make_intervention(session), verdict=Verdict.ROSE, avoided=(-250, -150, -50)
    )

    total = get_total(session)

    assert total.avoided is not None
    assert total.avoided.middle == pytest.approx(250)


def test_a_fall_that_only_moved_is_credited_with_its_net_range(session):
    make_measurement(session, make_intervention(session), detail=MOVED)

    total = get_total(session)

    assert total.moved == 1
    assert total.avoided == Range(-50.0, 10.0, 70.0)
    assert list_shipped(session)[0].look.avoided == Range(310.0, 420.0, 540.0)


def test_the_total_of_one_department_counts_only_its_actions(session):
    mine = make_intervention(session)
    make_measurement(session, mine)
    make_measurement(session, make_intervention(session))

    total = get_total(session, department_id=mine.action.department_id)

    assert total.actions == 1


def test_the_page_holds_every_look_and_the_newest_running_rows(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1)
    for day in range(10):
        make_measurement(session, intervention, as_of=date(2026, 3, 18) + timedelta(days=day))

    page = get_impact_page(session, intervention.action.key)
    whole = get_impact_page(session, intervention.action.key, whole_history=True)

    assert len(page.history) == RUNNING_ROWS + 1
    assert page.more_history == 10 - RUNNING_ROWS
    assert page.history[0].as_of == date(2026, 3, 27)
    assert page.history[-1].is_look
    assert (len(whole.history), whole.more_history) == (11, 0)


def test_the_answer_is_the_look_and_the_chart_the_newest(session):
    intervention = make_intervention(session)
    look = make_measurement(session, intervention, as_of=LOOK_1)
    running = make_measurement(session, intervention, as_of=date(2026, 3, 20))

    page = get_impact_page(session, intervention.action.key)

    assert page.spoken is not None
    assert page.spoken.measured.id == look.id
    assert page.newest is not None
    assert page.newest.measured.id == running.id
    assert page.newest.detail["path"]["days"][-1] == "2026-03-20"


def test_what_is_not_shipped_says_so_and_what_is_not_there_too(session):
    action = make_action(session)

    with pytest.raises(NotFound, match="has not been shipped"):
        find_shipped(session, action.key)
    with pytest.raises(NotFound, match="There is no action A-999"):
        find_shipped(session, "A-999")
    with pytest.raises(NotFound, match="no measurement 404"):
        get_measurement_page(session, 404)
