"""Excel workbooks: the first sheet with column names, row by row."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from closedloop.adapters.bundle import MAX_RATIO, ZIP_FAULTS
from closedloop.adapters.sniff import (
    SAMPLE_ROWS,
    as_text,
    refuse_missing_header,
    refuse_odd_number_of_columns,
    unique_names,
)
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile

MAX_ROW = 1_048_576
MAX_CELLS_OF_ROW = 16_384
MAX_MEMBERS = 10_000
MAX_UNPACKED = 4 * 1024**3
MAX_STRINGS_BYTES = 128 * 1024 * 1024
"""The table of texts is kept in memory: about three times of this."""

MAX_PART_BYTES = 16 * 1024 * 1024
"""Of every other part but the sheets."""

_SMALL = 64 * 1024 * 1024
_PROLOG_BYTES = 4096
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_ROOT = re.compile(rb"<[A-Za-z_]")
_ELEMENT = re.compile(rb"<(?:\w+:)?(row|c)[\s/>]")
_CHUNK, _LONGEST_NAME = 1024 * 1024, 64
_HEADER_ROWS = 30
_ROWS_AT_ONCE = 200

_CSV_INSTEAD = "Save the sheet as CSV (UTF-8) and import that file."


class _Table(NamedTuple):
    """Where the rows are: the sheet by name, the row of its column names, and those."""

    sheet: str
    row: int
    header: list[str]
    max_row: int


def sniff_xlsx(path: Path) -> FileFacts | None:
    """Recognise a workbook and find the sheet with column names.

    Returns
    -------
    FileFacts or None
        None when the file is no zip, or an archive of other files.

    Raises
    ------
    UnreadableFile
        If it is broken or has a password, would unpack to far more than it is, declares
        entities, or has no sheet with column names.
    """
    if not _is_workbook(path):
        return None
    with _opened(path) as book:
        table = _find_table(book)
        rows = [r for r in islice(_rows(book, table), SAMPLE_ROWS) if isinstance(r, RawRow)]
    sample = [[as_text(row.fields[name]) for name in table.header] for row in rows]
    reasons = [f"It is an Excel workbook; the rows come from the sheet “{table.sheet}”."]
    if table.row > 1:
        reasons.append(f"The names of the columns are in row {table.row}.")
    if not sample:
        reasons.append("There are column names but no rows below them.")
    return FileFacts("xlsx", "", "", False, table.header, sample, reasons, n_rows=table.max_row)


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row below the column names; `line` is the row of the sheet.

    Dates come as ISO 8601 without zone, durations as seconds, cells to the right of the last
    column name as `column 7`. Blank rows are passed over.
    """
    with _opened(path) as book:
        yield from _rows(book, _find_table(book))


