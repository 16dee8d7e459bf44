"""Home: where the loop stands, what waits, what changed. A fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.actions import OPEN_ACTIONS, ActionStatus
from closedloop.domain.contacts import HEADLINE_WINDOW, share
from closedloop.domain.home import DUE_SOON_DAYS, Change, judge_change
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Comeback,
    Department,
    Intervention,
    Theme,
    ThemeStats,
)
from closedloop.queries.audit import is_older_than
from closedloop.queries.go_lives import stands
from closedloop.queries.repeats import ROLLING_DAYS, RepeatFilter, Trend, get_trend
from closedloop.queries.site import DataSpan

TREND_DAYS = 182
"""Days of the chart: 26 whole weeks, so that its ends fall on the same weekday."""

COMPARED_DAYS = 28
"""Days that the headline compares, as the report does."""

NAMED = 3
"""Actions and themes that are named before "and 4 more"."""

_QUIET_VERBS = (
    "jobs.queued",
    "jobs.done",
    "jobs.running",
    "accounts.signed_in",
    "accounts.signed_out",
    "themes.assigned",
    "demo.built",
)


@dataclass(frozen=True)
class ThemeCounts:
    """How many themes stand where.

    Attributes
    ----------
    by_status : dict of ThemeStatus to int
    candidate_contacts : int
        Contacts of the candidates in the days their figures cover.
    oldest_candidate : datetime or None
    without_owner : int
        Agreed themes that nobody answers for.
    """

    by_status: dict[ThemeStatus, int]
    candidate_contacts: int
    oldest_candidate: datetime | None
    without_owner: int

    def of(self, *statuses: ThemeStatus) -> int:
        """Return how many themes are in one of the statuses."""
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def agreed(self) -> int:
        """Themes that people have decided to keep, ever."""
        before = {ThemeStatus.CANDIDATE, ThemeStatus.RETIRED, ThemeStatus.MERGED}
        return sum(n for status, n in self.by_status.items() if status not in before)


@dataclass(frozen=True)
class ReopenedTheme:
    """A theme that came back; `since_on` is when its newest rise began, None without one."""

    key: str
    name: str
    since_on: date | None
    excess: float | None


@dataclass(frozen=True)
class ActionCounts:
    """How many open actions there are in a scope; `any` counts every action there ever was."""

    any: int
    open: int
    overdue: int
    due_soon: int
    handed_back: int
    proposed: int


@dataclass(frozen=True)
class DueAction:
    """An open action that needs somebody."""

    key: str
    title: str
    status: ActionStatus
    department_name: str
    due_on: date | None
    hand_back_reason: str


@dataclass(frozen=True)
class ChangeRow:
    """One change, with what it happened to.

    Attributes
    ----------
    target : {"theme", "action", "import", "intervention", ...}
    key, name : str
        Of the theme or action it was about; empty for anything else.
    """

    id: int
    at: datetime
    actor_name: str
    verb: str
    target: str
    target_id: int | None
    key: str
    name: str
    summary: str


@dataclass(frozen=True)
class RepeatHeadline:
    """Repeat rates of the last four weeks of mature days, against the oldest as many of the trend.

    Attributes
    ----------
    n_days : int
        Days of either span: 28, or 7 before there are 28 mature ones.
    any : float
        Share 0 to 1 of the contacts with a known customer.
    same : float or None
        The same about one theme; None where no seven days of them are surely of enough people.
    any_before, same_before : float or None
        Of as many days to `before_day`, the oldest in the trend that end on the same weekday and
        have contacts enough in each week; None when there are none four weeks back or more.
    change : Change
        Of `any`; FLAT when chance would explain it.
    unidentified_share : float or None
        Of the contacts of the last of them, those without a known customer: in no rate.
    """

    last_day: date
    n_days: int
    any: float
    same: float | None
    before_day: date | None = None
    any_before: float | None = None
    same_before: float | None = None
    change: Change = Change.FLAT
    unidentified_share: float | None = None

    @property
    def first_day(self) -> date:
        """First of the days counted."""
        return self.last_day - timedelta(days=self.n_days - 1)


def get_home_trend(
    session: Session, span: DataSpan, cut: date, *, k: int, zone: str = "UTC"
) -> Trend:
    """Return daily and seven-day repeat rates of the last 26 weeks to the cut, inclusive."""
    if span.first_day is None or span.first_day > cut:
        return Trend()
    wanted = RepeatFilter(first_day=cut - timedelta(days=TREND_DAYS - 1), last_day=cut)
    return get_trend(
        session,
        wanted,
        window=HEADLINE_WINDOW,
        cut=cut,
        first_data_day=span.first_day,
        k=k,
        zone=zone,
    )


def headline_of(trend: Trend, *, fewest: int) -> RepeatHeadline | None:
    """Return what the trend says in two numbers; None before seven days have matured.

    The comparison is the oldest span of as many days of the trend that ends on the same weekday,
    at least four weeks before, and each week of which may be shown: where data begin, or a week
    is missing, the few contacts around it are no level to compare with.

    Parameters
    ----------
    trend : Trend
    fewest : int
        Contacts with a known customer that seven days need to be shown.
    """
    known = [i for i, day in enumerate(trend.days) if day.any7 is not None]
    if not known or _sum(trend, known[-1], ROLLING_DAYS).identified < fewest:
        return None
    last = known[-1]
    n_days = COMPARED_DAYS if last >= COMPARED_DAYS - 1 else ROLLING_DAYS
    now = _sum(trend, last, n_days)
    weeks = range(last % 7, last - COMPARED_DAYS + 1, 7)
    first = next((i for i in weeks if i in known and _may_compare(trend, i, n_days, fewest)), None)
    found = RepeatHeadline(
        last_day=trend.days[last].day,
        n_days=n_days,
        any=now.repeats[0] / now.identified,
        same=now.repeats[1] / now.identified if _shows_same(trend, last, n_days) else None,
        unidentified_share=share(now.contacts - now.identified, now.contacts),
    )
    if first is None:
        return found
    then = _sum(trend, first, n_days)
    change = judge_change(now.repeats[0], now.identified, then.repeats[0], then.identified)
    return replace(
        found,
        before_day=trend.days[first].day,
        any_before=then.repeats[0] / then.identified,
        same_before=then.repeats[1] / then.identified
        if _shows_same(trend, first, n_days)
        else None,
        change=change,
    )


@dataclass(frozen=True)
class _Sum:
    contacts: int
    identified: int
    repeats: tuple[int, int]


def _sum(trend: Trend, last: int, n_days: int) -> _Sum:
    days = trend.days[max(last - n_days + 1, 0) : last + 1]
    return _Sum(
        sum(day.contacts for day in days),
        sum(day.identified for day in days),
        (sum(day.repeats[0] for day in days), sum(day.repeats[1] for day in days)),
    )


def _shows_same(trend: Trend, last: int, n_days: int) -> bool:
    # a week that may be shown and lies in these days has people enough for all of them
    ends = trend.days[last - n_days + ROLLING_DAYS : last + 1]
    return any(day.same7 is not None for day in ends)


def _may_compare(trend: Trend, last: int, n_days: int, fewest: int) -> bool:
    ends = range(last, last - n_days, -ROLLING_DAYS)
    return ends[-1] >= ROLLING_DAYS - 1 and all(
        trend.days[i].any7 is not None and _sum(trend, i, ROLLING_DAYS).identified >= fewest
        for i in ends
    )


def count_themes(session: Session) -> ThemeCounts:
    """Return how many themes stand where, in one statement."""
    rows = session.execute(
        sa.select(
            Theme.status,
            sa.func.count(Theme.id),
            sa.func.coalesce(sa.func.sum(ThemeStats.contacts), 0),
            sa.func.min(Theme.waiting_since),
            sa.func.sum(sa.case((Theme.owner_id.is_(None), 1), else_=0)),
        )
        .outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id)
        .group_by(Theme.status)
    ).all()
    waiting = next((row for row in rows if row[0] is ThemeStatus.CANDIDATE), None)
    return ThemeCounts(
        by_status={row[0]: int(row[1]) for row in rows},
        candidate_contacts=int(waiting[2]) if waiting else 0,
        oldest_candidate=waiting[3] if waiting else None,
        without_owner=sum(int(row[4]) for row in rows if row[0] is ThemeStatus.TRIAGED),
    )


def list_reopened(
    session: Session, *, department_id: int | None = None, limit: int = NAMED
) -> list[ReopenedTheme]:
    """Return themes that came back, the newest first.

    With a department only themes that are its own, or for which it acts or acted: what it
    handed back, or was cancelled, does not count.
    """
    newest = (
        sa.select(sa.func.max(Comeback.id))
        .join(Intervention, Intervention.id == Comeback.intervention_id)
        .where(Comeback.theme_id == Theme.id, stands())
        .correlate(Theme)
        .scalar_subquery()
    )
    statement = (
        sa.select(Theme.key, Theme.name, Comeback.since_on, Comeback.excess)
        .outerjoin(Comeback, Comeback.id == newest)
        .where(Theme.status == ThemeStatus.REOPENED)
        .order_by(Comeback.id.desc().nulls_last(), Theme.id)
        .limit(limit)
    )
    if department_id is not None:
        acts = sa.exists().where(
            Action.theme_id == Theme.id,
            Action.department_id == department_id,
            Action.status.not_in((ActionStatus.HANDED_BACK, ActionStatus.CANCELLED)),
        )
        statement = statement.where(sa.or_(Theme.department_id == department_id, acts))
    return [ReopenedTheme(*row) for row in session.execute(statement)]


def count_open_actions(
    session: Session,
    *,
    today: date,
    department_id: int | None = None,
    owner_id: int | None = None,
) -> ActionCounts:
    """Return how many actions wait: of a department or an owner when given, of all otherwise."""
    is_open = Action.status.in_(OPEN_ACTIONS)
    soon = Action.due_on.between(today, today + timedelta(days=DUE_SOON_DAYS))
    row = session.execute(
        sa.select(
            sa.func.count(Action.id),
            _count_if(is_open),
            _count_if(is_open & (Action.due_on < today)),
            _count_if(is_open & soon),
            _count_if(Action.status == ActionStatus.HANDED_BACK),
            _count_if(Action.status == ActionStatus.PROPOSED),
        ).where(_scope(department_id, owner_id))
    ).one()
    return ActionCounts(*(int(number or 0) for number in row))


def list_due_actions(
    session: Session,
    *,
    today: date,
    department_id: int | None = None,
    owner_id: int | None = None,
) -> list[DueAction]:
    """Return the open actions to name: overdue, due within a week, handed back, or proposed.

    Each of the four has at most `NAMED`, the longest overdue first. One that is proposed and due
    is among the due.
    """
    soon = today + timedelta(days=DUE_SOON_DAYS)
    kind = sa.case(
        (Action.status == ActionStatus.HANDED_BACK, 3),
        (Action.due_on < today, 1),
        (Action.due_on <= soon, 2),
        else_=4,
    )
    place = sa.func.row_number().over(partition_by=kind, order_by=(Action.due_on, Action.id))
    waits = Action.status.in_((ActionStatus.HANDED_BACK, ActionStatus.PROPOSED))
    inner = (
        sa.select(
            Action.key,
            Action.title,
            Action.status,
            Department.name.label("department_name"),
            Action.due_on,
            Action.hand_back_reason,
            place.label("place"),
            kind.label("kind"),
        )
        .join(Department, Department.id == Action.department_id)
        .where(
            Action.status.in_(OPEN_ACTIONS),
            sa.or_(Action.due_on <= soon, waits),
            _scope(department_id, owner_id),
        )
        .subquery()
    )
    rows = session.execute(
        sa.select(*list(inner.c)[:6])
        .where(inner.c.place <= NAMED)
        .order_by(inner.c.kind, inner.c.place)
    )
    return [DueAction(*row) for row in rows]


def _scope(department_id: int | None, owner_id: int | None) -> sa.ColumnElement[bool]:
    """Return what belongs to a department or an owner; everything when neither is given."""
    found = [
        column == value
        for column, value in ((Action.department_id, department_id), (Action.owner_id, owner_id))
        if value is not None
    ]
    return sa.or_(*found) if found else sa.true()


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def list_changes(
    session: Session,
    *,
    with_admin: bool,
    since: datetime | None = None,
    before_id: int | None = None,
    limit: int = 8,
) -> list[ChangeRow]:
    """Return what people and jobs changed, the newest first, with what it was about.

    What says nothing new is left out: who signed in, jobs that ran as they should, and the
    running estimates between looks.

    Parameters
    ----------
    with_admin : bool
        Include changes of accounts and of the site, which only administrators need.
    since : datetime, optional
        Only what is newer.
    before_id : int, optional
        Only what is older than this event.
    """
    theme, own = aliased(Theme), aliased(Action)
    shipped, live = aliased(Action), aliased(Intervention)
    statement = (
        sa.select(
            AuditEvent.id,
            AuditEvent.at,
            AuditEvent.actor_name,
            AuditEvent.verb,
            AuditEvent.target_kind.label("target"),
            AuditEvent.target_id,
            sa.func.coalesce(theme.key, own.key, shipped.key, "").label("key"),
            sa.func.coalesce(theme.name, own.title, shipped.title, "").label("name"),
            AuditEvent.summary,
        )
        .outerjoin(theme, _is_about("theme", theme.id))
        .outerjoin(own, _is_about("action", own.id))
        .outerjoin(live, _is_about("intervention", live.id))
        .outerjoin(shipped, shipped.id == live.action_id)
        .where(*_worth_telling(with_admin))
        .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(AuditEvent.at > since)
    if before_id is not None:
        statement = statement.where(is_older_than(before_id))
    return [ChangeRow(**row._mapping) for row in session.execute(statement)]


def _is_about(kind: str, column: Any) -> sa.ColumnElement[bool]:
    return sa.and_(AuditEvent.target_kind == kind, AuditEvent.target_id == column)


def _worth_telling(with_admin: bool) -> Sequence[sa.ColumnElement[bool]]:
    is_running = sa.and_(
        AuditEvent.verb == "impact.measured",
        sa.not_(sa.func.coalesce(AuditEvent.detail["is_look"].as_boolean(), False)),
    )
    found = [AuditEvent.verb.not_in(_QUIET_VERBS), sa.not_(is_running)]
    if not with_admin:
        found += [~AuditEvent.verb.startswith("accounts."), ~AuditEvent.verb.startswith("site.")]
    return found
