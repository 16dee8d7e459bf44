"""Themes, actions and interventions for tests."""

from __future__ import annotations

import itertools
from datetime import date

from sqlalchemy.orm import Session

from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import utc_now
from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.models import Action, ContactDriver, Intervention, Theme, ThemeStats
from tests.factories.accounts import make_department

_number = itertools.count(1)


def make_theme(session: Session, status: ThemeStatus = ThemeStatus.CANDIDATE, **values) -> Theme:
    """Add a theme with no contacts; agreed ones get a scenario."""
    number = next(_number)
    agreed = status is not ThemeStatus.CANDIDATE
    theme = Theme(
        **{
            "key": f"T-{number:03d}",
            "name": f"Theme number {number}",
            "keywords": ["card", "arrived"],
            "status": status,
            "scenario": "Customers call because the card does not come." if agreed else "",
            **values,
        }
    )
    session.add(theme)
    session.flush()
    return theme


def make_driver(session: Session, **values) -> ContactDriver:
    """Add a contact driver without themes."""
    number = next(_number)
    driver = ContactDriver(
        **{"key": f"D-{number:03d}", "name": f"Driver number {number}", "keywords": [], **values}
    )
    session.add(driver)
    session.flush()
    return driver


def make_stats(session: Session, theme: Theme, **values) -> ThemeStats:
    """Add the roll-up figures of a theme."""
    stats = ThemeStats(
        **{
            "theme_id": theme.id,
            "as_of": date(2026, 5, 11),
            "contacts": 486,
            "customers": 352,
            "mature": 450,
            "repeats_any": 160,
            "repeats_same": 130,
            "handled": 486,
            "handle_seconds": 233_400,
            "contacts_4_weeks": 190,
            "contacts_4_weeks_before": 138,
            "weekly": [30, 31, 29, 33, 35, 36, 34, 38, 40, 41, 44, 47, 48],
            "priority": 65.1,
            **values,
        }
    )
    session.add(stats)
    session.flush()
    return stats


def make_action(
    session: Session, theme: Theme | None = None, status=ActionStatus.AGREED, **values
) -> Action:
    """Add an action on an agreed theme."""
    theme = theme or make_theme(session, ThemeStatus.ACTING)
    if "department" not in values and "department_id" not in values:
        values["department"] = make_department(session)
    number = next(_number)
    action = Action(
        **{
            "key": f"A-{number:03d}",
            "theme_id": theme.id,
            "title": f"Action number {number}",
            "strategy": Strategy.ELIMINATE,
            "due_on": date(2026, 5, 31),
            "status": status,
            "status_since": utc_now(),
            "expected_drop": 0.3,
            "smallest_drop": 0.2,
            **values,
        }
    )
    session.add(action)
    session.flush()
    return action


def make_intervention(session: Session, action: Action | None = None, **values) -> Intervention:
    """Add the go-live of a shipped action."""
    action = action or make_action(session, status=ActionStatus.SHIPPED)
    intervention = Intervention(
        **{
            "action_id": action.id,
            "theme_id": action.theme_id,
            "went_live_on": date(2026, 3, 3),
            "plan": {},
            **values,
        }
    )
    session.add(intervention)
    session.flush()
    return intervention
