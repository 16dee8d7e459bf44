"""How many contacts fit filters, and on which days: from the roll-ups, where they can tell.

The contacts themselves have an index for their start, theme, customer and import, and none for
a channel or a queue: each one costs every import. The roll-ups know how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, DailyRollup, DueDay
from closedloop.queries.figures import Figures, days_with_contacts, find_figures

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
    first_day, last_day : date or None
        Both inclusive.
    touching : tuple of str
        Dimensions that `within` asks for.
    within : tuple of callable
        Each gives a condition on the rows that count.
    """

    values: Mapping[str, str]
    plus: str = "contacts"
    minus: str = ""
    first_day: date | None = None
    last_day: date | None = None
    touching: tuple[str, ...] = ()
    within: tuple[Callable[[Figures], sa.ColumnElement[bool]], ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every contact of the period and theme is counted."""
        whole = self.plus == "contacts" and not self.minus and not self.within
        return whole and not set(self.values) - {"theme"}


def may_ask_rollups(session: Session) -> bool:
    """Return whether there are many contacts and every day of theirs is added up."""
    last_id = sa.select(sa.func.max(Contact.id)).scalar_subquery()
    is_due = sa.select(DueDay.day).exists()
    row = session.execute(sa.select(last_id > READ_DIRECTLY, is_due)).one()
    return bool(row[0]) and not row[1]


def count_rolled(session: Session, wanted: Rolled, *, most: int) -> int:
    """Return how many contacts fit; `most` + 1 means more than that."""
    _, number, where = _read(wanted)
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
    day, number, where = _read(wanted)
    if before is not None:
        where.append(day < before)
    if session.get_bind().dialect.name == "sqlite" and day.class_ is DailyRollup:
        # told which days there are, SQLite looks each one up instead of reading all between them
        where.append(day.in_(days_with_contacts()))
    newest = sa.select(day, number).where(*where, number > 0).order_by(day.desc()).limit(rows)
    found: set[date] = set()
    held = 0
    for one, n in session.execute(newest):
        if held >= rows and one not in found:
            break  # those before hold enough, so that no more days are read than are shown
        found.add(one)
        held += int(n)
    return sorted(found)


def _read(wanted: Rolled) -> tuple[Any, sa.ColumnElement[int], list[sa.ColumnElement[bool]]]:
    source = find_figures(wanted.values, touching=wanted.touching)
    where = [*source.conditions, *(condition(source) for condition in wanted.within)]
    if wanted.first_day is not None:
        where.append(source.table.day >= wanted.first_day)
    if wanted.last_day is not None:
        where.append(source.table.day <= wanted.last_day)
    number: Any = getattr(source.table, wanted.plus)
    if wanted.minus:
        number = number - getattr(source.table, wanted.minus)
    return source.table.day, number, where
