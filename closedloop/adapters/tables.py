"""Readers of tables: what reads one file reads an archive or a directory of the same files, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from closedloop.adapters.bundle import Bundle, Member
from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.readers import InPieces, Reader
from closedloop.adapters.types import BadRow, FileFacts, Piece, RawRow, UnreadableFile

MAX_TABLES = 1_000
"""A bundle of more files than this is no bundle of tables."""

_NAMED = 3

Sniff = Callable[[Path], FileFacts | None]
Read = Callable[..., Iterator[RawRow | BadRow]]
Pieces = Iterator[Piece | RawRow | BadRow]
Cut = Callable[[Path, FileFacts, int], Pieces]
ReadPiece = Callable[[Piece, FileFacts], list[RawRow | BadRow]]


def table_reader(
    *,
    format: str,
    title: str,
    guide: str,
    sniff: Sniff,
    read: Read,
    unit: str = "record",
    same_header: bool = True,
    pieces: tuple[Cut, ReadPiece] | None = None,
    is_heard: bool = False,
) -> Reader:
    """Return the reader of one kind of table, alone or several of them in a bundle.

    Parameters
    ----------
    format, title, guide : str
        See `Reader`.
    sniff : function of a path to FileFacts or None
        None when the file is of another kind; raises `UnreadableFile` when it is of this kind
        and broken, or of no kind.
    read : function of a path and FileFacts to rows
    unit : str
        What `RawRow.line` counts in one file: 'line', 'row' or 'record'.
    same_header : bool
        Whether only files with the same columns belong together; otherwise columns add up.
    pieces : pair of functions, optional
        How a file alone is cut and a piece of it read; see `InPieces`.
    is_heard : bool
        Whether `read` takes a third argument, which it tells how many characters it has read.
    """

    def recognise(bundle: Bundle) -> FileFacts | None:
        if bundle.only is not None:
            return sniff(bundle.only)
        return _joined(bundle, _tables(bundle, sniff), same_header)

    def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
        if bundle.only is not None:
            return _alone(bundle, facts, read) if is_heard else read(bundle.only, facts)
        found = _tables(bundle, sniff)
        if same_header:
            found = [(member, own) for member, own in found if own.header == facts.header]
        return _numbered(found, read, unit)

    return Reader(
        format, title, guide, recognise, read_rows, unit=unit, in_pieces=_in_pieces(pieces)
    )


def _alone(bundle: Bundle, facts: FileFacts, read: Any) -> Iterator[RawRow | BadRow]:
    """Read the one file of a bundle, and let be heard how far."""
    for member in bundle.watch.over(bundle.members):
        yield from read(member.path, facts, bundle.watch.heard)


def _in_pieces(pieces: tuple[Cut, ReadPiece] | None) -> InPieces | None:
    if pieces is None:
        return None
    cut, read = pieces

    def cut_alone(bundle: Bundle, facts: FileFacts, size: int) -> Pieces | None:
        return None if bundle.only is None else cut(bundle.only, facts, size)

    return InPieces(cut_alone, read)


def _tables(bundle: Bundle, sniff: Sniff) -> list[tuple[Member, FileFacts]]:
    """Return the files of a bundle that are tables of this kind."""
    if len(bundle.members) > MAX_TABLES:
        return []
    found = []
    for member in bundle.members:
        try:
            facts = sniff(member.path)
        except (UnreadableFile, OSError):
            continue
        if facts is not None:
            found.append((member, facts))
    return found


def _joined(
    bundle: Bundle, found: Sequence[tuple[Member, FileFacts]], same_header: bool
) -> FileFacts | None:
    """Return the facts of the tables that belong together; None when there are none."""
    if not found:
        return None
    _, first = max(found, key=lambda table: _weight(table, found)) if same_header else found[0]
    taken = [t for t in found if not same_header or t[1].header == first.header]
    columns = {name: None for _, facts in taken for name in facts.header}
    names = [member.name for member, _ in taken]
    others = [member.name for member in bundle.members if member.name not in set(names)]
    return replace(
        first,
        header=list(columns),
        sample_rows=_widened(first, len(columns)),
        reasons=[*first.reasons, *_reasons(names, others)],
        member=names[0] if len(names) == 1 else "",
        n_rows=sum(f.n_rows for _, f in taken) if all(f.n_rows for _, f in taken) else 0,
    )


def _weight(
    table: tuple[Member, FileFacts], found: Sequence[tuple[Member, FileFacts]]
) -> tuple[bool, int]:
    """Return whether a table looks like contacts, and the bytes of all with its columns."""
    header = table[1].header
    size = sum(m.path.stat().st_size for m, facts in found if facts.header == header)
    return not guess_mapping(header, []).missing_columns, size


def _widened(facts: FileFacts, width: int) -> list[list[str]]:
    return [[*row, *[""] * (width - len(row))] for row in facts.sample_rows]


def _reasons(names: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    if len(names) == 1:
        yield f"The contacts are in “{names[0]}”."
    else:
        yield f"{len(names):,} files are read one after another: {_listed(names)}."
    if others:
        yield f"Left out, being no such table: {_listed(others)}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


def _numbered(
    tables: Sequence[tuple[Member, FileFacts]], read: Read, unit: str
) -> Iterator[RawRow | BadRow]:
    """Yield the rows of several tables under numbers that go on from file to file."""
    before = last = 0
    for member, facts in tables:
        before = last
        for row in read(member.path, facts):
            last = before + row.line
            yield _placed(row, last, member.name if len(tables) > 1 else "", unit)


def _placed(row: RawRow | BadRow, line: int, name: str, unit: str) -> RawRow | BadRow:
    """Return a row with its number in the bundle and its place in its own file."""
    if not name:
        return row
    if isinstance(row, RawRow):
        here = row.where or f"{unit} {row.line}"
        return row._replace(line=line, where=f"{here} of “{name}”")
    return replace(row, line=line, reason=f"In “{name}”: {row.reason}")
