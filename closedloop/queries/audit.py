"""Histories: who changed what, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import ActorKind
from closedloop.models import AuditEvent


def list_history(
    session: Session, target_kind: str, target_id: int, *, limit: int = 50
) -> Sequence[AuditEvent]:
    """Return the newest `limit` events of one thing."""
    return session.scalars(
        sa.select(AuditEvent)
        .where(AuditEvent.target_kind == target_kind, AuditEvent.target_id == target_id)
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
        .limit(limit)
    ).all()


def list_told(
    session: Session,
    target_kind: str,
    target_id: int,
    *,
    verbs: Collection[str],
    after_id: int = 0,
) -> Sequence[AuditEvent]:
    """Return what happened to one thing by some verbs after an event, the oldest first."""
    return session.scalars(
        sa.select(AuditEvent)
        .where(
            AuditEvent.target_kind == target_kind,
            AuditEvent.target_id == target_id,
            AuditEvent.verb.in_(verbs),
            AuditEvent.id > after_id,
        )
        .order_by(AuditEvent.id)
    ).all()


def list_events(
    session: Session,
    *,
    before_id: int | None = None,
    actor_kind: ActorKind | None = None,
    limit: int = 50,
) -> Sequence[AuditEvent]:
    """Return the newest events of the site: older than `before_id` when given.

    With `actor_kind`, only those of people, of jobs, or of the command line.
    """
    statement = (
        sa.select(AuditEvent).order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
    )
    if before_id is not None:
        statement = statement.where(is_older_than(before_id))
    if actor_kind is not None:
        statement = statement.where(AuditEvent.actor_kind == actor_kind)
    return session.scalars(statement).all()


def is_older_than(event_id: int) -> sa.ColumnElement[bool]:
    """Return the condition that an event stands below another one in a history.

    It is older, or as old and was written before.
    """
    at = sa.select(AuditEvent.at).where(AuditEvent.id == event_id).scalar_subquery()
    same = sa.and_(AuditEvent.at == at, AuditEvent.id < event_id)
    return sa.or_(AuditEvent.at < at, same)
