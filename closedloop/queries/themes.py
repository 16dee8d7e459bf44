"""The list of themes: views, filters, order, figures. Reads roll-ups, never contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.contacts import share
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import (
    OPEN_STATUSES,
    VALUED_BY,
    DemandType,
    Quadrant,
    ThemeStatus,
    quadrant_for,
)
from closedloop.models import ImpactMeasurement, Intervention, Theme, ThemeStats
from closedloop.queries.contact_drivers import DriverList, list_drivers
from closedloop.queries.summaries import list_summaries
from closedloop.queries.theme_figures import Figures, figures_of, is_small, quadrant_of
from closedloop.queries.theme_groups import SUMMED, ThemeGroup, list_groups, place_of_group
from closedloop.queries.theme_page import ThemePage, get_theme_page

__all__ = [
    "PAGE_ROWS",
    "ThemeFilter",
    "ThemeList",
    "ThemePage",
    "ThemeRow",
    "ThemeSort",
    "ThemeView",
    "count_views",
    "get_theme_page",
    "list_themes",
]

PAGE_ROWS = 100


class ThemeView(StrEnum):
    """Saved views of the list."""

    OPEN = "open"
    CANDIDATES = "candidates"
    PARKED = "parked"
    CLOSED = "closed"
    ALL = "all"

    @property
    def label(self) -> str:
        """As shown."""
        return self.value.capitalize()

    @property
    def statuses(self) -> tuple[ThemeStatus, ...]:
        """What the view holds."""
        return _STATUSES[self]


_STATUSES: dict[ThemeView, tuple[ThemeStatus, ...]] = {
    ThemeView.OPEN: OPEN_STATUSES,
    ThemeView.CANDIDATES: (ThemeStatus.CANDIDATE,),
    ThemeView.PARKED: (ThemeStatus.PARKED,),
    ThemeView.CLOSED: (ThemeStatus.CLOSED, ThemeStatus.ACCEPTED),
    ThemeView.ALL: tuple(ThemeStatus),
}


class ThemeSort(StrEnum):
    """What the list can be ordered by."""

    NAME = "name"
    CONTACTS = "contacts"
    CUSTOMERS = "customers"
    REPEATS = "repeats"
    MINUTES = "minutes"
    PRIORITY = "priority"
    RISING = "rising"


@dataclass(frozen=True)
class ThemeFilter:
    """What is asked for; owner 0, department 0 and contact driver 0 mean "none".

    With `by_driver` the themes of one contact driver stand together, in the order asked for.
    """

    view: ThemeView = ThemeView.OPEN
    q: str = ""
    department_id: int | None = None
    owner_id: int | None = None
    driver_id: int | None = None
    demand_type: DemandType | None = None
    quadrant: Quadrant | None = None
    status: ThemeStatus | None = None
    sort: ThemeSort = ThemeSort.CONTACTS
    descending: bool = True
    by_driver: bool = False
    after: str = ""


@dataclass(frozen=True)
class ThemeRow:
    """One line of the list; figures None when they may not be shown or are not counted yet.

    Attributes
    ----------
    summary : str
        What people wrote that goes wrong, else a sentence of a customer, else empty.
    """

    id: int
    key: str
    name: str
    status: ThemeStatus
    quadrant: Quadrant | None
    demand_type: DemandType | None
    department_name: str
    owner_name: str
    driver_id: int | None
    driver_key: str
    driver_name: str
    parked_until: date | None
    is_small: bool
    figures: Figures | None
    summary: str = ""
    verdict: Verdict | None = None
    went_live_on: date | None = None


@dataclass(frozen=True)
class QuadrantTotal:
    """What one cell of the matrix holds; themes too small to be shown are not in it."""

    quadrant: Quadrant | None
    themes: int
    contacts: int
    handled: int
    handle_seconds: int
    mature: int
    repeats_same: int
    repeats_any: int


@dataclass(frozen=True)
class ThemeList:
    """A page of the list, and the totals of everything the filters let through.

    Attributes
    ----------
    after : str
        Key of the last row when there are more, else empty.
    groups : tuple of ThemeGroup
        In the order of the rows; empty where the list is not grouped.
    """

    rows: tuple[ThemeRow, ...]
    quadrants: tuple[QuadrantTotal, ...]
    after: str
    groups: tuple[ThemeGroup, ...] = ()

    def group_of(self, row: ThemeRow) -> ThemeGroup | None:
        """Return the group that a row stands in; None where the list is not grouped."""
        by_driver = {group.driver.id: group for group in self.groups}
        return by_driver.get(row.driver_id) or by_driver.get(None)

    @property
    def shown_themes(self) -> int:
        """How many themes the totals are of."""
        return sum(total.themes for total in self.quadrants)

    @property
    def contacts(self) -> int:
        """Contacts of all of them."""
        return sum(total.contacts for total in self.quadrants)

    @property
    def handle_seconds(self) -> int:
        """Handle time of all of them."""
        return sum(total.handle_seconds for total in self.quadrants)

    @property
    def minutes(self) -> float | None:
        """Handle time of all of them in minutes; None when no contact has one."""
        return self.handle_seconds / 60 if any(total.handled for total in self.quadrants) else None

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 of all their mature contacts that the same theme followed."""
        return share(sum(t.repeats_same for t in self.quadrants), self._mature)

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 of all their mature contacts that any other followed."""
        return share(sum(t.repeats_any for t in self.quadrants), self._mature)

    @property
    def _mature(self) -> int:
        return sum(total.mature for total in self.quadrants)

    @property
    def as_of(self) -> date | None:
        """Last day counted, inclusive; None before the first count."""
        return max((row.figures.as_of for row in self.rows if row.figures), default=None)


def count_views(session: Session) -> dict[ThemeView, int]:
    """Return how many themes each saved view holds, in one statement."""
    statement = sa.select(Theme.status, sa.func.count()).group_by(Theme.status)
    counts = {row[0]: int(row[1]) for row in session.execute(statement)}
    return {view: sum(counts.get(s, 0) for s in view.statuses) for view in ThemeView}


def list_themes(
    session: Session, wanted: ThemeFilter, *, k: int, limit: int | None = PAGE_ROWS
) -> ThemeList:
    """Return the themes asked for, in order, after `wanted.after` when given.

    Parameters
    ----------
    session : Session
    wanted : ThemeFilter
    k : int
        Themes with fewer people are listed last and without figures; see `ThemeStats.people`.
    limit : int or None
        Rows of a page; None gives all of them.
    """
    drivers = list_drivers(session, k=k) if wanted.by_driver else None
    keys = _keys(wanted, k, drivers)
    statement = _narrowed(sa.select(Theme), wanted).options(
        joinedload(Theme.stats),
        joinedload(Theme.department),
        joinedload(Theme.owner),
        joinedload(Theme.driver),
    )
    if wanted.after:
        statement = statement.where(_comes_after(session, wanted, keys))
    statement = statement.order_by(*(key.desc() if falls else key.asc() for key, falls in keys))
    themes = list(session.scalars(statement.limit(limit + 1 if limit else None)))
    page = themes[:limit] if limit else themes
    return ThemeList(
        rows=_with_verdicts(session, _with_summaries(session, [_row(theme, k) for theme in page])),
        quadrants=_totals(session, wanted, k),
        after=page[-1].key if len(themes) > len(page) else "",
        groups=_groups(session, wanted, drivers, k) if drivers is not None else (),
    )


def _row(theme: Theme, k: int) -> ThemeRow:
    return ThemeRow(
        id=theme.id,
        key=theme.key,
        name=theme.name,
        status=theme.status,
        quadrant=quadrant_of(theme),
        demand_type=theme.demand_type,
        department_name=theme.department.name if theme.department else "",
        owner_name=theme.owner.name if theme.owner else "",
        driver_id=theme.driver_id,
        driver_key=theme.driver.key if theme.driver else "",
        driver_name=theme.driver.name if theme.driver else "",
        parked_until=theme.parked_until,
        is_small=is_small(theme.stats, k),
        figures=figures_of(theme.stats, k),
        summary=theme.scenario,
    )


def _with_summaries(session: Session, rows: Sequence[ThemeRow]) -> list[ThemeRow]:
    """Add a customer's sentence where no person has described a theme, and it may be shown."""
    said = list_summaries(session, [row.id for row in rows if row.figures])
    return [replace(row, summary=said.get(row.id, row.summary)) for row in rows]


