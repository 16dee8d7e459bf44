"""What the working group decided about a theme."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from closedloop.domain.clock import utc_now
from closedloop.domain.triage import Decision
from closedloop.models.base import Model, by_value, int_pk
from closedloop.models.themes import Theme


class TriageDecision(Model):
    """One decision; undoing it fills `undone_at` and restores what `before` holds."""

    __tablename__ = "triage_decisions"

    id: Mapped[int_pk]
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"), index=True)
    decision: Mapped[Decision] = mapped_column(by_value(Decision))
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    before: Mapped[dict[str, Any]] = mapped_column(comment="Fields of the theme to restore.")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    decided_by: Mapped[str] = mapped_column(String(120))
    decided_at: Mapped[datetime] = mapped_column(default=utc_now)
    undone_at: Mapped[datetime | None]

    theme: Mapped[Theme] = relationship()
