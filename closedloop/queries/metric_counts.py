"""The counts behind metrics, read from the roll-ups (customers alone from the contacts).

One statement for each scope, whatever the metrics: a day, or a value of a dimension, and its
sums. `domain.metrics` says which columns a metric needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.metrics import Counts, Scope
from closedloop.models import Contact, DailyRollup, DailySlice, DriverDay
from closedloop.queries.figures import days_with_contacts, themes_under
from closedloop.queries.metric_scopes import LISTS
from closedloop.queries.metric_sums import (
    OF_JUDGED,
    Asked,
    MetricFilter,
    looks_days_up,
    people_name,
    source_of,
    spread_name,
    sums_of,
    sums_together,
)
from closedloop.queries.metric_terms import Terms

SPANS_PER_STATEMENT = 100
"""How many stretches of days customers are counted over at once; SQLite joins 500 at most."""

Daily = dict[date, Counts]

_PLAIN = frozenset({int, float})


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
    found = read_days_of(
        session, {scope: columns}, wanted, terms, first_day=first_day, last_day=last_day
    )
    return found[scope]


def read_days_of(
    session: Session,
    columns: Mapping[Scope, Collection[str]],
    wanted: MetricFilter,
    terms: Terms,
    *,
    first_day: date,
    last_day: date,
) -> dict[Scope, Daily]:
    """Return what `read_days` does for several scopes.

    Those that need the roll-up of all dimensions, and no list, are read together, as going
    through it is what takes the time. A list is quicker asked for before the sums than in each.
    """
    if first_day > last_day:
        return {scope: {} for scope in columns}
    asked = [
        Asked(scope, sorted(names), wanted, terms, first_day, last_day)
        for scope, names in columns.items()
    ]
    wide = [one for one in asked if one.scope not in LISTS and source_of(one).table is DailyRollup]
    found = _read_together(session, wide) if len(wide) > 1 else {}
    for one in asked:
        if one.scope not in found:
            found[one.scope] = _read_one(session, one)
        if one.scope is Scope.DRIVEN:
            found[one.scope] = _with_volumes(session, one, found[one.scope])
    return found


def _read_one(session: Session, asked: Asked) -> Daily:
    """Return the counts of each day of one scope.

    What a list leaves out, or how many have a judged theme, is read by itself where everything
    else stands in a slice: far fewer rows say it.
    """
    columns = sorted({*asked.columns, "contacts"} - OF_JUDGED)
    whole = replace(asked, scope=Scope.PLAIN, columns=columns)
    source = source_of(whole)
    is_apart = source.table is DailySlice and source.kind != source_of(asked).kind
    if asked.scope is Scope.JUDGED and is_apart:
        return _judged(session, asked, _of_days(session, whole))
    if asked.scope is Scope.NET and is_apart and not _has_none(asked):
        out = _of_days(session, replace(asked, columns=columns, is_left_out=True))
        first_day = asked.terms.periods(LISTS[asked.scope])[0].first_day
        return _less(_of_days(session, whole), out, first_day)
    return _of_days(session, asked)


def _judged(session: Session, asked: Asked, whole: Daily) -> Daily:
    """Return days with those of their contacts that have a judged theme."""
    names = sorted(OF_JUDGED.intersection(asked.columns))
    found = _of_days(session, replace(asked, columns=names)) if names else {}
    none = dict.fromkeys(names, 0.0)
    return {day: {**counts, **found.get(day, none)} for day, counts in whole.items()}


def _of_days(session: Session, asked: Asked) -> Daily:
    return {key[0]: counts for key, counts in _rows(session, asked, by=None, daily=True)}


def _less(whole: Daily, out: Daily, first_day: date) -> Daily:
    """Return what is left of each day from `first_day` on; none of which nothing is."""
    left = {
        day: {name: value - out[day][name] for name, value in counts.items()}
        if day in out
        else counts
        for day, counts in whole.items()
        if day >= first_day
    }
    return {day: counts for day, counts in left.items() if counts["contacts"]}


def _read_together(session: Session, asked: Sequence[Asked]) -> dict[Scope, Daily]:
    statement, names = sums_together(asked)
    statement = _told_days(session, statement, asked[0])
    daily: Daily = {}
    for row in session.execute(statement):
        daily[row[0]] = dict(zip(names, _numbers(row[1:]), strict=True))
    return {one.scope: daily for one in asked}


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
    asked = Asked(scope, sorted(columns), wanted, terms, first_day, last_day, tuple(groups))
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
    return {name: sum([counts.get(name, 0) for counts in rows]) for name in set(columns)}


@lru_cache(maxsize=256)  # every metric of a page asks for the same few stretches
def days_between(first_day: date, last_day: date) -> tuple[date, ...]:
    """Return the days from one to another, both inclusive; none when they are the wrong way."""
    return tuple(first_day + timedelta(days=i) for i in range((last_day - first_day).days + 1))


def _has_none(asked: Asked) -> bool:
    """Return whether no contact can be of the scope, as no list was ever fixed."""
    return asked.scope in LISTS and not asked.terms.periods(LISTS[asked.scope])


def _rows(
    session: Session, asked: Asked, *, by: str | None, daily: bool
) -> list[tuple[tuple[Any, ...], Counts]]:
    if _has_none(asked):
        return []
    if asked.scope is Scope.CUSTOMERS:
        statement, names = _customers(session, asked, by, daily)
    else:
        statement, names = sums_of(asked, by=by, daily=daily)
        statement = _told_days(session, statement, asked, by)
    keys = int(bool(by)) + int(daily)
    found = [
        (tuple(row[:keys]), dict(zip(names, _numbers(row[keys:]), strict=True)))
        for row in session.execute(statement)
    ]
    for group in asked.groups:
        _settle_people([counts for _, counts in found], names, *group)
    return [(row_keys, counts) for row_keys, counts in found]


def _told_days(
    session: Session, statement: sa.Select[Any], asked: Asked, by: str | None = None
) -> sa.Select[Any]:
    """Return the statement of sums, telling SQLite each day where an index goes on behind them.

    It looks each of them up then, instead of going through all rows of the days.
    """
    if session.get_bind().dialect.name != "sqlite" or not looks_days_up(asked, by):
        return statement
    within = DailySlice.day.between(asked.first_day, asked.last_day)
    return statement.where(DailyRollup.day.in_(days_with_contacts().where(within)))


def _numbers(values: Iterable[Any]) -> list[float]:
    """Return sums as plain numbers; nearly all of them are, and there are tens of thousands."""
    return [value if type(value) in _PLAIN else _number(value) for value in values]


def _number(value: Any) -> float:
    """Return a sum as a plain number.

    PostgreSQL adds big integers up to a decimal; of SQLite customers come as a list in a text.
    """
    if isinstance(value, str):
        return _count_distinct(value)
    return value if isinstance(value, (int, float)) else (float(value) if value is not None else 0)


def _count_distinct(ids: str) -> int:
    """Return how many different ids stand in a text, with commas between."""
    numbers = np.fromstring(ids, np.int64, sep=",")
    seen = np.zeros(int(numbers.max()) + 1, dtype=bool)
    seen[numbers] = True
    return int(np.count_nonzero(seen))


def _settle_people(
    rows: Sequence[dict[str, float]], names: Sequence[str], group: str, window: str
) -> None:
    """Put the largest of the bounds under `people_name`, in each row."""
    name, spread = people_name(group, window), spread_name(group, window)
    bounds = [key for key in names if key.startswith(f"{name} ")]
    for counts in rows:
        least = max([counts[spread], *[counts.pop(key) for key in bounds]])
        counts[name] = max(ceil(least), 0)


def _read_volumes(session: Session, asked: Asked) -> dict[date, float]:
    rows = session.execute(
        sa.select(DriverDay.day, DriverDay.volume).where(
            DriverDay.driver == asked.wanted.driver,
            DriverDay.day.between(asked.first_day, asked.last_day),
        )
    )
    return {day: float(volume) for day, volume in rows}


def _with_volumes(session: Session, asked: Asked, found: Daily) -> Daily:
    volumes = _read_volumes(session, asked)
    nothing: dict[str, float] = dict.fromkeys(asked.columns, 0)
    return {
        day: {
            **nothing,
            **(found.get(day, {}) if day in volumes else {}),
            "days": 1,
            "days_with_volume": int(day in volumes),
            "volume": volumes.get(day, 0.0),
        }
        for day in days_between(asked.first_day, asked.last_day)
    }


def _customers(
    session: Session, asked: Asked, by: str | None, daily: bool
) -> tuple[sa.Select[Any], list[str]]:
    """Return the statement that counts distinct customers: the one figure no roll-up adds up.

    Each database is asked in the way it is quick. PostgreSQL adds up the contacts of each customer
    in a group before: it sorts all contacts to tell the distinct ones of a group, which takes more
    than twice as long. SQLite names the customers of all contacts; they are told apart here in a
    quarter of the time it takes itself.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    keys = [*([contact_column(by)] if by else []), *([Contact.local_day] if daily else [])]
    where = [
        Contact.local_day.between(asked.first_day, asked.last_day),
        *(contact_is(name, value) for name, value in asked.wanted.values.items()),
    ]
    if asked.wanted.contact_driver_id is not None:
        where.append(Contact.theme_id.in_(themes_under(asked.wanted.contact_driver_id)))
    if by and not is_sqlite:
        return _customers_each_first(keys, where)
    sums = {
        "contacts": sa.func.count(),
        "identified": sa.func.count(Contact.customer_id),
        "customers": sa.func.group_concat(Contact.customer_id)
        if is_sqlite
        else sa.func.count(sa.distinct(Contact.customer_id)),
    }
    statement = sa.select(*keys, *sums.values()).where(*where)
    return (statement.group_by(*keys) if keys else statement), list(sums)


