"""Who works here: users, departments, sessions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.accounts import Role
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.models import Department, SignIn, User


@dataclass(frozen=True)
class SignedIn:
    """What a request needs to know of its user."""

    user_id: int
    email: str
    name: str
    role: Role
    department_id: int | None
    department_name: str
    last_looked_at: datetime | None


def token_hash(token: str) -> str:
    """Return what the database keeps of a token: its SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_signed_in(session: Session, token: str) -> SignedIn | None:
    """Return the user of a session that is neither revoked nor expired, None otherwise."""
    row = session.execute(
        sa.select(User, Department.name)
        .join(SignIn, SignIn.user_id == User.id)
        .outerjoin(Department, Department.id == User.department_id)
        .where(
            SignIn.id == token_hash(token),
            SignIn.revoked_at.is_(None),
            SignIn.expires_at > utc_now(),
            User.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    user, department = row
    return SignedIn(
        user.id,
        user.email,
        user.name,
        user.role,
        user.department_id,
        department or "",
        user.last_looked_at,
    )


def has_users(session: Session) -> bool:
    """Return whether anybody can sign in; a fresh site has nobody."""
    return bool(session.scalar(sa.select(sa.exists().where(User.is_active))))


def get_user(session: Session, user_id: int) -> User:
    """Return one user.

    Raises
    ------
    NotFound
    """
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find_user_by_email(session: Session, email: str) -> User | None:
    """Return the user with an address, in any case."""
    return session.scalar(sa.select(User).where(User.email == email.strip().lower()))


def list_users(session: Session, *, active_only: bool = False) -> Sequence[User]:
    """Return users by name, with their departments."""
    statement = sa.select(User).options(joinedload(User.department)).order_by(User.name, User.id)
    if active_only:
        statement = statement.where(User.is_active)
    return session.scalars(statement).all()


def list_departments(session: Session, *, active_only: bool = True) -> Sequence[Department]:
    """Return departments by name."""
    statement = sa.select(Department).order_by(Department.name)
    if active_only:
        statement = statement.where(Department.is_active)
    return session.scalars(statement).all()


def get_department(session: Session, department_id: int) -> Department:
    """Return one department.

    Raises
    ------
    NotFound
    """
    department = session.get(Department, department_id)
    if department is None:
        raise NotFound("There is no such department.")
    return department


def list_sessions(session: Session, user_id: int) -> Sequence[SignIn]:
    """Return the sessions of a user that still count, newest first."""
    return session.scalars(
        sa.select(SignIn)
        .where(
            SignIn.user_id == user_id,
            SignIn.revoked_at.is_(None),
            SignIn.expires_at > utc_now(),
        )
        .order_by(SignIn.created_at.desc())
    ).all()
