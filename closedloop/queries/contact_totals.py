"""How many contacts fit filters, and on which days: from the roll-ups, where they can tell.

The contacts themselves have an index for their start, theme, customer and import, and none for
a channel or a queue: each one costs every import. The roll-ups know how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, DueDay
from closedloop.queries.figures import find_figures

READ_DIRECTLY = 100_000
"""So many contacts are read themselves faster than anything is looked up about them."""


@dataclass(frozen=True)
class Rolled:
    """Contacts as a roll-up counts them.

    Attributes
    ----------
    values : mapping of dimension to value
        As `find_figures` takes them.
    plus, minus : str
        Figures of the roll-up: so many contacts as the first has more than the second, which
        may be empty.
    """

    values: Mapping[str, str]
    plus: str = "contacts"
    minus: str = ""
    first_day: date | None = None
    last_day: date | None = None


def may_ask_rollups(session: Session) -> bool:
    """Return whether there are many contacts and every day of theirs is added up."""
    last_id = sa.select(sa.func.max(Contact.id)).scalar_subquery()
    is_due = sa.select(DueDay.day).exists()
    row = session.execute(sa.select(last_id > READ_DIRECTLY, is_due)).one()
    return bool(row[0]) and not row[1]


def count_rolled(session: Session, wanted: Rolled, *, most: int) -> int:
    """Return how many contacts fit; `most` + 1 means more than that."""
    number, where = _read(wanted)
    # every row stands for one contact at least, so that more rows need not be read
    rows = sa.select(number.label("n")).where(*where, number > 0).limit(most + 1).subquery()
    return min(int(session.scalar(sa.select(sa.func.sum(rows.c.n))) or 0), most + 1)


def days_of_newest(
    session: Session, wanted: Rolled, *, rows: int, before: date | None = None
) -> list[date]:
    """Return the newest days that hold at least so many contacts together, or all there are.

    Parameters
    ----------
    before : date, optional
        Only days before this one.
    """
    number, where = _read(wanted)
    day = find_figures(wanted.values).table.day
    if before is not None:
        where.append(day < before)
    newest = sa.select(day).where(*where, number > 0).order_by(day.desc()).limit(rows)
    return sorted(set(session.scalars(newest)))


def _read(wanted: Rolled) -> tuple[sa.ColumnElement[int], list[sa.ColumnElement[bool]]]:
    source = find_figures(wanted.values)
    where = list(source.conditions)
    if wanted.first_day is not None:
        where.append(source.table.day >= wanted.first_day)
    if wanted.last_day is not None:
        where.append(source.table.day <= wanted.last_day)
    number: Any = getattr(source.table, wanted.plus)
    if wanted.minus:
        number = number - getattr(source.table, wanted.minus)
    return number, where
