"""The counts behind metrics, read from the roll-ups (customers alone from the contacts).

One statement for each scope, whatever the metrics: a day, or a value of a dimension, and its
sums. `domain.metrics` says which columns a metric needs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import Window
from closedloop.domain.metric_people import STRETCHES, columns_of, own_length
from closedloop.domain.metrics import Counts, Scope
from closedloop.models import Contact, DriverDay
from closedloop.queries.figures import Figures, find_figures, themes_under
from closedloop.queries.metric_scopes import (
    LISTS,
    TOUCHED,
    price_needs_channel,
    price_of,
    within_list,
)
from closedloop.queries.metric_terms import Terms

_MADE = frozenset(
    {"judged", "failure", "priced", "pence", "volume", "days", "days_with_volume", "customers"}
)
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


SPANS_PER_STATEMENT = 100
"""How many stretches of days customers are counted over at once; SQLite joins 500 at most."""

Daily = dict[date, Counts]
LONGEST = max(length for _, length, _ in STRETCHES)


def read_days(
    session: Session,
    scope: Scope,
    columns: Collection[str],
    wanted: MetricFilter,
    terms: Terms,
    *,
    first_day: date,
    last_day: date,
) -> Daily:
    """Return the counts of each day that has contacts of the scope; both ends inclusive."""
    if first_day > last_day:
        return {}
    asked = _Asked(scope, sorted(columns), wanted, terms, first_day, last_day)
    found = {key[0]: counts for key, counts in _rows(session, asked, by=None, daily=True)}
    return _with_volumes(session, asked, found) if scope is Scope.DRIVEN else found


def read_groups(
    session: Session,
    scope: Scope,
    columns: Collection[str],
    wanted: MetricFilter,
    terms: Terms,
    *,
    by: str,
    first_day: date,
    last_day: date,
    groups: Collection[tuple[str, str]] = (),
) -> dict[str, Counts]:
    """Return the counts of each value of a dimension over some days, both ends inclusive.

    Parameters
    ----------
    groups : collection of (group, window)
        Groups of contacts whose people are wanted: `people_name` of one is a number of them that
        are sure, `spread_name` one whose sum over values is at most the people of these together.
    """
    if first_day > last_day:
        return {}
    asked = _Asked(scope, sorted(columns), wanted, terms, first_day, last_day, tuple(groups))
    found = {key[0]: counts for key, counts in _rows(session, asked, by=by, daily=False)}
    if scope is not Scope.DRIVEN:
        return found
    volumes = _read_volumes(session, asked)
    shared = {
        "days": (last_day - first_day).days + 1,
        "days_with_volume": len(volumes),
        "volume": sum(volumes.values()),
    }
    return {value: {**counts, **shared} for value, counts in found.items()}


def add_up(daily: Mapping[date, Counts], columns: Collection[str], days: Sequence[date]) -> Counts:
    """Return the sums over some days; days without contacts add nothing."""
    rows = [daily[day] for day in days if day in daily]
    return {name: sum(counts.get(name, 0) for counts in rows) for name in set(columns)}


def days_between(first_day: date, last_day: date) -> list[date]:
    """Return the days from one to another, both inclusive; none when they are the wrong way."""
    return list(_days(first_day, last_day))


@lru_cache(maxsize=256)  # every metric of a page asks for the same few stretches
def _days(first_day: date, last_day: date) -> tuple[date, ...]:
    return tuple(first_day + timedelta(days=i) for i in range((last_day - first_day).days + 1))


@dataclass(frozen=True)
class _Asked:
    scope: Scope
    columns: list[str]
    wanted: MetricFilter
    terms: Terms
    first_day: date
    last_day: date
    groups: tuple[tuple[str, str], ...] = ()


def _rows(
    session: Session, asked: _Asked, *, by: str | None, daily: bool
) -> list[tuple[tuple[Any, ...], Counts]]:
    if asked.scope in LISTS and not asked.terms.periods(LISTS[asked.scope]):
        return []  # no list was ever fixed, so no contact is of this scope
    if asked.scope is Scope.CUSTOMERS:
        statement, names = _customers(asked, by, daily)
    else:
        statement, names = _figures(asked, by, daily)
    keys = int(bool(by)) + int(daily)
    found = [
        (tuple(row[:keys]), dict(zip(names, map(_number, row[keys:]), strict=True)))
        for row in session.execute(statement)
    ]
    for group in asked.groups:
        for _, counts in found:
            _settle_people(counts, *group)
    return [(row_keys, counts) for row_keys, counts in found]


def _number(value: Any) -> float:
    """Return a sum as a plain number: PostgreSQL adds big integers up to a decimal."""
    return value if isinstance(value, (int, float)) else (float(value) if value is not None else 0)


def _figures(asked: _Asked, by: str | None, daily: bool) -> tuple[sa.Select[Any], list[str]]:
    source = find_figures(asked.wanted.values, by, _touched(asked))
    table = source.table
    keys = [*([source.of(by)] if by else []), *([table.day] if daily else [])]
    kept = sorted(set(asked.columns) - _MADE)
    sums: dict[str, Any] = {name: sa.func.sum(getattr(table, name)) for name in kept}
    extra = _extra(asked, source)
    sums |= {n: sa.func.sum(e) for n, e in extra.items() if n in asked.columns}
    for group, window in asked.groups:
        sums |= _people_sums(asked, source, group, window, extra.get(group))
    where = [*source.between(asked.first_day, asked.last_day), *_within(asked, source)]
    statement = sa.select(*keys, *sums.values()).where(*where)
    return (statement.group_by(*keys) if keys else statement), list(sums)


def people_name(group: str, window: str) -> str:
    """Return the name under which the people of a group are found among counts."""
    return f"people of {group} {window}"


def spread_name(group: str, window: str) -> str:
    """Return the name under which the spread of a group is found among counts."""
    return f"spread of {group} {window}"


def _people_sums(
    asked: _Asked, source: Figures, group: str, window: str, made: Any
) -> dict[str, Any]:
    """Return the sums that say how many people a group surely has, stretch by stretch.

    A row of the roll-up is a part of one day, so the largest of them is a bound as well.
    """
    table, name = source.table, people_name(group, window)
    first, *less = columns_of(group, window)
    size = made if made is not None else getattr(table, first)
    for column in less:
        size = size - getattr(table, column)
    found: dict[str, Any] = {}
    days = (asked.last_day - asked.first_day).days + 1
    for key, length, each in STRETCHES:
        over = size - table.identified + getattr(table, f"opening_any_{key}")
        if length == LONGEST:
            stretches = -(-days // length)
            sure = sa.func.sum(sa.case((over > 0, over), else_=0))
            found[spread_name(group, window)] = sure / float(stretches)
        elif length < 3:  # of a longer stretch one row of a day says little
            found[f"{name} {key}"] = sa.func.max(over) / float(each)
    if own_length(group, window):
        found[f"{name} day"] = sa.func.max(size)
    return found


def _settle_people(counts: dict[str, float], group: str, window: str) -> None:
    """Put the largest of the bounds under `people_name`."""
    name = people_name(group, window)
    bounds = [counts.pop(key) for key in [*counts] if key.startswith(f"{name} ")]
    counts[name] = max(ceil(max(*bounds, counts[spread_name(group, window)])), 0)


def _touched(asked: _Asked) -> tuple[str, ...]:
    """Return the dimensions that scope and contact driver ask for; often none."""
    under = ("theme",) if asked.wanted.contact_driver_id is not None else ()
    if asked.scope is Scope.JUDGED and not asked.terms.judged_themes:
        return under
    if asked.scope is Scope.PRICED and not price_needs_channel(asked.terms):
        return under
    touched = TOUCHED.get(asked.scope)
    return (*under, touched) if touched else under


def _within(asked: _Asked, source: Figures) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of the scope and of the contact driver."""
    found = []
    if asked.wanted.contact_driver_id is not None:
        found.append(source.in_themes(themes_under(asked.wanted.contact_driver_id)))
    if asked.scope is Scope.DRIVEN:
        return [*found, source.table.day.in_(_days_with_volume(asked))]
    if asked.scope not in LISTS:
        return found
    column = source.of(TOUCHED[asked.scope])
    return [*found, within_list(asked.scope, column, source.table.day, asked.terms)]


