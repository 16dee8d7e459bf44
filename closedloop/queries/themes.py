"""The list of themes: views, filters, order, figures. Reads roll-ups, never contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.impact import Verdict
from closedloop.domain.themes import (
    DemandType,
    Quadrant,
    ThemeStatus,
    quadrant_for,
)
from closedloop.models import ImpactMeasurement, Intervention, Theme, ThemeStats
from closedloop.queries.contact_drivers import DriverList, list_drivers
from closedloop.queries.go_lives import is_in_force, list_superseded, stands
from closedloop.queries.summaries import list_summaries
from closedloop.queries.theme_figures import Figures, figures_of, is_small, quadrant_of
from closedloop.queries.theme_filter import (
    ThemeFilter,
    ThemeSort,
    ThemeView,
    comes_after,
    keys_of,
    narrowed,
)
from closedloop.queries.theme_groups import ThemeGroup, ThemeSums, list_groups, summed, sums_of
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
    sums: ThemeSums


@dataclass(frozen=True)
class ThemeList:
    """A page of the list, and the totals of everything the filters let through.

    Attributes
    ----------
    after : str
        Key of the last row when there are more, else empty.
    groups : tuple of ThemeGroup
        In the order of the rows; empty where the list is not grouped.
    k : int
        Fewest contacts that a part of the sums may tell of, other than none.
    """

    rows: tuple[ThemeRow, ...]
    quadrants: tuple[QuadrantTotal, ...]
    after: str
    groups: tuple[ThemeGroup, ...] = ()
    k: int = 0

    def group_of(self, row: ThemeRow) -> ThemeGroup | None:
        """Return the group that a row stands in; None where the list is not grouped."""
        by_driver = {group.driver.id: group for group in self.groups}
        return by_driver.get(row.driver_id) or by_driver.get(None)

    @property
    def shown_themes(self) -> int:
        """How many themes the totals are of."""
        return sum(total.themes for total in self.quadrants)

    @property
    def sums(self) -> ThemeSums:
        """The sums over all of them."""
        return sums_of([astuple(total.sums)[:-1] for total in self.quadrants], self.k)

    @property
    def contacts(self) -> int:
        """Contacts of all of them."""
        return self.sums.contacts

    @property
    def minutes(self) -> float | None:
        """Handle time of all of them in minutes; None when no contact has one, or only a few."""
        return self.sums.minutes

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 of all their mature contacts that the same theme followed."""
        return self.sums.repeat_same

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 of all their mature contacts that any other followed."""
        return self.sums.repeat_any

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
    keys = keys_of(wanted, k, drivers)
    statement = narrowed(sa.select(Theme), wanted, k).options(
        joinedload(Theme.stats),
        joinedload(Theme.department),
        joinedload(Theme.owner),
        joinedload(Theme.driver),
    )
    if wanted.after:
        statement = statement.where(comes_after(session, wanted, keys))
    statement = statement.order_by(*(key.desc() if falls else key.asc() for key, falls in keys))
    themes = list(session.scalars(statement.limit(limit + 1 if limit else None)))
    page = themes[:limit] if limit else themes
    return ThemeList(
        rows=_with_verdicts(session, _with_summaries(session, [_row(theme, k) for theme in page])),
        quadrants=_totals(session, wanted, k),
        after=page[-1].key if len(themes) > len(page) else "",
        groups=_groups(session, wanted, drivers, k) if drivers is not None else (),
        k=k,
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


def _groups(
    session: Session, wanted: ThemeFilter, drivers: DriverList, k: int
) -> tuple[ThemeGroup, ...]:
    themes = sa.select(Theme.driver_id).select_from(Theme)
    return list_groups(session, narrowed(themes, wanted, k), drivers, k=k)


def _totals(session: Session, wanted: ThemeFilter, k: int) -> tuple[QuadrantTotal, ...]:
    sums = [sa.func.sum(column) for column in summed(k)]
    cells: Any = sa.select(Theme.customer_values, Theme.company_values, sa.func.count(), *sums)
    rows: Sequence[Any] = session.execute(
        narrowed(cells.select_from(Theme), wanted, k)
        .where(ThemeStats.people >= k)
        .group_by(Theme.customer_values, Theme.company_values)
    ).all()
    found = [
        QuadrantTotal(
            None if row[0] is None or row[1] is None else quadrant_for(row[0], row[1]),
            int(row[2]),
            sums_of([row[3:]], k),
        )
        for row in rows
    ]
    places: list[Quadrant | None] = [*Quadrant, None]
    return tuple(sorted(found, key=lambda total: places.index(total.quadrant)))


def _with_verdicts(session: Session, rows: Sequence[ThemeRow]) -> tuple[ThemeRow, ...]:
    """Add the newest verdict in force and the newest go-live of each theme."""
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
                ImpactMeasurement.intervention_id == Intervention.id,
                ImpactMeasurement.is_look,
                is_in_force(list_superseded(session)),
            ),
        )
        .where(Intervention.theme_id.in_([row.id for row in rows]), stands())
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
