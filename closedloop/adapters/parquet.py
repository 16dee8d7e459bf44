"""Parquet files, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from closedloop.adapters.bundle import MAX_RATIO
from closedloop.adapters.cells import clean
from closedloop.adapters.sniff import SAMPLE_ROWS, as_text, refuse_odd_number_of_columns
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile

ROWS_AT_ONCE = 250
MAX_ROWS = 1_000_000_000
_SMALL = 64 * 1024 * 1024
_MAGIC = b"PAR1"
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, TypeError)
"""What a broken file makes pyarrow raise."""


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
    with _opened(path) as source:
        header = list(source.schema_arrow.names)
        _refuse_doubles(header)
        refuse_odd_number_of_columns(header)
        _refuse_bomb(path, source.metadata)
        n_rows = source.metadata.num_rows
    facts = FileFacts("parquet", "", "", False, header, [], [], n_rows=n_rows)
    rows = [r for r in islice(read_rows(path, facts), SAMPLE_ROWS) if isinstance(r, RawRow)]
    sample = [[as_text(row.fields[name]) for name in header] for row in rows]
    reasons = [f"It is a Parquet file of {n_rows:,} rows."]
    return FileFacts("parquet", "", "", False, header, sample, reasons, n_rows=n_rows)


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row, numbered from 1; timestamps come as ISO 8601.

    A row group that cannot be read costs its own rows: one `BadRow` stands for what is left of
    it, and reading goes on with the next.
    """
    with _opened(path) as source:
        before = 0
        for group in range(source.metadata.num_row_groups):
            yield from _group(source, group, before)
            before += source.metadata.row_group(group).num_rows


def _group(source: pq.ParquetFile, group: int, before: int) -> Iterator[RawRow | BadRow]:
    number, end = before, before + source.metadata.row_group(group).num_rows
    try:
        for batch in source.iter_batches(ROWS_AT_ONCE, row_groups=[group], use_threads=False):
            for fields in islice(_as_rows(batch), end - number):
                number += 1
                yield RawRow(number, fields, where=f"row {number}")
    except _FAULTS:
        pass  # said below
    if number < end:
        reason = (
            f"The rows from {number + 1:,} to {end:,} cannot be read: the file is broken there. "
            "Write the file again."
        )
        yield BadRow(number + 1, reason, "")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        source = pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        groups = [source.metadata.row_group(n) for n in range(source.metadata.num_row_groups)]
        is_sound = all(group.num_rows >= 0 for group in groups)
        is_sound &= sum(group.num_rows for group in groups) == source.metadata.num_rows
    except _FAULTS as error:
        raise _broken() from error
    with source:
        if not is_sound:
            raise _broken()
        yield source


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


def _refuse_bomb(path: Path, metadata: pq.FileMetaData) -> None:
    """Refuse a file by the sizes it announces."""
    total = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        total += sum(group.column(n).total_uncompressed_size for n in range(group.num_columns))
    most = max(_SMALL, path.stat().st_size * MAX_RATIO)
    if total > most or metadata.num_rows > MAX_ROWS:
        raise UnreadableFile(
            "The Parquet file would unpack to far more than it should. Write it again with less "
            "in one file, or export CSV."
        )


def _as_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """Return a column as Python values; as Arrow writes them where Python has no such value."""
    try:
        wanted = _readable(column.type)
        return [_plain(v) for v in column.cast(wanted, safe=False).to_pylist()]
    except (pa.ArrowException, ValueError, OverflowError):
        return list(column.cast(pa.string()).to_pylist())


def _readable(kind: pa.DataType) -> pa.DataType:
    """Return the type whose values Python can hold: microseconds, instants in UTC."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_duration(kind):
        return pa.duration("us")
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_readable(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_readable(kind.value_type))
    return kind


def _plain(value: Any) -> Any:
    """Return a value that JSON knows, whatever it is made of."""
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


READER = table_reader(
    format="parquet",
    title="Parquet",
    guide="xlsx-parquet-json",
    sniff=sniff_parquet,
    read=read_rows,
)
