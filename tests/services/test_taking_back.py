"""A go-live that was none is taken back: what stays, what follows, and who may."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor, ActorKind
from closedloop.domain.errors import Invalid, InvalidTransition, NotAllowed, NotMeasurable
from closedloop.domain.impact import LOOK_DAYS, Verdict
from closedloop.domain.impact_overlap import find_overlap
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, ImpactMeasurement, Intervention
from closedloop.queries.actions import ActionFilter, list_actions
from closedloop.queries.comebacks import list_comeback_cases
from closedloop.queries.go_lives import list_go_lives
from closedloop.queries.home import list_reopened
from closedloop.queries.impact import list_looks_in_force, list_shipped
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.taken_back import list_taken_back
from closedloop.services.actions import ship_action, start_action
from closedloop.services.comeback_reviews import review_comeback
from closedloop.services.impact import measure_due, measure_intervention
from closedloop.services.sign_offs import sign_off_measurement
from closedloop.services.taking_back import preview_taking_back, take_back_go_live
from tests.factories.accounts import make_department, make_user
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.series import add_days, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LIVE = date(2026, 1, 1), date(2026, 4, 6)
BOSS = Actor("Priya Nair")


@pytest.fixture
def action(session):
    """An action under way, for a theme with contacts on 140 days."""
    theme = make_theme(session, ThemeStatus.ACTING)
    add_days(session, theme, FIRST, [20] * 140)
    made = make_action(session, theme)
    start_action(session, action_id=made.id, by=BOSS)
    return made


def ship(session, action, live=LIVE):
    return ship_action(
        session,
        action_id=action.id,
        went_live_on=live,
        rollout_days=0,
        by=BOSS,
        today=date(2026, 5, 20),
    )


def take_back(session, action, reason="The release was pulled.", by=BOSS):
    return take_back_go_live(session, action_id=action.id, reason=reason, by=by)


def test_a_go_live_taken_back_leaves_action_and_theme_as_they_were(session, action):
    live = ship(session, action)
    running = make_measurement(session, live, as_of=LIVE + timedelta(days=5))

    take_back(session, action, "  The release was   pulled. ")

    assert (action.status, action.theme.status) == (ActionStatus.IN_PROGRESS, ThemeStatus.ACTING)
    assert (live.taken_back_by, live.taken_back_reason) == ("Priya Nair", "The release was pulled.")
    assert session.get(ImpactMeasurement, running.id) is running
    assert list_shipped(session) == [] == list_looks_in_force(session)
    assert list_go_lives(session) == []
    (row,) = list_actions(session, ActionFilter())
    assert (row.went_live_on, row.verdict) == (None, None)
    event = session.scalars(
        sa.select(AuditEvent).where(AuditEvent.verb == "actions.taken_back")
    ).one()
    assert event.detail["reason"] == "The release was pulled."
    assert (event.detail["from"], event.detail["to"]) == ("shipped", "in_progress")
    (told,) = list_taken_back(session, action.key)
    assert (told.went_live_on, told.looks, told.measurements) == (LIVE, (), 1)


def test_an_action_that_was_only_agreed_is_agreed_again(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    add_days(session, theme, FIRST, [20] * 140)
    made = make_action(session, theme)
    ship(session, made)
    take_back(session, made)
    assert made.status is ActionStatus.AGREED


def test_it_is_shipped_again_with_another_day_and_its_looks_follow_that_day(
    session, action, settings, database
):
    make_definitions(session, [action.theme], number=1)
    first = ship(session, action, LIVE)
    take_back(session, action, "It went live a week later.")
    second = ship(session, action, LIVE + timedelta(days=7))

    assert second.id != first.id
    assert second.plan["looks"][0] == (LIVE + timedelta(days=6 + LOOK_DAYS[0])).isoformat()
    (shipped,) = list_shipped(session)
    assert (shipped.intervention_id, shipped.went_live_on) == (second.id, LIVE + timedelta(days=7))
    session.commit()
    cut = FIRST + timedelta(days=139)
    measure_due(database.transaction, settings=settings, as_of=cut, by=NIGHTLY_ROUND)
    session.expire_all()
    looks = session.execute(
        sa.select(ImpactMeasurement.intervention_id, ImpactMeasurement.as_of)
        .where(ImpactMeasurement.is_look)
        .order_by(ImpactMeasurement.as_of)
    ).all()
    assert looks == [(second.id, LIVE + timedelta(days=6 + days)) for days in LOOK_DAYS[:2]]
    assert action.status is not ActionStatus.SHIPPED


def test_what_was_taken_back_is_measured_no_more(session, action, settings, database):
    make_definitions(session, [action.theme], number=1)
    live = ship(session, action)
    take_back(session, action)
    session.commit()
    cut = FIRST + timedelta(days=139)
    round_ = measure_due(database.transaction, settings=settings, as_of=cut, by=NIGHTLY_ROUND)
    assert (round_.interventions, round_.measured) == (0, 0)
    with pytest.raises(NotMeasurable, match="was taken back"):
        measure_intervention(
            session, settings=settings, intervention_id=live.id, as_of=cut, by=BOSS
        )


def test_a_reason_is_needed_and_the_same_one_twice_is_one(session, action):
    with pytest.raises(InvalidTransition, match="not live"):
        take_back(session, action)
    live = ship(session, action)
    with pytest.raises(Invalid, match="needs a reason"):
        take_back(session, action, "  ")
    assert take_back(session, action) is live
    assert take_back(session, action) is live
    with pytest.raises(InvalidTransition, match="in progress and not live"):
        take_back(session, action, "Another reason.")
    told = sa.select(sa.func.count(AuditEvent.id)).where(AuditEvent.verb == "actions.taken_back")
    assert session.scalar(told) == 1


def test_before_the_first_look_the_owner_takes_it_back_and_after_it_only_a_manager(session):
    department = make_department(session)
    owner = make_user(session, Role.STAKEHOLDER, department=department)
    stranger = make_user(session, Role.STAKEHOLDER)
    manager = make_user(session, Role.CX_MANAGER)
    theme = make_theme(session, ThemeStatus.ACTING)
    add_days(session, theme, FIRST, [20] * 140)
    made = make_action(session, theme, department=department, owner_id=owner.id)
    actor = Actor(owner.name, user_id=owner.id)
    ship(session, made)
    with pytest.raises(NotAllowed, match="belongs to"):
        take_back(session, made, by=Actor(stranger.name, user_id=stranger.id))
    take_back(session, made, by=actor)

    live = ship(session, made)
    make_measurement(session, live, verdict=Verdict.ROSE, avoided=(-90.0, -50.0, -20.0))
    made.status, made.theme.status = ActionStatus.NOT_EFFECTIVE, ThemeStatus.NOT_HELD
    session.flush()
    for ask in (take_back, lambda *_, by: preview_taking_back(session, action_id=made.id, by=by)):
        with pytest.raises(NotAllowed, match=r"Look 1 has said .* 6 April 2026: rose"):
            ask(session, made, by=actor)

    take_back(session, made, by=Actor(manager.name, user_id=manager.id))
    assert (made.status, theme.status) == (ActionStatus.AGREED, ThemeStatus.ACTING)
    newest, oldest = list_taken_back(session, made.key)
    assert [look.verdict for look in newest.looks] == [Verdict.ROSE]
    assert oldest.looks == ()
    told = session.scalars(
        sa.select(AuditEvent.summary)
        .where(AuditEvent.verb == "actions.taken_back")
        .order_by(AuditEvent.id.desc())
    ).first()
    assert "after look 1 said “Rose”" in told


def test_totals_no_longer_hold_what_was_taken_back(session, action):
    make_measurement(session, ship(session, action))
    before = get_portfolio(session, pence_now=60).total
    take_back(session, action)
    after = get_portfolio(session, pence_now=60).total
    assert (before.actions, after.actions, after.without_range) == (1, 0, 0)


@pytest.mark.parametrize("status", [ThemeStatus.HELD, ThemeStatus.CLOSED, ThemeStatus.REOPENED])
def test_a_theme_that_held_by_it_alone_is_acting_again(session, action, status):
    live = ship(session, action)
    make_measurement(session, live)
    action.status, action.theme.status = ActionStatus.EFFECTIVE, status
    if status is ThemeStatus.REOPENED:
        make_comeback(session, live)
    session.flush()
    found = preview_taking_back(session, action_id=action.id, by=BOSS)
    assert (found.look, found.verdict, found.measurements) == (1, Verdict.FELL, 1)
    assert (found.action_status, found.theme_status) == ("in_progress", "acting")
    take_back(session, action)
    assert action.theme.status is ThemeStatus.ACTING


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [(None, ThemeStatus.MEASURING), (Verdict.FELL, ThemeStatus.HELD)],
)
def test_another_fix_keeps_the_theme_as_its_own_looks_have_it(session, action, verdict, wanted):
    other = make_action(session, action.theme, status=ActionStatus.SHIPPED)
    earlier = make_intervention(session, other, went_live_on=date(2026, 2, 20))
    if verdict:
        make_measurement(session, earlier, verdict=verdict)
    ship(session, action)
    assert action.theme.status is ThemeStatus.MEASURING
    take_back(session, action, by=COMMAND_LINE)
    assert action.theme.status is wanted


def test_another_fix_that_is_refused_says_nothing_about_the_theme(session, action):
    held, refused = (
        make_action(session, action.theme, status=ActionStatus.SHIPPED) for _ in range(2)
    )
    earlier = make_intervention(session, held, went_live_on=date(2026, 2, 1))
    make_measurement(session, earlier, verdict=Verdict.FELL)
    later = make_intervention(session, refused, went_live_on=date(2026, 3, 20))
    assert find_overlap(
        *(one for one in list_go_lives(session) if one.id == later.id),
        list_go_lives(session),
        as_of=later.went_live_on,
    ).refusal
    ship(session, action)
    take_back(session, action, by=COMMAND_LINE)
    assert action.theme.status is ThemeStatus.HELD


@pytest.fixture
def earlier(session, action):
    """Another fix of the theme, which held and then came back."""
    other = make_action(session, action.theme, status=ActionStatus.EFFECTIVE)
    live = make_intervention(session, other, went_live_on=date(2026, 2, 20))
    make_measurement(session, live, verdict=Verdict.FELL)
    make_comeback(session, live, alarm_on=date(2026, 4, 1))
    return live


def test_a_theme_that_came_back_before_the_wrong_go_live_is_not_said_to_hold(
    session, action, earlier
):
    ship(session, action)
    take_back(session, action)
    assert action.theme.status is ThemeStatus.ACTING


@pytest.mark.parametrize("outcome", ["", "explained"])
def test_a_theme_stays_open_for_the_alarm_of_another_fix(session, action, earlier, outcome):
    live = ship(session, action)
    make_comeback(session, live, alarm_on=date(2026, 3, 2), outcome=outcome)
    action.theme.status = ThemeStatus.REOPENED
    session.flush()
    take_back(session, action)
    assert action.theme.status is ThemeStatus.REOPENED


def test_an_alarm_of_what_was_taken_back_is_no_case_any_more(session, action, earlier):
    live = ship(session, action)
    look = make_measurement(session, live)
    gone = make_comeback(session, live, alarm_on=date(2026, 5, 6), excess=900.0)
    action.status, action.theme.status = ActionStatus.EFFECTIVE, ThemeStatus.REOPENED
    session.flush()
    take_back(session, action)

    theme = action.theme
    theme.status = ThemeStatus.REOPENED  # the other alarm is looked at again
    session.flush()
    assert [case.alarm_on for case in list_comeback_cases(session, theme.id)] == [date(2026, 4, 1)]
    assert [one.excess for one in list_reopened(session)] == [87.0]
    review_comeback(session, comeback_id=gone.id, outcome="explained", note="A strike.", by=BOSS)
    assert theme.status is ThemeStatus.REOPENED, "another alarm waits"
    reader = make_user(session, Role.EXECUTIVE)
    by = Actor(reader.name, ActorKind.PERSON, reader.id)
    with pytest.raises(InvalidTransition, match="was taken back"):
        sign_off_measurement(session, measurement_id=look.id, by=by)


@pytest.mark.parametrize("status", [ThemeStatus.PARKED, ThemeStatus.CAUSE_KNOWN])
def test_what_people_made_of_the_theme_since_stays(session, action, status):
    ship(session, action)
    action.theme.status = status
    session.flush()
    take_back(session, action)
    assert action.theme.status is status


def test_an_action_has_one_go_live_that_stands(session, action):
    first = ship(session, action)
    take_back(session, action)
    ship(session, action)
    with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
        make_intervention(session, action)
    rows = sa.select(sa.func.count(Intervention.id)).where(Intervention.action_id == action.id)
    assert session.scalar(rows) == 2
    assert first.taken_back_at is not None
