"""Many rows at once, as columns: out of the database and into it as fast as its driver can.

PostgreSQL speaks COPY, SQLite the driver's own executemany; both in the session's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from closedloop.services.binary_copy import Days, Texts, can_write, read_numbers, write_rows

Integers = NDArray[np.int64]
Column = Integers | Days | Texts | Sequence[Any]
"""Integers, of which a masked array keeps its gaps; days; texts; or any values, None for none."""

_Item = TypeVar("_Item")
_IDS_AT_ONCE = 5_000
_ROWS_AT_ONCE = 50_000


def is_postgresql(session: Session) -> bool:
    """Return whether the session is on PostgreSQL; otherwise it is on SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def read_columns(session: Session, statement: sa.Select[Any]) -> dict[str, Any]:
    """Return the columns of a statement by name.

    Parameters
    ----------
    statement : Select
        Each column is a whole number without gaps or a text; the types are those it declares.

    Returns
    -------
    dict of str to array of int, or Texts
    """
    is_text = {c.name: isinstance(c.type, sa.String) for c in statement.selected_columns if c.name}
    if is_postgresql(session):
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        sql = sql.replace("%%", "%")
        if not any(is_text.values()):
            return read_numbers(_cursor(session), sql, list(is_text))
        found = _cursor(session, binary=True).execute(sql)
    else:
        sql = str(statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        found = _cursor(session).execute(sql)
    parts: dict[str, list[Any]] = {name: [] for name in is_text}
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        for (name, text), column in zip(is_text.items(), zip(*rows, strict=True), strict=True):
            parts[name].append(column if text else np.fromiter(column, np.int64, len(column)))
    return {
        name: as_texts(chain.from_iterable(parts[name])) if text else _joined(parts[name])
        for name, text in is_text.items()
    }


def _joined(parts: list[Integers]) -> Integers:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def among(session: Session, column: Any, values: Collection[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of many numbers or texts.

    All of them are one parameter, so that the statement is the same however many there are, and
    is written and understood once.
    """
    found: sa.ColumnElement[bool]
    if not is_postgresql(session):
        each = sa.func.json_each(json.dumps(list(values))).table_valued("value")
        found = column.in_(sa.select(each.c.value))
    else:
        is_text = isinstance(column.type, sa.String)
        written = _array_of_texts(values) if is_text else f"{{{','.join(map(str, values))}}}"
        array = _WrittenArray("TEXT" if is_text else "BIGINT")
        found = column == sa.any_(sa.bindparam(None, written, type_=array))
    return found


class _WrittenArray(sa.types.UserDefinedType[str]):
    """An array as text that the server reads once: the driver would turn over each item."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, of: str) -> None:
        self.of = of

    def get_col_spec(self, **_options: Any) -> str:
        """Return the type as PostgreSQL writes it."""
        return f"{self.of}[]"

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[Any], str]:
        """Return what writes it into a statement."""
        quoted: Any = sa.String().literal_processor(dialect)  # type: ignore[no-untyped-call]
        return lambda written: f"{quoted(written)}::{self.of}[]"


def _array_of_texts(values: Collection[str]) -> str:
    """Return texts as PostgreSQL writes an array of them."""
    together = "".join(values)
    if "\\" in together or '"' in together:
        values = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return "{" + ",".join([f'"{value}"' for value in values]) + "}"


@contextmanager
def by_index(session: Session) -> Iterator[None]:
    """Let PostgreSQL look joined rows up one by one instead of reading the whole other table.

    For some ten thousand rows of millions it believes the latter to be cheaper, as it would be
    on a disk that turns.
    """
    settings = ("enable_hashjoin", "enable_mergejoin") if is_postgresql(session) else ()
    for name in settings:
        session.execute(sa.text(f"SET LOCAL {name} = off"))
    yield
    for name in settings:
        session.execute(sa.text(f"SET LOCAL {name} = on"))


@contextmanager
def by_table(session: Session) -> Iterator[None]:
    """Give PostgreSQL the memory to join whole tables without laying them down on disk."""
    if is_postgresql(session):
        session.execute(sa.text("SET LOCAL work_mem = '128MB'"))
    yield
    if is_postgresql(session):
        session.execute(sa.text("SET LOCAL work_mem TO DEFAULT"))


def as_texts(values: Iterable[str]) -> Texts:
    """Return texts with each different one once, in the order they are first met."""
    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(value, len(code_of)) for value in values]
    return Texts(np.array(codes, dtype=np.int64), list(code_of))


def write_columns(session: Session, table: Any, columns: Mapping[str, Column]) -> int:
    """Insert rows that are given as columns; return how many.

    Instants and JSON must come as the texts that the database takes; see `as_instant`.
    """
    n = len(next(iter(columns.values())))
    if not n:
        return 0
    if is_postgresql(session) and can_write(columns):
        write_rows(_cursor(session), table, columns)
        return n
    names = ", ".join(f'"{name}"' for name in columns)
    rows = _rows_of(list(columns.values()), n)
    if is_postgresql(session):
        with _cursor(session).copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return n
    marks = ", ".join("?" * len(columns))
    _cursor(session).executemany(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - names of ours
        rows,
    )
    return n


def _rows_of(columns: Sequence[Column], n: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows; of a million, numbers as Python has them would take hundreds of megabytes."""
    for start in range(0, n, _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        yield from zip(*(_as_list(_part(column, some)) for column in columns), strict=True)


def _part(column: Column, some: slice) -> Column:
    if isinstance(column, Days):
        return Days(column.numbers[some])
    return Texts(column.codes[some], column.values) if isinstance(column, Texts) else column[some]


def _as_list(column: Column) -> list[Any]:
    if isinstance(column, np.ndarray):
        found: list[Any] = column.tolist()  # a masked entry becomes None
        return found
    return column.spelled() if isinstance(column, Days | Texts) else list(column)


def take_ids(session: Session, table: Any, n: int) -> list[int]:
    """Return ids for rows that are about to be written; nobody else gets them.

    On SQLite the transaction must be one that writes, and so the only one.
    """
    if not n:
        return []
    if is_postgresql(session):
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        numbers = sa.func.generate_series(1, n).table_valued("n")
        drawn = sa.select(sa.func.nextval(sequence).label("id")).select_from(numbers).subquery()
        lowest, highest = sa.func.min(drawn.c.id), sa.func.max(drawn.c.id)
        # mostly they follow each other, and need not be sent one by one
        each = sa.case((highest - lowest >= n, sa.func.array_agg(drawn.c.id)))
        low, high, apart = session.execute(sa.select(lowest, highest, each)).one()
        return apart or list(range(low, high + 1))
    last = session.scalar(sa.select(sa.func.max(table.c.id))) or 0
    return list(range(last + 1, last + n + 1))


def as_instant(instant: datetime) -> str:
    """Return an aware instant in UTC as the text both databases take."""
    return instant.isoformat(" ", "seconds")[:19]


def delete_rows(session: Session, column: Any, ids: Integers | Sequence[int]) -> None:
    """Delete the rows of a table whose column is one of many ids."""
    table = column.table
    for portion in in_portions(list(map(int, ids)), _IDS_AT_ONCE):
        session.execute(sa.delete(table).where(among(session, column, portion)))


def in_portions(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def _cursor(session: Session, **options: Any) -> Any:
    """Return a cursor of the driver, inside the session's transaction."""
    return session.connection().connection.cursor(**options)
