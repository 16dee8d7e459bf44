"""What was shipped and what it did."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import LOOK_DAYS, Range, Verdict
from closedloop.domain.impact_doubts import NOT_TOLD, Doubt, DoubtKind
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.actions import ActionFilter, list_actions
from closedloop.queries.impact import Standing, Total, list_shipped
from closedloop.queries.impact_measured import list_measurements
from closedloop.queries.impact_page import (
    RUNNING_ROWS,
    find_shipped,
    get_impact_page,
    get_measurement,
)
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.themes import ThemeFilter, get_theme_page, list_themes
from tests.factories.accounts import make_user
from tests.factories.impact import make_comeback, make_measurement, make_sign_off
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.statements import count_statements

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


def test_after_the_last_look_none_is_left(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LIVE + timedelta(days=LOOK_DAYS[-1] - 1))

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


def get_total(session, **asked) -> Total:
    return get_portfolio(session, pence_now=0.0, **asked).total


def test_the_total_adds_middles_and_a_quarter_of_the_errors_in_common(session):
    for low, middle, high in ((300, 400, 500), (0, 100, 200)):
        make_measurement(session, make_intervention(session), avoided=(low, middle, high))

    total = get_total(session)

    width = (0.75 * (100**2 + 100**2) + 0.25 * 200**2) ** 0.5  # the same days and themes
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


def test_the_history_holds_every_look_and_running_rows_page_by_page(session):
    intervention = make_intervention(session)
    for as_of in (LOOK_1, LOOK_2):
        make_measurement(session, intervention, as_of=as_of)
    for day in range(RUNNING_ROWS + 3):
        make_measurement(session, intervention, as_of=date(2026, 4, 1) + timedelta(days=day))
    make_measurement(session, make_intervention(session), as_of=date(2026, 4, 1))
    key = intervention.action.key

    first = get_impact_page(session, key)
    last = first.running[-1]
    second = get_impact_page(session, key, older_than=(last.as_of, last.id))

    assert [one.as_of for one in first.looks] == [LOOK_2, LOOK_1]
    assert first.has_more_running
    assert not second.has_more_running
    days = [one.as_of for one in first.running + second.running]
    assert days == [date(2026, 4, 1) + timedelta(days=day) for day in range(12, -1, -1)]
    assert second.looks == first.looks


def test_measurements_of_one_day_are_paged_without_a_gap(session):
    intervention = make_intervention(session)
    ids = [make_measurement(session, intervention, as_of=LOOK_1).id for _ in range(5)]

    seen, after = [], None
    while rows := list_measurements(session, intervention.id, after=after, limit=2):
        seen += [row.id for row in rows]
        after = (rows[-1].as_of, rows[-1].id)

    assert seen == ids[::-1]


def test_a_measurement_asked_for_is_spoken_of_and_charted_as_it_stood(session):
    intervention = make_intervention(session)
    old = make_measurement(session, intervention, as_of=LOOK_1, avoided=(50, 120, 190))
    make_measurement(session, intervention, as_of=LOOK_2)
    reader = make_user(session)
    make_sign_off(session, old, reader, "Fits.")

    page = get_impact_page(session, intervention.action.key, measurement_id=old.id)

    assert page.stood is not None
    assert page.spoken == page.charted == page.stood
    assert page.stood.measured.avoided == Range(50.0, 120.0, 190.0)
    assert [one.note for one in page.sign_offs] == ["Fits."]
    assert get_impact_page(session, intervention.action.key).sign_offs == ()
    assert [one.sign_offs for one in page.looks] == [0, 1]


def test_measurements_of_the_page_are_read_in_full_at_once(session, database):
    intervention = make_intervention(session)
    look = make_measurement(session, intervention, as_of=LOOK_1)
    running = make_measurement(session, intervention, as_of=date(2026, 3, 20))
    key = intervention.action.key

    for asked in (None, look.id, running.id):
        with count_statements(database.engine) as seen:
            page = get_impact_page(session, key, measurement_id=asked)
        assert (page.look.measured.id, page.newest.measured.id) == (look.id, running.id)
        assert sum("input_sha256" in statement for statement in seen) == 1


def test_a_measurement_of_another_action_is_not_found_on_this_page(session):
    mine, other = make_intervention(session), make_intervention(session)
    strange = make_measurement(session, other)

    with pytest.raises(NotFound, match=f"{mine.action.key} has no measurement {strange.id}"):
        get_impact_page(session, mine.action.key, measurement_id=strange.id)


@pytest.fixture
def standings(session):
    """One action for each way to stand, by that way."""
    made = {}
    for verdict in (Verdict.FELL, Verdict.ROSE, Verdict.NO_CHANGE, Verdict.NOT_ENOUGH_DATA):
        made[Standing(verdict.value)] = make_intervention(session)
        make_measurement(session, made[Standing(verdict.value)], verdict=verdict)
    made[Standing.TOO_EARLY] = make_intervention(session)
    make_measurement(session, made[Standing.TOO_EARLY], as_of=date(2026, 3, 10))
    made[Standing.MOVED] = make_intervention(session)
    make_measurement(session, made[Standing.MOVED], detail=MOVED)
    made[Standing.CAME_BACK] = make_intervention(session)
    make_measurement(session, made[Standing.CAME_BACK], verdict=Verdict.INCONCLUSIVE)
    make_comeback(session, made[Standing.CAME_BACK])
    return {standing: one.action.key for standing, one in made.items()}


def test_actions_are_found_by_how_they_stand(session, standings):
    for standing, key in standings.items():
        keys = {row.key for row in list_shipped(session, standing=standing)}
        wanted = {key, standings[Standing.MOVED]} if standing is Standing.FELL else {key}
        assert keys == wanted, standing  # what moved has the verdict “fell” as well
        assert get_total(session, standing=standing).without_range == (
            # the one that came back is inconclusive
            standing in (Standing.TOO_EARLY, Standing.NOT_ENOUGH_DATA, Standing.CAME_BACK)
        )


def test_the_verdict_in_force_is_asked_for_not_an_earlier_one(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1, verdict=Verdict.INCONCLUSIVE)
    make_measurement(session, intervention, as_of=LOOK_2)

    assert list_shipped(session, standing=Standing.INCONCLUSIVE) == []
    (row,) = list_shipped(session, standing=Standing.INCONCLUSIVE, until=date(2026, 3, 29))
    assert row.verdict is Verdict.INCONCLUSIVE


def test_the_period_of_going_live_has_both_ends_in_it(session):
    for day in (1, 2, 3, 4):
        make_measurement(session, make_intervention(session, went_live_on=date(2026, 3, day)))
    period = {"live_from": date(2026, 3, 2), "live_until": date(2026, 3, 3)}

    assert [row.went_live_on.day for row in list_shipped(session, **period)] == [3, 2]
    assert get_total(session, **period).actions == 2


def test_the_total_says_which_verdicts_stand_behind_it(session, standings):
    total = get_total(session)

    assert total.verdicts == {
        Verdict.FELL: 2,
        Verdict.ROSE: 1,
        Verdict.NO_CHANGE: 1,
        Verdict.INCONCLUSIVE: 1,
        Verdict.NOT_ENOUGH_DATA: 1,
        Verdict.TOO_EARLY: 1,
    }
    assert (total.actions, total.without_range, total.inconclusive) == (4, 3, 1)


def test_an_inconclusive_verdict_is_not_added_up(session):
    make_measurement(session, make_intervention(session), avoided=(300, 400, 500))
    for _ in range(2):
        make_measurement(
            session,
            make_intervention(session),
            verdict=Verdict.INCONCLUSIVE,
            avoided=(318, 530, 749),
        )

    total = get_total(session)

    assert total.avoided == Range(300, 400, 500)
    assert (total.actions, total.without_range, total.inconclusive) == (1, 2, 2)


def test_a_measurement_knows_why_it_is_inconclusive(session):
    intervention = make_intervention(session)
    moved = {"share_of_controls_moved": 0.25, "controls_tried": 12}
    for as_of, verdict in ((LOOK_1, Verdict.FELL), (LOOK_2, Verdict.INCONCLUSIVE)):
        make_measurement(session, intervention, as_of=as_of, verdict=verdict, detail=moved)

    unsure, fell = list_measurements(session, intervention.id)

    assert unsure.doubt == Doubt(DoubtKind.OTHERS_MOVED, moved=3, tried=12)
    assert fell.doubt == NOT_TOLD
    (row,) = list_shipped(session)
    assert row.finding(unsure).doubt == unsure.doubt


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
        get_measurement(session, 404)


def test_what_was_measured_as_one_is_credited_to_each_and_counted_once(session):
    theme = make_theme(session, ThemeStatus.MEASURING)
    first, second = (
        make_intervention(session, make_action(session, theme), went_live_on=day)
        for day in (LIVE, LIVE + timedelta(days=7))
    )
    joint = {"joint": [{"id": first.id}, {"id": second.id}]}
    for one in (first, second):
        make_measurement(session, one, avoided=(300, 400, 500), detail=joint)
    make_measurement(session, make_intervention(session), avoided=(0, 100, 200))

    total = get_total(session)

    assert total.avoided is not None
    assert (total.actions, total.avoided.middle) == (3, 500)


def test_of_a_roll_out_in_stages_contacts_count_from_the_first(session):
    stages = [{"day": LIVE.isoformat(), "share": 0.5}]
    make_intervention(session, rollout_days=20, stages=stages)
    (row,) = list_shipped(session)
    assert row.counted_from == LIVE
    assert row.next_look == LIVE + timedelta(days=20 + 13)


def test_a_later_fix_of_the_theme_ends_the_looks_of_the_earlier(session):
    theme = make_theme(session, ThemeStatus.MEASURING)
    first = make_intervention(session, make_action(session, theme))
    again = LIVE + timedelta(days=100)
    make_intervention(session, make_action(session, theme), went_live_on=again)
    make_measurement(session, first, as_of=LIVE + timedelta(days=83))

    newer, older = list_shipped(session)

    assert older.superseded_on == again
    assert (older.next_look, older.unspoken_looks(LIVE + timedelta(days=200))) == (None, [])
    assert newer.next_look == again + timedelta(days=13)


@pytest.fixture
def taken_over(session):
    """A fix measured to 175 days, and one of the same theme entered late, live since day 100."""
    theme = make_theme(session, ThemeStatus.MEASURING)
    first = make_intervention(session, make_action(session, theme, ActionStatus.EFFECTIVE))
    for days, least in ((84, 300), (100, 360), (120, 400), (175, 600)):
        make_measurement(
            session,
            first,
            as_of=LIVE + timedelta(days=days - 1),
            verdict=Verdict.FELL if days < 175 else Verdict.NO_CHANGE,
            avoided=(least, least + 100, least + 200),
        )
    later = make_intervention(
        session,
        make_action(session, theme, ActionStatus.EFFECTIVE),
        went_live_on=LIVE + timedelta(days=100),
    )
    make_measurement(session, later, avoided=(100, 150, 200))
    return first, later


def test_a_look_that_reads_days_of_a_later_fix_is_not_in_force(session, taken_over):
    first, later = taken_over

    newer, older = list_shipped(session)

    assert older.superseded_on == later.went_live_on
    assert older.look is not None
    assert (older.look.as_of, older.look_number) == (LIVE + timedelta(days=83), 4)
    assert older.running is not None
    assert older.running.as_of == LIVE + timedelta(days=99)  # not that of day 120
    assert (older.next_look, newer.superseded_on) == (None, None)
    assert find_shipped(session, first.action.key) == older
    assert list_shipped(session, standing=Standing.NO_CHANGE) == []
    assert older in list_shipped(session, standing=Standing.FELL)


def test_no_day_is_added_up_twice_when_a_later_fix_was_entered_late(session, taken_over):
    total = get_total(session)

    assert total.avoided is not None
    assert (total.actions, total.avoided.middle) == (2, 400 + 150)
    fell = get_total(session, standing=Standing.FELL)
    assert fell.avoided == total.avoided


def test_lists_of_actions_and_themes_tell_the_look_in_force(session, taken_over):
    first, _ = taken_over

    rows = {row.key: row for row in list_actions(session, ActionFilter())}
    page = get_theme_page(session, first.theme.key, k=1, first_day=None)
    (listed,) = list_themes(session, ThemeFilter(), k=1).rows

    assert rows[first.action.key].verdict is Verdict.FELL
    assert rows[first.action.key].avoided_low == 300
    (told,) = [one for one in page.actions if one.key == first.action.key]
    assert (told.verdict, told.avoided) == (Verdict.FELL, 400)
    assert listed.verdict is Verdict.FELL


def test_what_was_measured_as_one_came_back_as_one(session):
    theme = make_theme(session, ThemeStatus.REOPENED)
    first, second, later = (
        make_intervention(session, make_action(session, theme), went_live_on=LIVE + timedelta(days))
        for days in (0, 7, 200)
    )
    joint = {"joint": [{"id": first.id}, {"id": second.id}]}
    for one in (first, second):
        make_measurement(session, one, detail=joint)
    alarm = make_comeback(session, second)  # the watch reads the last of them
    other = make_intervention(session, went_live_on=LIVE)

    def back():
        rows = list_shipped(session)
        return {one.intervention_id for one in rows if one.came_back_since == alarm.since_on}

    assert back() == {first.id, second.id}
    found = list_shipped(session, standing=Standing.CAME_BACK)
    assert [one.intervention_id for one in found] == [second.id, first.id]
    for one, alarms in ((first, 1), (second, 1), (later, 0), (other, 0)):
        assert len(get_impact_page(session, one.action.key).comebacks) == alarms
    second.taken_back_at = datetime(2026, 6, 1, tzinfo=UTC)
    session.flush()
    assert back() == set(), "what was taken back tells of nothing else"
    assert get_impact_page(session, first.action.key).comebacks == ()


def test_a_comeback_that_was_explained_did_not_come_back(session):
    intervention = make_intervention(session)
    alarm = make_comeback(session, intervention)
    for outcome, since in (("", alarm.since_on), ("real", alarm.since_on), ("explained", None)):
        alarm.outcome = outcome
        session.flush()
        assert list_shipped(session)[0].came_back_since == since
