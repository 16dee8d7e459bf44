"""Tables as CSV text that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

MARK = "\ufeff"
"""Tells Excel that a file is UTF-8."""

LINE_COLUMN = "closedloop_line"
"""Column by which a file of refused rows is known when it is read again."""

_ROWS_AT_ONCE = 100
_STARTS_A_FORMULA = frozenset("=+-@\t\r")
_AS_THEY_ARE = frozenset((int, type(None)))  # the writer makes the same text of these
_MAY_RUN = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")
_SIGNED_NUMBER = re.compile(r"[+-][\d .,()/:-]+")


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
    return f"'{text}" if text[:1] in _STARTS_A_FORMULA else text


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a table, every cell safe: the headings, then some lines at a time.

    A server sends each piece by itself, so that a piece for every line would cost more than its
    cells do.
    """
    yield MARK + _lines([_safe_cells(headings)])
    rest = iter(rows)
    while some := list(islice(rest, _ROWS_AT_ONCE)):
        yield _lines(map(_safe_cells, some))


def _safe_cells(row: Sequence[Any]) -> list[Any]:
    """Return what `safe_cell` does of each; what needs nothing done, as nearly all, is kept."""
    return [
        value
        if (kind := type(value)) in _AS_THEY_ARE
        or (kind is str and value[:1] not in _STARTS_A_FORMULA)
        else safe_cell(value)
        for value in row
    ]


def lines_to_read_again(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows that will be read in again, every cell safe; `as_written` undoes it.

    Numbers with their sign and telephone numbers stay as they are: nothing in them runs.
    """
    yield MARK
    for row in rows:
        yield _lines([map(_quoted, row)])


def _quoted(cell: str) -> str:
    is_safe = not _MAY_RUN.match(cell) or _SIGNED_NUMBER.fullmatch(cell)
    return cell if is_safe else f"'{cell}"


def as_written(cell: str) -> str:
    """Return what a cell was before `lines_to_read_again` made it safe."""
    return cell[1:] if _QUOTED.match(cell) else cell


def _lines(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
