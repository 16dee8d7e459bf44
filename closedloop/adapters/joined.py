"""Join the records of an export that lie in several files, in whatever order, in bounded memory.

A vendor's reader says what each record is (`Layout.file`); the shelf keeps them in a temporary
database; the reader then takes contacts from the shelf. What was lost to broken files is known, so
that no contact is made of the half that is left.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from closedloop.adapters.bundle import Bundle, Member, Watch
from closedloop.adapters.json_records import (
    Broken,
    Heard,
    Record,
    looks_like_json,
    read_records,
)
from closedloop.adapters.lines import without_escapes
from closedloop.adapters.parse import MAX_ID_CHARS
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import RAW_CHARS, SAMPLE_ROWS, facts_from
from closedloop.adapters.vendor_values import IDENTIFIER_COLUMNS

LOOKED_AT_MEMBERS = 60
LOOKED_AT_ALIKE = 5
LOOKED_AT_CHARS = 2 * 1024 * 1024
_BRIEF_CHARS = 80

Json = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """What a record is: its kind, its own id, the id of what it belongs to, which is newer.

    Of records of one kind and key, the one with the greatest `version` counts, and of equal ones
    the one read last. An empty `key` means that the record lacks the id it needs.
    """

    kind: str
    key: str
    owner: str = ""
    version: str = ""


@dataclass(frozen=True)
class Found:
    """A record taken from the shelf; `member` names its file."""

    key: str
    value: Json = field(repr=False)
    member: str = ""


@dataclass(frozen=True)
class Source:
    """Where a record stood: the list or wrapper, the file, and what the page said beside it."""

    list_name: str
    member: str
    context: Json = field(repr=False)


@dataclass(frozen=True)
class Layout:
    """How the records of one vendor's export are told apart.

    Attributes
    ----------
    names : frozenset of str
        Lists and wrappers that hold records.
    file : function of a record and its source to Piece or None
        None for an object that means nothing here. Must not raise.
    file_broken : function of raw text, list name and file name to Piece or None
        What the remains of a record say it was; the owner may stay empty.
    has_tables : bool
        Whether CSV files hold records, too; dots in column names nest.
    lone_kinds : frozenset of str
        Kinds of which a file holds one record: one that breaks off lost no others.
    """

    names: frozenset[str]
    file: Callable[[Json, Source], Piece | None]
    file_broken: Callable[[str, str, str], Piece | None]
    has_tables: bool = False
    lone_kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refusal:
    """A contact that cannot be made; `reason` is a whole sentence."""

    reason: str
    raw: str = field(repr=False, default="")


@dataclass(frozen=True)
class Made:
    """A contact under our column names; `where` is what a person looks for in the export."""

    fields: Json = field(repr=False)
    where: str


Contacts = Callable[["Shelf"], Iterator[Made | Refusal]]


class Shelf:
    """Records by kind, key and owner, in a temporary database that spills to disk."""

    def __init__(self, watch: Watch | None = None, pauses: Mapping[str, int] | None = None) -> None:
        self.watch = watch or Watch()
        self.pauses = pauses or {}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE records (seq INTEGER PRIMARY KEY, kind TEXT, key TEXT, owner TEXT,"
            " version TEXT, member INTEGER, body TEXT)"
        )
        self._db.execute("CREATE TABLE links (seq INTEGER PRIMARY KEY, owner TEXT, key TEXT)")
        self._db.execute("BEGIN")
        self._members: list[str] = []
        self._lost: dict[tuple[str, str], str] = {}
        self._cut: dict[str, list[int]] = {}

    def close(self) -> None:
        """Drop the temporary database."""
        self._db.close()

    def begin_member(self, name: str) -> None:
        """What is added from now on comes from this file."""
        self._members.append(without_escapes(name))

    def add(self, piece: Piece, body: str) -> None:
        """Keep a record."""
        self._db.execute(
            "INSERT INTO records (kind, key, owner, version, member, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *map(without_escapes, (piece.kind, piece.key, piece.owner, piece.version)),
                *(len(self._members) - 1, body),
            ),
        )

    def index(self) -> None:
        """Make what has been added findable; once, after the last record."""
        self._db.execute("CREATE INDEX by_key ON records (kind, key, version, seq)")
        self._db.execute("CREATE INDEX by_owner ON records (kind, owner, seq)")

    def note_lost(self, piece: Piece) -> None:
        """Remember that a record of this kind and owner is broken."""
        self._lost[piece.kind, piece.owner or piece.key] = self._members[-1]

    def note_cut(self, kind: str) -> None:
        """Remember that the file breaks off among records of a kind; "" where none is known."""
        self._cut.setdefault(kind, []).append(len(self._members) - 1)

    def forget_lost(self) -> None:
        """Take what is there for all there is."""
        self._lost.clear()
        self._cut.clear()

    def broken_part(self, kind: str, owner: str) -> str:
        """Return the file in which a record said to be of this owner is broken, or ""."""
        return self._lost.get((kind, owner), "")

    def lost_of(self, kind: str, owner: str) -> str:
        """Return the file in which records of this owner are broken or may be missing, or "".

        A file that breaks off may have lost records of any owner: of those it holds some of, and
        of those that no other file has any of.
        """
        if member := self.broken_part(kind, owner):
            return member
        if not (cut := [*self._cut.get(kind, []), *self._cut.get("", [])]):
            return ""
        rows = self._db.execute(
            "SELECT DISTINCT member FROM records WHERE kind = ? AND owner = ?",
            (kind, without_escapes(owner)),
        )
        members = {row[0] for row in rows}
        doubtful = [m for m in cut if m in members] or ([] if members else cut)
        return self._members[doubtful[0]] if doubtful else ""

    def cut_after(self, kind: str) -> str | None:
        """Return the version of the last record read of a kind before a file of it broke off.

        None where none did; the smallest where several did.
        """
        if not (cut := self._cut.get(kind)):
            return None
        query = "SELECT MAX(version) FROM records WHERE kind = ? AND member = ?"
        found = [self._db.execute(query, (kind, member)).fetchone()[0] for member in cut]
        return min(version or "" for version in found)

    def has(self, kind: str) -> bool:
        """Whether there is any record of a kind."""
        found = self._db.execute("SELECT 1 FROM records WHERE kind = ? LIMIT 1", (kind,))
        return found.fetchone() is not None

    def newest(self, kind: str, key: str | None) -> Found | None:
        """Return the newest record of a key."""
        row = self._db.execute(
            "SELECT key, body, member FROM records WHERE kind = ? AND key = ?"
            " ORDER BY version DESC, seq DESC LIMIT 1",
            (kind, without_escapes(key or "")),
        ).fetchone()
        return self._found(*row) if row else None

    def name_of(self, key: str | None) -> str | None:
        """Return the name that the record of kind "name" with this key has, or else the key."""
        found = self.newest("name", key) if key else None
        name = (found.value.get("name") or found.value.get("Name")) if found else None
        return name.strip() or key if isinstance(name, str) else key

    def each(self, kind: str) -> Iterator[Found]:
        """Yield the newest record of each key, in the order in which the keys first came."""
        keys = self._db.execute(
            "SELECT key, MIN(seq) AS first FROM records WHERE kind = ? GROUP BY key ORDER BY first",
            (kind,),
        )
        for key, _ in self._passing(keys, "COUNT(DISTINCT key) FROM records WHERE kind = ?", kind):
            if found := self.newest(kind, key):
                yield found

    def parts(self, kind: str, owner: str) -> list[Found]:
        """Return the newest record of each key of an owner, in the order of reading."""
        rows = self._db.execute(
            "SELECT key, body, member, version FROM records WHERE kind = ? AND owner = ?"
            " ORDER BY seq",
            (kind, without_escapes(owner)),
        )
        newest: dict[str, tuple[str, Found]] = {}
        for key, body, member, version in rows:
            if key not in newest or version >= newest[key][0]:
                newest[key] = (version, self._found(key, body, member))
        return [found for _, found in newest.values()]

    def owners(self, kind: str) -> Iterator[str]:
        """Yield the owners of records of a kind, in the order in which they first came."""
        rows = self._db.execute(
            "SELECT owner, MIN(seq) AS first FROM records WHERE kind = ?"
            " GROUP BY owner ORDER BY first",
            (kind,),
        )
        of = "COUNT(DISTINCT owner) FROM records WHERE kind = ?"
        for owner, _ in self._passing(rows, of, kind):
            yield owner

    def _passing(self, rows: Iterable[Any], of: str, *values: str) -> Iterator[Any]:
        """Yield rows, and let be heard how many of them are done."""
        total = self._db.execute(f"SELECT {of}", values).fetchone()[0]
        for number, row in enumerate(rows, 1):
            yield row
            self.watch.made(number, total)

    def link(self, owner: str, key: str) -> None:
        """Put a key under an owner."""
        self._db.execute(
            "INSERT INTO links (owner, key) VALUES (?, ?)", (without_escapes(owner), key)
        )

    def linked(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each owner with the keys put under it, owners in order of their first key."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_link ON links (owner, seq)")
        owners = self._db.execute(
            "SELECT owner, MIN(seq) AS first FROM links GROUP BY owner ORDER BY first"
        )
        for owner, _ in self._passing(owners, "COUNT(DISTINCT owner) FROM links"):
            rows = self._db.execute("SELECT key FROM links WHERE owner = ? ORDER BY seq", (owner,))
            yield owner, [row[0] for row in rows]

    def _found(self, key: str, body: str, member: int) -> Found:
        return Found(key, json.loads(body), self._members[member])


def read_joined(bundle: Bundle, layout: Layout, contacts: Contacts) -> Iterator[RawRow | BadRow]:
    """Yield what is broken, then the contacts; rows are numbered from 1 in this order."""
    with closing(Shelf(bundle.watch, bundle.pauses)) as shelf:
        line = 0
        for bad in _load(bundle.members, layout, shelf):
            line += 1
            yield _bad_row(line, bad)
        for made in contacts(shelf):
            bundle.watch.is_making = True
            line += 1
            if isinstance(made, Refusal):
                yield _bad_row(line, made)
            else:
                yield RawRow(line, made.fields, where=made.where)


def _bad_row(line: int, refusal: Refusal) -> BadRow:
    return BadRow(line, without_escapes(refusal.reason), without_escapes(refusal.raw[:RAW_CHARS]))


def brief(key: str) -> str:
    """Return an id as a sentence can hold it."""
    return key if len(key) <= _BRIEF_CHARS else f"{key[:_BRIEF_CHARS]}…"


def facts_of(
    bundle: Bundle,
    layout: Layout,
    contacts: Contacts,
    *,
    format: str,
    kinds: dict[str, str],
    notes: Callable[[Shelf], list[str]],
) -> FileFacts | None:
    """Look at the beginnings of some files and say whether this is the vendor's export.

    Parameters
    ----------
    kinds : dict of str to str
        The kinds of records that make it one, with their names in words; only these count.
    notes : function of Shelf to list of str
        Sentences on what was seen.
    """
    with closing(Shelf()) as shelf:
        for _ in _load(_looked_at(bundle), layout, shelf, limit=LOOKED_AT_CHARS):
            pass
        seen = [words for kind, words in kinds.items() if shelf.has(kind)]
        if not seen:
            return None
        made = (found for found in contacts(shelf) if isinstance(found, Made))
        empty = dict.fromkeys(IDENTIFIER_COLUMNS)
        chosen = enumerate(islice(made, SAMPLE_ROWS), 1)
        rows = [RawRow(n, {**empty, **found.fields}) for n, found in chosen]
        reasons = [f"The files hold {' and '.join(seen)}.", *notes(shelf)]
        return facts_from(format, rows, reasons)


def _looked_at(bundle: Bundle) -> list[Member]:
    """Choose some files of each kind of name; numbers and ids in names do not count."""
    chosen: dict[str, list[Member]] = {}
    for member in bundle.members:
        alike = chosen.setdefault(re.sub(r"[0-9a-f]{4,}|\d+", "#", member.name.lower()), [])
        if len(alike) < LOOKED_AT_ALIKE:
            alike.append(member)
    return [member for alike in chosen.values() for member in alike][:LOOKED_AT_MEMBERS]


def _load(
    members: tuple[Member, ...] | list[Member],
    layout: Layout,
    shelf: Shelf,
    *,
    limit: int | None = None,
) -> Iterator[Refusal]:
    """Put all records on the shelf, yielding what is broken; with a limit nothing is lost."""
    for member in shelf.watch.over(members, shelves=True):
        shelf.begin_member(member.name)
        is_ours = False
        for item in _items(member, layout, limit, shelf.watch.heard):
            refusal = None
            if isinstance(item, Broken):
                refusal = _note_broken(item, member, layout, shelf)
            elif (piece := layout.file(item.value, _source(item, member))) is not None:
                is_ours = True
                refusal = _shelve(piece, item, member, shelf)
            elif is_ours or item.list_name in layout.names:
                reason = f"Record {item.number} of {member.name} is of no kind known here."
                refusal = Refusal(f"{reason} Export it again.", item.text[:RAW_CHARS])
            if refusal is not None and limit is None:
                yield refusal
    if limit is not None:
        shelf.forget_lost()
    shelf.index()


def _source(record: Record, member: Member) -> Source:
    return Source(record.list_name, member.name, record.context)


def _shelve(piece: Piece, record: Record, member: Member, shelf: Shelf) -> Refusal | None:
    if 0 < len(piece.key) <= MAX_ID_CHARS:
        shelf.add(piece, record.text)
        return None
    shelf.note_lost(piece)
    article = "An" if piece.kind[:1] in "aeiou" else "A"
    reason = f"{article} {piece.kind} in {member.name} has no id, or none of what it belongs to."
    return Refusal(f"{reason} Export it again.", record.text[:RAW_CHARS])


def _items(
    member: Member, layout: Layout, limit: int | None, heard: Heard
) -> Iterator[Record | Broken]:
    if looks_like_json(member.path):
        yield from read_records(
            member.path,
            sorted(layout.names),
            lambda name, value: layout.file(value, Source(name, member.name, {})) is not None,
            limit=limit,
            heard=heard,
        )
    elif layout.has_tables and _is_text(member.path):
        yield from _table_records(member.path, limit)


def _note_broken(bad: Broken, member: Member, layout: Layout, shelf: Shelf) -> Refusal:
    piece = layout.file_broken(bad.raw, bad.list_name, member.name)
    if piece is not None:
        shelf.note_lost(piece)
    is_known = piece is not None and bool(piece.owner or piece.key)
    if bad.is_end and not (piece is not None and piece.kind in layout.lone_kinds and is_known):
        shelf.note_cut(piece.kind if piece is not None else "")
    rest = " What follows it in the file cannot be read." if bad.is_end else ""
    reason = f"Record {bad.number} of {member.name} {bad.reason}.{rest} Export the file again."
    return Refusal(reason, bad.raw)


def _is_text(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"\x00" not in stream.read(4096)


def _table_records(path: Path, limit: int | None) -> Iterator[Record | Broken]:
    """Read a CSV file whose column names may have dots: `Queue.Name` nests."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        head = stream.readline(64 * 1024)
        stream.seek(0)
        mark = max(",;\t", key=head.count)
        rows = csv.reader(stream, delimiter=mark)
        number = 0
        header: list[str] = []
        while True:
            number += 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error:
                yield Broken(number, "", "cannot be split into columns", "")
                continue
            if not header:
                header = [cell.strip() for cell in cells]
            elif any(cell.strip() for cell in cells):
                value = _nested(dict(zip(header, cells, strict=False)))
                yield Record("table", value, json.dumps(value), number)
            if limit is not None and number > LOOKED_AT_ALIKE * 100:
                return


def _nested(cells: dict[str, str]) -> Json:
    value: Json = {}
    for name, cell in cells.items():
        *path, last = name.split(".")
        holder = value
        for key in path:
            inner = holder.setdefault(key, {})
            if not isinstance(inner, dict):
                break
            holder = inner
        else:
            holder[last] = cell
    return value
