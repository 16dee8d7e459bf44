"""Actions: their life, who may work on one, when one is overdue, and what shipping asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Protocol

from closedloop.domain.accounts import Role, may
from closedloop.domain.errors import InvalidTransition, NotAllowed
from closedloop.domain.themes import ThemeStatus

EARLIEST_GO_LIVE, LATEST_GO_LIVE = date(2000, 1, 1), date(2100, 1, 1)
"""Days outside of these are slips of the hand."""


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

    @property
    def label(self) -> str:
        """As people say it."""
        return {
            ActionStatus.EFFECTIVE: "worked",
            ActionStatus.NOT_EFFECTIVE: "did not work",
        }.get(self, self.replace("_", " "))


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


def check_can_change(key: str, status: ActionStatus) -> None:
    """Refuse to change the plan of an action that is shipped or cancelled.

    Raises
    ------
    InvalidTransition
    """
    if status not in OPEN_ACTIONS:
        raise InvalidTransition(
            f"{key} is {status.replace('_', ' ')}; its plan can no longer change."
        )


def is_overdue(status: ActionStatus, due_on: date | None, today: date) -> bool:
    """Return whether an open action's due day has passed (the due day itself is in time)."""
    return status in OPEN_ACTIONS and due_on is not None and due_on < today


_T = ThemeStatus
THEMES_TO_ACT_ON: frozenset[ThemeStatus] = frozenset(
    {_T.TRIAGED, _T.CAUSE_KNOWN, _T.ACTING, _T.MEASURING, _T.HELD, _T.NOT_HELD, _T.REOPENED}
)
"""Agreed by the working group and not put aside: actions may be proposed for these."""

STARTS_ACTING: frozenset[ThemeStatus] = frozenset(
    {_T.TRIAGED, _T.CAUSE_KNOWN, _T.NOT_HELD, _T.REOPENED}
)
"""A theme here becomes acting once somebody proposes or agrees to do something about it."""

MOST_ROLLOUT_DAYS = 60
MOST_ALSO = 12
"""Themes that an action touches beside its own, at most."""
TITLE_LENGTH = 160


def check_theme_takes_actions(key: str, status: ThemeStatus) -> None:
    """Refuse an action for a theme that nobody agreed on, or that was put aside.

    Raises
    ------
    InvalidTransition
        With what to do about it.
    """
    if status in THEMES_TO_ACT_ON:
        return
    if status is _T.CANDIDATE:
        raise InvalidTransition(
            f"{key} is still a candidate. Accept it in triage first, with its failure scenario; "
            "actions are for themes the working group agreed on."
        )
    raise InvalidTransition(
        f"{key} is {status.replace('_', ' ')}, so it takes no actions. Bring it back first."
    )


def theme_left_without_actions(still_measuring: bool) -> ThemeStatus:
    """Return where an acting theme goes when its last open action is cancelled."""
    return _T.MEASURING if still_measuring else _T.TRIAGED


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """As shown."""


class Worker(Protocol):
    """Somebody who may be allowed to work on an action."""

    @property
    def id(self) -> int:
        """Of the user."""

    @property
    def role(self) -> Role:
        """What they are here for."""

    @property
    def department_id(self) -> int | None:
        """Department they speak for."""


class Owned(Protocol):
    """An action, as far as it says whose it is."""

    @property
    def key(self) -> str:
        """As people call it."""

    @property
    def owner_id(self) -> int | None:
        """User answerable for it."""

    @property
    def department_id(self) -> int:
        """Department that it is the work of."""

    @property
    def department(self) -> Named:
        """The same department, by name."""


def may_work_on(user: Worker, action: Owned) -> bool:
    """Return whether a user may work on an action.

    Managers work on any; a stakeholder on those of the own department and on those owned.
    """
    if not may(user.role, "actions.work"):
        return False
    if user.role is not Role.STAKEHOLDER:
        return True
    return user.id == action.owner_id or user.department_id == action.department_id


def check_may_work_on(user: Worker, action: Owned) -> None:
    """Refuse whoever may not work on an action, and say who may.

    Raises
    ------
    NotAllowed
    """
    if not may_work_on(user, action):
        raise NotAllowed(
            f"{action.key} belongs to {action.department.name}. Only that department, its owner "
            "and the CX managers work on it."
        )


def taken_back_to(steps: Sequence[str]) -> ActionStatus:
    """Return where an action stands again once its go-live is taken back.

    Parameters
    ----------
    steps : sequence of str
        Audit verbs of its life, oldest first: agreed and started, and when it was shipped.
    """
    before = ActionStatus.AGREED
    found = before
    for step in steps:
        if step == "actions.shipped":
            found = before
        else:
            before = _S.IN_PROGRESS if step == "actions.started" else _S.AGREED
    return found


