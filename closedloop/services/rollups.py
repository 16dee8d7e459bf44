"""Add the days up: every figure of the metrics, by all dimensions and by each alone.

The same statement and the same sums for a day or the whole history. A day that changed is
marked in the same transaction (`DueDay`), so that an import killed anywhere leaves nothing
forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS, Basis
from closedloop.domain.jobs import Progress
from closedloop.models import Contact, ContactLink, DailyRollup, DailySlice, DueDay
from closedloop.models.base import day_number
from closedloop.services.binary_copy import Days, Texts
from closedloop.services.bulk import (
    Integers,
    as_texts,
    by_index,
    in_portions,
    read_columns,
    write_columns,
)
from closedloop.services.links import NONE
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import take_turn

DAYS_PER_STATEMENT = 20
DAYS_PER_TRANSACTION = 60
DIMENSIONS = ("theme", "channel", "queue", "disposition", "team", "language")
_TEXTS = DIMENSIONS[1:]
_BETWEEN = "\x1f"
"""Stands in no label: it counts as white space, which `contact_rows` makes blanks of."""

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_rollups: Any = DailyRollup.__table__
_slices: Any = DailySlice.__table__
_due: Any = DueDay.__table__
_KEYS = ("day", "theme_id", *_TEXTS)
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
    while True:
        with transactions() as session:
            take_turn(session)
            left = session.scalar(sa.select(sa.func.count()).select_from(_due)) or 0
            days = session.scalars(sa.select(_due.c.day).order_by(_due.c.day).limit(most)).all()
            if not days:
                return done
            report(Progress(done, done + left, "adding the days up"))
            roll_up_days(session, days=days)
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
    rows = 0
    for portion in in_portions(sorted(set(days)), DAYS_PER_STATEMENT):
        for table in (_rollups, _slices, _due):
            session.execute(sa.delete(table).where(table.c.day.in_(portion)))
        with by_index(session):
            columns = read_columns(session, _select_contacts(portion))
        rows += _write(session, _add_up(columns))
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


def _select_contacts(days: Collection[date]) -> sa.Select[Any]:
    """Return what the figures need of each contact, unknown numbers as `NONE`."""
    c, links = _contacts.c, _links.c

    def known(column: Any) -> Any:
        return sa.func.coalesce(column, NONE)

    def said(column: Any) -> Any:
        return sa.case((column.is_(None), NONE), (column, 1), else_=0)

    return (
        sa.select(
            day_number(c.local_day).label("day"),
            sa.func.coalesce(c.theme_id, 0).label("theme"),
            _in_one(c).label("labels"),
            sa.case((c.customer_id.is_(None), 0), else_=1).label("is_identified"),
            known(c.handle_seconds).label("handle"),
            said(c.abandoned).label("gave_up"),
            known(c.transfers).label("handed_on"),
            said(c.resolved).label("is_resolved"),
            said(c.survey_resolved).label("survey"),
            sa.case((c.csat.is_(None), NONE), (c.csat >= 4, 1), else_=0).label("satisfied"),
            known(c.nps).label("nps"),
            known(sa.cast(sa.func.round(c.ces * 100), sa.BigInteger)).label("ces"),
            known(links.previous_gap_seconds).label("any_before"),
            known(links.next_gap_seconds).label("any_after"),
            known(links.previous_same_gap_seconds).label("same_before"),
            known(links.next_same_gap_seconds).label("same_after"),
        )
        .select_from(_contacts.outerjoin(_links, _links.c.contact_id == c.id))
        .where(c.local_day.in_(days))
    )


def _in_one(c: Any) -> sa.ColumnElement[str]:
    """Return the labels of a contact as one text, which is read far faster than five."""
    first, *others = (c[name] for name in _TEXTS)
    for other in others:
        first = first + _BETWEEN + other
    return sa.type_coerce(first, sa.String)


def _apart(labels: Texts) -> dict[str, Texts]:
    """Return the dimensions that stand in one text."""
    found = {}
    parts = [value.split(_BETWEEN) for value in labels.values]
    for place, name in enumerate(_TEXTS):
        column = as_texts(part[place] for part in parts)
        found[name] = Texts(column.codes[labels.codes], column.values)
    return found


@dataclass(frozen=True)
class _Cells:
    """Keys and figures, one entry a cell.

    Attributes
    ----------
    dimensions : dict of str to Texts
        `day` and `DIMENSIONS`; day and theme are numbers in decimal, theme "0" is none.
    figures : dict of str to array of int
    """

    dimensions: dict[str, Texts]
    figures: dict[str, Integers]


def _spelled(numbers: Integers) -> Texts:
    values, codes = np.unique(numbers, return_inverse=True)
    return Texts(codes, [str(value) for value in values.tolist()])


def _add_up(columns: dict[str, Any]) -> _Cells:
    """Return the cells of contacts: one for each combination of day and dimensions."""
    keys = {name: _spelled(columns[name]) for name in ("day", "theme")}
    labels = columns["labels"]
    cell, first = _group([*keys.values(), labels])
    figures = {name: _sum(cell, len(first), part) for name, part in _figures(columns)}
    of_cells = {name: Texts(t.codes[first], t.values) for name, t in keys.items()}
    return _Cells(of_cells | _apart(Texts(labels.codes[first], labels.values)), figures)


def _group(keys: list[Texts]) -> tuple[Integers, Integers]:
    """Return the cell of each entry, and the first entry of each cell."""
    cell = np.zeros(len(keys[0].codes), dtype=np.int64)
    first = cell[:0]
    for key in keys:  # step by step, so that the product of all sizes need not fit a number
        combined = cell * max(len(key.values), 1) + key.codes
        _, first, cell = np.unique(combined, return_index=True, return_inverse=True)
    return cell, first


def _sum(cell: Integers, n_cells: int, part: NDArray[Any]) -> Integers:
    # whole numbers are exact in float64 up to 2**53
    return np.bincount(cell, weights=part, minlength=n_cells).astype(np.int64)


def _figures(of: dict[str, Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield what each contact adds to each figure."""
    known = of["is_identified"] == 1
    handle = np.maximum(of["handle"], 0)
    yield "contacts", np.ones(len(known))
    yield "identified", known
    yield "themed", known & (of["theme"] > 0)
    yield "handled", of["handle"] != NONE
    yield "handle_seconds", handle
    yield "queued", of["gave_up"] != NONE
    yield "abandoned", of["gave_up"] == 1
    yield "transferable", of["handed_on"] != NONE
    yield "transferred", of["handed_on"] > 0
    yield "resolution_known", of["is_resolved"] != NONE
    yield "resolution_yes", of["is_resolved"] == 1
    yield "survey_answers", of["survey"] != NONE
    yield "survey_yes", of["survey"] == 1
    yield "csat_answers", of["satisfied"] != NONE
    yield "csat_satisfied", of["satisfied"] == 1
    yield "nps_answers", of["nps"] != NONE
    yield "nps_promoters", of["nps"] >= 9
    yield "nps_detractors", (of["nps"] != NONE) & (of["nps"] <= 6)
    yield "ces_answers", of["ces"] != NONE
    yield "ces_hundredths", np.maximum(of["ces"], 0)
    for basis in Basis:
        before, after = of[f"{basis.value}_before"], of[f"{basis.value}_after"]
        for window in WINDOWS:
            opens = known & ((before == NONE) | (before > window.seconds))
            followed = (after != NONE) & (after <= window.seconds)
            name = f"{basis.value}_{window.key}"
            yield name, followed
            yield f"opening_{name}", opens
            yield f"resolved_{name}", opens & ~followed
            if basis is Basis.ANY:
                yield f"beyond_seconds_{window.key}", np.where(known & ~opens, handle, 0)


