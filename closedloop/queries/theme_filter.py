"""Which themes a list holds and in which order: views, filters, sorting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.themes import OPEN_STATUSES, VALUED_BY, DemandType, Quadrant, ThemeStatus
from closedloop.models import Theme, ThemeStats
from closedloop.queries.contact_drivers import DriverList
from closedloop.queries.followers import themes_before
from closedloop.queries.theme_groups import place_of_group


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

    With `by_driver` the themes of one contact driver stand together, in the order asked for. With
    `next_key`, only themes after which customers come back about that one.
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
    next_key: str = ""
    by_driver: bool = False
    after: str = ""


def narrowed(statement: sa.Select[Any], wanted: ThemeFilter, k: int) -> sa.Select[Any]:
    """Return the statement over themes, joined with their figures, kept to what is asked for."""
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
    if wanted.next_key:
        statement = statement.where(Theme.id.in_(themes_before(wanted.next_key, k=k)))
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


def keys_of(
    wanted: ThemeFilter, k: int, drivers: DriverList | None
) -> list[tuple[sa.ColumnElement[Any], bool]]:
    """Return what the list is ordered by, and whether it falls; no two themes share it all."""
    keys: list[tuple[Any, bool]] = [(_order(wanted.sort, k), wanted.descending), (Theme.id, False)]
    return keys if drivers is None else [(place_of_group(drivers), False), *keys]


def comes_after(
    session: Session, wanted: ThemeFilter, keys: Sequence[tuple[sa.ColumnElement[Any], bool]]
) -> sa.ColumnElement[bool]:
    """Return the condition that a theme stands below the one of `wanted.after`."""
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
