"""Reading a directory with one vendor's reader, as the tests of readers do it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.parse import parse_row
from closedloop.adapters.readers import Reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from tests.adapters.fuzz import Outcome, mapping_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def facts_in(reader: Reader, path: Path) -> FileFacts:
    """Return what a reader says about files that it must know."""
    with open_bundle(path) as bundle:
        facts = reader.recognise(bundle)
    assert facts is not None
    return facts


def rows_in(reader: Reader, path: Path) -> list[RawRow | BadRow]:
    facts = facts_in(reader, path)
    with open_bundle(path) as bundle:
        return list(reader.read_rows(bundle, facts))


def fields_in(reader: Reader, path: Path) -> dict[str, dict[str, Any]]:
    """Return the fields of each contact by its id; a broken row fails the test."""
    rows = rows_in(reader, path)
    assert all(isinstance(row, RawRow) for row in rows), rows
    return {row.fields["contact_id"]: dict(row.fields) for row in rows if isinstance(row, RawRow)}


def parsed_in(reader: Reader, path: Path) -> dict[int, Outcome]:
    """Return what becomes of each row, by its number; broken rows left out."""
    mapping = mapping_of(reader, facts_in(reader, path))
    return {
        row.line: parse_row(row, mapping, now=NOW)
        for row in rows_in(reader, path)
        if isinstance(row, RawRow)
    }
