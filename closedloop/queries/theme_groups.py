"""The list of themes by contact driver: the order of the groups, and what each of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import share
from closedloop.models import Theme, ThemeStats
from closedloop.queries.contact_drivers import DriverList, DriverRow

SUMMED = (
    ThemeStats.contacts,
    ThemeStats.handled,
    ThemeStats.handle_seconds,
    ThemeStats.mature,
    ThemeStats.repeats_same,
    ThemeStats.repeats_any,
)
"""What is added up over the themes of a list that may be shown."""

_NO_DRIVER = DriverRow(None, "", "", False, ())


@dataclass(frozen=True)
class ThemeGroup:
    """The themes under one contact driver, or under none, that the filters of a list let through.

    Attributes
    ----------
    driver : DriverRow
        With the figures of all its themes in use, also of those the filters keep out; its `id` is
        None for the themes under no driver in use.
    themes : int
        All of the list, those too small to be shown as well.
    shown : int
        Those the sums are of.
    contacts, handled, handle_seconds, mature, repeats_same, repeats_any : int
    """

    driver: DriverRow
    themes: int
    shown: int
    contacts: int
    handled: int
    handle_seconds: int
    mature: int
    repeats_same: int
    repeats_any: int

    @property
    def minutes(self) -> float | None:
        """Handle time in minutes; None when no contact has one."""
        return self.handle_seconds / 60 if self.handled else None

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 of the mature contacts that the same theme followed within 7 days."""
        return share(self.repeats_same, self.mature)

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 of the mature contacts that any other followed within 7 days."""
        return share(self.repeats_any, self.mature)


def place_of_group(drivers: DriverList) -> sa.ColumnElement[int]:
    """Return the place of a theme's group: the driver with most contacts first, none last."""
    places = {row.id: place for place, row in enumerate(drivers.rows)}
    if not places:
        return sa.cast(sa.literal(0), sa.Integer)
    return sa.case(places, value=Theme.driver_id, else_=len(places))


def list_groups(
    session: Session, narrowed: sa.Select[Any], drivers: DriverList, *, k: int
) -> tuple[ThemeGroup, ...]:
    """Return what each group of a list holds, in the order of the groups, in one statement.

    Parameters
    ----------
    session : Session
    narrowed : Select
        Of `Theme.driver_id` over the themes of the list, joined with their figures.
    drivers : DriverList
    k : int
        Fewest people whose figures may be shown; themes of fewer are counted and in no sum.
    """
    is_shown = sa.func.coalesce(ThemeStats.people, 0) >= k
    sums = [
        sa.func.sum(sa.case((is_shown, column), else_=0)) for column in (sa.literal(1), *SUMMED)
    ]
    statement = narrowed.add_columns(sa.func.count(), *sums).group_by(Theme.driver_id)
    found: Sequence[Any] = session.execute(statement).all()
    groups = [_group(row, found, drivers) for row in drivers.rows]
    groups.append(_group(drivers.without or _NO_DRIVER, found, drivers))
    return tuple(group for group in groups if group.themes)


def _group(driver: DriverRow, found: Sequence[Any], drivers: DriverList) -> ThemeGroup:
    known = {row.id for row in drivers.rows}
    nothing = (0,) * (2 + len(SUMMED))
    own = [row[1:] for row in found if (row[0] if row[0] in known else None) == driver.id]
    return ThemeGroup(driver, *(int(sum(values)) for values in zip(nothing, *own, strict=True)))
