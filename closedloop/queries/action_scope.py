"""What an action touches beside its theme, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Action, ActionTheme, DriverDay, Theme


@dataclass(frozen=True)
class TouchedTheme:
    """A theme that a fix touches, or may touch."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class Scope:
    """What an action touches beside its own theme, and the driver volume; empty is none."""

    also: tuple[TouchedTheme, ...]
    driver: str


def get_scope(session: Session, action_id: int) -> Scope:
    """Return what an action touches beside its theme, by key."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name)
        .join(ActionTheme, ActionTheme.theme_id == Theme.id)
        .where(ActionTheme.action_id == action_id)
        .order_by(Theme.key)
    )
    driver = session.scalar(sa.select(Action.driver).where(Action.id == action_id))
    return Scope(tuple(TouchedTheme(*row) for row in rows), driver or "")


def list_touchable_themes(session: Session) -> Sequence[TouchedTheme]:
    """Return the themes that are in use, by key."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name)
        .where(Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.key)
    )
    return [TouchedTheme(*row) for row in rows]


def list_driver_names(session: Session) -> Sequence[str]:
    """Return the names of the imported driver volumes, in order."""
    return list(session.scalars(sa.select(DriverDay.driver).distinct().order_by(DriverDay.driver)))


def find_theme_ids(session: Session, keys: Sequence[str]) -> list[int]:
    """Return the ids of themes by their keys.

    Raises
    ------
    NotFound
        With the first key that there is no theme of.
    """
    rows = session.execute(sa.select(Theme.key, Theme.id).where(Theme.key.in_(keys)))
    found = {key: theme_id for key, theme_id in rows}  # noqa: C416 - rows are typed as tuples
    for key in keys:
        if key not in found:
            raise NotFound(f"There is no theme {key}.")
    return [found[key] for key in keys]
