"""Who stands by a measurement, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import SignOff, User


@dataclass(frozen=True)
class SignOffNote:
    """Somebody who has read a measurement and stands by it."""

    user_id: int
    name: str
    note: str
    signed_at: datetime


def list_sign_offs(session: Session, measurement_id: int) -> tuple[SignOffNote, ...]:
    """Return who signed a measurement off, the first one first."""
    rows = session.execute(
        sa.select(SignOff.user_id, User.name, SignOff.note, SignOff.signed_at)
        .join(User, User.id == SignOff.user_id)
        .where(SignOff.measurement_id == measurement_id)
        .order_by(SignOff.signed_at, SignOff.id)
    )
    return tuple(SignOffNote(*row) for row in rows)


def owner_ids(plan: Mapping[str, Any], owner_id: int | None) -> frozenset[int]:
    """Return who owns an action now or owned it when it was shipped: they cannot sign it off."""
    then = (plan.get("owner") or {}).get("id")
    return frozenset(one for one in (owner_id, then) if one is not None)
