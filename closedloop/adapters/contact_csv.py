"""Tables in text (CSV, TSV and the like), row by row, keeping what cannot be split."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.lines import (
    MAX_LINE_CHARS,
    Line,
    has_undecoded_bytes,
    open_text,
    read_lines,
    without_escapes,
)
from closedloop.adapters.sniff import (
    SAMPLE_ROWS,
    first_lines,
    is_json,
    refuse_missing_header,
    refuse_odd_number_of_columns,
    unique_names,
)
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, Piece, RawRow, UnreadableFile

DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_ROWS = 60

Split = tuple[int, list[str], str]


def sniff_csv(path: Path) -> FileFacts | None:
    """Recognise encoding, delimiter and header of a table in text.

    Parameters
    ----------
    path : Path
        Only the beginning and some blocks of the file are read, whatever its size.

    Returns
    -------
    FileFacts or None
        None when the file is JSON.

    Raises
    ------
    UnreadableFile
        If it is empty, binary, has no header or one column only; the sentence says what to do.
    """
    encoding = find_encoding(path)
    head = first_lines(path, encoding)
    if is_json(head):
        return None
    delimiter = _find_delimiter(head)
    rows = _rows(head, delimiter)
    if not rows:
        raise UnreadableFile(
            "The first line of the file cannot be split into columns. Its quotation marks are "
            "not closed; export it again as CSV."
        )
    refuse_odd_number_of_columns(rows[0])
    refuse_missing_header(rows[0])
    header = unique_names(rows[0])
    reasons = [
        f"Columns are separated by a {_DELIMITER_NAMES[delimiter]}: "
        f"the first line has {len(header)} of them.",
        encoding.reason,
    ]
    if len(rows) == 1:
        reasons.append("There are column names but no rows below them.")
    sample = [row[: len(header)] for row in rows[1 : SAMPLE_ROWS + 1]]
    return FileFacts("csv", encoding.name, delimiter, encoding.has_bom, header, sample, reasons)


def _rows(head: Sequence[Line], delimiter: str) -> list[list[str]]:
    """Return the first rows; the header first, none when the header is broken."""
    found: list[list[str]] = []
    for row in islice(split_rows(iter(head), delimiter), _SNIFFED_ROWS):
        if isinstance(row, BadRow):
            if not found:
                return []
            continue
        if any(row[1]) or not found:
            found.append(row[1])
    return found


def _find_delimiter(head: Sequence[Line]) -> str:
    """Return the delimiter under which most rows have as many columns as the header."""
    stated = re.match(r"\ufeff?sep=(.)", head[0].text, re.IGNORECASE)
    if stated and stated[1] in DELIMITERS:
        return stated[1]
    return max(DELIMITERS, key=lambda delimiter: _fit(_rows(head, delimiter)))


def _fit(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """Return (share of rows as wide as the header, width); nothing for one column."""
    if not rows or len(rows[0]) < 2:
        return (0.0, 0)
    width = len(rows[0])
    widths = Counter(len(row) for row in rows)
    return (round(widths[width] / len(rows), 1), width)


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row below the header, in file order, the same ones on every reading.

    A row with too few columns comes as a `RawRow` that is `cut_short`: whether what is left
    makes a contact depends on the mapping. A quote that is never closed costs the one line
    it stands on: reading goes on with the next line.

    Parameters
    ----------
    path : Path
    facts : FileFacts
        From `sniff_csv` on the same file.

    Yields
    ------
    RawRow or BadRow
        Blank rows, also rows of delimiters only, are passed over.
    """
    with open_text(path, facts.encoding, newline="") as stream:
        yield from _rows_from(read_lines(stream), 1, facts)


def _rows_from(
    lines: Iterator[Line], first_line: int, facts: FileFacts
) -> Iterator[RawRow | BadRow]:
    rows = split_rows(lines, facts.delimiter)
    if first_line == 1:
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


def cut(path: Path, facts: FileFacts, size: int) -> Iterator[Piece | RawRow | BadRow]:
    """Yield the file in pieces of whole records; from the first fault on, as rows.

    Parameters
    ----------
    path : Path
    facts : FileFacts
        From `sniff_csv` on the same file.
    size : int
        Characters of a piece, about.
    """
    with open_text(path, facts.encoding, newline="") as stream:
        line, text, is_rest = 1, "", False
        while not is_rest:
            more = _read_block(stream, size)
            text, is_rest = text + more, not more
            end, n_lines = _whole_records(text, facts.delimiter, is_rest=is_rest)
            if end:
                yield Piece(line, text[:end])
                line, text = line + n_lines, text[end:]
            elif len(text) > MAX_LINE_CHARS:
                break
        yield from _rows_from(read_lines(_Rest(text, stream), first=line), line, facts)


def read_piece(piece: Piece, facts: FileFacts) -> list[RawRow | BadRow]:
    """Return the rows of a piece, as `read_rows` gives them where it reads the whole file."""
    if piece.first_line > 1 and (rows := _plain_rows(piece, facts)) is not None:
        return rows
    lines = read_lines(io.StringIO(piece.text, newline=""), first=piece.first_line)
    return list(_rows_from(lines, piece.first_line, facts))


def _plain_rows(piece: Piece, facts: FileFacts) -> list[RawRow | BadRow] | None:
    """Return the rows of a piece if each has the columns of the header and none a fault."""
    if "\x00" in piece.text or has_undecoded_bytes(piece.text, facts.encoding):
        return None
    lines = io.StringIO(piece.text, newline="")
    reader = csv.reader(lines, delimiter=facts.delimiter, strict=True)
    header, line = facts.header, piece.first_line
    rows: list[RawRow | BadRow] = []
    for cells in reader:
        if any(cells):
            if len(cells) != len(header):
                return None
            rows.append(RawRow(line, dict(zip(header, cells, strict=True))))
        line = piece.first_line + reader.line_num
    return rows


def _read_block(stream: IO[str], size: int) -> str:
    """Read so many characters, and those that must not be cut off from them."""
    block = stream.read(size)
    while block.endswith("\r") and (more := stream.read(1)):
        block += more
    return block


def _whole_records(text: str, delimiter: str, *, is_rest: bool) -> tuple[int, int]:
    """Return how many characters and lines of a text are records without a fault.

    The last record may go on behind the text and is left out, unless the text is the rest.
    """
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    before = ended = 0
    try:
        for _ in reader:
            before, ended = ended, reader.line_num
    except csv.Error:
        before = ended  # what comes behind has a fault, or is not closed yet
    n_lines = ended if is_rest else before
    lines.seek(0)
    deque(islice(lines, n_lines), maxlen=0)
    return lines.tell(), n_lines


class _Rest:
    """What was read of a stream but not used, and the stream behind it."""

    def __init__(self, text: str, stream: IO[str]) -> None:
        self._text = io.StringIO(text, newline="")
        self._stream = stream

    def readline(self, limit: int) -> str:
        """Return the next line, at most so many characters of it."""
        line = self._text.readline(limit)
        if len(line) == limit or line.endswith(("\n", "\r")):
            return line
        return line + self._stream.readline(limit - len(line))


READER = table_reader(
    format="csv",
    title="CSV or TSV table",
    guide="csv",
    sniff=sniff_csv,
    read=read_rows,
    unit="line",
    pieces=(cut, read_piece),
)
