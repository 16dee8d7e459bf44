"""People for tests."""

from __future__ import annotations

import itertools

from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from closedloop.domain.accounts import Role
from closedloop.models import Department, User

PASSWORD = "correct horse battery"
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_number = itertools.count(1)


def make_department(session: Session, name: str | None = None) -> Department:
    """Add a department."""
    department = Department(name=name or f"Department {next(_number)}")
    session.add(department)
    session.flush()
    return department


def make_user(session: Session, role: Role = Role.CX_MANAGER, **values) -> User:
    """Add a user whose password is `PASSWORD`."""
    number = next(_number)
    if role is Role.STAKEHOLDER and "department" not in values and "department_id" not in values:
        values["department"] = make_department(session)
    user = User(
        **{
            "email": f"user{number}@example.com",
            "name": f"User Number{number}",
            "password_hash": _HASH,
            "role": role,
            **values,
        }
    )
    session.add(user)
    session.flush()
    return user
