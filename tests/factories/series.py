"""Daily roll-ups with a known answer, for measuring: written straight into the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.clock import utc_now
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DailyRollup, DefinitionSet, Theme, ThemeDefinition, ThemeLikeness
from closedloop.services.rollups import FIGURES
from tests.factories.rollups import slice_again
from tests.factories.themes import make_theme

WEEK = (1.3, 1.2, 1.1, 1.05, 1.0, 0.75, 0.6)  # Monday to Sunday


def draw_counts(
    seed: int, *, mean: float, first_day: date, n_days: int, change: float = 0.0, n_pre: int = 0
) -> list[int]:
    """Draw contacts a day with a weekly rhythm; from day `n_pre` on they change by a share."""
    rng = np.random.default_rng(seed)
    rates = [
        mean * WEEK[(first_day + timedelta(n)).weekday()] * (1 + (change if n >= n_pre else 0))
        for n in range(n_days)
    ]
    return [int(count) for count in rng.poisson(rates)]


def add_days(
    session: Session,
    theme: Theme | None,
    first_day: date,
    counts: Sequence[int],
    *,
    handle_seconds: int = 300,
    same_rate: float = 0.2,
    channel: str = "phone",
    is_sliced: bool = True,
) -> None:
    """Write a roll-up row for each day that has contacts; slices may wait for the last theme.

    Each contact is of another customer.
    """
    rows = [
        {
            **dict.fromkeys(FIGURES, 0),
            "day": first_day + timedelta(n),
            "theme_id": theme.id if theme else None,
            "channel": channel,
            "queue": "cards",
            "disposition": "Card enquiry",
            "team": "",
            "language": "",
            "contacts": count,
            "identified": count,
            "themed": count if theme else 0,
            "handled": count,
            "handle_seconds": count * handle_seconds,
            "same_7d": round(count * same_rate),
            **{f"opening_any_{window.key}": count for window in WINDOWS},
        }
        for n, count in enumerate(counts)
        if count
    ]
    session.execute(sa.insert(DailyRollup), rows)
    if is_sliced:
        slice_again(session, [row["day"] for row in rows])


def make_definitions(
    session: Session, themes: Sequence[Theme], *, number: int = 1, assigned: bool = True
) -> DefinitionSet:
    """Put a definition set in force in which each theme has the next label."""
    session.query(DefinitionSet).update({"is_current": False})
    found = DefinitionSet(
        number=number,
        encoder="test",
        model=b"",
        label_themes=[theme.id for theme in themes],
        is_current=True,
        assigned_at=utc_now() if assigned else None,
        reason="test",
    )
    session.add(found)
    session.flush()
    session.add_all(
        ThemeDefinition(
            theme_id=theme.id, number=number, definition_set_id=found.id, labels=[label]
        )
        for label, theme in enumerate(themes)
    )
    session.flush()
    return found


def make_controls(
    session: Session, *, number: int, first_day: date, n_days: int, seed: int = 100
) -> list[Theme]:
    """Add themes that nothing happens to."""
    themes = []
    for n in range(number):
        theme = make_theme(session, ThemeStatus.CANDIDATE)
        counts = draw_counts(seed + n, mean=6 + 2 * n, first_day=first_day, n_days=n_days)
        add_days(session, theme, first_day, counts, is_sliced=False)
        themes.append(theme)
    slice_again(session, [first_day, first_day + timedelta(n_days - 1)])
    return themes


def make_alike(session: Session, theme: Theme, other: Theme, likeness: float) -> None:
    """Say how near two themes are."""
    session.add(ThemeLikeness(theme_id=theme.id, other_id=other.id, likeness=likeness))
    session.flush()
