"""The list of themes by contact driver: the order of the groups, and what each of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import share_of_enough
from closedloop.models import Theme, ThemeStats
from closedloop.queries.contact_drivers import DriverList, DriverRow
from closedloop.queries.theme_figures import minutes_of_enough

_SUMMED = (
    ThemeStats.contacts,
    ThemeStats.handled,
    ThemeStats.handle_seconds,
    ThemeStats.mature,
    ThemeStats.repeats_same,
    ThemeStats.repeats_any,
)
_TOLD_OF_ENOUGH = (ThemeStats.handled, ThemeStats.repeats_same, ThemeStats.repeats_any)
_NO_DRIVER = DriverRow(None, "", "", False, ())


def summed(k: int) -> list[sa.ColumnElement[int]]:
    """Return what is added up over the themes of a list that may be shown, as `ThemeSums` has it.

    Parameters
    ----------
    k : int
        Fewest contacts of a part of the figures that a theme may tell of, other than none.
    """
    few = [sa.case((part < k, part), else_=0) for part in _TOLD_OF_ENOUGH]
    return [*(column.expression for column in _SUMMED), *few]


@dataclass(frozen=True)
class ThemeSums:
    """Sums over the figures of some themes; the unsaid are of themes that may not tell them.

    Attributes
    ----------
    contacts, handled, handle_seconds, mature, repeats_same, repeats_any : int
    unsaid_handled, unsaid_same, unsaid_any : int
        Of fewer than `k` contacts each in their own themes.
    k : int
        Fewest contacts that are told, other than none.
    """

    contacts: int = 0
    handled: int = 0
    handle_seconds: int = 0
    mature: int = 0
    repeats_same: int = 0
    repeats_any: int = 0
    unsaid_handled: int = 0
    unsaid_same: int = 0
    unsaid_any: int = 0
    k: int = 0

    @property
    def minutes(self) -> float | None:
        """Handle time in minutes; None when no contact has one, or only a few."""
        return minutes_of_enough(self.handle_seconds, self.handled, self.unsaid_handled, k=self.k)

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 of the mature contacts that the same theme followed within 7 days."""
        return share_of_enough(self.repeats_same, self.mature, self.k, unsaid=self.unsaid_same)

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 of the mature contacts that any other followed within 7 days."""
        return share_of_enough(self.repeats_any, self.mature, self.k, unsaid=self.unsaid_any)


def sums_of(rows: Sequence[Sequence[Any]], k: int) -> ThemeSums:
    """Return rows of `summed` added up."""
    return replace(ThemeSums(*(int(sum(values)) for values in zip(*rows, strict=True))), k=k)


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
    sums : ThemeSums
    """

    driver: DriverRow
    themes: int
    shown: int
    sums: ThemeSums

    @property
    def contacts(self) -> int:
        """Contacts of the themes that may be shown."""
        return self.sums.contacts

    @property
    def minutes(self) -> float | None:
        """As `ThemeSums` has it."""
        return self.sums.minutes

    @property
    def repeat_same(self) -> float | None:
        """As `ThemeSums` has it."""
        return self.sums.repeat_same

    @property
    def repeat_any(self) -> float | None:
        """As `ThemeSums` has it."""
        return self.sums.repeat_any


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
        sa.func.sum(sa.case((is_shown, column), else_=0)) for column in (sa.literal(1), *summed(k))
    ]
    statement = narrowed.add_columns(sa.func.count(), *sums).group_by(Theme.driver_id)
    found: Sequence[Any] = session.execute(statement).all()
    groups = [_group(row, found, drivers, k) for row in drivers.rows]
    groups.append(_group(drivers.without or _NO_DRIVER, found, drivers, k))
    return tuple(group for group in groups if group.themes)


def _group(driver: DriverRow, found: Sequence[Any], drivers: DriverList, k: int) -> ThemeGroup:
    known = {row.id for row in drivers.rows}
    own = [row[1:] for row in found if (row[0] if row[0] in known else None) == driver.id]
    themes, shown = (int(sum(row[place] for row in own)) for place in (0, 1))
    return ThemeGroup(driver, themes, shown, sums_of([row[2:] for row in own], k))
