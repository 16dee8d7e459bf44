"""The watch: contacts that come back, and themes that are closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, Actor
from closedloop.domain.errors import InvalidTransition, NotAllowed, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Comeback,
    Intervention,
    Theme,
)
from closedloop.services.impact import (
    close_theme,
    watch_comebacks,
)
from tests.factories.accounts import make_user
from tests.factories.series import (
    add_days,
    draw_counts,
    make_definitions,
)
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.services.test_impact import (
    BY,
    LIVE,
    LOOKS,
    Site,
    measure,
    verbs,
)


def test_only_a_theme_that_held_is_closed_and_by_a_manager(session, settings):
    site = Site(session)
    with pytest.raises(InvalidTransition, match="measuring cannot become closed"):
        close_theme(session, theme_id=site.theme.id, by=BY)
    measure(site, settings, LOOKS[3])
    stakeholder = make_user(session, Role.STAKEHOLDER)
    with pytest.raises(NotAllowed):
        close_theme(
            session,
            theme_id=site.theme.id,
            by=Actor(stakeholder.name, user_id=stakeholder.id),
        )
    assert site.theme.status is ThemeStatus.HELD
    close_theme(session, theme_id=site.theme.id, by=BY)
    close_theme(session, theme_id=site.theme.id, by=BY)
    assert site.theme.status is ThemeStatus.CLOSED
    assert verbs(session).count("themes.status_changed") == 2
    with pytest.raises(NotFound):
        close_theme(session, theme_id=404, by=BY)


BACK_AFTER = 100  # days after go-live


def make_held(session, *, comes_back, status=ThemeStatus.HELD):
    """A fix of -45 % whose contacts are all back from day `BACK_AFTER` on, or stay away."""
    site = Site(session, after=BACK_AFTER + 40)
    if comes_back:
        back = draw_counts(9, mean=9, first_day=LIVE + timedelta(days=BACK_AFTER), n_days=40)
        add_days(session, site.theme, LIVE + timedelta(days=BACK_AFTER), back, channel="chat")
    site.theme.status, site.action.status = status, ActionStatus.EFFECTIVE
    session.commit()
    return site


def watch(database, settings, as_of=LIVE + timedelta(days=BACK_AFTER + 39)):
    return watch_comebacks(database.transaction, settings=settings, as_of=as_of, by=COMMAND_LINE)


@pytest.mark.parametrize("status", [ThemeStatus.HELD, ThemeStatus.CLOSED])
def test_contacts_that_come_back_reopen_the_theme_once(session, settings, database, status):
    site = make_held(session, comes_back=True, status=status)
    assert watch(database, settings, LIVE + timedelta(days=BACK_AFTER - 1)) == 0
    assert watch(database, settings) == 1
    assert watch(database, settings) == 0
    with database.reading() as reading:
        found = reading.scalars(sa.select(Comeback)).one()
        back_on = LIVE + timedelta(days=BACK_AFTER)
        assert back_on - timedelta(days=4) <= found.since_on <= back_on + timedelta(days=10)
        assert back_on < found.alarm_on <= back_on + timedelta(days=28)
        assert found.excess > 0
        assert reading.get_one(Theme, site.theme.id).status is ThemeStatus.REOPENED
        assert reading.get_one(Action, site.action.id).status is ActionStatus.EFFECTIVE
        events = reading.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert events == ["impact.comeback_raised", "themes.status_changed"]


def test_what_stays_away_raises_no_alarm(session, settings, database):
    site = make_held(session, comes_back=False)
    assert watch(database, settings) == 0
    with database.reading() as reading:
        assert reading.get_one(Theme, site.theme.id).status is ThemeStatus.HELD


def test_an_alarm_that_was_looked_into_is_not_raised_again(session, settings, database, caplog):
    site = make_held(session, comes_back=True)
    watch(database, settings)
    with database.transaction() as inner:
        inner.get_one(Theme, site.theme.id).status = ThemeStatus.HELD
        alarm_on = inner.scalars(sa.select(Comeback.alarm_on)).one()
    assert watch(database, settings, alarm_on) == 0
    assert "could not be watched" not in caplog.text


@pytest.mark.parametrize(
    ("theme", "action"),
    [(ThemeStatus.MEASURING, "effective"), (ThemeStatus.HELD, "cannot_tell")],
)
def test_only_themes_that_held_by_a_fix_that_worked_are_watched(
    session, settings, database, theme, action
):
    site = make_held(session, comes_back=True, status=theme)
    site.action.status = ActionStatus(action)
    session.commit()
    assert watch(database, settings) == 0


def test_a_theme_that_cannot_be_read_does_not_stop_the_watch(session, settings, database):
    site = make_held(session, comes_back=True)
    other = make_theme(session, ThemeStatus.HELD)
    make_intervention(
        session,
        make_action(session, other, ActionStatus.EFFECTIVE),
        went_live_on=LIVE - timedelta(days=60),
    )
    broken = make_theme(session, ThemeStatus.HELD)
    make_intervention(
        session,
        make_action(session, broken, ActionStatus.EFFECTIVE),
        went_live_on=LIVE - timedelta(days=60),
        plan={"family": 5},
    )
    make_definitions(session, [site.theme, broken], number=2)
    session.commit()
    assert watch(database, settings) == 1
    with database.reading() as reading:
        assert reading.scalars(sa.select(Comeback.theme_id)).all() == [site.theme.id]
        assert reading.scalar(sa.select(sa.func.count(Intervention.id))) == 3
