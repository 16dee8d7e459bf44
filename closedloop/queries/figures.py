"""Which roll-up answers a question: the slices where one dimension is enough, else all of them.

A slice has a few rows a day whatever the history holds, so pages ask it whenever they can.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import DailyRollup, DailySlice, Theme

DIMENSIONS = ("theme", "channel", "queue", "disposition", "team", "language")


@dataclass(frozen=True)
class Figures:
    """Where to read.

    Attributes
    ----------
    table : DailySlice or DailyRollup
        Both have the figures under the same names, and `day`.
    conditions : list of condition
        That the filter asks for; the days are the caller's.
    group : column or None
        Of the dimension that was asked for; a theme comes as its id in decimal, empty for none.
    kind : str
        Of a slice, the dimension its values are of; empty where all dimensions are there.
    """

    table: Any
    conditions: list[sa.ColumnElement[bool]]
    group: Any
    kind: str = ""

    def of(self, name: str) -> Any:
        """Return the column of a dimension that was asked for, values as `group` has them.

        Raises
        ------
        KeyError
            If the dimension was neither filtered, broken down by nor named as touched.
        """
        if self.table is DailyRollup:
            return _column(name)
        if name != self.kind:
            raise KeyError(name)
        return DailySlice.value

    def grouped_by(self, name: str) -> Any:
        """Return what to group by for `of`: a text is then made for each group, not each row."""
        is_theme_of_many = self.table is DailyRollup and name == "theme"
        return DailyRollup.theme_id if is_theme_of_many else self.of(name)

    def in_themes(self, ids: sa.Select[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that the theme is one of those a statement of ids gives.

        Raises
        ------
        KeyError
            If the theme was neither filtered, broken down by nor named as touched.
        """
        if self.table is DailyRollup:
            return DailyRollup.theme_id.in_(ids)
        one = ids.subquery().c[0]
        found: sa.ColumnElement[bool] = self.of("theme").in_(
            sa.select(sa.cast(one, sa.String(120)))
        )
        return found

    def is_theme_of(self, ids: Collection[str]) -> sa.ColumnElement[bool]:
        """Return the condition that the theme is one of some ids in decimal.

        Raises
        ------
        KeyError
            If the theme was neither filtered, broken down by nor named as touched.
        """
        if self.table is DailyRollup:  # as numbers: a text would be made of every row's
            return DailyRollup.theme_id.in_(sorted(map(int, ids)))
        found: sa.ColumnElement[bool] = self.of("theme").in_(sorted(ids))
        return found

    def between(self, first_day: date, last_day: date) -> list[sa.ColumnElement[bool]]:
        """Return the conditions with those of the days, both inclusive."""
        return [self.table.day.between(first_day, last_day), *self.conditions]


def find_figures(
    values: Mapping[str, str], by: str | None = None, touching: Collection[str] = ()
) -> Figures:
    """Return the smallest roll-up that can be filtered and broken down so.

    Parameters
    ----------
    values : mapping of dimension to value
        A theme is its id in decimal; an empty value asks for contacts without one.
    by : str, optional
        Dimension to break down by.
    touching : collection of str
        Dimensions that the caller will ask `Figures.of` for.
    """
    asked = {*values, *touching} | ({by} if by else set())
    if len(asked) > 1:
        return Figures(
            DailyRollup,
            [_equals(name, value) for name, value in values.items()],
            _column(by) if by else None,
        )
    kind = next(iter(asked), "all")
    conditions = [DailySlice.kind == kind]
    if kind in values or kind == "all":  # whose value is empty: an index begins with both
        conditions.append(DailySlice.value == values.get(kind, ""))
    return Figures(DailySlice, conditions, DailySlice.value if by else None, kind)


def days_with_contacts() -> sa.Select[Any]:
    """Return the statement of the reporting days that have contacts."""
    return sa.select(DailySlice.day).where(DailySlice.kind == "all", DailySlice.value == "")


def themes_under(contact_driver_id: int) -> sa.Select[Any]:
    """Return the statement of the themes in use that are under a contact driver today."""
    return sa.select(Theme.id).where(
        Theme.driver_id == contact_driver_id, Theme.status.not_in(GONE_STATUSES)
    )


def _column(name: str) -> Any:
    if name == "theme":
        return sa.func.coalesce(sa.cast(DailyRollup.theme_id, sa.String(120)), "")
    return getattr(DailyRollup, name)


def _equals(name: str, value: str) -> sa.ColumnElement[bool]:
    if name != "theme":
        found: sa.ColumnElement[bool] = getattr(DailyRollup, name) == value
        return found
    return DailyRollup.theme_id == int(value) if value else DailyRollup.theme_id.is_(None)
