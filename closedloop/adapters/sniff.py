"""The first look at a table: its first lines, the names of its columns, what is no table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from closedloop.adapters.cells import clean
from closedloop.adapters.encoding import Encoding
from closedloop.adapters.lines import Line, open_text, read_lines
from closedloop.adapters.types import UnreadableFile

SAMPLE_ROWS = 20
MAX_COLUMNS = 5_000
MAX_CELL_CHARS = 5_000
"""How much of a cell a sample shows."""
_SNIFFED_LINES = 2000
_SNIFFED_CHARS = 2 * 1024 * 1024

_NUMBER = re.compile(r"[-+]?\d[\d.,\s]*")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?|\w{3} \w{3} \d\d \d\d:\d\d.*")
_EMAIL = re.compile(r"\S+@\S+\.\w+")


def first_lines(path: Path, encoding: Encoding) -> list[Line]:
    """Return the first lines of a text file, as many as fit into a fixed amount of memory.

    Raises
    ------
    UnreadableFile
        If they are all blank.
    """
    with open_text(path, encoding.name, newline="") as stream:
        lines = _bounded(read_lines(stream))
    if not any(line.text.strip() for line in lines):
        raise UnreadableFile(
            "The file is empty. Check that the export has finished and upload it again."
        )
    return lines


def is_json(head: Sequence[Line]) -> bool:
    """Whether a file begins as JSON does."""
    start = "".join(line.text[:100] for line in head[:5]).lstrip("\ufeff \t\r\n")
    return start.startswith(("[", "{"))


def _bounded(lines: Iterator[Line]) -> list[Line]:
    kept: list[Line] = []
    n_chars = 0
    for line in lines:
        kept.append(line)
        n_chars += len(line.text)
        if len(kept) >= _SNIFFED_LINES or n_chars >= _SNIFFED_CHARS:
            break
    return kept


def as_text(value: object) -> str:
    """Return a value as a cell of a sample shows it."""
    return "" if value is None else clean(str(value))[:MAX_CELL_CHARS]


def unique_names(cells: Sequence[str]) -> list[str]:
    """Return column names that differ: `category`, `category (2)`, `column 3`."""
    names: dict[str, None] = {}
    last: dict[str, int] = {}
    for position, cell in enumerate(cells, start=1):
        name = " ".join(clean(cell).split()).lstrip("\ufeff") or f"column {position}"
        candidate, n = name, last.get(name, 1)
        while candidate in names:
            n += 1
            candidate = f"{name} ({n})"
        names[candidate], last[name] = None, n
    return list(names)


def refuse_odd_number_of_columns(names: Sequence[str]) -> None:
    """Raise `UnreadableFile` for fewer than 2 or more than `MAX_COLUMNS` columns."""
    if len(names) > MAX_COLUMNS:
        raise UnreadableFile(
            f"The file has {len(names):,} columns; at most {MAX_COLUMNS:,} can be told "
            "apart here. Export only the columns that describe the contact."
        )
    if len(names) < 2:
        raise UnreadableFile(
            "The file has a single column. A contact needs at least an id and a start time, in "
            "columns separated by commas, semicolons, tabs or bars. Lines above the names of the "
            "columns, such as a title, must go."
        )


def refuse_missing_header(cells: Sequence[str]) -> None:
    """Raise `UnreadableFile` for a first row that looks like data: dates, addresses, numbers."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    numbers = sum(1 for cell in filled if _NUMBER.fullmatch(cell))
    looks_like_data = any(_DATE.fullmatch(cell) or _EMAIL.fullmatch(cell) for cell in filled)
    if not filled or looks_like_data or numbers * 3 >= len(filled):
        raise UnreadableFile(
            "The first line does not name the columns; it looks like a row of data. Add a first "
            "line with column names such as contact_id and started_at."
        )