def _write(session: Session, cells: _Cells) -> int:
    d = cells.dimensions
    days = np.array([int(day) for day in d["day"].values], dtype=np.int64)
    themes = np.array([int(theme) for theme in d["theme"].values], dtype=np.int64)
    keys: dict[str, Any] = {
        "day": Days(days[d["day"].codes]),
        "theme_id": np.ma.masked_equal(themes[d["theme"].codes], 0),
        **{name: d[name] for name in _TEXTS},
    }
    write_columns(session, _rollups, keys | cells.figures)
    for kind in ("all", *DIMENSIONS):
        by = [d["day"]] if kind == "all" else [d["day"], d[kind]]
        cell, first = _group(by)
        keys = {
            "day": Days(days[d["day"].codes[first]]),
            "kind": Texts(np.zeros(len(first), dtype=np.int64), [kind]),
            "value": _values_of(kind, d, first),
        }
        sums = {name: _sum(cell, len(first), part) for name, part in cells.figures.items()}
        write_columns(session, _slices, keys | sums)
    return len(d["day"].codes)


def _values_of(kind: str, dimensions: dict[str, Texts], first: Integers) -> Texts:
    if kind == "all":
        return Texts(np.zeros(len(first), dtype=np.int64), [""])
    of = dimensions[kind]
    none = "0" if kind == "theme" else ""
    return Texts(of.codes[first], ["" if value == none else value for value in of.values])
