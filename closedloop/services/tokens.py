"""API tokens: made, used, revoked. The token itself is shown once and never stored."""

from __future__ import annotations

import secrets
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Invalid, NotFound
from closedloop.models import ApiToken
from closedloop.queries.accounts import get_user, token_hash
from closedloop.services.audit import record_event

MOST_DAYS = 366
PREFIX = "cl_"


def add_token(
    session: Session, *, user_id: int, name: str, may_write: bool, days: str, by: Actor
) -> str:
    """Make a token that acts with its user's role, and return it.

    Parameters
    ----------
    days : str
        How long it counts, 1 to 366, as typed.

    Raises
    ------
    Invalid
    """
    name = " ".join(name.split())
    fields = {}
    if not 0 < len(name) <= 80:
        fields["name"] = "Name the token after what will use it, in at most 80 characters."
    is_number = days.isascii() and days.isdigit() and len(days) < 10
    if not (is_number and 1 <= int(days) <= MOST_DAYS):
        fields["days"] = f"Write a number of days from 1 to {MOST_DAYS}."
    if fields:
        raise Invalid("The token was not made. " + " ".join(fields.values()), fields)
    get_user(session, user_id)
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        user_id=user_id,
        name=name,
        token_hash=token_hash(token),
        scopes=["read", "write"] if may_write else ["read"],
        expires_at=utc_now() + timedelta(days=int(days)),
    )
    session.add(row)
    session.flush()  # the event needs its id
    record_event(
        session,
        by=by,
        verb="accounts.token_added",
        target_kind="user",
        target_id=user_id,
        summary=f"made the API token {name}",
        detail={"token_id": row.id, "scopes": row.scopes},
    )
    return token


def note_token_use(session: Session, *, token_id: int) -> None:
    """Remember when a token was last used, to the minute; not an event of its own."""
    now = utc_now()
    session.execute(
        sa.update(ApiToken)
        .where(
            ApiToken.id == token_id,
            sa.or_(
                ApiToken.last_used_at.is_(None), ApiToken.last_used_at < now - timedelta(minutes=1)
            ),
        )
        .values(last_used_at=now)
    )


def revoke_token(session: Session, *, user_id: int, token_id: int, by: Actor) -> None:
    """Revoke one token of a user.

    Raises
    ------
    NotFound
        If the user has no such token that still counts.
    """
    token = session.scalar(
        sa.select(ApiToken).where(
            ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)
        )
    )
    if token is None:
        raise NotFound("There is no such token, or it was revoked already.")
    token.revoked_at = utc_now()
    record_event(
        session,
        by=by,
        verb="accounts.token_revoked",
        target_kind="user",
        target_id=user_id,
        summary=f"revoked the API token {token.name}",
        detail={"token_id": token.id},
    )


def revoke_tokens(session: Session, *, user_id: int, by: Actor) -> int:
    """Revoke every token of a user, for good; return how many there were."""
    rows = session.execute(
        sa.update(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=utc_now())
        .returning(ApiToken.id)
    ).all()
    if rows:
        record_event(
            session,
            by=by,
            verb="accounts.token_revoked",
            target_kind="user",
            target_id=user_id,
            summary=f"revoked {len(rows)} API token{'s' if len(rows) != 1 else ''}",
            detail={"token_ids": sorted(row.id for row in rows)},
        )
    return len(rows)
