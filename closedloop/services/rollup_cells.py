"""Read the contacts of some days and sum them up to the cells of the roll-up.

Nothing here writes: days that are due are read in a process beside, too (`rollup_pool`).
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
from closedloop.models import Contact, ContactLink
from closedloop.models.base import day_number
from closedloop.services.binary_copy import Texts
from closedloop.services.bulk import Integers, as_texts, by_index, read_columns
from closedloop.services.links import NONE

DIMENSIONS = ("theme", "channel", "queue", "disposition", "team", "language")
TEXTS = DIMENSIONS[1:]
_BETWEEN = "\x1f"
"""Stands in no label: it counts as white space, which `contact_rows` makes blanks of."""

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__


@dataclass(frozen=True)
class Cells:
    """Keys and figures, one entry a cell.

    Attributes
    ----------
    dimensions : dict of str to Texts
        `day` and `DIMENSIONS`; day and theme are numbers in decimal, theme "0" is none.
    figures : dict of str to array of int
    """

    dimensions: dict[str, Texts]
    figures: dict[str, Integers]


def read_cells(session: Session, days: Collection[date]) -> Cells:
    """Return the cells of some reporting days: one for each combination of the dimensions."""
    with by_index(session):
        return _add_up(read_columns(session, _select_contacts(days)))


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
    first, *others = (c[name] for name in TEXTS)
    for other in others:
        first = first + _BETWEEN + other
    return sa.type_coerce(first, sa.String)


def _apart(labels: Texts) -> dict[str, Texts]:
    """Return the dimensions that stand in one text."""
    found = {}
    parts = [value.split(_BETWEEN) for value in labels.values]
    for place, name in enumerate(TEXTS):
        column = as_texts(part[place] for part in parts)
        found[name] = Texts(column.codes[labels.codes], column.values)
    return found


def _spelled(numbers: Integers) -> Texts:
    values, codes = np.unique(numbers, return_inverse=True)
    return Texts(codes, [str(value) for value in values.tolist()])


def _add_up(columns: dict[str, Any]) -> Cells:
    """Return the cells of contacts: one for each combination of day and dimensions."""
    keys = {name: _spelled(columns[name]) for name in ("day", "theme")}
    labels = columns["labels"]
    cell, first = group_cells([*keys.values(), labels])
    figures = {name: sum_cells(cell, len(first), part) for name, part in _figures(columns)}
    of_cells = {name: Texts(t.codes[first], t.values) for name, t in keys.items()}
    return Cells(of_cells | _apart(Texts(labels.codes[first], labels.values)), figures)


def group_cells(keys: list[Texts]) -> tuple[Integers, Integers]:
    """Return the cell of each entry, and the first entry of each cell."""
    cell = np.zeros(len(keys[0].codes), dtype=np.int64)
    first = cell[:0]
    for key in keys:  # step by step, so that the product of all sizes need not fit a number
        combined = cell * max(len(key.values), 1) + key.codes
        _, first, cell = np.unique(combined, return_index=True, return_inverse=True)
    return cell, first


def sum_cells(cell: Integers, n_cells: int, part: NDArray[Any]) -> Integers:
    """Return what the entries of each cell add up to."""
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
