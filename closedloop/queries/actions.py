"""Actions as a board and as a list: who does what about which theme, by when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import OPEN_ACTIONS, ActionStatus, is_overdue
from closedloop.domain.impact import Verdict, has_only_moved
from closedloop.domain.themes import Strategy
from closedloop.models import (
    Action,
    Department,
    ImpactMeasurement,
    Intervention,
    Theme,
    User,
)
from closedloop.queries.go_lives import is_in_force, list_superseded, stands

COLUMN_ROWS = 30
"""Tickets a column of the board holds; the rest is in the list."""

NEVER = date(9999, 12, 31)


class Column(StrEnum):
    """A column of the board."""

    PROPOSED = "proposed"
    AGREED = "agreed"
    IN_PROGRESS = "in_progress"
    SHIPPED = "shipped"
    MEASURED = "measured"

    @property
    def label(self) -> str:
        """As shown."""
        return self.value.replace("_", " ").capitalize()


_S = ActionStatus
COLUMN_OF: dict[ActionStatus, Column] = {
    _S.PROPOSED: Column.PROPOSED,
    _S.HANDED_BACK: Column.PROPOSED,
    _S.AGREED: Column.AGREED,
    _S.IN_PROGRESS: Column.IN_PROGRESS,
    _S.SHIPPED: Column.SHIPPED,
    _S.EFFECTIVE: Column.MEASURED,
    _S.NOT_EFFECTIVE: Column.MEASURED,
    _S.CANNOT_TELL: Column.MEASURED,
}
"""Cancelled actions are on no column; what was handed back waits to be proposed again."""


@dataclass(frozen=True, kw_only=True)
class ActionFilter:
    """Which actions are wanted.

    Attributes
    ----------
    department_id, owner_id : int or None
    overdue_on : date or None
        Only open ones whose due day lies before this day.
    statuses : tuple of ActionStatus
        Empty is every status.
    """

    department_id: int | None = None
    owner_id: int | None = None
    overdue_on: date | None = None
    statuses: tuple[ActionStatus, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ActionRow:
    """An action on the board and in the list.

    Attributes
    ----------
    due_on : date or None
        Last day in time.
    went_live_on : date or None
        Of a shipped one.
    verdict, avoided_low, avoided_high
        Of the newest look, contacts at 95 %; None before the first.
    cost_low, cost_high : float or None
        Pence that the fix costs, at least and at most.
    """

    id: int
    key: str
    title: str
    status: ActionStatus
    strategy: Strategy
    theme_key: str
    theme_name: str
    department_id: int
    department_name: str
    owner_id: int | None
    owner_name: str
    due_on: date | None
    expected_drop: float
    hand_back_reason: str
    went_live_on: date | None
    verdict: Verdict | None
    avoided_low: float | None
    avoided_high: float | None
    cost_low: float | None
    cost_high: float | None

    def is_overdue(self, today: date) -> bool:
        """Return whether it is open and its due day has passed."""
        return is_overdue(self.status, self.due_on, today)

    @property
    def has_moved(self) -> bool:
        """Whether its contacts only moved to themes beside it."""
        return has_only_moved(self.status, self.verdict)


@dataclass(frozen=True)
class BoardColumn:
    """A column of the board; `more` actions are not on it."""

    column: Column
    rows: tuple[ActionRow, ...]
    count: int
    handed_back: int

    @property
    def more(self) -> int:
        """Actions that the column does not hold."""
        return self.count - len(self.rows)


@dataclass(frozen=True)
class ActionCounts:
    """How many actions each view holds."""

    everything: int
    under_way: int
    mine: int
    overdue: int
    cancelled: int


def get_board(session: Session, wanted: ActionFilter) -> list[BoardColumn]:
    """Return the columns of the board; the most urgent and the newest on top."""
    column = _column()
    order = (_urgency(), Action.status_since.desc(), Action.id.desc())
    place = sa.func.row_number().over(partition_by=column, order_by=order).label("place")
    inner = (
        _select(list_superseded(session), column.label("board_column"), place)
        .where(*_conditions(wanted), Action.status != ActionStatus.CANCELLED)
        .subquery()
    )
    rows = session.execute(
        sa.select(inner).where(inner.c.place <= COLUMN_ROWS).order_by(inner.c.place)
    ).all()
    counts = _count_columns(session, wanted)
    return [
        BoardColumn(
            column=name,
            rows=tuple(_row(row) for row in rows if row.board_column == name.value),
            count=sum(n for status, n in counts.items() if COLUMN_OF.get(status) is name),
            handed_back=counts.get(ActionStatus.HANDED_BACK, 0) if name is Column.PROPOSED else 0,
        )
        for name in Column
    ]


def list_actions(
    session: Session,
    wanted: ActionFilter,
    *,
    after: tuple[date, int] | None = None,
    limit: int | None = None,
) -> list[ActionRow]:
    """Return actions: open ones by due day, then the others, the newest first.

    Parameters
    ----------
    after : (date, int), optional
        Due day (`NEVER` for those no longer due) and id of the last row seen.
    limit : int, optional
    """
    urgency = _urgency()
    statement = (
        _select(list_superseded(session))
        .where(*_conditions(wanted))
        .order_by(urgency, Action.id.desc())
        .limit(limit)
    )
    if after is not None:
        day, last_id = after
        statement = statement.where(
            sa.or_(urgency > day, sa.and_(urgency == day, Action.id < last_id))
        )
    return [_row(row) for row in session.execute(statement)]


def cursor_of(row: ActionRow) -> tuple[date, int]:
    """Return what `list_actions` takes as `after` to go on behind a row."""
    due = row.due_on if row.status in OPEN_ACTIONS else None
    return due or NEVER, row.id


def count_actions(
    session: Session, wanted: ActionFilter, *, user_id: int, today: date
) -> ActionCounts:
    """Return the counts of the views, under the filter's department and owner."""
    is_open = Action.status.in_(OPEN_ACTIONS)
    row = session.execute(
        sa.select(
            sa.func.count(Action.id),
            _count_if(is_open),
            _count_if(sa.and_(Action.owner_id == user_id, is_open)),
            _count_if(sa.and_(is_open, Action.due_on < today)),
            _count_if(Action.status == ActionStatus.CANCELLED),
        ).where(*_conditions(replace(wanted, overdue_on=None, statuses=())))
    ).one()
    return ActionCounts(*(int(number or 0) for number in row))


