"""One action: what, why, by whom, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.actions import THEMES_TO_ACT_ON
from closedloop.domain.errors import NotFound
from closedloop.domain.themes import Strategy
from closedloop.models import Action, AuditEvent, Theme
from closedloop.queries.audit import list_history
from closedloop.queries.impact import ShippedAction, list_shipped
from closedloop.queries.taken_back import TakenBack, list_taken_back
from closedloop.queries.theme_figures import Figures, figures_of

HISTORY_ROWS = 30


@dataclass(frozen=True)
class ActionPage:
    """An action's page.

    Attributes
    ----------
    action : Action
        With its theme, department and owner.
    figures : Figures or None
        Of its theme; None below `k` customers or before the first count.
    shipped : ShippedAction or None
        What became of it once it was live.
    history : sequence of AuditEvent
        Newest first: of the action, and of the measurements that judged it.
    taken_back : tuple of TakenBack
        Its go-lives that no longer count, newest first.
    """

    action: Action
    figures: Figures | None
    shipped: ShippedAction | None
    history: Sequence[AuditEvent]
    taken_back: tuple[TakenBack, ...] = ()


def get_action_page(session: Session, key: str, *, k: int) -> ActionPage:
    """Return the page of one action.

    Parameters
    ----------
    k : int
        Fewest distinct customers whose figures may be shown.

    Raises
    ------
    NotFound
    """
    action = find_action(session, key)
    shipped = list_shipped(session, key=key)
    return ActionPage(
        action=action,
        figures=figures_of(action.theme.stats, k),
        shipped=shipped[0] if shipped else None,
        history=list_history(session, "action", action.id, limit=HISTORY_ROWS),
        taken_back=list_taken_back(session, key),
    )


def find_action(session: Session, key: str) -> Action:
    """Return one action with its theme, department and owner.

    Raises
    ------
    NotFound
    """
    action = session.scalar(
        sa.select(Action)
        .where(Action.key == key)
        .options(
            joinedload(Action.theme).joinedload(Theme.stats),
            joinedload(Action.department),
            joinedload(Action.owner),
        )
    )
    if action is None:
        raise NotFound(f"There is no action {key}. Look for it in the list of actions.")
    return action


@dataclass(frozen=True)
class ThemeChoice:
    """A theme that takes actions, and what an action for it starts from."""

    id: int
    key: str
    name: str
    department_id: int | None
    strategy: Strategy | None


def list_themes_to_act_on(session: Session) -> list[ThemeChoice]:
    """Return the themes the working group agreed on, by key."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name, Theme.department_id, Theme.strategy)
        .where(Theme.status.in_(THEMES_TO_ACT_ON))
        .order_by(Theme.key)
    )
    return [ThemeChoice(*row) for row in rows]
