"""Read a fixture as an import would: rows by contact id, and the sentences on what is none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.parse import parse_row
from closedloop.adapters.readers import Reader
from closedloop.adapters.types import BadRow, FileFacts, ParsedContact, RawRow, Reject, Skipped
from tests.adapters.fuzz import Files, write_files

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 4, 1, tzinfo=UTC)


class Outcome(NamedTuple):
    """What a bundle came to."""

    facts: FileFacts
    contacts: dict[str, ParsedContact]
    refusals: list[str]
    skipped: list[str]

    @property
    def refusal(self) -> str:
        assert len(self.refusals) == 1, self.refusals
        return self.refusals[0]


def read(reader: Reader, path: Path) -> Outcome:
    """Read a file or directory with the mapping the reader proposes."""
    with open_bundle(path) as bundle:
        facts = reader.recognise(bundle)
        assert facts is not None, "not recognised"
        rows = list(reader.read_rows(bundle, facts))
    assert reader.mapping is not None
    mapping = reader.mapping(facts)
    assert not mapping.problems_with(facts.header)
    assert [row.line for row in rows] == list(range(1, len(rows) + 1))
    outcome = Outcome(facts, {}, [], [])
    for row in rows:
        if isinstance(row, BadRow):
            outcome.refusals.append(row.reason)
            continue
        parsed = parse_row(row, mapping, now=NOW)
        if isinstance(parsed, Reject):
            outcome.refusals.append(parsed.reason)
        elif isinstance(parsed, Skipped):
            outcome.skipped.append(str(row.fields["contact_id"]))
        else:
            assert parsed.contact_id not in outcome.contacts, "a contact came twice"
            outcome.contacts[parsed.contact_id] = parsed
    return outcome


def fields_by_id(reader: Reader, path: Path) -> dict[str, dict[str, Any]]:
    """Return the fields of the rows that are contacts, by contact id."""
    with open_bundle(path) as bundle:
        facts = reader.recognise(bundle)
        assert facts is not None
        rows = [r for r in reader.read_rows(bundle, facts) if isinstance(r, RawRow)]
    return {row.fields["contact_id"]: dict(row.fields) for row in rows}


def read_files(reader: Reader, files: Files, directory: Path) -> Outcome:
    """Read files given by name and content."""
    return read(reader, write_files(files, directory))


def texts(contact: ParsedContact) -> list[str]:
    """Return turns as `speaker: text`."""
    return [f"{speaker}: {text}" for speaker, text in contact.turns]


def without(files: Files, names: Iterable[str]) -> Files:
    """Return files but some; each name must be part of one."""
    left = dict(files)
    for name in names:
        (found,) = [full for full in files if name in full]
        del left[found]
    return left
