"""One append-only event per change, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.models import AuditEvent, Theme


def record_event(
    session: Session,
    *,
    by: Actor,
    verb: str,
    target_kind: str,
    target_id: int | None,
    summary: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Put one change down to somebody.

    Parameters
    ----------
    session : Session
        The transaction of the change itself.
    by : Actor
    verb : str
        `feature.past_participle`, e.g. "themes.merged"; data once released.
    target_kind, target_id : str, int or None
        What was changed: "theme", "action", "import", "user", "intervention", "job", "site".
    summary : str
        One sentence without the actor, as shown in a history; never a customer's text.
    detail : mapping, optional
        Ids and values, JSON.
    """
    event = AuditEvent(
        actor_kind=by.kind,
        actor_name=by.name,
        user_id=by.user_id,
        verb=verb,
        target_kind=target_kind,
        target_id=target_id,
        summary=summary[:500],
        detail=dict(detail or {}),
    )
    session.add(event)
    return event


def record_on_themes(
    session: Session,
    by: Actor,
    theme_ids: Iterable[int],
    verb: str,
    summary: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Put one change down in the history of each theme that it touched; see `record_event`."""
    for theme_id in sorted(theme_ids):
        record_event(
            session,
            by=by,
            verb=verb,
            target_kind="theme",
            target_id=theme_id,
            summary=summary,
            detail=detail,
        )


def record_on_theme(
    session: Session,
    by: Actor,
    theme: Theme,
    verb: str,
    summary: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Put one change down in the history of a theme; see `record_event`."""
    record_on_themes(session, by, [theme.id], verb, summary, detail)
