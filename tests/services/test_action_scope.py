"""What an action touches beside its theme: said before it ships, frozen when it does."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import MOST_ALSO, ActionStatus
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Invalid, InvalidTransition, NotAllowed
from closedloop.domain.impact_stages import Stage
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, DriverDay
from closedloop.queries.action_scope import get_scope
from closedloop.services.action_scope import state_scope
from closedloop.services.actions import ship_action
from tests.factories.accounts import make_department, make_user
from tests.factories.series import add_days, make_alike
from tests.factories.themes import make_action, make_theme

BY = Actor("Priya Nair")
TODAY = date(2026, 5, 12)
LIVE = date(2026, 5, 4)


@pytest.fixture
def action(session):
    """An agreed action on a theme with contacts, and a driver volume beside it."""
    theme = make_theme(session, ThemeStatus.ACTING)
    add_days(session, theme, date(2025, 12, 1), [5] * 160)
    session.add(DriverDay(driver="orders", day=LIVE, volume=10.0))
    session.flush()
    return make_action(session, theme)


def state(session, action, also=(), driver=""):
    return state_scope(
        session, action_id=action.id, also=[one.id for one in also], driver=driver, by=BY
    )


def test_themes_and_driver_are_put_down_changed_and_taken_back(session, action):
    first, second = make_theme(session), make_theme(session)
    state(session, action, [first, action.theme], "orders")
    assert [one.key for one in get_scope(session, action.id).also] == [first.key]
    state(session, action, [first, second], "orders")
    state(session, action, [first, second], "orders")
    state(session, action, [second])
    scope = get_scope(session, action.id)
    assert ([one.key for one in scope.also], scope.driver) == ([second.key], "")
    events = session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.verb for event in events] == ["actions.changed"] * 3
    assert events[-1].detail["also"] == [[first.id, second.id], [second.id]]


def test_what_is_not_there_or_too_much_is_said_at_its_field(session, action):
    gone = make_theme(session, ThemeStatus.RETIRED)
    many = [make_theme(session) for _ in range(MOST_ALSO + 1)]
    for also, driver, field in (([gone], "", "also"), (many, "", "also"), ([], "bills", "driver")):
        with pytest.raises(Invalid) as refused:
            state(session, action, also, driver)
        assert list(refused.value.fields) == [field]
    assert get_scope(session, action.id).also == ()


def test_what_is_shipped_no_longer_changes_and_others_do_not_change_it(session, action):
    stranger = make_user(session, Role.STAKEHOLDER, department=make_department(session))
    with pytest.raises(NotAllowed):
        state_scope(
            session,
            action_id=action.id,
            also=[],
            driver="orders",
            by=Actor(stranger.name, user_id=stranger.id),
        )
    action.status = ActionStatus.SHIPPED
    with pytest.raises(InvalidTransition):
        state(session, action, driver="orders")


def ship(session, action, **values):
    return ship_action(
        session,
        action_id=action.id,
        **{"went_live_on": LIVE, "rollout_days": 0, "by": BY, "today": TODAY, **values},
    )


def test_shipping_freezes_what_it_touches_and_its_likes_are_watched(session, action):
    touched, cousin = make_theme(session), make_theme(session)
    make_alike(session, action.theme, touched, 0.9)
    make_alike(session, touched, cousin, 0.9)
    state(session, action, [touched], "orders")
    found = ship(session, action)
    assert [one["key"] for one in found.plan["also"]] == [touched.key]
    assert found.plan["family"] == [cousin.id]
    assert (found.driver, found.plan["driver"]) == ("orders", "orders")
    assert touched.key not in {one["key"] for one in found.plan["left_out"]}


def test_a_theme_that_is_gone_by_the_time_it_ships_is_named(session, action):
    touched = make_theme(session)
    state(session, action, [touched], "")
    touched.status = ThemeStatus.RETIRED

    with pytest.raises(Invalid) as refused:
        ship(session, action)

    assert f"{touched.key} {touched.name} is not in use any more" in refused.value.fields["also"]
    assert action.status is not ActionStatus.SHIPPED


def test_stages_set_the_looks_from_the_last_and_count_from_the_first(session, action):
    last = LIVE + timedelta(days=20)
    found = ship(session, action, stages=[Stage(LIVE, 0.2), Stage(last, 1.0)])
    assert found.rollout_days == 20
    assert found.stages == [
        {"day": LIVE.isoformat(), "share": 0.2},
        {"day": last.isoformat(), "share": 1.0},
    ]
    assert found.plan["looks"][0] == (last + timedelta(days=13)).isoformat()
    assert found.plan["counted_from"] == LIVE.isoformat()


@pytest.mark.parametrize(
    "values",
    [
        {"stages": [Stage(LIVE + timedelta(days=1), 0.5)]},
        {"stages": [Stage(LIVE, 0.5)], "rollout_days": 3},
    ],
)
def test_stages_that_do_not_fit_are_refused(session, action, values):
    with pytest.raises(Invalid) as refused:
        ship(session, action, **values)
    assert list(refused.value.fields) == ["stages"]
