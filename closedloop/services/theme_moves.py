"""Move a theme along its life, one audit event for each step."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.themes import THEME_MOVES, ThemeStatus, check_theme_move
from closedloop.models import Theme
from closedloop.services.audit import record_event


def move_theme(
    session: Session,
    *,
    theme: Theme,
    wanted: ThemeStatus,
    why: str,
    by: Actor,
    through: ThemeStatus | None = None,
) -> None:
    """Move a theme to a status; nothing happens when it is there.

    Parameters
    ----------
    why : str
        Finishes the sentence of the history: "an action was shipped".
    through : ThemeStatus, optional
        A stop on the way for when there is no direct way; its step has an event of its own.

    Raises
    ------
    InvalidTransition
        If the life of a theme has no such step.
    """
    if theme.status is wanted:
        return
    if through is not None and wanted not in THEME_MOVES[theme.status]:
        move_theme(session, theme=theme, wanted=through, why=why, by=by)
    check_theme_move(theme.status, wanted)
    before, theme.status = theme.status, wanted
    record_event(
        session,
        by=by,
        verb="themes.status_changed",
        target_kind="theme",
        target_id=theme.id,
        summary=f"moved {theme.key} from “{before.label}” to “{wanted.label}”: {why}",
        detail={"from": before.value, "to": wanted.value},
    )
