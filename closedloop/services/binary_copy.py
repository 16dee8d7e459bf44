"""Columns out of PostgreSQL and into it in the binary form of COPY, as arrays.

Numbers of rows with the same gaps have the same length, so that numpy lays them out as they
travel; the texts of a row, each different one spelled once, are put in front of its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
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


class Texts:
    """A column of texts, each different one once.

    Attributes
    ----------
    codes : array of int
        Position in `values`, one entry a row.
    values : list of str
    """

    def __init__(self, codes: Integers, values: list[str]) -> None:
        self.codes = codes
        self.values = values

    def __len__(self) -> int:
        return len(self.codes)

    def spelled(self) -> list[str]:
        """Return the text of each row."""
        return [self.values[code] for code in self.codes.tolist()]


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
    """Return whether all columns are whole numbers, days or `Texts`, and not all of them texts."""
    kinds = set(map(type, columns.values()))
    numbers = {np.ndarray, np.ma.MaskedArray, Days}
    return bool(kinds & numbers) and kinds <= {*numbers, Texts}


def write_rows(cursor: Any, table: Any, columns: Mapping[str, Any]) -> None:
    """Insert rows of columns that `can_write`; what is masked in an array becomes null."""
    texts = {name: of for name, of in columns.items() if isinstance(of, Texts)}
    numbers = {name: of for name, of in columns.items() if name not in texts}
    names = ", ".join(f'"{name}"' for name in (*texts, *numbers))
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        for block in _blocks(table, numbers, list(texts.values())):
            copy.write(block)
        copy.write(_END)


def _blocks(table: Any, numbers: Mapping[str, Any], texts: Sequence[Texts] = ()) -> Iterator[bytes]:
    """Yield the rows, those with the same gaps together, the texts of a row before its numbers."""
    sizes = [_size(table.c[name].type) for name in numbers]
    values = [
        column.numbers - _EPOCH_IN_DAYS if isinstance(column, Days) else column
        for column in numbers.values()
    ]
    gaps = [np.ma.getmaskarray(value) for value in values]
    pattern = np.zeros(len(values[0]), dtype=np.int64)
    for i, gap in enumerate(gaps):
        pattern |= gap.astype(np.int64) << i
    spelled = [_spelled_out(column) for column in texts]
    for one in np.unique(pattern).tolist():
        here = np.flatnonzero(pattern == one)
        kind = _row([0 if one >> i & 1 else s for i, s in enumerate(sizes)], counted=not texts)
        rows = np.empty(len(here), kind)
        if not texts:
            rows["fields"] = len(values)
        for i, value in enumerate(values):
            rows[f"size {i}"] = -1 if one >> i & 1 else sizes[i]
            if not one >> i & 1:
                rows[f"value {i}"] = np.ma.getdata(value)[here]
        behind = rows.tobytes()
        if not texts:
            yield behind
            continue
        spoken = [
            map(of.__getitem__, column.codes[here].tolist())
            for of, column in zip(spelled, texts, strict=True)
        ]
        yield _joined(spoken, behind, rows.itemsize, len(spoken) + len(values))


def _joined(spoken: Sequence[Iterator[bytes]], behind: bytes, width: int, n_fields: int) -> bytes:
    """Return rows with how many fields they have, their texts, and their numbers behind."""
    counts = repeat(n_fields.to_bytes(2, "big"))
    numbers = (behind[i : i + width] for i in range(0, len(behind), width))
    return b"".join(chain.from_iterable(zip(counts, *spoken, numbers, strict=False)))


def _spelled_out(column: Texts) -> list[bytes]:
    """Return each different text as it lies in a row: its length, then itself."""
    spelled = [value.encode() for value in column.values]
    return [len(text).to_bytes(4, "big") + text for text in spelled]


def _row(sizes: Sequence[int], *, counted: bool = True) -> np.dtype[Any]:
    """Return how numbers lie in a row: each one's size and value, 0 for none.

    `counted` rows have the number of their fields in front.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")] if counted else []
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
