"""Parquet files, read group by group in a process of their own.

The library that reads Parquet ends the whole process on some broken files. So it is left to a
child (`parquet_child.py`); if that dies, the rows it was at are lost and the next ones are not.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from closedloop.adapters.bundle import MAX_RATIO
from closedloop.adapters.json_stream import is_too_deep, with_plain_keys
from closedloop.adapters.sniff import SAMPLE_ROWS, as_text, refuse_odd_number_of_columns
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile

MAX_ROWS = 1_000_000_000
REUSED_WITHIN_SECONDS = 20
"""A child waits this long for the next file, as starting one takes longer than a small file."""

_SMALL = 64 * 1024 * 1024
_MAGIC = b"PAR1"
_CHILD = Path(__file__).with_name("parquet_child.py")  # importing it would load its library here
_idle: list[_Child] = []


class _Died(Exception):
    """The child ended in the middle of an answer."""


class _Child:
    """A process that reads Parquet files."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self.is_idle = True
        self._owner = os.getpid()
        self._last_used = time.monotonic()

    def ask(self, path: Path, group: int | None) -> Iterator[Any]:
        """Yield the answers to one request; the last one is an object.

        Raises
        ------
        _Died
        """
        self.is_idle = False
        request = json.dumps({"path": str(path.absolute()), "group": group})
        try:
            self._process.stdin.write(request + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
            for line in self._process.stdout or ():
                answer = json.loads(line)
                if isinstance(answer, dict):
                    self.is_idle = True
                    self._last_used = time.monotonic()
                    yield answer
                    return
                yield answer
        except (OSError, ValueError) as error:
            raise _Died from error
        raise _Died

    def is_usable(self) -> bool:
        """Whether it is this process's, alive, and not about to end for want of work."""
        is_fresh = time.monotonic() - self._last_used < REUSED_WITHIN_SECONDS
        return is_fresh and self._owner == os.getpid() and self._process.poll() is None

    def end(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def _child() -> Iterator[_Child]:
    child = _waiting() or _Child()
    try:
        yield child
    finally:
        if child.is_idle and not _idle:
            _idle.append(child)
        else:
            child.end()


def _waiting() -> _Child | None:
    """Return a child that waits for work."""
    try:
        child = _idle.pop()
    except IndexError:
        return None
    if child.is_usable():
        return child
    child.end()
    return None


@atexit.register
def _end_waiting() -> None:
    while _idle:
        _idle.pop().end()


def sniff_parquet(path: Path) -> FileFacts | None:
    """Recognise a Parquet file and its columns.

    Returns
    -------
    FileFacts or None
        None when the file does not begin as Parquet does.

    Raises
    ------
    UnreadableFile
        If it is broken, encrypted, or announces more than can be read.
    """
    with path.open("rb") as stream:
        if stream.read(4) != _MAGIC:
            return None
    with _child() as child:
        about = _describe(child, path)
        header: list[str] = about["names"]
        _refuse_doubles(header)
        refuse_odd_number_of_columns(header)
        _refuse_bomb(path, about)
        facts = FileFacts("parquet", "", "", False, header, [], [], n_rows=about["n_rows"])
        first = _group(child, path, 0, 0, sum(about["groups"][:1]), facts)
        rows = [row for row in islice(first, SAMPLE_ROWS) if isinstance(row, RawRow)]
    sample = [[as_text(row.fields[name]) for name in header] for row in rows]
    reasons = [f"It is a Parquet file of {about['n_rows']:,} rows."]
    return FileFacts("parquet", "", "", False, header, sample, reasons, n_rows=about["n_rows"])


def _describe(child: _Child, path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = list(child.ask(path, None))[-1]
    except _Died as error:
        raise _broken() from error
    if not about["is_whole"] or min(about["groups"], default=0) < 0:
        raise _broken()
    if sum(about["groups"]) != about["n_rows"]:
        raise _broken()
    return about


def _broken() -> UnreadableFile:
    return UnreadableFile(
        "The Parquet file cannot be read: it is broken, unfinished or encrypted. Write it again."
    )


def _refuse_doubles(header: list[str]) -> None:
    if len(set(header)) < len(header):
        raise UnreadableFile(
            "The Parquet file has two columns of the same name. Write it again with names that "
            "differ."
        )


def _refuse_bomb(path: Path, about: dict[str, Any]) -> None:
    """Refuse a file by the sizes it announces; a lie in them ends the child, not us."""
    most = max(_SMALL, path.stat().st_size * MAX_RATIO)
    if about["unpacked"] > most or about["n_rows"] > MAX_ROWS:
        raise UnreadableFile(
            "The Parquet file would unpack to far more than it should. Write it again with less "
            "in one file, or export CSV."
        )


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row, numbered from 1; timestamps come as ISO 8601.

    A row group that cannot be read costs its own rows: one `BadRow` stands for what is left of
    it, and reading goes on with the next.
    """
    with _child() as child:
        groups = _describe(child, path)["groups"]
    following, before = 0, 0
    while following < len(groups):
        with _child() as child:
            for number in range(following, len(groups)):
                rows, following = groups[number], number + 1
                yield from _group(child, path, number, before, rows, facts)
                before += rows
                if not child.is_idle:
                    break  # it died: the next group gets a fresh one


def _group(
    child: _Child, path: Path, group: int, before: int, n_rows: int, facts: FileFacts
) -> Iterator[RawRow | BadRow]:
    number, end = before, before + n_rows
    try:
        for values in child.ask(path, group):
            if isinstance(values, list) and number < end:
                number += 1
                yield _row(number, values, facts)
    except _Died:
        pass  # said below
    if number < end:
        reason = (
            f"The rows from {number + 1:,} to {end:,} cannot be read: the file is broken there. "
            "Write the file again."
        )
        yield BadRow(number + 1, reason, "")


def _row(number: int, values: list[Any], facts: FileFacts) -> RawRow | BadRow:
    fields = dict(zip(facts.header, values, strict=False))
    raw = json.dumps(fields) if any(isinstance(v, list | dict) for v in values) else ""
    if is_too_deep(fields, raw):
        reason = f"Row {number} is nested too deeply. Write the file again with plain columns."
        return BadRow(number, reason, raw[:1000])
    return RawRow(number, with_plain_keys(fields, raw), where=f"row {number}")


READER = table_reader(
    format="parquet",
    title="Parquet",
    guide="xlsx-parquet-json",
    sniff=sniff_parquet,
    read=read_rows,
    unit="row",
)
