"""What was shipped and what it did: the newest look of each action, and all of them together.

Every shipped action has at most one verdict in force: that of its newest look. What was
measured between looks is a running estimate and never enters a total.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import (
    Displacement,
    Range,
    Verdict,
    counted_from,
    looks,
    minutes_avoided,
    total_range,
)
from closedloop.domain.impact_words import Finding
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    Comeback,
    Department,
    ImpactMeasurement,
    Intervention,
    Theme,
    User,
)

COUNTED_VERDICTS: frozenset[Verdict] = frozenset(
    {Verdict.FELL, Verdict.ROSE, Verdict.NO_CHANGE, Verdict.INCONCLUSIVE}
)
"""Verdicts whose range enters a total; the other two say that there is no range to add."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One stored estimate, without its daily paths; see `ImpactMeasurement` for the columns.

    Attributes
    ----------
    avoided : Range
        Contacts of the theme alone, 95 %.
    net : Range or None
        Contacts over the theme and those beside it; None without any.
    could_have_seen : float or None
        Share of expected, 0 to 1.
    """

    id: int
    intervention_id: int
    as_of: date
    look: int
    is_look: bool
    verdict: Verdict
    observed: int
    expected: float
    avoided: Range
    p_value: float
    n_pre: int
    n_post: int
    handle_seconds: float
    pence_per_minute: float
    method_version: str
    definition_number: int
    measured_at: datetime
    reasons: tuple[str, ...]
    displacement: Displacement
    net: Range | None
    could_have_seen: float | None

    @property
    def credited(self) -> Range:
        """Contacts that count in a total: the net ones where a fall only moved."""
        if self.displacement is Displacement.MOVED and self.net is not None:
            return self.net
        return self.avoided

    @property
    def minutes(self) -> Range:
        """Agent minutes for the credited contacts, at the mean handle time before go-live."""
        return minutes_avoided(self.credited, self.handle_seconds)

    @property
    def has_moved(self) -> bool:
        """Whether the contacts turned up in themes beside it."""
        return self.displacement is Displacement.MOVED


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
        First day of the newest rise that the comeback watch found.
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
    owner_name: str
    went_live_on: date
    rollout_days: int
    smallest_drop: float | None
    came_back_since: date | None
    look: Measured | None = None
    running: Measured | None = None

    @property
    def counted_from(self) -> date:
        """First counted day, after the roll-out."""
        return counted_from(self.went_live_on, self.rollout_days)

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
        """Looks spoken so far, 0 to 4."""
        return self.look.look if self.look else 0

    @property
    def next_look(self) -> date | None:
        """Last data day of the first look that has not been spoken, None after the last."""
        days = looks(self.went_live_on, self.rollout_days)
        return days[self.look_number] if self.look_number < len(days) else None

    def unspoken_looks(self, cut: date) -> list[date]:
        """Return the last data days of looks that the data to `cut` inclusive allow by now."""
        days = looks(self.went_live_on, self.rollout_days)[self.look_number :]
        return [day for day in days if day <= cut]

    def finding(self, measured: Measured) -> Finding:
        """Return what sentences about one of its measurements are made of."""
        return Finding(
            verdict=measured.verdict,
            avoided=measured.avoided,
            expected=measured.expected,
            observed=measured.observed,
            counted_from=self.counted_from,
            n_post=measured.n_post,
            p_value=measured.p_value,
            could_have_seen=measured.could_have_seen,
            smallest_drop=self.smallest_drop,
            displacement=measured.displacement,
            net=measured.net,
            reasons=measured.reasons,
        )


@dataclass(frozen=True)
class Total:
    """What several actions avoided together.

    Attributes
    ----------
    actions : int
        Actions whose newest look gave a range.
    avoided : Range or None
        Contacts, 95 %, single estimates taken as independent; None without an action.
    minutes : Range or None
        Agent minutes, likewise.
    moved : int
        Of the actions, those counted net because their contacts moved to a theme beside.
    without_range : int
        Shipped actions that are not in it: before their first look, or without enough data.
    """

    actions: int
    avoided: Range | None
    minutes: Range | None
    moved: int
    without_range: int


def total_of(looks: Collection[Measured | None]) -> Total:
    """Return the total of the looks in force; None stands for an action without one."""
    counted = [look for look in looks if look is not None and look.verdict in COUNTED_VERDICTS]
    return Total(
        actions=len(counted),
        avoided=total_range([look.credited for look in counted]) if counted else None,
        minutes=total_range([look.minutes for look in counted]) if counted else None,
        moved=sum(look.has_moved for look in counted),
        without_range=len(looks) - len(counted),
    )


def get_total(
    session: Session,
    *,
    department_id: int | None = None,
    until: date | None = None,
    live_from: date | None = None,
) -> Total:
    """Return what all shipped actions avoided together, by their newest looks.

    Parameters
    ----------
    department_id : int, optional
        Only actions of one department.
    until : date, optional
        Only what was live and measured with data to this day, inclusive.
    live_from : date, optional
        Only actions that went live on this day or later.
    """
    newest = _newest_id(Intervention.id, looks_only=True, until=until)
    statement = _narrowed(
        sa.select(Intervention.id, newest).join(Action, Action.id == Intervention.action_id),
        department_id=department_id,
        until=until,
        since=live_from,
    )
    ids = [look_id for _, look_id in session.execute(statement)]
    found = list_measured(session, [look_id for look_id in ids if look_id is not None])
    return total_of([found.get(look_id) if look_id else None for look_id in ids])


def list_shipped(
    session: Session,
    *,
    department_id: int | None = None,
    until: date | None = None,
    live_from: date | None = None,
    key: str | None = None,
    after: tuple[date, int] | None = None,
    limit: int | None = None,
) -> list[ShippedAction]:
    """Return shipped actions, the newest go-live first.

    Parameters
    ----------
    department_id, until, live_from
        As for `get_total`; comebacks after `until` are left out too.
    key : str, optional
        Only the action of this key.
    after : (date, int), optional
        Go-live and intervention id of the last row seen.
    limit : int, optional
    """
    comeback = (
        sa.select(sa.func.max(Comeback.since_on))
        .where(Comeback.intervention_id == Intervention.id)
        .correlate(Intervention)
    )
    if until is not None:
        comeback = comeback.where(Comeback.alarm_on <= until)
    statement: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            Intervention.id,
            Intervention.went_live_on,
            Intervention.rollout_days,
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
            sa.func.coalesce(User.name, "").label("owner_name"),
            comeback.scalar_subquery().label("came_back_since"),
            _newest_id(Intervention.id, looks_only=True, until=until).label("look_id"),
            _newest_id(Intervention.id, looks_only=False, until=until).label("newest_id"),
        )
        .join(Action, Action.id == Intervention.action_id)
        .join(Theme, Theme.id == Intervention.theme_id)
        .join(Department, Department.id == Action.department_id)
        .outerjoin(User, User.id == Action.owner_id)
        .order_by(Intervention.went_live_on.desc(), Intervention.id.desc())
        .limit(limit)
    )
    statement = _narrowed(statement, department_id=department_id, until=until, since=live_from)
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
    return [_shipped_action(row, found) for row in rows]


def _narrowed(
    statement: sa.Select[*tuple[Any, ...]],
    *,
    department_id: int | None,
    until: date | None,
    since: date | None,
) -> sa.Select[*tuple[Any, ...]]:
    if department_id is not None:
        statement = statement.where(Action.department_id == department_id)
    if until is not None:
        statement = statement.where(Intervention.went_live_on <= until)
    if since is not None:
        statement = statement.where(Intervention.went_live_on >= since)
    return statement


def _newest_id(
    intervention_id: Any, *, looks_only: bool, until: date | None
) -> sa.ScalarSelect[int]:
    statement = (
        sa.select(ImpactMeasurement.id)
        .where(ImpactMeasurement.intervention_id == intervention_id)
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
        .limit(1)
        .correlate(Intervention)
    )
    if looks_only:
        statement = statement.where(ImpactMeasurement.is_look)
    if until is not None:
        statement = statement.where(ImpactMeasurement.as_of <= until)
    return statement.scalar_subquery()


def _shipped_action(row: Any, found: dict[int, Measured]) -> ShippedAction:
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
        owner_name=row.owner_name,
        went_live_on=row.went_live_on,
        rollout_days=row.rollout_days,
        smallest_drop=worth,
        came_back_since=row.came_back_since,
        look=found.get(row.look_id),
        running=found.get(row.newest_id) if row.newest_id != row.look_id else None,
    )


_COLUMNS: tuple[sa.orm.InstrumentedAttribute[Any], ...] = (
    ImpactMeasurement.id,
    ImpactMeasurement.intervention_id,
    ImpactMeasurement.as_of,
    ImpactMeasurement.look,
    ImpactMeasurement.is_look,
    ImpactMeasurement.verdict,
    ImpactMeasurement.observed,
    ImpactMeasurement.expected,
    ImpactMeasurement.p_value,
    ImpactMeasurement.n_pre,
    ImpactMeasurement.n_post,
    ImpactMeasurement.handle_seconds,
    ImpactMeasurement.pence_per_minute,
    ImpactMeasurement.method_version,
    ImpactMeasurement.definition_number,
    ImpactMeasurement.measured_at,
)


def select_measured() -> sa.Select[*tuple[Any, ...]]:
    """Return the statement behind `Measured`: the paths stay in the database."""
    detail = ImpactMeasurement.detail
    return sa.select(
        *_COLUMNS,
        ImpactMeasurement.reasons,
        ImpactMeasurement.avoided_low,
        ImpactMeasurement.avoided,
        ImpactMeasurement.avoided_high,
        detail["displacement"].as_string().label("displacement"),
        detail["could_have_seen"].as_float().label("could_have_seen"),
        detail[("net", "low")].as_float().label("net_low"),
        detail[("net", "avoided")].as_float().label("net_middle"),
        detail[("net", "high")].as_float().label("net_high"),
    )


def list_measured(session: Session, ids: Collection[int]) -> dict[int, Measured]:
    """Return measurements by id."""
    if not ids:
        return {}
    rows = session.execute(select_measured().where(ImpactMeasurement.id.in_(sorted(ids))))
    return {row.id: measured_of(row) for row in rows}


def measured_of(row: Any) -> Measured:
    """Return one row of `select_measured` as a dataclass."""
    has_net = row.net_low is not None and row.net_high is not None
    return Measured(
        **{column.key: getattr(row, column.key) for column in _COLUMNS},
        reasons=tuple(row.reasons),
        avoided=Range(row.avoided_low, row.avoided, row.avoided_high),
        displacement=Displacement(row.displacement or Displacement.NONE),
        net=Range(row.net_low, row.net_middle, row.net_high) if has_net else None,
        could_have_seen=row.could_have_seen,
    )


def list_departments_that_shipped(session: Session) -> Sequence[tuple[int, str]]:
    """Return id and name of the departments with a shipped action, by name."""
    rows = session.execute(
        sa.select(Department.id, Department.name)
        .join(Action, Action.department_id == Department.id)
        .join(Intervention, Intervention.action_id == Action.id)
        .distinct()
        .order_by(Department.name)
    )
    return [(department_id, name) for department_id, name in rows]
