"""Join the records of an export that lie in several files, in whatever order, in bounded memory.

A vendor's reader says where each record is filed (`Layout.file`); the shelf (`shelf.py`) keeps
them in a temporary database; the reader then takes contacts from the shelf. What was lost to
broken files is known, so that no contact is made of the half that is left.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from closedloop.adapters.bundle import Bundle, Member
from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.json_records import (
    Broken,
    Heard,
    Record,
    looks_like_json,
    read_records,
)
from closedloop.adapters.lines import without_escapes
from closedloop.adapters.parse import MAX_ID_CHARS
from closedloop.adapters.shelf import Filed, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile
from closedloop.adapters.vendor_rows import RAW_CHARS, SAMPLE_ROWS, facts_from
from closedloop.adapters.vendor_values import IDENTIFIER_COLUMNS

LOOKED_AT_MEMBERS = 60
LOOKED_AT_ALIKE = 5
LOOKED_AT_CHARS = 2 * 1024 * 1024
_BRIEF_CHARS = 80
WRAPPERS = frozenset({"data", "results", "items", "response"})
"""What programs that fetch pages of an API call their lists."""


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
    file : function of a record and its source to Filed or None
        None for an object that means nothing here. Must not raise.
    file_broken : function of raw text, list name and file name to Filed or None
        What the remains of a record say it was; the owner may stay empty.
    has_tables : bool
        Whether CSV files hold records, too; dots in column names nest.
    lone_kinds : frozenset of str
        Kinds of which a file holds one record: one that breaks off lost no others.
    """

    names: frozenset[str]
    file: Callable[[Json, Source], Filed | None]
    file_broken: Callable[[str, str, str], Filed | None]
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
        strange: list[str] = []
        for _ in _load(_looked_at(bundle), layout, shelf, limit=LOOKED_AT_CHARS, strange=strange):
            pass
        seen = [words for kind, words in kinds.items() if shelf.has(kind)]
        if not seen:
            return None
        made = (found for found in contacts(shelf) if isinstance(found, Made))
        empty = dict.fromkeys(IDENTIFIER_COLUMNS)
        chosen = enumerate(islice(made, SAMPLE_ROWS), 1)
        rows = [RawRow(n, {**empty, **found.fields}) for n, found in chosen]
        reasons = [f"The files hold {' and '.join(seen)}.", *notes(shelf), *_left_out(strange)]
        return facts_from(format, rows, reasons)


def _left_out(names: list[str]) -> list[str]:
    """Say in which files there is nothing that is read here, such as those of another make."""
    if not names:
        return []
    shown = ", ".join(f"“{name}”" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"Nothing of it was found in {shown}{more}: import what is of another make by itself."]


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
    strange: list[str] | None = None,
) -> Iterator[Refusal]:
    """Put all records on the shelf, yielding what is broken; with a limit nothing is lost.

    The names of files in which nothing of this make stood go to `strange`.
    """
    for member in shelf.watch.over(members, shelves=True):
        shelf.begin_member(member.name)
        is_ours = False
        for item in _items(member, layout, limit, shelf.watch.heard):
            refusal = None
            if isinstance(item, Broken):
                refusal = _note_broken(item, member, layout, shelf)
            elif (filed := layout.file(item.value, _source(item, member))) is not None:
                is_ours = True
                refusal = _shelve(filed, item, member, shelf)
            elif is_ours or item.list_name in layout.names:
                reason = f"Record {item.number} of {member.name} is of no kind known here."
                refusal = Refusal(f"{reason} Export it again.", item.text[:RAW_CHARS])
            if refusal is not None and limit is None:
                yield refusal
        if strange is not None and not is_ours:
            strange.append(member.name)
    if limit is not None:
        shelf.forget_lost()
    shelf.index()


def _source(record: Record, member: Member) -> Source:
    return Source(record.list_name, member.name, record.context)


def _shelve(filed: Filed, record: Record, member: Member, shelf: Shelf) -> Refusal | None:
    if 0 < len(filed.key) <= MAX_ID_CHARS:
        shelf.add(filed, record.text)
        return None
    shelf.note_lost(filed)
    article = "An" if filed.kind[:1] in "aeiou" else "A"
    reason = f"{article} {filed.kind} in {member.name} has no id, or none of what it belongs to."
    return Refusal(f"{reason} Export it again.", record.text[:RAW_CHARS])


def _items(
    member: Member, layout: Layout, limit: int | None, heard: Heard
) -> Iterator[Record | Broken]:
    if looks_like_json(member.path):
        yield from read_records(
            member.path,
            sorted(layout.names | WRAPPERS),
            lambda name, value: layout.file(value, Source(name, member.name, {})) is not None,
            limit=limit,
            heard=heard,
        )
    elif layout.has_tables and (encoding := _encoding_of(member.path)):
        yield from _table_records(member.path, encoding, limit)


def _note_broken(bad: Broken, member: Member, layout: Layout, shelf: Shelf) -> Refusal:
    filed = layout.file_broken(bad.raw, bad.list_name, member.name)
    if filed is not None:
        shelf.note_lost(filed)
    is_known = filed is not None and bool(filed.owner or filed.key)
    if bad.is_end and not (filed is not None and filed.kind in layout.lone_kinds and is_known):
        shelf.note_cut(filed.kind if filed is not None else "")
    rest = " What follows it in the file cannot be read." if bad.is_end else ""
    reason = f"Record {bad.number} of {member.name} {bad.reason}.{rest} Export the file again."
    return Refusal(reason, bad.raw)


def _encoding_of(path: Path) -> str:
    """Return how a text is written; empty for what is none."""
    try:
        return find_encoding(path).name
    except UnreadableFile:
        return ""


def _table_records(path: Path, encoding: str, limit: int | None) -> Iterator[Record | Broken]:
    """Read a CSV file whose column names may have dots: `Queue.Name` nests."""
    with path.open(encoding=encoding, errors="replace", newline="") as stream:
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