def _narrowed(statement: sa.Select[Any], wanted: ThemeFilter) -> sa.Select[Any]:
    statement = statement.outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id).where(
        Theme.status.in_(wanted.view.statuses)
    )
    if wanted.status:
        statement = statement.where(Theme.status == wanted.status)
    if wanted.demand_type:
        statement = statement.where(Theme.demand_type == wanted.demand_type)
    if wanted.quadrant:
        customer, company = VALUED_BY[wanted.quadrant]
        statement = statement.where(
            Theme.customer_values.is_(customer), Theme.company_values.is_(company)
        )
    for column, chosen in (
        (Theme.department_id, wanted.department_id),
        (Theme.owner_id, wanted.owner_id),
        (Theme.driver_id, wanted.driver_id),
    ):
        if chosen is not None:
            statement = statement.where(column == chosen if chosen else column.is_(None))
    for word in wanted.q.split():
        statement = statement.where(_holds(word))
    return statement


def _holds(word: str) -> sa.ColumnElement[bool]:
    places = (Theme.name, Theme.key, Theme.scenario, sa.cast(Theme.keywords, sa.Text))
    return sa.or_(*(place.icontains(word, autoescape=True) for place in places))


def _order(sort: ThemeSort, k: int) -> sa.ColumnElement[Any]:
    """Return what to order by; small and uncounted themes stand at the low end."""
    if sort is ThemeSort.NAME:
        return sa.func.lower(Theme.name)
    before = ThemeStats.contacts_4_weeks_before
    values: dict[ThemeSort, Any] = {
        ThemeSort.CONTACTS: ThemeStats.contacts,
        ThemeSort.CUSTOMERS: ThemeStats.customers,
        ThemeSort.REPEATS: ThemeStats.repeats_same * 1.0 / sa.func.nullif(ThemeStats.mature, 0),
        ThemeSort.MINUTES: ThemeStats.handle_seconds,
        ThemeSort.PRIORITY: ThemeStats.priority,
        ThemeSort.RISING: (ThemeStats.contacts_4_weeks - before) * 1.0 / sa.func.nullif(before, 0),
    }
    shown = sa.case((ThemeStats.people >= k, values[sort]), else_=None)
    return sa.cast(sa.func.coalesce(shown, -1e9), sa.Float(53))


