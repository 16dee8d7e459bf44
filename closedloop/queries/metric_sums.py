"""What is added up from the roll-ups for a scope: from which of them, which rows, which sums.

Statements are made here; `metric_counts` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from closedloop.domain.contacts import Window
from closedloop.domain.metric_people import STRETCHES, columns_of, own_length
from closedloop.domain.metrics import Scope
from closedloop.models import DailyRollup, DailySlice, DriverDay
from closedloop.queries.figures import Figures, find_figures, themes_under
from closedloop.queries.metric_scopes import (
    LISTS,
    TOUCHED,
    on_list,
    price_needs_channel,
    price_of,
    within_list,
)
from closedloop.queries.metric_terms import Terms

_LONGEST = max(length for _, length, _ in STRETCHES)
_MANY_STRETCHES = 4
"""Over more of them the rows together say little of people who came on a few days."""

OF_JUDGED = frozenset({"judged", "failure"})
"""Counts of contacts whose theme is judged."""

_MADE = OF_JUDGED | {"priced", "pence", "volume", "days", "days_with_volume", "customers"}
"""Counts that are no columns of the roll-up."""


@dataclass(frozen=True, kw_only=True)
class MetricFilter:
    """Which contacts a metric is about.

    Attributes
    ----------
    first_day, last_day : date
        Both inclusive, as asked; days that a metric cannot count yet are left out of it.
    window : Window
        For the metrics that need one.
    values : mapping of dimension to value
        As `find_figures` takes them: a theme by its id in decimal, empty for none.
    driver : str
        What contact rates are held against; empty where no volume was imported.
    contact_driver_id : int or None
        Only contacts whose theme is under this contact driver today.
    """

    first_day: date
    last_day: date
    window: Window
    values: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    contact_driver_id: int | None = None


@dataclass(frozen=True)
class Asked:
    """What is wanted of one scope, over some days, both ends inclusive."""

    scope: Scope
    columns: list[str]
    wanted: MetricFilter
    terms: Terms
    first_day: date
    last_day: date
    groups: tuple[tuple[str, str], ...] = ()
    is_left_out: bool = False
    """Whether those are wanted that a scope leaves out by its list."""


def source_of(asked: Asked, by: str | None = None) -> Figures:
    """Return the roll-up that answers."""
    return find_figures(asked.wanted.values, by, _touched(asked))


def sums_of(asked: Asked, *, by: str | None, daily: bool) -> tuple[sa.Select[Any], list[str]]:
    """Return the statement of one scope, and the names of its sums, which follow the keys."""
    source = source_of(asked, by)
    keys = [*([source.of(by)] if by else []), *([source.table.day] if daily else [])]
    extra = _extra(asked, source)
    sums = {name: sa.func.sum(part) for name, part in _parts_of(asked, source, extra).items()}
    for group, window in asked.groups:
        sums |= _people_sums(asked, source, group, window, extra.get(group))
    where = [
        *source.between(asked.first_day, asked.last_day),
        *_under_driver(asked, source),
        *_of_scope(asked, source),
    ]
    statement = sa.select(*keys, *sums.values()).where(*where)
    apart = [*([source.grouped_by(by)] if by else []), *([source.table.day] if daily else [])]
    return (statement.group_by(*apart) if apart else statement), list(sums)


def sums_together(asked: Sequence[Asked]) -> tuple[sa.Select[Any], list[str]]:
    """Return one statement of the days of several scopes that no list bounds.

    All are read from the same roll-up. Of `Scope.DRIVEN` days without volume are among them.
    """
    parts: dict[str, Any] = {}
    first, source = asked[0], source_of(asked[0])
    for one in asked:
        parts |= _parts_of(one, source, _extra(one, source))
    where = [*source.between(first.first_day, first.last_day), *_under_driver(first, source)]
    day, sums = source.table.day, map(sa.func.sum, parts.values())
    return sa.select(day, *sums).where(*where).group_by(day), list(parts)


def looks_days_up(asked: Asked, by: str | None = None) -> bool:
    """Return whether the rows that answer follow the days in an index: those of a channel do."""
    return "channel" in asked.wanted.values and source_of(asked, by).table is DailyRollup


def people_name(group: str, window: str) -> str:
    """Return the name under which the people of a group are found among counts."""
    return f"people of {group} {window}"


def spread_name(group: str, window: str) -> str:
    """Return the name under which the spread of a group is found among counts."""
    return f"spread of {group} {window}"


def _people_sums(
    asked: Asked, source: Figures, group: str, window: str, made: Any
) -> dict[str, Any]:
    """Return the sums that say how many people a group surely has, stretch by stretch.

    A slice is a whole day under one value, so the largest of them is a bound as well. A row of
    the roll-up is so small a part of a day that its own people say nothing beside all together,
    unless these are of many stretches.
    """
    table, name = source.table, people_name(group, window)
    first, *less = columns_of(group, window)
    size = made if made is not None else getattr(table, first)
    for column in less:
        size = size - getattr(table, column)
    found: dict[str, Any] = {}
    days = (asked.last_day - asked.first_day).days + 1
    is_slice, stretches = table is DailySlice, -(-days // _LONGEST)
    for key, length, each in STRETCHES:
        over = size - table.identified + getattr(table, f"opening_any_{key}")
        if length == _LONGEST:
            sure = sa.func.coalesce(sa.func.sum(over).filter(over > 0), 0)
            found[spread_name(group, window)] = sure / float(stretches)
        elif length < 3 and (is_slice or (each == 1 and stretches > _MANY_STRETCHES)):
            # of a longer stretch one day says little
            found[f"{name} {key}"] = sa.func.max(over) / float(each)
    if is_slice and own_length(group, window):
        found[f"{name} day"] = sa.func.max(size)
    return found


def _parts_of(
    asked: Asked, source: Figures, extra: Mapping[str, sa.ColumnElement[Any]]
) -> dict[str, Any]:
    """Return what a row of the roll-up adds to each of the counts."""
    kept = {name: getattr(source.table, name) for name in sorted(set(asked.columns) - _MADE)}
    return kept | {name: part for name, part in extra.items() if name in asked.columns}


def _touched(asked: Asked) -> tuple[str, ...]:
    """Return the dimensions that scope and contact driver ask for; often none."""
    under = ("theme",) if asked.wanted.contact_driver_id is not None else ()
    if asked.scope is Scope.JUDGED and not asked.terms.judged_themes:
        return under
    if asked.scope is Scope.PRICED and not price_needs_channel(asked.terms):
        return under
    touched = TOUCHED.get(asked.scope)
    return (*under, touched) if touched else under


def _under_driver(asked: Asked, source: Figures) -> list[sa.ColumnElement[bool]]:
    """Return the condition of the contact driver, if one is asked for."""
    if asked.wanted.contact_driver_id is None:
        return []
    return [source.in_themes(themes_under(asked.wanted.contact_driver_id))]


def _of_scope(asked: Asked, source: Figures) -> list[sa.ColumnElement[bool]]:
    """Return the condition of the scope; none where it is about all contacts."""
    if asked.scope is Scope.DRIVEN:
        return [source.table.day.in_(_days_with_volume(asked))]
    if asked.scope is Scope.JUDGED and OF_JUDGED.issuperset(asked.columns):
        return [source.is_theme_of(asked.terms.judged_themes)]  # the others add nothing
    if asked.scope not in LISTS:
        return []
    column, day = source.of(TOUCHED[asked.scope]), source.table.day
    kind = LISTS[asked.scope]
    periods = asked.terms.periods_within(kind, asked.first_day, asked.last_day)
    if asked.is_left_out:
        return [on_list(column, day, periods)]
    return [within_list(asked.scope, column, day, periods)]


def _days_with_volume(asked: Asked) -> sa.Select[Any]:
    return sa.select(DriverDay.day).where(
        DriverDay.driver == asked.wanted.driver,
        DriverDay.day.between(asked.first_day, asked.last_day),
    )


def _extra(asked: Asked, source: Figures) -> dict[str, sa.ColumnElement[Any]]:
    """Return what is added up that no column of the roll-up holds."""
    table = source.table
    if asked.scope is Scope.JUDGED:
        if not asked.terms.judged_themes:
            return {"judged": sa.literal(0), "failure": sa.literal(0)}
        groups = {"judged": asked.terms.judged_themes, "failure": asked.terms.failure_themes}
        return {
            name: sa.case((source.is_theme_of(ids), table.contacts), else_=0)
            for name, ids in groups.items()
        }
    if asked.scope is Scope.PRICED:
        channel = source.of("channel") if price_needs_channel(asked.terms) else None
        price = price_of(asked.terms, channel, table.day)
        if price is None:
            return {"priced": sa.literal(0), "pence": sa.literal(0)}
        return {
            "priced": sa.case((price.is_not(None), table.handled), else_=0),
            "pence": sa.func.coalesce(price, 0.0) * table.handle_seconds / 60.0,
        }
    return {}
