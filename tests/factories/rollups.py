"""Days of the roll-up and evidence for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS
from closedloop.models import (
    Contact,
    DailyRollup,
    Theme,
    ThemeEvidence,
    ThemeLikeness,
)
from closedloop.models.themes import EvidenceKind
from closedloop.services.rollups import DIMENSIONS, FIGURES


def make_rollup(session: Session, theme: Theme, day: date, contacts: int, **values) -> DailyRollup:
    """Add one day of one theme; nothing is followed unless said, each contact is of another."""
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
            **{f"opening_any_{window.key}": contacts for window in WINDOWS},
            **values,
        }
    )
    session.add(row)
    session.flush()
    slice_again(session, [day])
    return row


def _slices_of(kind: str) -> str:
    column = {"all": "", "theme": "theme_id"}.get(kind, kind)
    value = f"COALESCE(CAST({column} AS VARCHAR), '')" if column else "''"
    sums = ", ".join(f"SUM({name})" for name in FIGURES)
    return (
        f"SELECT day, '{kind}', {value}, {sums} FROM daily_rollups"
        f" WHERE day BETWEEN :first AND :last GROUP BY {', '.join(filter(None, ('day', column)))}"
    )


_DAYS = [sa.bindparam(name, type_=sa.Date) for name in ("first", "last")]
_FORGET = sa.text("DELETE FROM daily_slices WHERE day BETWEEN :first AND :last").bindparams(*_DAYS)
_SLICE = sa.text(
    f"INSERT INTO daily_slices (day, kind, value, {', '.join(FIGURES)}) "
    + " UNION ALL ".join(_slices_of(kind) for kind in ("all", *DIMENSIONS))
).bindparams(*_DAYS)


def slice_again(session: Session, days: Sequence[date] | None = None) -> None:
    """Add each dimension up alone again, after rows of the roll-up were written by hand."""
    session.flush()
    between = {"first": min(days or [date.min]), "last": max(days or [date.max])}
    session.execute(_FORGET, between)
    session.execute(_SLICE, between)


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
