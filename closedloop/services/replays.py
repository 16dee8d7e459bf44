"""Try refused rows again: the same file under another mapping, or a corrected file.

Rows with other content for a known contact are tried again where the mapping lets the later
version count; where the first one stays, they would only be refused once more.

With the very file of the first import only its refused lines are read. A corrected file is read
whole; a refused row counts as settled once its contact came in, known by its id or by the
column `closedloop_line`, which the file of refused rows carries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.contacts import read_rows
from closedloop.adapters.csv_out import LINE_COLUMN
from closedloop.adapters.mapping import ON_CHANGE, Mapping
from closedloop.adapters.types import RawRow
from closedloop.models import ImportBatch, ImportReject
from closedloop.services.bulk import in_portions
from closedloop.services.clean_rows import CleanRow
from closedloop.services.contact_files import OpenedFile, open_contacts
from closedloop.services.intake import takes_latest
from closedloop.services.repeats import IDS_PER_STATEMENT

REASON_COLUMN = "closedloop_reason"
ROW_COLUMN = "closedloop_row"
"""Columns that the file of refused rows has beside `LINE_COLUMN` and those of the export."""

CHANGED = "changed"
"""Code of rows with other content for a known contact; the quarantine keeps them by our names."""

_rejects: Any = ImportReject.__table__


class _OnALine(Protocol):
    @property
    def line(self) -> int: ...


_Item = TypeVar("_Item", bound=_OnALine)


@dataclass
class Replay:
    """Which refused rows an import tries again.

    Attributes
    ----------
    lines : frozenset of int or None
        The only lines of the file to read; None is the whole file.
    """

    lines: frozenset[int] | None
    _by_id: dict[str, int] = field(default_factory=dict)
    _by_line: dict[int, int] = field(default_factory=dict)

    def only_wanted(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield what is to be read."""
        if self.lines is None:
            return iter(items)
        lines = self.lines
        return (item for item in items if item.line in lines)

    def settled(self, rows: Iterable[CleanRow]) -> list[int]:
        """Return ids of refused rows that have become contacts."""
        found = (self._by_line.get(r.line) or self._by_id.get(r.contact_id) for r in rows)
        return [reject for reject in dict.fromkeys(found) if reject]


def lines_to_try(
    session: Session,
    *,
    replay_of_id: int,
    sha256: str,
    mapping: Mapping,
    batch_id: int | None = None,
) -> frozenset[int] | None:
    """Return the lines of a file that were refused and are not settled.

    Parameters
    ----------
    session : Session
    replay_of_id : int
        The import that refused them.
    sha256 : str
        Of the file now brought.
    mapping : Mapping
        How it is read.
    batch_id : int, optional
        The import that tries again: what it settled itself still counts, so that a second run
        skips the same rows.

    Returns
    -------
    frozenset of int or None
        None where the file is another one, or its conversations are cut otherwise and so
        numbered otherwise: all of it is read.
    """
    first = session.get(ImportBatch, replay_of_id)
    if first is None or first.file_sha256 != sha256:
        return None
    if first.mapping.get("pauses", {}) != dict(mapping.pauses):
        return None
    rows = session.execute(_open_rejects(replay_of_id, batch_id))
    latest = mapping.on_change != ON_CHANGE[0]
    return frozenset(row.line for row in rows if latest or row.code != CHANGED)


def open_replay(session: Session, batch: ImportBatch, opened: OpenedFile) -> Replay | None:
    """Return what an import tries again; None when it tries nothing again."""
    if batch.replay_of_id is None:
        return None
    first = session.get(ImportBatch, batch.replay_of_id)
    if first is None:
        return Replay(None)
    rejects = session.execute(_open_rejects(first.id, batch.id)).all()
    lines = lines_to_try(
        session,
        replay_of_id=first.id,
        sha256=batch.file_sha256,
        mapping=Mapping.from_dict(batch.mapping),
        batch_id=batch.id,
    )
    by_line = {row.line: row.id for row in rejects}
    if lines is not None:
        return Replay(lines, {}, by_line)
    latest = takes_latest(batch.mapping)
    column = first.mapping.get("columns", {}).get("contact_id", "contact_id")
    by_id = {
        contact_id: row.id
        for row in rejects
        if (latest or row.code != CHANGED)
        and (contact_id := _contact_id(row.raw, "contact_id" if row.code == CHANGED else column))
    }
    return Replay(None, by_id, _lines_of_file(opened, by_line))