def _days_with_volume(asked: _Asked) -> sa.Select[Any]:
    return sa.select(DriverDay.day).where(
        DriverDay.driver == asked.wanted.driver,
        DriverDay.day.between(asked.first_day, asked.last_day),
    )


def _extra(asked: _Asked, source: Figures) -> dict[str, sa.ColumnElement[Any]]:
    """Return what is added up that no column of the roll-up holds."""
    table = source.table
    if asked.scope is Scope.JUDGED:
        if not asked.terms.judged_themes:
            return {"judged": sa.literal(0), "failure": sa.literal(0)}
        theme = source.of("theme")
        groups = {"judged": asked.terms.judged_themes, "failure": asked.terms.failure_themes}
        return {
            name: sa.case((theme.in_(sorted(ids)), table.contacts), else_=0)
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


def _read_volumes(session: Session, asked: _Asked) -> dict[date, float]:
    rows = session.execute(
        sa.select(DriverDay.day, DriverDay.volume).where(
            DriverDay.driver == asked.wanted.driver,
            DriverDay.day.between(asked.first_day, asked.last_day),
        )
    )
    return {day: float(volume) for day, volume in rows}


def _with_volumes(session: Session, asked: _Asked, found: Daily) -> Daily:
    volumes = _read_volumes(session, asked)
    nothing: dict[str, float] = dict.fromkeys(asked.columns, 0)
    return {
        day: {
            **nothing,
            **found.get(day, {}),
            "days": 1,
            "days_with_volume": int(day in volumes),
            "volume": volumes.get(day, 0.0),
        }
        for day in days_between(asked.first_day, asked.last_day)
    }


def _customers(asked: _Asked, by: str | None, daily: bool) -> tuple[sa.Select[Any], list[str]]:
    """Return the statement that counts distinct customers: the one figure no roll-up adds up."""
    keys = [*([contact_column(by)] if by else []), *([Contact.local_day] if daily else [])]
    where = [
        Contact.local_day.between(asked.first_day, asked.last_day),
        *(contact_is(name, value) for name, value in asked.wanted.values.items()),
    ]
    if asked.wanted.contact_driver_id is not None:
        where.append(Contact.theme_id.in_(themes_under(asked.wanted.contact_driver_id)))
    sums = {
        "contacts": sa.func.count(),
        "identified": sa.func.count(Contact.customer_id),
        "customers": sa.func.count(sa.distinct(Contact.customer_id)),
    }
    statement = sa.select(*keys, *sums.values()).where(*where)
    return (statement.group_by(*keys) if keys else statement), list(sums)


def contact_column(name: str) -> Any:
    """Return a dimension of the contacts themselves, values as the roll-ups have them."""
    if name == "theme":
        return sa.func.coalesce(sa.cast(Contact.theme_id, sa.String(120)), "")
    return getattr(Contact, name)


def contact_is(name: str, value: str) -> sa.ColumnElement[bool]:
    """Return the condition that a contact has a value of a dimension, as roll-ups have it."""
    if name != "theme":
        found: sa.ColumnElement[bool] = getattr(Contact, name) == value
        return found
    return Contact.theme_id == int(value) if value else Contact.theme_id.is_(None)


def _count_span(
    session: Session, wanted: MetricFilter, terms: Terms, first_day: date, last_day: date
) -> Counts:
    asked = _Asked(Scope.CUSTOMERS, [], wanted, terms, first_day, last_day)
    return _rows(session, asked, by=None, daily=False)[0][1]


def count_customers(
    session: Session, wanted: MetricFilter, terms: Terms, spans: Sequence[tuple[date, date]]
) -> list[Counts]:
    """Return contacts, identified and distinct customers of each span of days.

    Each span is read straight from the index of days: one or two take a statement each, more of
    them are parts of one. Telling for each contact in which of a hundred spans it lies would take
    many times as long.

    Parameters
    ----------
    spans : sequence of (first day, last day)
        Both inclusive.
    """
    nothing: Counts = {"contacts": 0, "identified": 0, "customers": 0}
    if not spans:
        return []
    if len(spans) <= 2:
        return [_count_span(session, wanted, terms, *span) for span in spans]
    if all(first == last for first, last in spans):
        days = sorted(first for first, _ in spans)
        asked = _Asked(Scope.CUSTOMERS, [], wanted, terms, days[0], days[-1])
        daily = {key[0]: counts for key, counts in _rows(session, asked, by=None, daily=True)}
        return [daily.get(first, nothing) for first, _ in spans]
    found: dict[int, Counts] = {}
    for begin in range(0, len(spans), SPANS_PER_STATEMENT):
        parts = []
        for number, span in enumerate(spans[begin : begin + SPANS_PER_STATEMENT], begin):
            asked = _Asked(Scope.CUSTOMERS, [], wanted, terms, *span)
            statement, names = _customers(asked, None, daily=False)
            parts.append(statement.add_columns(sa.literal_column(str(number))))
        for row in session.execute(sa.union_all(*parts)):
            pairs = zip(names, row[:-1], strict=True)
            found[row[-1]] = {name: _number(value) for name, value in pairs}
    return [found[number] for number in range(len(spans))]
