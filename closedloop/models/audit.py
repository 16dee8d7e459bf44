"""The audit log: one row per change, never changed itself (a trigger refuses)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from closedloop.domain.audit import ActorKind
from closedloop.domain.clock import utc_now
from closedloop.models.base import Model, big_pk, by_value


class AuditEvent(Model):
    """Who changed what, when, in one sentence. Holds ids and decisions, never customer text."""

    __tablename__ = "audit_events"
    __table_args__ = (
        sa.Index("ix_audit_events_target", "target_kind", "target_id", "id"),
        sa.Index("ix_audit_events_at", "at", "id"),
    )

    id: Mapped[big_pk]
    at: Mapped[datetime] = mapped_column(default=utc_now)
    actor_kind: Mapped[ActorKind] = mapped_column(by_value(ActorKind))
    actor_name: Mapped[str] = mapped_column(String(120))
    user_id: Mapped[int | None]
    verb: Mapped[str] = mapped_column(String(60), comment="feature.past_participle")
    target_kind: Mapped[str] = mapped_column(String(30))
    target_id: Mapped[int | None]
    summary: Mapped[str] = mapped_column(String(500), comment="As shown in a history.")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