def _is_workbook(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "xl/workbook.xml" not in names:
                return _is_other_office_file(names)
            _refuse_bomb(path, archive)
            for info in archive.infolist():
                _refuse_entities(archive, info)
            for info in archive.infolist():
                if _SHEET.fullmatch(info.filename):
                    _refuse_endless_rows(archive, info)
            return True
    except ZIP_FAULTS as error:
        raise _broken() from error


def _is_other_office_file(names: set[str]) -> bool:
    if "[Content_Types].xml" in names:
        raise UnreadableFile(
            "The file is an Office file, but no workbook of the usual kind (.xlsx). "
            "Open it in the program it comes from and save the table as CSV (UTF-8)."
        )
    return False


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a workbook by the sizes it announces; a lie in them ends in a broken sheet."""
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    most = min(MAX_UNPACKED, max(_SMALL, path.stat().st_size * MAX_RATIO))
    if total > most or len(infos) > MAX_MEMBERS:
        raise UnreadableFile(
            f"The workbook would unpack to far more than it should. {_CSV_INSTEAD}"
        )
    for info in infos:
        is_text_table = info.filename == "xl/sharedStrings.xml"
        most = MAX_STRINGS_BYTES if is_text_table else MAX_PART_BYTES
        if info.file_size > most and not _SHEET.fullmatch(info.filename):
            raise UnreadableFile(
                f"The workbook holds more text than can be kept in memory. {_CSV_INSTEAD}"
                if is_text_table
                else f"The workbook has a part that is far too large. {_CSV_INSTEAD}"
            )


def _refuse_entities(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse a part that declares a document type: that is how entity bombs are made.

    A declaration can only stand before the first element, which every real part begins with.
    """
    if not info.filename.endswith((".xml", ".rels", ".vml")):
        return
    with archive.open(info) as stream:
        start = stream.read(_PROLOG_BYTES).replace(b"\x00", b"")
    if b"<!DOCTYPE" in start or b"<!ENTITY" in start or (start and not _ROOT.search(start)):
        raise UnreadableFile(
            "The workbook declares entities in its XML, which no program writes and which can "
            f"fill the memory. {_CSV_INSTEAD}"
        )


def _refuse_endless_rows(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse a row with more cells than a sheet has columns: it would be read as a whole."""
    cells, rest = 0, b""
    with archive.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            text = rest + chunk.replace(b"\x00", b"")
            rest = text[-_LONGEST_NAME:]  # a name may go on in the next chunk
            for found in _ELEMENT.finditer(text):
                if found.start() >= len(text) - len(rest):
                    break
                cells = 0 if found[1] == b"row" else cells + 1
                if cells > MAX_CELLS_OF_ROW:
                    raise UnreadableFile(
                        f"A row of the workbook has more than {MAX_CELLS_OF_ROW:,} cells, more "
                        f"than a sheet has columns. {_CSV_INSTEAD}"
                    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import openpyxl  # here, as it takes its time and most files are no workbooks

    with path.open("rb") as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and validations, not about cells
                book = openpyxl.load_workbook(
                    stream, read_only=True, data_only=True, keep_links=False
                )
        except Exception as error:  # a broken workbook fails in as many ways as it has parts
            raise _broken() from error
        try:
            yield book
        finally:
            book.close()


def _broken() -> UnreadableFile:
    return UnreadableFile(
        "The workbook cannot be read: it is broken or has a password. Open it in Excel, save it "
        "again without a password, or save the sheet as CSV (UTF-8)."
    )


def _find_table(book: Any) -> _Table:
    """Return the first sheet that has column names, and where they are."""
    refusal: UnreadableFile | None = None
    for sheet in book.worksheets:
        max_row = _max_row(sheet)
        sheet.reset_dimensions()  # what it says of its size may be wrong and would cut rows off
        try:
            for number, cells in islice(_cells(sheet), _HEADER_ROWS):
                try:
                    return _table(sheet.title, number, cells, max_row)
                except UnreadableFile as error:
                    refusal = refusal or error
        except _BrokenSheet:
            continue
    raise refusal or UnreadableFile(
        "The workbook holds no rows. Check that the export has finished and upload it again."
    )


def _table(title: str, number: int, cells: Sequence[Any], max_row: int) -> _Table:
    texts = [as_text(cell) for cell in cells]
    refuse_odd_number_of_columns([text for text in texts if text.strip()])
    refuse_odd_number_of_columns(texts)
    refuse_missing_header(texts)
    return _Table(title, number, unique_names(texts), max_row)


def _max_row(sheet: Any) -> int:
    """Return how many rows a sheet says it has; some say 1 whatever they hold."""
    said = sheet.max_row or 0
    return said if 1 < said <= MAX_ROW else 0


class _BrokenSheet(Exception):
    """The XML of a sheet breaks off or is none."""


def _cells(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row, cells without the blank ones at the end) of rows that are not blank.

    Raises
    ------
    _BrokenSheet
        Behind the last row that can be read.
    """
    rows = enumerate(_values(sheet), start=1)
    is_broken = False
    while not is_broken:
        portion, is_broken = _portion(rows)
        for number, values in portion:
            cells = [_plain(value) for value in values]
            while cells and (cells[-1] is None or cells[-1] == ""):
                cells.pop()
            if cells:
                yield number, cells
        if len(portion) < _ROWS_AT_ONCE and not is_broken:
            return
    raise _BrokenSheet


def _values(sheet: Any) -> Iterator[tuple[Any, ...]]:
    try:
        yield from sheet.iter_rows(values_only=True, max_row=MAX_ROW)
    except Exception as error:  # openpyxl lets whatever goes wrong in the XML through
        raise _BrokenSheet from error


def _portion(
    rows: Iterator[tuple[int, tuple[Any, ...]]],
) -> tuple[list[tuple[int, tuple[Any, ...]]], bool]:
    """Return the next rows, and whether the sheet breaks off behind them."""
    found: list[tuple[int, tuple[Any, ...]]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dates out of range become #VALUE!, which is refused
        try:
            found.extend(islice(rows, _ROWS_AT_ONCE))
        except _BrokenSheet:
            return found, True
    return found, False


def _rows(book: Any, table: _Table) -> Iterator[RawRow | BadRow]:
    last = table.row
    try:
        for last, cells in _cells(book[table.sheet]):
            if last > table.row:
                yield _row(last, cells, table)
    except _BrokenSheet:
        reason = (
            f"The sheet breaks off after row {last}: what follows cannot be read. "
            "Open the workbook in Excel, save it again and import that."
        )
        yield BadRow(last + 1, reason, "")


def _row(number: int, cells: Sequence[Any], table: _Table) -> RawRow:
    names = [*table.header, *(f"column {n + 1}" for n in range(len(table.header), len(cells)))]
    values = [*cells, *[None] * (len(names) - len(cells))]
    fields = dict(zip(names, values, strict=True))
    return RawRow(number, fields, where=f"row {number} of sheet “{table.sheet}”")


def _plain(value: Any) -> Any:
    """Return a cell as text, number or bool; times are rounded to the second, as shown."""
    if isinstance(value, datetime):
        return (value + timedelta(microseconds=500_000)).replace(microsecond=0).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M:%S")
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    return value if isinstance(value, str | int | float | bool | None) else str(value)


READER = table_reader(
    format="xlsx",
    title="Excel workbook (.xlsx)",
    guide="xlsx-parquet-json",
    sniff=sniff_xlsx,
    read=read_rows,
    unit="row",
)
