"""Days of the roll-up and evidence for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import (
    Contact,
    DailyRollup,
    DailySlice,
    Theme,
    ThemeEvidence,
    ThemeLikeness,
)
from closedloop.models.themes import EvidenceKind
from closedloop.services.rollups import DIMENSIONS, FIGURES


def make_rollup(session: Session, theme: Theme, day: date, contacts: int, **values) -> DailyRollup:
    """Add one day of one theme; nothing is followed unless said."""
    row = DailyRollup(
        **{
            **dict.fromkeys(FIGURES, 0),
            "day": day,
            "theme_id": theme.id,
            "channel": "phone",
            "queue": "cards",
            "disposition": "Card enquiry",
            "team": "",
            "language": "",
            "contacts": contacts,
            "identified": contacts,
            "themed": contacts,
            "handled": contacts,
            "handle_seconds": contacts * 300,
            **values,
        }
    )
    session.add(row)
    session.flush()
    slice_again(session, [day])
    return row


def slice_again(session: Session, days: Sequence[date] | None = None) -> None:
    """Add each dimension up alone again, after rows of the roll-up were written by hand."""
    session.flush()
    of = DailyRollup.day.in_(days) if days is not None else sa.true()
    old = DailySlice.day.in_(days) if days is not None else sa.true()
    session.execute(sa.delete(DailySlice).where(old))
    for kind in ("all", *DIMENSIONS):
        value: Any = getattr(DailyRollup, "theme_id" if kind == "theme" else kind, sa.literal(""))
        text = sa.func.coalesce(sa.cast(value, sa.String), "")
        sums = [sa.func.sum(getattr(DailyRollup, name)) for name in FIGURES]
        by = [DailyRollup.day] if kind == "all" else [DailyRollup.day, value]
        rows = sa.select(DailyRollup.day, sa.literal(kind), text, *sums).where(of).group_by(*by)
        columns = ["day", "kind", "value", *FIGURES]
        session.execute(sa.insert(DailySlice).from_select(columns, rows))


def make_evidence(
    session: Session,
    theme: Theme,
    contact: Contact,
    kind: str = "typical",
    rank: int = 1,
    confidence: float = 0.9,
) -> ThemeEvidence:
    """Let a contact stand as evidence for or against a theme."""
    evidence = ThemeEvidence(
        theme_id=theme.id,
        kind=EvidenceKind(kind),
        rank=rank,
        contact_id=contact.id,
        confidence=confidence,
    )
    session.add(evidence)
    session.flush()
    return evidence


def make_likeness(
    session: Session, theme: Theme, other: Theme, likeness: float = 0.7, customers: int = 48
) -> ThemeLikeness:
    """Put two themes near each other, seen from the first."""
    row = ThemeLikeness(
        theme_id=theme.id, other_id=other.id, likeness=likeness, customers_in_both=customers
    )
    session.add(row)
    session.flush()
    return row