def _customers_each_first(
    keys: Sequence[Any], where: Sequence[Any]
) -> tuple[sa.Select[Any], list[str]]:
    named = [key.label(f"key_{place}") for place, key in enumerate(keys)]
    each = (
        sa.select(*named, Contact.customer_id.label("customer"), sa.func.count().label("contacts"))
        .where(*where)
        .group_by(*named, Contact.customer_id)
        .subquery()
    )
    of_keys = [each.c[key.name] for key in named]
    known = sa.case((each.c.customer.is_not(None), each.c.contacts), else_=0)
    sums = {
        "contacts": sa.func.sum(each.c.contacts),
        "identified": sa.func.sum(known),
        "customers": sa.func.count(each.c.customer),
    }
    return sa.select(*of_keys, *sums.values()).group_by(*of_keys), list(sums)


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


def contact_is_among(name: str, values: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a contact has one of some values, as `contact_is` takes them."""
    if name != "theme":
        found: sa.ColumnElement[bool] = getattr(Contact, name).in_(values)
        return found
    among = Contact.theme_id.in_([int(value) for value in values if value])
    return sa.or_(among, Contact.theme_id.is_(None)) if "" in values else among


def _count_span(
    session: Session, wanted: MetricFilter, terms: Terms, first_day: date, last_day: date
) -> Counts:
    asked = Asked(Scope.CUSTOMERS, [], wanted, terms, first_day, last_day)
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
        asked = Asked(Scope.CUSTOMERS, [], wanted, terms, days[0], days[-1])
        daily = {key[0]: counts for key, counts in _rows(session, asked, by=None, daily=True)}
        return [daily.get(first, nothing) for first, _ in spans]
    found: dict[int, Counts] = {}
    for begin in range(0, len(spans), SPANS_PER_STATEMENT):
        parts = []
        for number, span in enumerate(spans[begin : begin + SPANS_PER_STATEMENT], begin):
            asked = Asked(Scope.CUSTOMERS, [], wanted, terms, *span)
            statement, names = _customers(session, asked, None, daily=False)
            parts.append(statement.add_columns(sa.literal_column(str(number))))
        for row in session.execute(sa.union_all(*parts)):
            pairs = zip(names, row[:-1], strict=True)
            found[row[-1]] = {name: _number(value) for name, value in pairs}
    return [found[number] for number in range(len(spans))]
