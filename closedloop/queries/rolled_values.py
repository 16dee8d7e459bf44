"""Which channels, queues, dispositions, teams and languages the roll-up has, for filters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import DailySlice


def list_values(
    session: Session, dimensions: Collection[str], *, after: date, most: int
) -> dict[str, list[str]]:
    """Return the values that each dimension has had since, sorted.

    Parameters
    ----------
    after : date
        Days after it count, itself excluded.
    most : int
        Of a dimension with more values those with the most contacts are returned.
    """
    found: dict[str, list[str]] = {name: [] for name in dimensions}
    walks = [_walk(name, after, most + 1) for name in dimensions]
    for name, value in session.execute(sa.union_all(*walks)):
        found[name].append(value)
    many = [name for name, values in found.items() if len(values) > most]
    for name in many:
        found[name] = [value for value, _ in session.execute(_frequent(name, after, most))]
    return {name: sorted(values) for name, values in found.items()}


def _walk(name: str, after: date, most: int) -> sa.Select[Any]:
    """Walk the index from one value to the next: as many looks as there are values, not days."""
    of = DailySlice
    first = sa.select(sa.func.min(of.value).label("value")).where(of.kind == name)
    walk = first.cte(f"values_of_{name}", recursive=True)
    following = sa.select(sa.func.min(of.value)).where(of.kind == name, of.value > walk.c.value)
    walk = walk.union_all(sa.select(following.scalar_subquery()).where(walk.c.value.is_not(None)))
    is_recent = sa.exists().where(of.kind == name, of.value == walk.c.value, of.day > after)
    found = sa.select(walk.c.value).where(walk.c.value.is_not(None), is_recent).limit(most)
    return sa.select(sa.literal(name), found.subquery().c.value)


def _frequent(name: str, after: date, most: int) -> sa.Select[str, int]:
    column, total = DailySlice.value, sa.func.sum(DailySlice.contacts)
    return (
        sa.select(column, total)
        .where(DailySlice.kind == name, DailySlice.day > after)
        .group_by(column)
        .order_by(total.desc(), column)
        .limit(most)
    )
