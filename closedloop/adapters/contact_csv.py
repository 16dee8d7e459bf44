"""Read contacts from a CSV file, row by row, keeping what cannot be split."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from closedloop.adapters.lines import (
    Line,
    has_undecoded_bytes,
    open_text,
    read_lines,
    without_escapes,
)
from closedloop.adapters.types import BadRow, FileFacts, RawRow

Split = tuple[int, list[str], str]


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row below the header, in file order, the same ones on every reading.

    A row with too few columns comes as a `RawRow` that is `cut_short`: whether what is left
    makes a contact depends on the mapping. A quote that is never closed costs the one line
    it stands on: reading goes on with the next line.

    Parameters
    ----------
    path : Path
    facts : FileFacts
        From `sniff_file` on the same file.

    Yields
    ------
    RawRow or BadRow
        Blank rows, also rows of delimiters only, are passed over.
    """
    with open_text(path, facts.encoding, newline="") as stream:
        rows = split_rows(read_lines(stream), facts.delimiter)
        next(rows, None)  # the header
        for row in rows:
            if isinstance(row, BadRow):
                yield row
            elif any(row[1]):
                yield _as_row(*row, facts)


def split_rows(lines: Iterator[Line], delimiter: str) -> Iterator[Split | BadRow]:
    """Yield (first line, cells, raw text) of each record, blank ones left out.

    A first line such as `sep=;`, which spreadsheets write for themselves, is left out too.
    """
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _recover(feed, delimiter, error)
            continue
        if cells and not _is_separator_line(feed.taken):
            yield feed.taken[0].number, cells, feed.raw


class _Feed:
    """Hands lines to the csv reader and can take back those of a record that went wrong."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._waiting: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.taken.append(line)
        if line.is_too_long:
            raise csv.Error("line too long")
        return line.text

    def start_record(self) -> None:
        self.taken = []

    def give_back_all_but_first(self) -> None:
        self._waiting.extendleft(reversed(self.taken[1:]))
        self.taken = self.taken[:1]

    @property
    def raw(self) -> str:
        return "".join(line.text for line in self.taken).rstrip("\r\n")


def _recover(feed: _Feed, delimiter: str, error: csv.Error) -> Split | BadRow:
    """Save the lines after a record that could not be split; read a lone line leniently."""
    is_alone = len(feed.taken) == 1
    feed.give_back_all_but_first()
    first = feed.taken[0]
    is_too_large = first.is_too_long or (is_alone and "field larger" in str(error))
    if is_alone and not is_too_large and (cells := _split_leniently(first.text, delimiter)):
        return first.number, cells, feed.raw
    return BadRow(first.number, _sentence(first.number, is_too_large), without_escapes(feed.raw))


def _sentence(line: int, is_too_large: bool) -> str:
    if is_too_large:
        return (
            f"Line {line} holds a field of more than {csv.field_size_limit():,} characters. "
            "Shorten it or leave it out."
        )
    return (
        f"Line {line} has a quotation mark that is never closed or stands in the middle of a "
        'field. Write it twice ("") inside a quoted field.'
    )


def _split_leniently(text: str, delimiter: str) -> list[str] | None:
    """Split one line with stray quotation marks; None when a quoted field stays open."""
    # the empty line comes back as a record of its own only if the first one is closed
    rows = list(csv.reader([text, ""], delimiter=delimiter))
    return rows[0] if len(rows) == 2 else None


def _is_separator_line(taken: Sequence[Line]) -> bool:
    return taken[0].number == 1 and taken[0].text.lstrip("\ufeff")[:4].lower() == "sep="


def _as_row(line: int, cells: list[str], raw: str, facts: FileFacts) -> RawRow | BadRow:
    """Name the cells, or say why they cannot be named."""
    if has_undecoded_bytes(raw, facts.encoding):
        reason = (
            f"Line {line} holds bytes that are not {facts.encoding}, the encoding of the rest "
            "of the file. Save the file as UTF-8."
        )
        return BadRow(line, reason, without_escapes(raw))
    if "\x00" in raw:
        reason = f"Line {line} holds NUL characters, which no text has. Export the row again."
        return BadRow(line, reason, raw.replace("\x00", "\ufffd"))
    if len(cells) > len(facts.header):
        reason = (
            f"Line {line} has {len(cells)} columns where the header has {len(facts.header)}. "
            f"Put text that holds {_delimiter_name(facts.delimiter)} in quotation marks."
        )
        return BadRow(line, reason, raw)
    fields = dict(zip(facts.header, cells, strict=False))
    return RawRow(line, fields, cut_short=len(cells) < len(facts.header))


def _delimiter_name(delimiter: str) -> str:
    return {"\t": "tabs", ",": "commas", ";": "semicolons"}.get(delimiter, f"“{delimiter}”")
