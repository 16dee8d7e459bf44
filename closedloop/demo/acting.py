"""What became of Northbank's actions: agreed, shipped, looked at and watched, each on its day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from closedloop.demo.calendar import LAST_DAY
from closedloop.demo.scenario import COMEBACK_STORY, FIXES, OPEN_ACTIONS, Fix
from closedloop.demo.site import Site, on
from closedloop.demo.working_group import BACK_ON, bring_back
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.impact import looks
from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.models import Action, Intervention, Theme
from closedloop.services.actions import (
    agree_action,
    hand_back_action,
    propose_action,
    ship_action,
    start_action,
)
from closedloop.services.impact import measure_intervention, watch_comebacks
from closedloop.services.themes import describe_cause

_STATUS = {
    "in_progress": ActionStatus.IN_PROGRESS,
    "agreed": ActionStatus.AGREED,
    "proposed": ActionStatus.PROPOSED,
    "handed_back": ActionStatus.HANDED_BACK,
}


def act(site: Site, *, after: date, until: date) -> None:
    """Do what happened after one day, up to another: agree, start, ship, measure."""
    for moment, step in sorted(_steps(site), key=lambda pair: pair[0]):
        if after < moment <= until:
            with on(moment):
                step()


def _steps(site: Site) -> list[tuple[date, Callable[[], None]]]:
    steps: list[tuple[date, Callable[[], None]]] = []
    for fix in FIXES:
        steps.append((fix.agreed_on, partial(_agree_fix, site, fix)))
        steps.append((fix.shipped_on, partial(_ship, site, fix)))
        for look in looks(fix.shipped_on, fix.roll_out_days):
            if look < LAST_DAY:
                steps.append((look + timedelta(days=1), partial(_look, site, fix, look)))
    for number in range(21):  # the watch is read each night once the first verdicts hold
        night = LAST_DAY - timedelta(days=20 - number)
        steps.append((night + timedelta(days=1), partial(_watch, site, night)))
    for action in OPEN_ACTIONS:
        moment = action.agreed_on or date(2026, 5, 6)
        steps.append((moment, partial(_open_action, site, action)))
    steps.append((BACK_ON, partial(bring_back, site)))
    return steps


def _agree_fix(site: Site, fix: Fix) -> None:
    owner = site.people[fix.owner]
    with site.transactions() as session:
        theme_id = site.themes[fix.intents[0]]
        describe_cause(session, theme_id=theme_id, cause=fix.cause, by=site.manager)
        action = propose_action(
            session,
            theme_id=theme_id,
            title=fix.title,
            description=fix.description,
            strategy=Strategy(fix.strategy),
            department_id=site.departments[fix.department],
            owner_id=owner.user_id,
            due_on=fix.due_on,
            expected_drop=fix.expected_drop,
            smallest_drop=fix.worthwhile_drop,
            by=site.manager,
            settings=site.settings,
        )
        agree_action(session, action_id=action.id, by=owner)
        start_action(session, action_id=action.id, by=owner)


def _ship(site: Site, fix: Fix) -> None:
    with site.transactions() as session:
        action = session.scalars(sa.select(Action).where(Action.title == fix.title)).one()
        ship_action(
            session,
            settings=site.settings,
            action_id=action.id,
            went_live_on=fix.shipped_on,
            rollout_days=fix.roll_out_days,
            by=site.people[fix.owner],
        )


def _open_action(site: Site, told: Any) -> None:
    if told.intent not in site.themes:
        return  # discovery did not find this matter as a theme of its own
    owner, status = site.people[told.owner], _STATUS[told.status]
    with site.transactions() as session:
        action = propose_action(
            session,
            theme_id=site.themes[told.intent],
            title=told.title,
            description=told.description,
            strategy=Strategy(told.strategy),
            department_id=site.departments[told.department],
            owner_id=owner.user_id,
            due_on=told.due_on,
            expected_drop=told.expected_drop,
            smallest_drop=told.worthwhile_drop,
            by=site.manager,
            settings=site.settings,
        )
        if status is not ActionStatus.PROPOSED:
            agree_action(session, action_id=action.id, by=owner)
        if status is ActionStatus.IN_PROGRESS:
            start_action(session, action_id=action.id, by=owner)
        if status is ActionStatus.HANDED_BACK:
            hand_back_action(session, action_id=action.id, reason=told.reason, by=owner)


def _look(site: Site, fix: Fix, as_of: date) -> None:
    """Speak the verdict of one look, as the nightly round does for all that are due."""
    with site.transactions() as session:
        intervention_id = session.scalars(
            sa.select(Intervention.id).join(Action).where(Action.title == fix.title)
        ).one()
        measure_intervention(
            session,
            settings=site.settings,
            intervention_id=intervention_id,
            as_of=as_of,
            by=NIGHTLY_ROUND,
        )


def _watch(site: Site, as_of: date) -> None:
    came_back = watch_comebacks(
        site.transactions,
        settings=site.settings,
        as_of=as_of,
        by=NIGHTLY_ROUND,
        report=site.report,
    )
    if came_back:
        theme_id = site.themes[FIXES[3].intents[0]]
        with site.transactions() as session:
            theme = session.get_one(Theme, theme_id)
            if theme.status is ThemeStatus.REOPENED:
                describe_cause(
                    session,
                    theme_id=theme_id,
                    cause=f"{FIXES[3].cause} {COMEBACK_STORY}",
                    by=site.people["Ruth Adeyemi"],
                )
