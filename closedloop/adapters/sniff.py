"""The first look at a file: what it is, how it is written, what its columns are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from closedloop.adapters.contact_csv import split_rows
from closedloop.adapters.contact_jsonl import split_line
from closedloop.adapters.encoding import Encoding, find_encoding
from closedloop.adapters.lines import Line, open_text, read_lines
from closedloop.adapters.types import BadRow, FileFacts, UnreadableFile

SAMPLE_ROWS = 20
MAX_COLUMNS = 5_000
DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_ROWS = 60
_SNIFFED_LINES = 2000
_SNIFFED_CHARS = 2 * 1024 * 1024

_NUMBER = re.compile(r"[-+]?\d[\d.,\s]*")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?|\w{3} \w{3} \d\d \d\d:\d\d.*")
_EMAIL = re.compile(r"\S+@\S+\.\w+")


def sniff_file(path: Path) -> FileFacts:
    """Recognise format, encoding, delimiter and header from the content of a file.

    Only the beginning and some blocks of the file are read, whatever its size.

    Parameters
    ----------
    path : Path
        The name of the file does not matter.

    Raises
    ------
    UnreadableFile
        If it is empty, binary, a JSON list, has no header or one column only; the sentence
        says what to do.
    """
    encoding = find_encoding(path)
    head = _first_lines(path, encoding)
    start = "".join(line.text for line in head[:5]).lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        raise UnreadableFile(
            "The file is one JSON list. Save it with one object on each line (JSON lines), "
            "for example with: jq -c '.[]' file.json > file.jsonl"
        )
    if start.startswith("{"):
        return _jsonl_facts(head, encoding)
    return _csv_facts(head, encoding)


def _first_lines(path: Path, encoding: Encoding) -> list[Line]:
    with open_text(path, encoding.name, newline="") as stream:
        lines = _bounded(read_lines(stream))
    if not any(line.text.strip() for line in lines):
        raise UnreadableFile(
            "The file is empty. Check that the export has finished and upload it again."
        )
    return lines


def _bounded(lines: Iterator[Line]) -> list[Line]:
    """Return the first lines, as many as fit into a fixed amount of memory."""
    kept: list[Line] = []
    n_chars = 0
    for line in lines:
        kept.append(line)
        n_chars += len(line.text)
        if len(kept) >= _SNIFFED_LINES or n_chars >= _SNIFFED_CHARS:
            break
    return kept


def _jsonl_facts(head: Sequence[Line], encoding: Encoding) -> FileFacts:
    filled = (line for line in head if line.text.strip())
    rows = [split_line(line, encoding.name) for line in islice(filled, SAMPLE_ROWS)]
    objects = [row.fields for row in rows if not isinstance(row, BadRow)]
    if len(objects) * 2 < len(rows):
        raise UnreadableFile(
            "The file looks like JSON, but its lines are not whole objects. Save it with one "
            "object on each line, for example with: jq -c . file.json > file.jsonl"
        )
    header = list(dict.fromkeys(key for fields in objects for key in fields))
    _refuse_odd_number_of_columns(header)
    cells = [[_as_text(fields.get(key)) for key in header] for fields in objects]
    reasons = ["Each line is a JSON object.", encoding.reason]
    return FileFacts("jsonl", encoding.name, "", encoding.has_bom, header, cells, reasons)


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _csv_facts(head: Sequence[Line], encoding: Encoding) -> FileFacts:
    delimiter = _find_delimiter(head)
    rows = _rows(head, delimiter)
    if not rows:
        raise UnreadableFile(
            "The first line of the file cannot be split into columns. Its quotation marks are "
            "not closed; export it again as CSV."
        )
    _refuse_odd_number_of_columns(rows[0])
    _refuse_missing_header(rows[0])
    header = unique_names(rows[0])
    reasons = [
        f"Columns are separated by a {_DELIMITER_NAMES[delimiter]}: "
        f"the first line has {len(header)} of them.",
        encoding.reason,
    ]
    if len(rows) == 1:
        reasons.append("There are column names but no rows below them.")
    sample = rows[1 : SAMPLE_ROWS + 1]
    return FileFacts("csv", encoding.name, delimiter, encoding.has_bom, header, sample, reasons)


def _rows(head: Sequence[Line], delimiter: str) -> list[list[str]]:
    """Return the first rows; the header first, none when the header is broken."""
    found: list[list[str]] = []
    for row in islice(split_rows(_replay(head), delimiter), _SNIFFED_ROWS):
        if isinstance(row, BadRow):
            if not found:
                return []
            continue
        if any(row[1]) or not found:
            found.append(row[1])
    return found


def _replay(head: Sequence[Line]) -> Iterator[Line]:
    yield from head


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


def unique_names(cells: Sequence[str]) -> list[str]:
    """Return column names that differ: `category`, `category (2)`, `column 3`."""
    names: dict[str, None] = {}
    last: dict[str, int] = {}
    for position, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()).lstrip("\ufeff") or f"column {position}"
        candidate, n = name, last.get(name, 1)
        while candidate in names:
            n += 1
            candidate = f"{name} ({n})"
        names[candidate], last[name] = None, n
    return list(names)


def _refuse_odd_number_of_columns(names: Sequence[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise UnreadableFile(
            f"The file has {len(names):,} columns; at most {MAX_COLUMNS:,} can be told "
            "apart here. Export only the columns that describe the contact."
        )
    if len(names) < 2:
        raise UnreadableFile(
            "The file has a single column. A contact needs at least an id and a start time, in "
            "columns separated by commas, semicolons, tabs or bars."
        )


def _refuse_missing_header(cells: Sequence[str]) -> None:
    """Refuse a first row that looks like data: a date, an address, mostly numbers."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    numbers = sum(1 for cell in filled if _NUMBER.fullmatch(cell))
    looks_like_data = any(_DATE.fullmatch(cell) or _EMAIL.fullmatch(cell) for cell in filled)
    if not filled or looks_like_data or numbers * 3 >= len(filled):
        raise UnreadableFile(
            "The first line does not name the columns; it looks like a row of data. Add a first "
            "line with column names such as contact_id and started_at."
        )
