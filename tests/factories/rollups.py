"""Days of the roll-up and evidence for tests."""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from closedloop.models import Contact, DailyRollup, Theme, ThemeEvidence, ThemeLikeness
from closedloop.models.themes import EvidenceKind

_COUNTS = ("any", "same", "opening_any", "opening_same", "resolved_any", "resolved_same")
_WINDOWS = ("24h", "72h", "7d", "14d", "30d")


def make_rollup(session: Session, theme: Theme, day: date, contacts: int, **values) -> DailyRollup:
    """Add one day of one theme; nothing is followed unless said."""
    zeros = {f"{count}_{window}": 0 for count in _COUNTS for window in _WINDOWS}
    row = DailyRollup(
        **{
            **zeros,
            "day": day,
            "theme_id": theme.id,
            "channel": "phone",
            "queue": "cards",
            "disposition": "Card enquiry",
            "contacts": contacts,
            "identified": contacts,
            "handled": contacts,
            "handle_seconds": contacts * 300,
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


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
