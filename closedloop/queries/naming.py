"""What a language model suggests for a theme, as its page shows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Theme, ThemeSuggestion


@dataclass(frozen=True)
class MachineWords:
    """What a machine wrote about a theme.

    Attributes
    ----------
    model : str
        Who wrote it; always shown beside it.
    is_offered : bool
        The name can be accepted: no person has named the theme.
    is_name : bool
        A person accepted it, and the theme has this name now.
    """

    name: str
    summary: str
    model: str
    written_at: datetime
    is_offered: bool
    is_name: bool


def get_machine_words(session: Session, theme: Theme) -> MachineWords | None:
    """Return what a machine wrote about a theme; None when nothing, or when it was dismissed.

    The caller asks only for themes with enough customers.
    """
    found = session.scalar(
        sa.select(ThemeSuggestion).where(
            ThemeSuggestion.theme_id == theme.id, ThemeSuggestion.dismissed_at.is_(None)
        )
    )
    if found is None or theme.status in GONE_STATUSES:
        return None
    return MachineWords(
        name=found.name,
        summary=found.summary,
        model=found.model,
        written_at=found.written_at,
        is_offered=not theme.is_named_by_person,
        is_name=theme.is_named_by_person and theme.name == found.name,
    )


def list_nameable(session: Session, theme_ids: Collection[int]) -> list[Theme]:
    """Return the themes of these ids, with their figures, in the order of their ids."""
    query = sa.select(Theme).where(Theme.id.in_(theme_ids)).options(joinedload(Theme.stats))
    return list(session.scalars(query.order_by(Theme.id)))


def list_unnamed_ids(session: Session) -> list[int]:
    """Return the themes in use that nobody has named and no machine was asked about."""
    was_asked = sa.exists().where(ThemeSuggestion.theme_id == Theme.id)
    query = sa.select(Theme.id).where(
        Theme.status.not_in(GONE_STATUSES), ~Theme.is_named_by_person, ~was_asked
    )
    return list(session.scalars(query.order_by(Theme.id)))
