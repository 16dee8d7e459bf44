"""Read an export from beginning to end: rows in, contacts and refusals out."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.csv_out import LINE_COLUMN, as_written
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.parse import parse_row
from closedloop.adapters.registry import reader_named
from closedloop.adapters.types import (
    BadRow,
    FileFacts,
    ParsedContact,
    Piece,
    RawRow,
    Reject,
    Skipped,
)

Outcome = ParsedContact | Reject | Skipped


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield the rows of an export with the reader that recognised it.

    Cells of a corrected file come without the quotation mark that kept a spreadsheet from
    running them.
    """
    rows = reader_named(facts.format).read_rows(bundle, facts)
    return map(_unquoted, rows) if LINE_COLUMN in facts.header else rows


def _unquoted(row: RawRow | BadRow) -> RawRow | BadRow:
    if isinstance(row, BadRow):
        return row
    fields = {
        as_written(name): as_written(value) if isinstance(value, str) else value
        for name, value in row.fields.items()
    }
    return row._replace(fields=fields)


def read_pieces(bundle: Bundle, facts: FileFacts, size: int) -> Iterator[Piece | RawRow | BadRow]:
    """Yield the rows of an export, those that can be read by others as pieces of text.

    Parameters
    ----------
    bundle : Bundle
    facts : FileFacts
    size : int
        Characters of a piece, about.
    """
    how = None if LINE_COLUMN in facts.header else reader_named(facts.format).in_pieces
    pieces = how.cut(bundle, facts, size) if how else None
    return read_rows(bundle, facts) if pieces is None else pieces


def rows_of(piece: Piece, facts: FileFacts) -> list[RawRow | BadRow]:
    """Return the rows of a piece from `read_pieces`."""
    how = reader_named(facts.format).in_pieces
    return how.read(piece, facts) if how else []


def read_contacts(
    bundle: Bundle, facts: FileFacts, mapping: Mapping, *, now: datetime
) -> Iterator[Outcome]:
    """Yield what each row of an export is, in the order of reading, in bounded memory.

    Parameters
    ----------
    bundle : Bundle
    facts : FileFacts
        From `recognise`.
    mapping : Mapping
    now : datetime
        Aware; see `parse_row`.

    Yields
    ------
    ParsedContact, Reject or Skipped
        One for each row that is not blank. With `first_event_per_contact` the first row of an
        id that makes a contact counts and later ones are skipped.
    """
    outcomes = (as_outcome(row, mapping, now) for row in read_rows(bundle, facts))
    if not mapping.first_event_per_contact:
        yield from outcomes
        return
    with closing(_SeenIds()) as seen:
        for outcome in outcomes:
            if isinstance(outcome, ParsedContact) and seen.has(outcome.contact_id):
                yield Skipped(outcome.line, "later_event")
            else:
                yield outcome


def as_outcome(row: RawRow | BadRow, mapping: Mapping, now: datetime) -> Outcome:
    """Return what a row is; see `parse_row`."""
    if isinstance(row, BadRow):
        return Reject(row.line, "broken_row", None, row.reason, row.raw)
    return parse_row(row, mapping, now=now)


class _SeenIds:
    """Remembers ids in a temporary database, which spills to disk instead of filling memory."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def has(self, contact_id: str) -> bool:
        """Whether the id came before; from now on it has."""
        digest = hashlib.blake2b(contact_id.encode(), digest_size=16).digest()
        added = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,))
        return added.rowcount == 0

    def close(self) -> None:
        """Drop the temporary database."""
        self._db.close()
