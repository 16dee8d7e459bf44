"""Every change that went live, with the themes that it touches."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact_overlap import GoLive
from closedloop.models import Action, Intervention


def list_go_lives(session: Session) -> list[GoLive]:
    """Return every change that went live with all themes it touches, in order of id."""
    rows = session.execute(
        sa.select(
            Intervention.id,
            Action.key,
            Action.title,
            Intervention.went_live_on,
            Intervention.rollout_days,
            Intervention.theme_id,
            Intervention.plan["also"].label("also"),
        )
        .join(Action, Action.id == Intervention.action_id)
        .order_by(Intervention.id)
    )
    return [
        GoLive(
            row.id,
            row.key,
            row.title,
            row.went_live_on,
            row.rollout_days,
            frozenset({row.theme_id, *(one["id"] for one in row.also or ())}),
        )
        for row in rows
    ]
