"""API tokens: whose, what they may, whether they still count."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.clock import utc_now
from closedloop.models import ApiToken, User
from closedloop.queries.accounts import token_hash


def list_tokens(session: Session, user_id: int) -> Sequence[ApiToken]:
    """Return the tokens of a user that still count, newest first."""
    return session.scalars(
        sa.select(ApiToken)
        .where(
            ApiToken.user_id == user_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > utc_now(),
        )
        .order_by(ApiToken.id.desc())
    ).all()


def find_token(session: Session, token: str) -> ApiToken | None:
    """Return a token that still counts, with its active user; None otherwise."""
    return session.scalar(
        sa.select(ApiToken)
        .join(User)
        .where(
            ApiToken.token_hash == token_hash(token),
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > utc_now(),
            User.is_active,
        )
        .options(joinedload(ApiToken.user).joinedload(User.department))
    )
