"""Exports broken in every way: what a reader must live through without losing its feet.

A reader's test hands in its fixture, a file or a directory of files:

    @fuzzed
    @given(broken_versions(FIXTURES / "zendesk"))
    def test_no_broken_export_upsets_the_reader(files):
        read_all(READER, files)

`CLOSEDLOOP_FUZZ_EXAMPLES=10000` says how many versions are tried; 60 otherwise.
"""

from __future__ import annotations

import copy
import json
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from closedloop.adapters.bundle import Bundle, open_bundle
from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.parse import as_raw_text, parse_row
from closedloop.adapters.readers import Reader
from closedloop.adapters.types import (
    BadRow,
    FileFacts,
    ParsedContact,
    RawRow,
    Reject,
    Skipped,
    UnreadableFile,
)

EXAMPLES = int(os.environ.get("CLOSEDLOOP_FUZZ_EXAMPLES", "60"))
NOW = datetime(2026, 4, 1, tzinfo=UTC)
MAX_ROWS = 5_000
"""More rows than any fixture makes when broken: a reader that goes on for ever fails here."""

SPEAKERS = {"customer", "agent", "bot", "unknown"}

Files = dict[str, bytes]
Outcome = ParsedContact | Reject | Skipped

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def files_of(fixture: Path) -> Files:
    """Return the content of a fixture by name."""
    if fixture.is_file():
        return {fixture.name: fixture.read_bytes()}
    found = sorted(path for path in fixture.rglob("*") if path.is_file())
    return {path.relative_to(fixture).as_posix(): path.read_bytes() for path in found}


def broken_versions(fixture: Path | Files) -> st.SearchStrategy[Files]:
    """Return broken versions of the files of a fixture, by name."""
    files = files_of(fixture) if isinstance(fixture, Path) else fixture
    assert files, fixture
    return st.integers(0, 2**48).map(lambda seed: break_files(files, random.Random(seed)))


def break_files(files: Files, dice: random.Random) -> Files:
    """Return a copy with one to three things wrong."""
    broken = dict(files)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if len(broken) > 1 and dice.random() < 0.1:
            _break_set(broken, dice)
            continue
        name = dice.choice(sorted(broken))
        content = broken[name]
        how = _break_values if dice.random() < 0.6 else _break_bytes
        broken[name] = how(content, dice)
    return broken


def _break_set(files: Files, dice: random.Random) -> None:
    """Lose, empty, double, rename or swap a file."""
    name = dice.choice(sorted(files))
    other = dice.choice(sorted(files))
    way = dice.randrange(5)
    if way == 0:
        del files[name]
    elif way == 1:
        files[name] = b""
    elif way == 2:
        files[f"copy of {name}"] = files[name]
    elif way == 3:
        files[f"renamed{dice.randrange(9)}"] = files.pop(name)
    else:
        files[name], files[other] = files[other], files[name]


# --- bytes

_JUNK = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n\r\n", b'"', b"'", b",", b";"),
    *(b"{", b"}", b"[", b"]", b"\\", b"\\ud800", b":", b"<", b">", b"&", b"&#0;", b"-->", b"\t"),
    *(b"null", b"NaN", b"-1e999", b"9" * 400, b"\xed\xa0\x80", b"\x1a", b"\xc3", b"[" * 3000),
)


def _break_bytes(content: bytes, dice: random.Random) -> bytes:
    if not content:
        return dice.choice(_JUNK)
    at = dice.randrange(len(content))
    length = min(len(content) - at, dice.choice((1, 2, 8, 40, 300)))
    cut = content[at : at + length]
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content[at:],
        lambda: content[:at] + content[at + length :],
        lambda: content[:at] + cut + content[at:],
        lambda: content[:at] + dice.choice(_JUNK) + content[at:],
        lambda: content[:at] + dice.randbytes(length) + content[at + length :],
        lambda: content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :],
        lambda: content.replace(b"\n", dice.choice((b"\r", b"\r\n", b"", b"\n\n"))),
        lambda: content + content,
    )
    return dice.choice(ways)()


# --- values of JSON, of JSON lines and of tables


def _break_values(content: bytes, dice: random.Random) -> bytes:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _break_bytes(content, dice)
    try:
        return _dump(_broken(json.loads(text), dice))
    except (ValueError, RecursionError):
        pass
    lines = text.splitlines(keepends=True)
    if not lines:
        return _break_bytes(content, dice)
    at = dice.randrange(len(lines))
    try:
        fresh = _dump(_broken(json.loads(lines[at]), dice)).decode() + "\n"
    except (ValueError, RecursionError):
        fresh = _break_cell(lines[at], dice)
    lines[at] = fresh
    return "".join(lines).encode("utf-8", "surrogatepass")


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def _break_cell(line: str, dice: random.Random) -> str:
    mark = dice.choice((",", ";", "\t", " ", ":"))
    cells = line.rstrip("\r\n").split(mark)
    at = dice.randrange(len(cells))
    odd = dice.choice(_odd_values(dice))
    cells[at] = odd if isinstance(odd, str) else json.dumps(odd)
    return mark.join(cells) + line[len(line.rstrip("\r\n")) :]


