"""Add the days up: every figure of the metrics, by all dimensions and by each alone.

The same statement and the same sums for a day or the whole history. A day that changed is
marked in the same transaction (`DueDay`), so that an import killed anywhere leaves nothing
forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.jobs import Progress
from closedloop.models import Contact, DailyRollup, DailySlice, DueDay
from closedloop.services.binary_copy import Days, Texts
from closedloop.services.bulk import Integers, in_portions, write_columns
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import take_turn
from closedloop.services.rollup_cells import DIMENSIONS, TEXTS, Cells, group_cells, sum_cells
from closedloop.services.rollup_pool import CellReader, open_reader

DAYS_PER_STATEMENT = 10
DAYS_PER_TRANSACTION = 60

_contacts: Any = Contact.__table__
_rollups: Any = DailyRollup.__table__
_slices: Any = DailySlice.__table__
_due: Any = DueDay.__table__
_KEYS = ("day", "theme_id", *TEXTS)
FIGURES = tuple(c.name for c in _rollups.c if c.name not in ("id", *_KEYS))


def roll_up_due(
    transactions: Transactions, *, report: Report = tell_nobody, most: int = DAYS_PER_TRANSACTION
) -> int:
    """Add up every day that is marked as due, a few in each transaction.

    Returns
    -------
    int
        Days that were added up.
    """
    done = 0
    with ExitStack() as ending:
        reader: CellReader | None = None
        while True:
            with transactions() as session:
                take_turn(session)
                left = session.scalar(sa.select(sa.func.count()).select_from(_due)) or 0
                days = session.scalars(sa.select(_due.c.day).order_by(_due.c.day).limit(most)).all()
                if not days:
                    return done
                report(Progress(done, done + left, "adding the days up"))
                reader = reader or ending.enter_context(open_reader(session, left))
                _replace(session, days, reader)
            done += len(days)


def roll_up_days(session: Session, *, days: Collection[date] | None) -> int:
    """Add the contacts of some reporting days up anew; doing it twice changes nothing.

    Parameters
    ----------
    session : Session
    days : collection of date or None
        None is the whole history.

    Returns
    -------
    int
        Rows the roll-up of all dimensions now has for these days.
    """
    session.flush()
    take_turn(session)
    if days is None:
        for table in (_rollups, _slices, _due):
            session.execute(sa.delete(table))
        days = _days_with_contacts(session)
    return _replace(session, days, CellReader())


def _replace(session: Session, days: Collection[date], reader: CellReader) -> int:
    """Put what days add up to in the place of what is there; return the rows of all dimensions."""
    rows = 0
    portions = list(in_portions(sorted(set(days)), DAYS_PER_STATEMENT))
    for portion, cells in zip(portions, reader.read(session, portions), strict=True):
        for table in (_rollups, _slices, _due):
            session.execute(sa.delete(table).where(table.c.day.in_(portion)))
        rows += _write(session, cells)
    return rows


def _days_with_contacts(session: Session) -> list[date]:
    """Return every reporting day that has contacts, by walking the index from one to the next."""
    days: list[date] = []
    c = _contacts.c.local_day
    day = session.scalar(sa.select(sa.func.min(c)))
    while day is not None:
        days.append(day)
        day = session.scalar(sa.select(sa.func.min(c)).where(c > day))
    return days


def _write(session: Session, cells: Cells) -> int:
    d = cells.dimensions
    days = np.array([int(day) for day in d["day"].values], dtype=np.int64)
    themes = np.array([int(theme) for theme in d["theme"].values], dtype=np.int64)
    keys: dict[str, Any] = {
        "day": Days(days[d["day"].codes]),
        "theme_id": np.ma.masked_equal(themes[d["theme"].codes], 0),
        **{name: d[name] for name in TEXTS},
    }
    write_columns(session, _rollups, keys | cells.figures)
    for kind in ("all", *DIMENSIONS):
        by = [d["day"]] if kind == "all" else [d["day"], d[kind]]
        cell, first = group_cells(by)
        keys = {
            "day": Days(days[d["day"].codes[first]]),
            "kind": Texts(np.zeros(len(first), dtype=np.int64), [kind]),
            "value": _values_of(kind, d, first),
        }
        sums = {name: sum_cells(cell, len(first), part) for name, part in cells.figures.items()}
        write_columns(session, _slices, keys | sums)
    return len(d["day"].codes)


def _values_of(kind: str, dimensions: dict[str, Texts], first: Integers) -> Texts:
    if kind == "all":
        return Texts(np.zeros(len(first), dtype=np.int64), [""])
    of = dimensions[kind]
    none = "0" if kind == "theme" else ""
    return Texts(of.codes[first], ["" if value == none else value for value in of.values])
