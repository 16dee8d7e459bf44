"""Actions: their life, and when one is overdue."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from closedloop.domain.errors import InvalidTransition


class ActionStatus(StrEnum):
    """Where an action stands. Shipped is what the owner says; effective is what the data says."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    IN_PROGRESS = "in_progress"
    SHIPPED = "shipped"
    EFFECTIVE = "effective"
    NOT_EFFECTIVE = "not_effective"
    CANNOT_TELL = "cannot_tell"
    HANDED_BACK = "handed_back"
    CANCELLED = "cancelled"


_S = ActionStatus
ACTION_MOVES: dict[ActionStatus, frozenset[ActionStatus]] = {
    _S.PROPOSED: frozenset({_S.AGREED, _S.HANDED_BACK, _S.CANCELLED}),
    _S.AGREED: frozenset({_S.IN_PROGRESS, _S.SHIPPED, _S.HANDED_BACK, _S.CANCELLED}),
    _S.IN_PROGRESS: frozenset({_S.SHIPPED, _S.AGREED, _S.HANDED_BACK, _S.CANCELLED}),
    _S.SHIPPED: frozenset({_S.EFFECTIVE, _S.NOT_EFFECTIVE, _S.CANNOT_TELL}),
    _S.EFFECTIVE: frozenset({_S.NOT_EFFECTIVE, _S.CANNOT_TELL}),
    _S.NOT_EFFECTIVE: frozenset({_S.EFFECTIVE, _S.CANNOT_TELL}),
    _S.CANNOT_TELL: frozenset({_S.EFFECTIVE, _S.NOT_EFFECTIVE}),
    _S.HANDED_BACK: frozenset({_S.PROPOSED, _S.AGREED, _S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.PROPOSED}),
}
OPEN_ACTIONS: tuple[ActionStatus, ...] = (_S.PROPOSED, _S.AGREED, _S.IN_PROGRESS, _S.HANDED_BACK)
SHIPPED_ACTIONS: tuple[ActionStatus, ...] = (
    _S.SHIPPED,
    _S.EFFECTIVE,
    _S.NOT_EFFECTIVE,
    _S.CANNOT_TELL,
)


def check_action_move(current: ActionStatus, wanted: ActionStatus) -> None:
    """Refuse a move that the life of an action does not have.

    Raises
    ------
    InvalidTransition
    """
    if wanted is not current and wanted not in ACTION_MOVES[current]:
        now, then = current.replace("_", " "), wanted.replace("_", " ")
        raise InvalidTransition(f"An action that is {now} cannot become {then}.")


def is_overdue(status: ActionStatus, due_on: date | None, today: date) -> bool:
    """Return whether an open action's due day has passed (the due day itself is in time)."""
    return status in OPEN_ACTIONS and due_on is not None and due_on < today
