"""A program of its own that reads Parquet: what breaks in the library there breaks nobody else.

It is run by path and imports nothing of ours. Each line it is sent is a request, a JSON object
with `path` and `group`. Without a group it answers one object with the columns, the rows of each
group and the bytes they unpack to; with one, a JSON list for each row and an object at the end.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

try:
    import resource
except ImportError:  # there are systems without
    resource = None  # type: ignore[assignment]

ROWS_AT_ONCE = 250
IDLE_SECONDS = 60
MAX_MEMORY = 4 * 1024**3
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, TypeError)
"""What a broken file makes pyarrow raise, where it does not end the process."""


def serve() -> None:
    """Answer requests until there are no more."""
    _limit()
    ending = _end_soon()
    for line in sys.stdin:
        ending.cancel()
        request = json.loads(line)
        try:
            with pq.ParquetFile(request["path"], buffer_size=1 << 20, pre_buffer=False) as source:
                if request["group"] is None:
                    _say(_describe(source))
                else:
                    for row in _rows(source, request["group"]):
                        _say(row)
                    _say({"is_whole": True})
        except _FAULTS:
            _say({"is_whole": False})
        sys.stdout.flush()
        ending = _end_soon()


def _end_soon() -> threading.Timer:
    """Let the process end by itself if nobody asks for more."""
    timer = threading.Timer(IDLE_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()
    return timer


def _limit() -> None:
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _describe(source: pq.ParquetFile) -> dict[str, Any]:
    metadata = source.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
    return {
        "names": list(source.schema_arrow.names),
        "groups": [group.num_rows for group in groups],
        "n_rows": metadata.num_rows,
        "unpacked": sum(chunk.total_uncompressed_size for chunk in chunks),
        "is_whole": True,
    }


def _rows(source: pq.ParquetFile, group: int) -> Iterator[list[Any]]:
    for batch in source.iter_batches(ROWS_AT_ONCE, row_groups=[group], use_threads=False):
        columns = [_values(column) for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield list(values)


def _values(column: pa.Array) -> list[Any]:
    """Return a column as Python values; as Arrow writes them where Python has no such value."""
    try:
        wanted = _readable(column.type)
        return [_plain(v) for v in column.cast(wanted, safe=False).to_pylist()]
    except (pa.ArrowException, ValueError, OverflowError):
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        other = column.cast(pa.binary() if is_text else pa.string())
        return [_plain(value) for value in other.to_pylist()]


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
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


if __name__ == "__main__":
    serve()
