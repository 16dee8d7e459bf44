"""What was shipped and what it did: the newest look of each action, and all of them together.

Every shipped action has at most one verdict in force: that of its newest look. What was
measured between looks is a running estimate and never enters a total. What reads days on which
a later change of the same themes had taken over is not in force: that one tells them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import (
    Displacement,
    Range,
    Verdict,
    counted_from,
    looks,
)
from closedloop.domain.impact_words import Finding
from closedloop.domain.money_totals import TotalMoney
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    Department,
    ImpactMeasurement,
    Intervention,
    Theme,
    User,
)
from closedloop.queries.came_back import list_came_back_since
from closedloop.queries.go_lives import is_in_force, list_go_lives, stands, superseded_of
from closedloop.queries.impact_measured import Measured, list_measured

COUNTED_VERDICTS: frozenset[Verdict] = frozenset(
    {Verdict.FELL, Verdict.ROSE, Verdict.NO_CHANGE, Verdict.INCONCLUSIVE}
)
"""Verdicts that are shown with a range; the other two say that there is none."""

ADDED_VERDICTS: frozenset[Verdict] = COUNTED_VERDICTS - {Verdict.INCONCLUSIVE}
"""Verdicts whose range enters a total and is valued: of the others nothing can be told."""


class Standing(StrEnum):
    """How a shipped action stands: its verdict in force, or what happened to it since."""

    FELL = "fell"
    ROSE = "rose"
    NO_CHANGE = "no_change"
    INCONCLUSIVE = "inconclusive"
    NOT_ENOUGH_DATA = "not_enough_data"
    TOO_EARLY = "too_early"
    MOVED = "moved"
    CAME_BACK = "came_back"

    @property
    def label(self) -> str:
        """In a word or three."""
        words = {Standing.MOVED: "Fell, but moved", Standing.CAME_BACK: "Came back"}
        return words.get(self) or Verdict(self.value).label


@dataclass(frozen=True, kw_only=True)
class ShippedAction:
    """An action that went live, with the verdict in force.

    Attributes
    ----------
    look : Measured or None
        Newest look; None before the first.
    running : Measured or None
        Newest measurement when it is newer than that look.
    smallest_drop : float or None
        Share worth having, as frozen in the plan.
    came_back_since : date or None
        First day of the newest rise that the comeback watch found, unless its review says that
        something else explains it or that it does not matter.
    is_staged : bool
        Rolled out by share of customers: counted from the first stage on.
    superseded_on : date or None
        Day from which a later change of the same theme is measured instead.
    """

    intervention_id: int
    key: str
    title: str
    status: ActionStatus
    theme_id: int
    theme_key: str
    theme_name: str
    theme_status: ThemeStatus
    department_id: int
    department_name: str
    owner_id: int | None
    owner_name: str
    went_live_on: date
    rollout_days: int
    smallest_drop: float | None
    came_back_since: date | None
    is_staged: bool = False
    superseded_on: date | None = None
    look: Measured | None = None
    running: Measured | None = None

    @property
    def counted_from(self) -> date:
        """First counted day: after the roll-out, or that of the first stage."""
        return counted_from(self.went_live_on, 0 if self.is_staged else self.rollout_days)

    @property
    def newest(self) -> Measured | None:
        """The newest measurement, a look or not."""
        return self.running or self.look

    @property
    def verdict(self) -> Verdict:
        """The verdict in force; too early before the first look."""
        return self.look.verdict if self.look else Verdict.TOO_EARLY

    @property
    def look_number(self) -> int:
        """Looks spoken so far, 0 to 7."""
        return self.look.look if self.look else 0

    @property
    def next_look(self) -> date | None:
        """Last data day of the first look that has not been spoken, None after the last."""
        return next(iter(self._looks_to_come()), None)

    def unspoken_looks(self, cut: date) -> list[date]:
        """Return the last data days of looks that the data to `cut` inclusive allow by now."""
        return [day for day in self._looks_to_come() if day <= cut]

    def _looks_to_come(self) -> list[date]:
        """Return the days of looks not spoken yet, to where a later change takes over."""
        days = looks(self.went_live_on, self.rollout_days)[self.look_number :]
        end = self.superseded_on
        return [day for day in days if end is None or day < end]

    def finding(self, measured: Measured) -> Finding:
        """Return what sentences about one of its measurements are made of."""
        return Finding(
            verdict=measured.verdict,
            avoided=measured.avoided,
            expected=measured.expected,
            observed=measured.observed,
            counted_from=measured.counted_from or self.counted_from,
            n_post=measured.n_post,
            p_value=measured.p_value,
            could_have_seen=measured.could_have_seen,
            smallest_drop=self.smallest_drop,
            displacement=measured.displacement,
            net=measured.net,
            reasons=measured.reasons,
            doubt=measured.doubt,
            failed_checks=measured.failed_checks,
            n_themes=measured.n_themes,
        )


@dataclass(frozen=True)
class Total:
    """What several actions avoided together.

    Attributes
    ----------
    actions : int
        Actions in it: those whose newest look can be added.
    avoided : Range or None
        Contacts, 95 %, put together as `domain/money_totals.py` does; None without an action.
    minutes : Range or None
        Agent minutes, likewise.
    moved : int
        Of the actions, those counted net because their contacts moved to a theme beside.
    without_range : int
        Shipped actions that are not in it: before their first look, without enough data, or
        inconclusive.
    verdicts : mapping of Verdict to int
        Verdicts in force of all of them; too early before the first look.
    """

    actions: int
    avoided: Range | None
    minutes: Range | None
    moved: int
    without_range: int
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)

    @property
    def inconclusive(self) -> int:
        """Of those without a range to add, the ones whose verdict is inconclusive."""
        return self.verdicts.get(Verdict.INCONCLUSIVE, 0)


def total_of(looks: Collection[Measured | None], money: TotalMoney) -> Total:
    """Return the total of the looks in force, None an action without one, and of their money."""
    counted = [look for look in looks if look is not None and look.verdict in ADDED_VERDICTS]
    return Total(
        actions=len(counted),
        avoided=money.contacts,
        minutes=money.minutes,
        moved=sum(look.has_moved for look in counted),
        without_range=len(looks) - len(counted),
        verdicts=Counter(look.verdict if look else Verdict.TOO_EARLY for look in looks),
    )


def list_looks_in_force(
    session: Session,
    *,
    department_id: int | None = None,
    until: date | None = None,
    live_from: date | None = None,
    live_until: date | None = None,
    standing: Standing | None = None,
) -> list[Measured | None]:
    """Return the newest look of each shipped action; None stands for one without a look.

    Parameters
    ----------
    department_id : int, optional
        Only actions of one department.
    until : date, optional
        Only what was live and measured with data to this day, inclusive.
    live_from, live_until : date, optional
        Only actions that went live on or after the one and on or before the other.
    standing : Standing, optional
        Only actions that stand like this.
    """
    known = list_go_lives(session)
    ends = superseded_of(known)
    newest = _newest_id(ends, looks_only=True, until=until)
    statement = _narrowed(
        sa.select(Intervention.id, newest)
        .join(Action, Action.id == Intervention.action_id)
        .where(stands()),
        department_id=department_id,
        until=until,
        live=(live_from, live_until),
        standing=standing,
        ends=ends,
        back=list_came_back_since(session, known, until=until)
        if standing is Standing.CAME_BACK
        else (),
    )
    ids = [look_id for _, look_id in session.execute(statement)]
    found = list_measured(session, [look_id for look_id in ids if look_id is not None])
    return [found.get(look_id) if look_id else None for look_id in ids]


def list_shipped(
    session: Session,
    *,
    department_id: int | None = None,
    until: date | None = None,
    live_from: date | None = None,
    live_until: date | None = None,
    standing: Standing | None = None,
    key: str | None = None,
    intervention_id: int | None = None,
    after: tuple[date, int] | None = None,
    limit: int | None = None,
) -> list[ShippedAction]:
    """Return shipped actions, the newest go-live first.

    Parameters
    ----------
    department_id, until, live_from, live_until, standing
        As for `list_looks_in_force`; comebacks after `until` are left out too.
    key : str, optional
        Only the action of this key.
    intervention_id : int, optional
        Only this go-live, also where it was taken back.
    after : (date, int), optional
        Go-live and intervention id of the last row seen.
    limit : int, optional
    """
    known = list_go_lives(session)
    ends = superseded_of(known, key=key)
    back = list_came_back_since(session, known, until=until)
    statement: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            Intervention.id,
            Intervention.went_live_on,
            Intervention.rollout_days,
            Intervention.stages,
            Intervention.plan["smallest_drop"].as_float().label("smallest_drop"),
            Action.key,
            Action.title,
            Action.status,
            Action.smallest_drop.label("own_smallest_drop"),
            Intervention.theme_id,
            Theme.key.label("theme_key"),
            Theme.name.label("theme_name"),
            Theme.status.label("theme_status"),
            Department.id.label("department_id"),
            Department.name.label("department_name"),
            Action.owner_id,
            sa.func.coalesce(User.name, "").label("owner_name"),
            _newest_id(ends, looks_only=True, until=until).label("look_id"),
            _newest_id(ends, looks_only=False, until=until).label("newest_id"),
        )
        .join(Action, Action.id == Intervention.action_id)
        .join(Theme, Theme.id == Intervention.theme_id)
        .join(Department, Department.id == Action.department_id)
        .outerjoin(User, User.id == Action.owner_id)
        .where(stands() if intervention_id is None else Intervention.id == intervention_id)
        .order_by(Intervention.went_live_on.desc(), Intervention.id.desc())
        .limit(limit)
    )
    statement = _narrowed(
        statement,
        department_id=department_id,
        until=until,
        live=(live_from, live_until),
        standing=standing,
        ends=ends,
        back=back,
    )
    if key is not None:
        statement = statement.where(Action.key == key)
    if after is not None:
        on, last_id = after
        statement = statement.where(
            sa.or_(
                Intervention.went_live_on < on,
                sa.and_(Intervention.went_live_on == on, Intervention.id < last_id),
            )
        )
    rows = session.execute(statement).all()
    ids = {i for row in rows for i in (row.look_id, row.newest_id) if i is not None}
    found = list_measured(session, ids)
    return [_shipped_action(row, found, ends, back.get(row.id)) for row in rows]


def _narrowed(
    statement: sa.Select[*tuple[Any, ...]],
    *,
    department_id: int | None,
    until: date | None,
    live: tuple[date | None, date | None],
    standing: Standing | None,
    ends: Mapping[int, date],
    back: Collection[int],
) -> sa.Select[*tuple[Any, ...]]:
    if department_id is not None:
        statement = statement.where(Action.department_id == department_id)
    first, last = live
    for latest in (until, last):
        if latest is not None:
            statement = statement.where(Intervention.went_live_on <= latest)
    if first is not None:
        statement = statement.where(Intervention.went_live_on >= first)
    if standing is Standing.CAME_BACK:
        return statement.where(Intervention.id.in_(sorted(back)))
    return statement if standing is None else _standing_like(statement, standing, until, ends)


def _standing_like(
    statement: sa.Select[*tuple[Any, ...]],
    standing: Standing,
    until: date | None,
    ends: Mapping[int, date],
) -> sa.Select[*tuple[Any, ...]]:
    look = aliased(ImpactMeasurement)
    newest = _newest_id(ends, looks_only=True, until=until)
    statement = statement.outerjoin(look, look.id == newest)
    if standing is Standing.TOO_EARLY:
        return statement.where(sa.or_(look.id.is_(None), look.verdict == Verdict.TOO_EARLY))
    if standing is Standing.MOVED:
        return statement.where(look.detail["displacement"].as_string() == Displacement.MOVED.value)
    return statement.where(look.verdict == Verdict(standing.value))


def _newest_id(
    ends: Mapping[int, date], *, looks_only: bool, until: date | None
) -> sa.ScalarSelect[int]:
    statement = (
        sa.select(ImpactMeasurement.id)
        .where(ImpactMeasurement.intervention_id == Intervention.id, is_in_force(ends))
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
        .limit(1)
        .correlate(Intervention)
    )
    if looks_only:
        statement = statement.where(ImpactMeasurement.is_look)
    if until is not None:
        statement = statement.where(ImpactMeasurement.as_of <= until)
    return statement.scalar_subquery()


def _shipped_action(
    row: Any, found: Mapping[int, Measured], ends: Mapping[int, date], came_back_since: date | None
) -> ShippedAction:
    worth = row.smallest_drop if row.smallest_drop is not None else row.own_smallest_drop
    return ShippedAction(
        intervention_id=row.id,
        key=row.key,
        title=row.title,
        status=row.status,
        theme_id=row.theme_id,
        theme_key=row.theme_key,
        theme_name=row.theme_name,
        theme_status=row.theme_status,
        department_id=row.department_id,
        department_name=row.department_name,
        owner_id=row.owner_id,
        owner_name=row.owner_name,
        went_live_on=row.went_live_on,
        rollout_days=row.rollout_days,
        smallest_drop=worth,
        came_back_since=came_back_since,
        is_staged=bool(row.stages),
        superseded_on=ends.get(row.id),
        look=found.get(row.look_id),
        running=found.get(row.newest_id) if row.newest_id != row.look_id else None,
    )


def list_departments_that_shipped(session: Session) -> Sequence[tuple[int, str]]:
    """Return id and name of the departments with a shipped action, by name."""
    rows = session.execute(
        sa.select(Department.id, Department.name)
        .join(Action, Action.department_id == Department.id)
        .join(Intervention, Intervention.action_id == Action.id)
        .where(stands())
        .distinct()
        .order_by(Department.name)
    )
    return [(department_id, name) for department_id, name in rows]