def _keys(
    wanted: ThemeFilter, k: int, drivers: DriverList | None
) -> list[tuple[sa.ColumnElement[Any], bool]]:
    """Return what the list is ordered by, and whether it falls; no two themes share it all."""
    keys: list[tuple[Any, bool]] = [(_order(wanted.sort, k), wanted.descending), (Theme.id, False)]
    return keys if drivers is None else [(place_of_group(drivers), False), *keys]


def _comes_after(
    session: Session, wanted: ThemeFilter, keys: Sequence[tuple[sa.ColumnElement[Any], bool]]
) -> sa.ColumnElement[bool]:
    last = session.execute(
        sa.select(*(key for key, _ in keys))
        .select_from(Theme)
        .outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.key == wanted.after)
    ).one_or_none()
    if last is None:
        return sa.true()
    further: sa.ColumnElement[bool] = sa.false()
    for (key, falls), value in zip(reversed(keys), reversed(last), strict=True):
        beyond = key < value if falls else key > value
        further = sa.or_(beyond, sa.and_(key == value, further))
    return further


def _groups(
    session: Session, wanted: ThemeFilter, drivers: DriverList, k: int
) -> tuple[ThemeGroup, ...]:
    themes = sa.select(Theme.driver_id).select_from(Theme)
    return list_groups(session, _narrowed(themes, wanted), drivers, k=k)


def _totals(session: Session, wanted: ThemeFilter, k: int) -> tuple[QuadrantTotal, ...]:
    sums = [sa.func.sum(column) for column in SUMMED]
    cells: Any = sa.select(Theme.customer_values, Theme.company_values, sa.func.count(), *sums)
    rows: Sequence[Any] = session.execute(
        _narrowed(cells.select_from(Theme), wanted)
        .where(ThemeStats.people >= k)
        .group_by(Theme.customer_values, Theme.company_values)
    ).all()
    found = [
        QuadrantTotal(
            None if row[0] is None or row[1] is None else quadrant_for(row[0], row[1]),
            *(int(value) for value in row[2:]),
        )
        for row in rows
    ]
    places: list[Quadrant | None] = [*Quadrant, None]
    return tuple(sorted(found, key=lambda total: places.index(total.quadrant)))


def _with_verdicts(session: Session, rows: Sequence[ThemeRow]) -> tuple[ThemeRow, ...]:
    """Add the newest verdict and the newest go-live of each theme, in one statement."""
    newest = (
        sa.func.row_number()
        .over(
            partition_by=Intervention.theme_id,
            order_by=(
                ImpactMeasurement.as_of.desc().nulls_last(),
                ImpactMeasurement.id.desc().nulls_last(),
            ),
        )
        .label("place")
    )
    ranked = (
        sa.select(
            Intervention.theme_id,
            ImpactMeasurement.verdict,
            sa.func.max(Intervention.went_live_on)
            .over(partition_by=Intervention.theme_id)
            .label("live"),
            newest,
        )
        .outerjoin(
            ImpactMeasurement,
            sa.and_(
                ImpactMeasurement.intervention_id == Intervention.id, ImpactMeasurement.is_look
            ),
        )
        .where(Intervention.theme_id.in_([row.id for row in rows]))
        .subquery()
    )
    found = session.execute(
        sa.select(ranked.c.theme_id, ranked.c.verdict, ranked.c.live).where(ranked.c.place == 1)
    ).all()
    known = {theme_id: (verdict, live) for theme_id, verdict, live in found}
    nothing = (None, None)
    return tuple(
        replace(
            row, verdict=known.get(row.id, nothing)[0], went_live_on=known.get(row.id, nothing)[1]
        )
        for row in rows
    )
