"""Tables as CSV text that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

MARK = "\ufeff"
"""Tells Excel that a file is UTF-8."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SURELY_RUNS = ("=", "@", "\t", "\r")


def safe_cell(value: Any) -> str:
    """Return a cell as text; what a spreadsheet would take for a formula gets a quote before it.

    Numbers that we made stay numbers; text is never one.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (int, float, date)):
        return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a table line by line, every cell safe."""
    yield MARK + _line(map(safe_cell, headings))
    for row in rows:
        yield _line(map(safe_cell, row))


def lines_to_read_again(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows that will be read in again: only what would surely run gets a quote before it.

    A number with its sign stays one.
    """
    yield MARK
    for row in rows:
        yield _line(f"'{cell}" if cell.startswith(_SURELY_RUNS) else cell for cell in row)


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
