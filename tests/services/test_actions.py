"""Actions: who may do what when, and what each step leaves behind."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closedloop.domain.accounts import Role
from closedloop.domain.actions import (
    ACTION_MOVES,
    OPEN_ACTIONS,
    SHIPPED_ACTIONS,
    THEMES_TO_ACT_ON,
    ActionStatus,
)
from closedloop.domain.audit import Actor
from closedloop.domain.clock import as_if, set_today
from closedloop.domain.errors import (
    Invalid,
    InvalidTransition,
    NotAllowed,
    NotFound,
    Refusal,
)
from closedloop.domain.impact import LOOK_DAYS
from closedloop.domain.themes import THEME_MOVES, Strategy, ThemeStatus
from closedloop.models import Action, AuditEvent, Intervention, Theme
from closedloop.services.actions import (
    agree_action,
    cancel_action,
    change_action,
    hand_back_action,
    propose_action,
    reopen_action,
    ship_action,
    start_action,
)
from tests.factories.accounts import make_department, make_user
from tests.factories.series import add_days, make_alike, make_controls, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LIVE, TODAY = date(2026, 1, 1), date(2026, 3, 3), date(2026, 3, 10)
BOSS = Actor("Priya Nair")


@pytest.fixture(autouse=True)
def one_day():
    """Live on the day of these stories, so that what is due is neither past nor far ahead."""
    set_today(TODAY)
    yield
    set_today(None)


class House:
    """A department with its stakeholder, and an agreed theme with contacts."""

    def __init__(self, session, status=ThemeStatus.TRIAGED):
        self.session = session
        self.department = make_department(session)
        self.owner = make_user(session, Role.STAKEHOLDER, department=self.department)
        self.theme = make_theme(session, status)
        add_days(session, self.theme, FIRST, [10] * 61, handle_seconds=240)

    def terms(self, **values):
        return {
            "title": "Send a notice when the card is posted",
            "description": "Text and app notice.",
            "strategy": Strategy.INFORM,
            "department_id": self.department.id,
            "owner_id": self.owner.id,
            "due_on": date(2026, 3, 31),
            "expected_drop": 0.3,
            "smallest_drop": 0.15,
            **values,
        }

    def propose(self, by=BOSS, **values):
        return propose_action(self.session, theme_id=self.theme.id, by=by, **self.terms(**values))

    def agree(self, **values):
        action = self.propose(**values)
        return agree_action(self.session, action_id=action.id, by=BOSS)


@pytest.fixture
def house(session):
    return House(session)


def as_actor(user):
    return Actor(user.name, user_id=user.id)


def verbs(session):
    return session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()


def test_propose_action_makes_the_theme_acting_and_says_so_twice(session, house):
    action = house.propose(title="  Send   a notice ")

    assert (action.key, action.title, action.status) == ("A-001", "Send a notice", "proposed")
    assert house.theme.status is ThemeStatus.ACTING
    assert verbs(session) == ["actions.proposed", "themes.status_changed"]


def test_keys_go_on_after_the_highest_also_past_a_thousand(session, house):
    make_action(session, house.theme, key="A-1204")
    make_action(session, house.theme, key="A-027")
    assert house.propose().key == "A-1205"


@pytest.mark.parametrize("status", sorted(ThemeStatus))
def test_propose_action_needs_an_agreed_theme_and_moves_it_only_where_it_waits(session, status):
    house, other = House(session), make_theme(session)
    house.theme.status = status
    if status is ThemeStatus.MERGED:
        house.theme.merged_into_id = other.id
    session.flush()
    if status not in THEMES_TO_ACT_ON:
        with pytest.raises(InvalidTransition, match=house.theme.key):
            house.propose()
        return
    house.propose()
    stays = {ThemeStatus.ACTING, ThemeStatus.MEASURING, ThemeStatus.HELD}
    assert house.theme.status is (status if status in stays else ThemeStatus.ACTING)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "   "),
        ("title", "x" * 161),
        ("description", "x" * 5_001),
        ("strategy", "wait"),
        ("department_id", 404),
        ("owner_id", 404),
        ("expected_drop", 0),
        ("expected_drop", math.nan),
        ("smallest_drop", 0.31),
        ("smallest_drop", -0.1),
    ],
)
def test_propose_action_says_what_is_wrong_at_the_field(house, field, value):
    with pytest.raises(Invalid) as refused:
        house.propose(**{field: value})
    assert list(refused.value.fields) == [field]
    assert house.theme.status is ThemeStatus.TRIAGED


@pytest.mark.parametrize(
    ("due_on", "sentence"),
    [
        (TODAY - timedelta(days=1), "9 March 2026 has passed. Choose the last day"),
        (date(2028, 3, 11), "more than 2 years ahead. Check the year"),
    ],
)
def test_a_due_day_that_has_passed_or_is_far_ahead_is_neither_proposed_nor_changed_to(
    session, house, due_on, sentence
):
    action = house.agree()

    with pytest.raises(Invalid, match=sentence) as refused:
        house.propose(title="Another", due_on=due_on)
    assert list(refused.value.fields) == ["due_on"]
    with pytest.raises(Invalid, match=sentence) as refused:
        change_action(session, action_id=action.id, by=BOSS, **house.terms(due_on=due_on))
    assert list(refused.value.fields) == ["due_on"]
    assert action.due_on == date(2026, 3, 31)


def test_an_action_may_be_due_today_or_in_two_years_to_the_day(house):
    assert house.propose(title="Soon", due_on=TODAY).due_on == TODAY
    assert house.propose(title="Late", due_on=date(2028, 3, 10)).due_on == date(2028, 3, 10)


def test_an_overdue_action_keeps_its_day_when_something_else_is_changed(session, house):
    late = date(2026, 2, 1)
    action = make_action(session, house.theme, department=house.department, due_on=late)

    terms = house.terms(due_on=late, owner_id=None, title="Send a letter")
    change_action(session, action_id=action.id, by=BOSS, **terms)

    assert (action.title, action.due_on) == ("Send a letter", late)


def test_the_due_day_is_held_against_the_day_of_the_reporting_zone(session, house, settings):
    with as_if(datetime(2026, 6, 30, 23, 30, tzinfo=UTC)):  # 1 July in London
        assert house.propose(title="In UTC", due_on=date(2026, 6, 30)).due_on == date(2026, 6, 30)
        with pytest.raises(Invalid, match="30 June 2026 has passed"):
            house.propose(title="There", due_on=date(2026, 6, 30), settings=settings)


def test_all_that_is_wrong_is_said_at_once(house):
    with pytest.raises(Invalid) as refused:
        house.propose(title="", expected_drop=2, strategy="")
    assert set(refused.value.fields) == {"title", "expected_drop", "strategy"}


def test_an_owner_is_active_and_of_the_department_or_a_manager(session, house):
    elsewhere = make_user(session, Role.STAKEHOLDER)
    gone = make_user(session, Role.STAKEHOLDER, department=house.department, is_active=False)
    reader = make_user(session, Role.EXECUTIVE, department=house.department)
    for user in (elsewhere, gone, reader):
        with pytest.raises(Invalid) as refused:
            house.propose(owner_id=user.id)
        assert list(refused.value.fields) == ["owner_id"]
    boss = make_user(session, Role.CX_MANAGER)
    assert house.propose(owner_id=boss.id).owner_id == boss.id


def test_nobody_but_managers_and_administrators_proposes_an_action(session, house):
    for role in (Role.STAKEHOLDER, Role.EXECUTIVE):
        with pytest.raises(NotAllowed, match="CX manager"):
            house.propose(by=as_actor(make_user(session, role)))
    house.propose(by=as_actor(make_user(session, Role.ADMIN)))


def test_a_department_works_on_its_own_actions_and_an_owner_on_what_is_owned(session, house):
    action = house.agree()
    stranger = as_actor(make_user(session, Role.STAKEHOLDER))
    executive = as_actor(make_user(session, Role.EXECUTIVE))
    for verb in (agree_action, start_action, reopen_action):
        for by in (stranger, executive):
            with pytest.raises(NotAllowed, match=house.department.name):
                verb(session, action_id=action.id, by=by)
    for verb in (cancel_action, hand_back_action):
        with pytest.raises(NotAllowed):
            verb(session, action_id=action.id, reason="No", by=stranger)
    with pytest.raises(NotAllowed):
        change_action(session, action_id=action.id, by=stranger, **house.terms())
    with pytest.raises(NotAllowed):
        ship_action(
            session,
            action_id=action.id,
            went_live_on=LIVE,
            rollout_days=0,
            by=stranger,
            today=TODAY,
        )
    colleague = make_user(session, Role.STAKEHOLDER, department=house.department)
    start_action(session, action_id=action.id, by=as_actor(colleague))
    # the owner changed departments and still answers for it
    house.owner.department = make_department(session)
    hand_back_action(session, action_id=action.id, reason="I have moved.", by=as_actor(house.owner))
    assert action.status is ActionStatus.HANDED_BACK


def test_somebody_shut_out_does_nothing(session, house):
    action = house.agree()
    house.owner.is_active = False
    with pytest.raises(NotAllowed, match="not active"):
        start_action(session, action_id=action.id, by=as_actor(house.owner))


def test_agreeing_needs_somebody_answerable_and_a_day(house, session):
    action = house.propose(owner_id=None, due_on=None)
    with pytest.raises(Invalid) as refused:
        agree_action(session, action_id=action.id, by=BOSS)
    assert set(refused.value.fields) == {"owner_id", "due_on"}


def test_a_second_click_changes_nothing(session, house):
    action = house.agree()
    for _ in range(2):
        start_action(session, action_id=action.id, by=BOSS)
    for _ in range(2):
        hand_back_action(session, action_id=action.id, reason="Not ours.", by=BOSS)
    for _ in range(2):
        agree_action(session, action_id=action.id, by=BOSS)
    for _ in range(2):
        cancel_action(session, action_id=action.id, reason="Not worth it.", by=BOSS)
    counted = Counter(verbs(session))
    assert counted["actions.started"] == 1
    assert counted["actions.handed_back"] == 1
    assert counted["actions.agreed"] == 2
    assert counted["actions.cancelled"] == 1


def test_hand_back_keeps_the_owner_and_agreeing_again_clears_the_reason(session, house):
    action = house.agree()
    with pytest.raises(Invalid) as refused:
        hand_back_action(session, action_id=action.id, reason="  ", by=BOSS)
    assert list(refused.value.fields) == ["reason"]

    hand_back_action(session, action_id=action.id, reason="Needs the  printer team.", by=BOSS)
    assert (action.status, action.owner_id) == (ActionStatus.HANDED_BACK, house.owner.id)
    assert action.hand_back_reason == "Needs the printer team."
    assert house.theme.status is ThemeStatus.ACTING

    agree_action(session, action_id=action.id, by=as_actor(house.owner))
    assert (action.status, action.hand_back_reason) == (ActionStatus.AGREED, "")


def test_change_action_records_what_changed_and_nothing_when_nothing_did(session, house):
    action = house.agree()
    change_action(session, action_id=action.id, by=BOSS, **house.terms(due_on=date(2026, 4, 30)))
    change_action(session, action_id=action.id, by=BOSS, **house.terms(due_on=date(2026, 4, 30)))
    events = session.scalars(sa.select(AuditEvent).where(AuditEvent.verb == "actions.changed"))
    (event,) = events
    assert event.detail["due_on"] == ["2026-03-31", "2026-04-30"]
    assert event.summary == f"changed due day (now 30 April 2026) of {action.key}"


def test_a_stakeholder_does_not_push_an_action_to_another_department(session, house):
    action = house.agree()
    other = make_department(session)
    moved = house.terms(department_id=other.id, owner_id=None)
    with pytest.raises(NotAllowed, match="Hand it back"):
        change_action(session, action_id=action.id, by=as_actor(house.owner), **moved)
    change_action(session, action_id=action.id, by=BOSS, **moved)
    assert action.department_id == other.id


def test_what_was_shipped_or_cancelled_no_longer_changes(session, house):
    for status in (*SHIPPED_ACTIONS, ActionStatus.CANCELLED):
        action = make_action(session, house.theme, status)
        with pytest.raises(InvalidTransition, match="can no longer change"):
            change_action(session, action_id=action.id, by=BOSS, **house.terms())


def test_cancelling_the_last_open_action_stops_the_theme_acting(session, house):
    first, second = house.agree(), house.propose()
    cancel_action(session, action_id=first.id, reason="Too dear.", by=BOSS)
    assert house.theme.status is ThemeStatus.ACTING
    cancel_action(session, action_id=second.id, reason="Too dear.", by=BOSS)
    assert house.theme.status is ThemeStatus.TRIAGED
    reopen_action(session, action_id=second.id, by=BOSS)
    assert (second.status, house.theme.status) == ("proposed", ThemeStatus.ACTING)


def ship(house, action, **values):
    return ship_action(
        house.session,
        **{
            "action_id": action.id,
            "went_live_on": LIVE,
            "rollout_days": 4,
            "by": BOSS,
            "today": TODAY,
            **values,
        },
    )


def test_ship_action_freezes_the_plan_as_it_stood(session, house):
    sibling, fixed = make_theme(session), make_theme(session)
    controls = make_controls(session, number=3, first_day=FIRST, n_days=61)
    add_days(session, sibling, FIRST, [4] * 61)
    add_days(session, fixed, FIRST, [4] * 61)
    make_alike(session, sibling, house.theme, 0.71)
    make_alike(session, house.theme, controls[0], 0.59)
    make_intervention(session, make_action(session, fixed), went_live_on=date(2026, 2, 20))
    make_definitions(session, [house.theme], number=3)
    action = house.agree()

    intervention = ship(house, action)
    change = house.session.get(Theme, house.theme.id)
    change.name = "Renamed later"

    plan = intervention.plan
    assert plan["title"] == action.title
    assert plan["theme"] == {
        "id": house.theme.id,
        "key": house.theme.key,
        "name": plan["theme"]["name"],
    }
    assert plan["theme"]["name"] != "Renamed later"
    assert (plan["definition_number"], plan["definition_set"]) == (3, 3)
    assert plan["owner"] == {"id": house.owner.id, "name": house.owner.name}
    assert plan["department"]["name"] == house.department.name
    assert (plan["strategy"], plan["expected_drop"], plan["smallest_drop"]) == ("inform", 0.3, 0.15)
    assert plan["due_on"] == "2026-03-31"
    assert plan["looks"][:4] == ["2026-03-20", "2026-04-03", "2026-05-01", "2026-05-29"]
    assert len(plan["looks"]) == len(LOOK_DAYS)
    assert (plan["first_baseline_day"], plan["counted_from"]) == ("2026-01-01", "2026-03-07")
    assert plan["controls"] == [theme.key for theme in controls]
    assert (plan["family"], plan["siblings"]) == ([sibling.id], [sibling.key])
    assert {out["key"] for out in plan["left_out"]} == {sibling.key, fixed.key}
    assert plan["handle_seconds"] == 240
    assert plan["shipped_by"] == "Priya Nair"
    assert (action.status, house.theme.status) == (ActionStatus.SHIPPED, ThemeStatus.MEASURING)


def test_a_declared_family_takes_the_place_of_likeness(session, house):
    alike, named = make_theme(session), make_theme(session)
    make_alike(session, house.theme, alike, 0.9)
    intervention = ship(house, house.agree(), family=[named.id, house.theme.id])
    assert intervention.plan["family"] == [named.id]
    with pytest.raises(Invalid, match="no theme 404"):
        ship(house, house.agree(), family=[404])


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"went_live_on": date(2026, 3, 11)}, "went_live_on", "has not come yet"),
        ({"went_live_on": FIRST}, "went_live_on", "no day before it"),
        ({"went_live_on": date(2025, 12, 1)}, "went_live_on", "no day before it"),
        ({"rollout_days": -1}, "rollout_days", "0 to 60"),
        ({"rollout_days": 61}, "rollout_days", "0 to 60"),
    ],
)
def test_ship_action_refuses_dates_that_cannot_be_measured(house, values, field, sentence):
    action = house.agree()
    with pytest.raises(Invalid, match=sentence) as refused:
        ship(house, action, **values)
    assert list(refused.value.fields) == [field]
    assert (action.status, house.theme.status) == (ActionStatus.AGREED, ThemeStatus.ACTING)


def test_a_theme_without_contacts_cannot_be_shipped_against(session, house):
    house.theme = make_theme(session, ThemeStatus.TRIAGED)
    with pytest.raises(Invalid, match="no contacts about"):
        ship(house, house.agree())


def test_today_is_asked_in_the_reporting_zone(session, house, settings):
    action = house.agree()
    with as_if(datetime(2026, 6, 30, 23, 30, tzinfo=UTC)):  # 1 July in London
        with pytest.raises(Invalid, match="has not come yet"):
            ship(house, action, went_live_on=date(2026, 7, 1), today=None)
        ship(house, action, went_live_on=date(2026, 7, 1), today=None, settings=settings)


def test_shipping_twice_is_refused_and_recorded_once(session, house):
    action = house.agree()
    ship(house, action)
    with pytest.raises(InvalidTransition, match="shipped already"):
        ship(house, action)
    assert verbs(session).count("actions.shipped") == 1


def test_what_is_not_agreed_is_not_shipped(house):
    action = house.propose()
    with pytest.raises(InvalidTransition, match="proposed cannot become shipped"):
        ship(house, action)


def test_there_is_no_such_action(session):
    with pytest.raises(NotFound):
        start_action(session, action_id=404, by=BOSS)
    with pytest.raises(NotFound, match="theme 404"):
        propose_action(
            session,
            theme_id=404,
            title="A",
            description="",
            strategy=Strategy.ASSIST,
            department_id=1,
            owner_id=None,
            due_on=None,
            expected_drop=0.2,
            smallest_drop=0.1,
            by=BOSS,
        )


STEPS = ("propose", "agree", "start", "hand_back", "cancel", "reopen", "ship", "change")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=14))
def test_no_walk_leaves_the_two_lives(session, steps):
    """Whatever people try, in any order, statuses follow the tables and each change is told."""
    session.rollback()
    house = House(session)
    actions = [house.propose()]
    for step, which in steps:
        action = actions[which % len(actions)]
        before = _standing(session, house)
        try:
            _try(house, actions, action, step)
        except Refusal:
            assert _standing(session, house) == before
            continue
        session.flush()
        _check_step(before, _standing(session, house))
    session.rollback()


def _try(house, actions, action, step):
    if step == "propose":
        actions.append(house.propose())
    elif step == "ship":
        ship(house, action)
    elif step == "change":
        change_action(house.session, action_id=action.id, by=BOSS, **house.terms(title="Other"))
    elif step in ("hand_back", "cancel"):
        verb = {"hand_back": hand_back_action, "cancel": cancel_action}[step]
        verb(house.session, action_id=action.id, reason="Because.", by=BOSS)
    else:
        verb = {"agree": agree_action, "start": start_action, "reopen": reopen_action}[step]
        verb(house.session, action_id=action.id, by=BOSS)


def _standing(session, house):
    statuses = dict(map(tuple, session.execute(sa.select(Action.id, Action.status))))
    events = session.scalar(sa.select(sa.func.count(AuditEvent.id)))
    shipped = session.scalar(sa.select(sa.func.count(Intervention.id)))
    return statuses, house.theme.status, events, shipped


def _check_step(before, after):
    changes = 0
    for action_id, status in after[0].items():
        was = before[0].get(action_id)
        assert was in (None, status) or status in ACTION_MOVES[was]
        changes += was is not status
    assert before[1] is after[1] or after[1] in THEME_MOVES[before[1]]
    changes += before[1] is not after[1]
    assert after[2] - before[2] >= changes
    assert after[3] == sum(status is ActionStatus.SHIPPED for status in after[0].values())
    is_open = bool(set(after[0].values()) & set(OPEN_ACTIONS))
    assert not (after[1] is ThemeStatus.ACTING and not is_open)
