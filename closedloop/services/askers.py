"""Who asks for a change: the user behind an actor, and what the permission table says."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.domain.accounts import may
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotAllowed
from closedloop.models import User


def find_asker(session: Session, by: Actor) -> User | None:
    """Return the user behind an actor; None for jobs and commands, which may do anything.

    Raises
    ------
    NotAllowed
        If the user is gone or was shut out.
    """
    if by.user_id is None:
        return None
    user = session.get(User, by.user_id)
    if user is None or not user.is_active:
        raise NotAllowed("This account is not active. Ask an administrator.")
    return user


def require_permission(session: Session, by: Actor, permission: str, refusal: str) -> None:
    """Refuse what the asker's role does not include, with the sentence given.

    Raises
    ------
    NotAllowed
    """
    user = find_asker(session, by)
    if user is not None and not may(user.role, permission):
        raise NotAllowed(refusal)
