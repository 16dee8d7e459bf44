"""What administrators look after: people, departments, and how much data there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.accounts import Role
from closedloop.domain.actions import OPEN_ACTIONS
from closedloop.domain.clock import utc_now
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import (
    Action,
    ApiToken,
    AuditEvent,
    Customer,
    DailyRollup,
    Department,
    ImpactMeasurement,
    ImportBatch,
    SignIn,
    Theme,
    User,
)


@dataclass(frozen=True)
class UserRow:
    """Somebody who can sign in, or could.

    Attributes
    ----------
    signed_in_at : datetime or None
        When a session was last begun.
    sessions, tokens : int
        Those that still count.
    """

    id: int
    name: str
    email: str
    role: Role
    department_name: str
    is_active: bool
    signed_in_at: datetime | None
    sessions: int
    tokens: int


@dataclass(frozen=True)
class DepartmentRow:
    """A department, its active users and its open actions."""

    id: int
    name: str
    is_active: bool
    users: int
    open_actions: int


@dataclass(frozen=True)
class DataFacts:
    """How much there is, over the whole history."""

    contacts: int
    customers: int
    imports: int
    themes: int
    measurements: int
    events: int


@dataclass(frozen=True)
class Owned:
    """Something that a user is answerable for: an open action, or a theme in use."""

    kind: str
    key: str
    name: str


def list_owned(session: Session, user_id: int) -> list[Owned]:
    """Return the open actions of a user by key, then the themes in use."""
    actions = session.execute(
        sa.select(Action.key, Action.title)
        .where(Action.owner_id == user_id, Action.status.in_(OPEN_ACTIONS))
        .order_by(Action.key)
    )
    themes = session.execute(
        sa.select(Theme.key, Theme.name)
        .where(Theme.owner_id == user_id, Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.key)
    )
    return [
        *(Owned("action", key, title) for key, title in actions),
        *(Owned("theme", key, name) for key, name in themes),
    ]


def list_user_rows(session: Session) -> list[UserRow]:
    """Return everybody by name, those who may sign in first."""
    now = utc_now()
    of_user = SignIn.user_id == User.id
    newest = sa.select(sa.func.max(SignIn.created_at)).where(of_user).scalar_subquery()
    counts = _count(SignIn.id, of_user, SignIn.revoked_at.is_(None), SignIn.expires_at > now)
    tokens = _count(
        ApiToken.id,
        ApiToken.user_id == User.id,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > now,
    )
    rows = session.execute(
        sa.select(
            User.id,
            User.name,
            User.email,
            User.role,
            sa.func.coalesce(Department.name, ""),
            User.is_active,
            newest,
            counts,
            tokens,
        )
        .outerjoin(Department, Department.id == User.department_id)
        .order_by(User.is_active.desc(), User.name, User.id)
    )
    return [UserRow(*row) for row in rows]


def list_department_rows(session: Session) -> list[DepartmentRow]:
    """Return departments by name, open ones first."""
    rows = session.execute(
        sa.select(
            Department.id,
            Department.name,
            Department.is_active,
            _count(User.id, User.department_id == Department.id, User.is_active),
            _count(
                Action.id, Action.department_id == Department.id, Action.status.in_(OPEN_ACTIONS)
            ),
        ).order_by(Department.is_active.desc(), Department.name)
    )
    return [DepartmentRow(*row) for row in rows]


def get_data_facts(session: Session) -> DataFacts:
    """Return how much there is; contacts come from the roll-up, so nothing large is read."""
    contacts = sa.select(sa.func.coalesce(sa.func.sum(DailyRollup.contacts), 0)).scalar_subquery()
    row = session.execute(
        sa.select(
            contacts,
            *(
                _count(column)
                for column in (
                    Customer.id,
                    ImportBatch.id,
                    Theme.id,
                    ImpactMeasurement.id,
                    AuditEvent.id,
                )
            ),
        )
    ).one()
    return DataFacts(*(int(number) for number in row))


def _count(
    column: sa.orm.InstrumentedAttribute[int] | sa.orm.InstrumentedAttribute[str],
    *conditions: sa.ColumnElement[bool] | sa.orm.InstrumentedAttribute[bool],
) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count(column)).where(*conditions).scalar_subquery()