def list_owners(session: Session) -> Sequence[tuple[int, str]]:
    """Return id and name of everybody who owns an action, by name."""
    rows = session.execute(
        sa.select(User.id, User.name)
        .where(sa.exists().where(Action.owner_id == User.id))
        .order_by(User.name, User.id)
    )
    return [(user_id, name) for user_id, name in rows]


def newest_look(ends: Mapping[int, date]) -> sa.ScalarSelect[int]:
    """Return the id of an intervention's look in force, to correlate with `Intervention`.

    Parameters
    ----------
    ends : mapping of int to date
        What `list_superseded` gives.
    """
    return (
        sa.select(ImpactMeasurement.id)
        .where(
            ImpactMeasurement.intervention_id == Intervention.id,
            ImpactMeasurement.is_look,
            is_in_force(ends),
        )
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
        .limit(1)
        .correlate(Intervention)
        .scalar_subquery()
    )


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _column() -> sa.Case[str]:
    return sa.case(
        *(
            (Action.status.in_([s for s, c in COLUMN_OF.items() if c is name]), name.value)
            for name in Column
        )
    )


def _urgency() -> sa.ColumnElement[date]:
    """The due day of what is open; far away for everything else."""
    due = sa.func.coalesce(Action.due_on, sa.literal(NEVER, sa.Date))
    return sa.case((Action.status.in_(OPEN_ACTIONS), due), else_=sa.literal(NEVER, sa.Date))


def _conditions(wanted: ActionFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.department_id is not None:
        found.append(Action.department_id == wanted.department_id)
    if wanted.owner_id is not None:
        found.append(Action.owner_id == wanted.owner_id)
    if wanted.overdue_on is not None:
        found += [Action.status.in_(OPEN_ACTIONS), Action.due_on < wanted.overdue_on]
    if wanted.statuses:
        found.append(Action.status.in_(wanted.statuses))
    return found


def _count_columns(session: Session, wanted: ActionFilter) -> dict[ActionStatus, int]:
    rows = session.execute(
        sa.select(Action.status, sa.func.count(Action.id))
        .where(*_conditions(wanted))
        .group_by(Action.status)
    )
    return {status: int(number) for status, number in rows}


def _select(ends: Mapping[int, date], *more: sa.ColumnElement[Any]) -> sa.Select[*tuple[Any, ...]]:
    statement: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            Action.id,
            Action.key,
            Action.title,
            Action.status,
            Action.strategy,
            Theme.key.label("theme_key"),
            Theme.name.label("theme_name"),
            Department.id.label("department_id"),
            Department.name.label("department_name"),
            Action.owner_id,
            sa.func.coalesce(User.name, "").label("owner_name"),
            Action.due_on,
            Action.expected_drop,
            Action.hand_back_reason,
            Intervention.went_live_on,
            ImpactMeasurement.verdict,
            ImpactMeasurement.avoided_low,
            ImpactMeasurement.avoided_high,
            Action.cost_low,
            Action.cost_high,
            *more,
        )
        .join(Theme, Theme.id == Action.theme_id)
        .join(Department, Department.id == Action.department_id)
        .outerjoin(User, User.id == Action.owner_id)
        .outerjoin(Intervention, sa.and_(Intervention.action_id == Action.id, stands()))
        .outerjoin(ImpactMeasurement, ImpactMeasurement.id == newest_look(ends))
    )
    return statement


def _row(row: Any) -> ActionRow:
    return ActionRow(**{name: getattr(row, name) for name in ActionRow.__dataclass_fields__})
