"""Whole numbers out of PostgreSQL and into it in the binary form of COPY, as arrays.

Rows of the same gaps have the same length, so that numpy lays them out as they travel and no row
passes through Python by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH_IN_DAYS = 10_957
"""Days from 1970 to 2000, from which PostgreSQL counts."""

Integers = NDArray[np.int64]


class Days:
    """A column of days, as numbers of days since 1970."""

    def __init__(self, numbers: Integers) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def spelled(self) -> list[str]:
        """Return the days as ISO 8601."""
        texts: list[str] = np.datetime_as_string(self.numbers.astype("datetime64[D]")).tolist()
        return texts


def read_numbers(cursor: Any, sql: str, names: Sequence[str]) -> dict[str, Integers]:
    """Return the columns of a statement, each of them whole numbers without gaps.

    Raises
    ------
    ValueError
        If a column has a gap.
    """
    wide = ", ".join(f'CAST("{name}" AS BIGINT)' for name in names)
    copied = f"COPY (SELECT {wide} FROM ({sql}) AS found) TO STDOUT (FORMAT BINARY)"  # noqa: S608
    data = bytearray()
    with cursor.copy(copied) as copy:
        for piece in copy:
            data += piece
    row = _row([8] * len(names))
    n, rest = divmod(len(data) - len(_HEADER) - len(_END), row.itemsize)
    if rest:
        raise ValueError("A column that was to be read as numbers has gaps.")
    rows = np.frombuffer(data, row, count=n, offset=len(_HEADER))
    if any((rows[f"size {i}"] != 8).any() for i in range(len(names))):
        raise ValueError("A column that was to be read as numbers has gaps.")
    return {name: rows[f"value {i}"].astype(np.int64) for i, name in enumerate(names)}


def can_write(columns: Mapping[str, Any]) -> bool:
    """Return whether all columns are whole numbers or days."""
    return all(isinstance(column, np.ndarray | Days) for column in columns.values())


def write_numbers(cursor: Any, table: Any, columns: Mapping[str, Any]) -> None:
    """Insert rows of whole numbers and days; what is masked in an array becomes null."""
    names = ", ".join(f'"{name}"' for name in columns)
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        for block in _blocks(table, columns):
            copy.write(block)
        copy.write(_END)


def _blocks(table: Any, columns: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the rows, those with the same gaps together."""
    sizes = [_size(table.c[name].type) for name in columns]
    values = [
        column.numbers - _EPOCH_IN_DAYS if isinstance(column, Days) else column
        for column in columns.values()
    ]
    gaps = [np.ma.getmaskarray(value) for value in values]
    pattern = np.zeros(len(values[0]), dtype=np.int64)
    for i, gap in enumerate(gaps):
        pattern |= gap.astype(np.int64) << i
    for one in np.unique(pattern).tolist():
        here = np.flatnonzero(pattern == one)
        rows = np.empty(len(here), _row([0 if one >> i & 1 else s for i, s in enumerate(sizes)]))
        rows["fields"] = len(values)
        for i, value in enumerate(values):
            rows[f"size {i}"] = -1 if one >> i & 1 else sizes[i]
            if not one >> i & 1:
                rows[f"value {i}"] = np.ma.getdata(value)[here]
        yield rows.tobytes()


def _row(sizes: Sequence[int]) -> np.dtype[Any]:
    """Return how a row lies: its number of fields, then each one's size and value, 0 for none."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for i, size in enumerate(sizes):
        fields.append((f"size {i}", ">i4"))
        if size:
            fields.append((f"value {i}", f">i{size}"))
    return np.dtype(fields)


def _size(kind: sa.types.TypeEngine[Any]) -> int:
    """Return the bytes of a column of whole numbers or days."""
    if isinstance(kind, sa.BigInteger):
        return 8
    return 2 if isinstance(kind, sa.SmallInteger) else 4