def _broken(value: Any, dice: random.Random) -> Any:
    """Return a value with one of its parts replaced, dropped, doubled, renamed or nested."""
    value = copy.deepcopy(value)
    places = [(holder, key) for holder in _holders(value) for key in _keys(holder)]
    if not places:
        return dice.choice(_odd_values(dice))
    holder, key = dice.choice(places)
    way = dice.randrange(7)
    if way <= 2:
        holder[key] = dice.choice(_odd_values(dice))
    elif way == 3:
        del holder[key]
    elif way == 4:
        holder[key] = [holder[key], copy.deepcopy(holder[key])]
    elif way == 5 and isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = {str(key): holder[key]}
    return value


def _holders(value: Any) -> list[Any]:
    found, waiting = [], [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            found.append(item)
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _odd_values(dice: random.Random) -> tuple[Any, ...]:
    deep: Any = 1
    for _ in range(dice.choice((3, 60, 400))):
        deep = [deep] if dice.random() < 0.5 else {"a": deep}
    return (
        *(None, True, False, 0, -1, 1.5, 1e308, 10**30, -(10**18), "", " ", "\x00", "\ud800"),
        *("?", "null", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59"),
        *("x" * 5_000, "é" * 300, "<b>", "&#xD800;", "[PII]", "true", "-5", "1,5", "NaN", "\r\n"),
        *([], {}, [[]], [None], [{}], {"": ""}, {"a": [1]}, ["a", 1, None], deep),
    )


# --- reading


def read_all(reader: Reader, files: Files) -> list[Outcome] | None:
    """Read broken files twice and check what every reader promises.

    Returns
    -------
    list or None
        What the rows are; None when the reader does not know or refuses the files.
    """
    with tempfile.TemporaryDirectory(prefix="closedloop-fuzz-") as directory:
        path = write_files(files, Path(directory))
        try:
            with open_bundle(path) as bundle:
                facts = reader.recognise(bundle)
                return None if facts is None else _outcomes(reader, bundle, facts)
        except UnreadableFile as refusal:
            if not refusal.sentence.strip():
                raise AssertionError("a refusal without a sentence") from refusal
            return None


def write_files(files: Files, directory: Path) -> Path:
    """Write files and return the path to open: the file itself when there is only one."""
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory / next(iter(files)) if len(files) == 1 else directory


def mapping_of(reader: Reader, facts: FileFacts) -> Mapping:
    """Return the mapping a person would begin with, zone and date order filled in."""
    if reader.mapping is not None:
        mapping = reader.mapping(facts)
    else:
        mapping = guess_mapping(facts.header, facts.sample_rows)
    zone, order = mapping.zone or "UTC", mapping.date_order
    return replace(mapping, zone=zone, date_order=order)


def _outcomes(reader: Reader, bundle: Bundle, facts: FileFacts) -> list[Outcome]:
    assert facts.format == reader.format
    assert all(isinstance(name, str) for name in facts.header)
    assert all(len(row) <= len(facts.header) for row in facts.sample_rows)
    assert all(isinstance(cell, str) for row in facts.sample_rows for cell in row)
    rows = list(islice(reader.read_rows(bundle, facts), MAX_ROWS))
    assert len(rows) < MAX_ROWS, "there is no end to the rows"
    assert rows == list(reader.read_rows(bundle, facts)), "another reading gave other rows"
    lines = [row.line for row in rows]
    assert len(set(lines)) == len(lines), "two rows share a line"
    assert all(isinstance(line, int) and line > 0 for line in lines)
    mapping = mapping_of(reader, facts)
    return [_checked(row, mapping) for row in rows]


def _checked(row: RawRow | BadRow, mapping: Mapping) -> Outcome:
    if isinstance(row, BadRow):
        assert row.reason.strip().endswith((".", ")", "”")), row.reason
        assert isinstance(row.raw, str)
        row.raw.encode()
        return Reject(row.line, "broken_row", None, row.reason, row.raw)
    assert isinstance(row, RawRow)
    assert isinstance(row.place, str)
    as_raw_text(row).encode()  # it can be kept in quarantine
    outcome = parse_row(row, mapping, now=NOW)
    assert isinstance(outcome, ParsedContact | Reject | Skipped)
    assert outcome.line == row.line
    if isinstance(outcome, Reject):
        assert outcome.reason.strip()
    if isinstance(outcome, ParsedContact):
        _check_contact(outcome)
    return outcome


def _check_contact(contact: ParsedContact) -> None:
    """No contact is half of one: what it has is of the right kind."""
    assert contact.contact_id.strip()
    assert contact.started_at.tzinfo is UTC
    assert contact.customer_id is None or contact.customer_id.strip()
    for speaker, text in contact.turns:
        assert speaker in SPEAKERS
        assert text.strip()
        text.encode()