def check_may_take_back(
    key: str, went_live_on: date, verdict: str, *, is_manager: bool, look: int
) -> None:
    """Refuse to take back a go-live of which a look has spoken, but to managers.

    Raises
    ------
    NotAllowed
    """
    if look and not is_manager:
        raise NotAllowed(
            f"Look {look} has said of the go-live of {key} on {_spelt(went_live_on)}: {verdict}. "
            "From the first verdict on only a CX manager takes a go-live back; ask one of them."
        )


def may_own(role: Role, *, user_department_id: int | None, department_id: int) -> bool:
    """Return whether a user can be the owner: of the action's department, or a manager."""
    if not may(role, "actions.work"):
        return False
    return role is not Role.STAKEHOLDER or user_department_id == department_id


def drop_problems(expected_drop: float, smallest_drop: float) -> dict[str, str]:
    """Return what is wrong with the two drops, a sentence per field; empty when they fit.

    Parameters
    ----------
    expected_drop, smallest_drop : float
        Shares of the theme's contacts, above 0 and at most 1.
    """
    problems = {
        name: f"The {what} must be more than 0 % and at most 100 %."
        for name, what, value in (
            ("expected_drop", "expected drop", expected_drop),
            ("smallest_drop", "smallest drop worth having", smallest_drop),
        )
        if not 0 < value <= 1  # not a number is refused as well
    }
    if not problems and smallest_drop > expected_drop:
        problems["smallest_drop"] = (
            f"The smallest drop worth having ({smallest_drop:.0%}) is larger than the drop "
            f"expected ({expected_drop:.0%}); an action that is expected to fall short of what "
            "is worth having is not worth doing."
        )
    return problems


DUE_WITHIN_YEARS = 2
"""Years from today on within which an action is due; more is a slip of the hand."""


def due_problem(due_on: date | None, today: date) -> str:
    """Return what is wrong with a due day that is chosen now, an empty string when nothing is.

    Parameters
    ----------
    due_on : date or None
        Last day in time.
    today : date
        The reporting day that is running; the action may be due on it.
    """
    if due_on is None:
        return ""
    if due_on < today:
        return (
            f"{_spelt(due_on)} has passed. Choose the last day in time: today, {_spelt(today)}, "
            "or a later one."
        )
    last = _years_later(today, DUE_WITHIN_YEARS)
    if due_on > last:
        return (
            f"{_spelt(due_on)} is more than {DUE_WITHIN_YEARS} years ahead. Check the year; the "
            f"last day that can be chosen is {_spelt(last)}."
        )
    return ""


def _years_later(day: date, years: int) -> date:
    """Return the same day some years later; 29 February becomes 28 where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def go_live_problem(
    went_live_on: date, *, theme_key: str, first_contact_on: date | None, today: date
) -> str:
    """Return what is wrong with the day of go-live, an empty string when nothing is.

    Parameters
    ----------
    went_live_on : date
        First day on which customers met the change.
    theme_key : str
    first_contact_on : date or None
        First reporting day that holds contacts of the theme, None when there is none.
    today : date
        The reporting day that is running; the change may have gone live on it.
    """
    if went_live_on > today:
        return (
            f"{_spelt(went_live_on)} has not come yet. Ship the action once the change is live, "
            f"at the latest today, {_spelt(today)}."
        )
    if first_contact_on is None:
        return f"There are no contacts about {theme_key} yet, so nothing could be compared."
    if went_live_on <= first_contact_on:
        return (
            f"The first contacts about {theme_key} came on {_spelt(first_contact_on)}. A change "
            "that went live on or before that day has no day before it to compare with."
        )
    return ""


FAR_FROM_DUE = 180
"""Days before the due day from which a go-live is rather a slip of the year than early."""


def go_live_doubts(
    went_live_on: date,
    *,
    theme_key: str,
    first_contact_on: date | None,
    due_on: date | None,
    needed: int,
    looks_over: int = 0,
) -> list[str]:
    """Return what speaks against a day of go-live that is possible, a sentence each.

    Parameters
    ----------
    went_live_on : date
        First day on which customers met the change.
    theme_key : str
    first_contact_on : date or None
        First reporting day with contacts of all themes that the change touches.
    due_on : date or None
        Last day in time.
    needed : int
        Days of contacts before a change that it takes to judge it.
    looks_over : int, optional
        Looks whose days are over already.
    """
    found = []
    before = (went_live_on - first_contact_on).days if first_contact_on else 0
    if before < needed:
        days = "1 day" if before == 1 else f"{before} days"
        found.append(
            f"Contacts about {theme_key} are known for {days} before the change, {needed} are "
            "needed: the looks will not be able to judge it. Waiting does not help."
        )
    if looks_over:
        which = "1 look" if looks_over == 1 else f"{looks_over} looks"
        found.append(
            f"The days of {which} are over already, so the plan freezes after their data. The page "
            "of its impact says so, beside the plan."
        )
    if due_on and (early := (due_on - went_live_on).days) >= FAR_FROM_DUE:
        found.append(
            f"That is {early} days before it was due, on {_spelt(due_on)}. Check the year: once "
            "it is shipped the day stands, unless the go-live is taken back."
        )
    return found


def _spelt(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