def settle_rejects(
    session: Session, replay: Replay, *, batch_id: int, rows: Iterable[CleanRow]
) -> None:
    """Mark refused rows whose contacts an import took in, in the transaction of the latter."""
    for ids in in_portions(replay.settled(rows), IDS_PER_STATEMENT):
        session.execute(
            sa.update(_rejects).where(_rejects.c.id.in_(ids)).values(settled_by_id=batch_id)
        )


def _open_rejects(batch_id: int, also_settled_by: int | None) -> sa.Select[Any]:
    is_open = sa.or_(
        _rejects.c.settled_by_id.is_(None), _rejects.c.settled_by_id == also_settled_by
    )
    return sa.select(_rejects.c.id, _rejects.c.line, _rejects.c.code, _rejects.c.raw).where(
        _rejects.c.batch_id == batch_id, is_open
    )


def _contact_id(raw: str, column: str) -> str:
    """Return the id a refused row names, as far as the quarantine kept it."""
    try:
        fields = json.loads(raw)
        found = fields.get(column) if isinstance(fields, dict) else None
    except ValueError:  # cut off, or never JSON
        name = re.escape(json.dumps(column, ensure_ascii=False))
        match = re.search(rf'{name}\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(-?\d+))', raw)
        found = (match[1] or match[2]) if match else None
    return "" if found is None else str(found).strip()


def _lines_of_file(opened: OpenedFile, wanted: dict[int, int]) -> dict[int, int]:
    """Return the refused row by line of the corrected file, from its `closedloop_line`."""
    if LINE_COLUMN not in opened.facts.header:
        return {}
    found: dict[int, int] = {}
    for raw in read_rows(opened.bundle, opened.facts):
        said = str(raw.fields.get(LINE_COLUMN, "")).strip() if isinstance(raw, RawRow) else ""
        number = said.removesuffix(".0")
        if number.isascii() and number.isdigit() and len(number) < 12 and int(number) in wanted:
            found[raw.line] = wanted[int(number)]
    return found


@dataclass(frozen=True)
class Refused:
    """A refused row: its line, why, and what the quarantine kept of it."""

    line: int
    reason: str
    raw: str


def refused_rows(path: Path, rejects: Sequence[Refused], mapping: Mapping) -> Iterator[list[str]]:
    """Yield a table of refused rows as they stand in the file: names of the columns, then rows.

    Parameters
    ----------
    path : Path
        The file of the import.
    rejects : sequence of Refused
        In the order of the file.
    mapping : Mapping
        How the import read it.

    Raises
    ------
    Unreadable
        If the file cannot be read any more.
    """
    wanted = {reject.line: reject for reject in rejects}
    with open_contacts(path, mapping) as opened:
        own = (LINE_COLUMN, REASON_COLUMN, ROW_COLUMN)
        names = [name for name in opened.facts.header if name not in own]
        yield [LINE_COLUMN, REASON_COLUMN, *names, ROW_COLUMN]
        for raw in read_rows(opened.bundle, opened.facts):
            if (reject := wanted.pop(raw.line, None)) is None:
                continue
            if isinstance(raw, RawRow):
                cells, whole = [_as_cell(raw.fields.get(name)) for name in names], ""
            else:
                cells, whole = [""] * len(names), raw.raw
            yield [str(raw.line), reject.reason, *cells, whole]
            if not wanted:
                return


def _as_cell(value: Any) -> str:
    """Return a value as a CSV shows it and a reader understands it again."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
