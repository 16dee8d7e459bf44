"""Write a whole history into an empty database, as fast as the database takes it.

The history is what pages and repeats are measured on, and is not measured itself: indexes are
built when the rows are there, and PostgreSQL is handed ready blocks of COPY text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.bench.history import CHANNELS, COLUMNS, LANGUAGES, N_THEMES, History
from closedloop.bench.redaction_set import make_texts
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import Database
from closedloop.models import Contact, ContactText, Customer, ImportBatch, Theme
from closedloop.models.imports import BatchState

TEXT_EVERY = 5
"""Every fifth contact of a history has a text of 40 words: enough for a search to read."""

_DIFFERENT_TEXTS = 5_000
_ROWS_AT_ONCE = 100_000
_CUSTOMERS: Any = Customer.__table__
_CONTACTS: Any = Contact.__table__
_TEXTS: Any = ContactText.__table__
_EPOCH = date(1970, 1, 1)

_Columns = dict[str, Sequence[Any]]


def write_history(database: Database, history: History) -> None:
    """Write a history, with themes and texts, into an empty database; its indexes come last."""
    with _fast_writes(database), database.transaction() as session:
        batch = ImportBatch(
            source="bench", file_name="bench.csv", file_sha256="0" * 64, mapping={},
            redactions={}, started_by="bench", state=BatchState.DONE, rows_read=len(history),
            added=len(history),
        )  # fmt: skip
        session.add(batch)
        session.add_all(
            Theme(id=i + 1, key=f"T-{i + 1:03d}", name=f"Theme {i + 1}",
                  status=ThemeStatus.CANDIDATE)
            for i in range(N_THEMES)
        )  # fmt: skip
        session.flush()
        with _indexes_afterwards(session):
            _load(session, _CUSTOMERS, _customers(history))
            _load(session, _CONTACTS, _contacts(history, batch.id))
            _load(session, _TEXTS, _texts(len(history)))
        _continue_ids(session)
    analyze(database)


def analyze(database: Database) -> None:
    """Let the database count what it holds, as it would do by itself within the day."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM (ANALYZE)")
        else:
            connection.exec_driver_sql("ANALYZE")


@contextmanager
def _fast_writes(database: Database) -> Iterator[None]:
    """Let one big transaction through: what would be lost by a crash is made again in minutes."""
    automatic = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    is_postgresql = database.engine.dialect.name == "postgresql"
    if not is_postgresql:
        yield
        with automatic.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with automatic.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET max_wal_size = '16GB'")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield
    with automatic.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM RESET max_wal_size")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql("CHECKPOINT")


@contextmanager
def _indexes_afterwards(session: Session) -> Iterator[None]:
    """Take the indexes away that are slow to keep row by row; build them at the end."""
    names = tuple(table.name for table in (_CONTACTS, _TEXTS))
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        session.execute(sa.text("SET LOCAL maintenance_work_mem = '512MB'"))
        found = session.execute(_SECONDARY_PG, {"names": list(names)}).all()
    else:
        found = session.execute(_SECONDARY_SQLITE, {"a": names[0], "b": names[1]}).all()
    for drop, _ in found:
        session.execute(sa.text(drop))
    yield
    for _, create in found:
        session.execute(sa.text(create))


_SECONDARY_PG = sa.text("""
SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', r.relname, c.conname),
       format('ALTER TABLE %I ADD CONSTRAINT %I %s', r.relname, c.conname,
              pg_get_constraintdef(c.oid))
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE r.relname = ANY(:names) AND c.contype = 'u'
UNION ALL
SELECT format('DROP INDEX %I', i.relname), pg_get_indexdef(i.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
WHERE r.relname = ANY(:names)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid)
""")
_SECONDARY_SQLITE = sa.text("""
SELECT 'DROP INDEX "' || name || '"', sql FROM sqlite_master
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (:a, :b)
""")


def _customers(history: History) -> Iterator[_Columns]:
    last = int(history.customers.max())
    for first in range(1, last + 1, _ROWS_AT_ONCE):
        ids = range(first, min(first + _ROWS_AT_ONCE, last + 1))
        yield {"id": ids, "key_hash": [f"{i:064x}" for i in ids], "key_version": [1] * len(ids)}


def _contacts(history: History, batch_id: int) -> Iterator[_Columns]:
    """Yield the columns of `COLUMNS`, spelled as both databases take them."""
    n = len(history)
    days = [(_EPOCH + timedelta(days=i)).isoformat() for i in range(_last_day(history) + 1)]
    clock = [f" {s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)]
    for first in range(0, n, _ROWS_AT_ONCE):
        of = slice(first, min(first + _ROWS_AT_ONCE, n))
        ids = range(of.start + 1, of.stop + 1)
        day, second = np.divmod(history.starts[of], 86_400)
        size = len(ids)
        local = [days[i] for i in day.tolist()]
        columns: _Columns = {
            "id": ids,
            "source": ["bench"] * size,
            "source_contact_id": [f"c{i}" for i in ids],
            "batch_id": [batch_id] * size,
            "content_hash": ["0" * 64] * size,
            "customer_id": [i or None for i in history.customers[of].tolist()],
            "started_at": [a + clock[s] for a, s in zip(local, second.tolist(), strict=True)],
            "local_day": local,
            "channel": [CHANNELS[i] for i in history.channels[of].tolist()],
            "queue": _numbered("queue", history.queues[of]),
            "agent": _numbered("agent", np.asarray(ids) % 200),
            "disposition": _numbered("disposition", history.dispositions[of]),
            "handle_seconds": [None if i < 0 else i for i in history.handle_seconds[of].tolist()],
            "message_count": [1] * size,
            "team": _numbered("team", history.teams[of]),
            "language": [LANGUAGES[i] for i in history.languages[of].tolist()],
            "follows_contact_id": [""] * size,
            "theme_id": [None if i < 0 else i + 1 for i in history.themes[of].tolist()],
        }
        yield {name: columns[name] for name in COLUMNS}


def _last_day(history: History) -> int:
    return int(history.starts.max()) // 86_400


def _numbered(word: str, numbers: Any) -> list[str]:
    names = [f"{word} {i}" for i in range(int(numbers.max()) + 1)]
    return [names[i] for i in numbers.tolist()]


def _texts(n: int) -> Iterator[_Columns]:
    made = make_texts(min(_DIFFERENT_TEXTS, n), seed=9)
    turns = [json.dumps([["customer", text]]) for text in made]
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in made]
    for first in range(TEXT_EVERY, n + 1, TEXT_EVERY * _ROWS_AT_ONCE):
        ids = range(first, min(first + TEXT_EVERY * _ROWS_AT_ONCE, n + 1), TEXT_EVERY)
        which = [i // TEXT_EVERY % len(made) for i in ids]
        yield {
            "contact_id": ids,
            "turns": [turns[i] for i in which],
            "issue_text": [made[i] for i in which],
            "text_hash": [hashes[i] for i in which],
        }


def _load(session: Session, table: Any, portions: Iterator[_Columns]) -> None:
    cursor: Any = session.connection().connection.cursor()
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    for columns in portions:
        names = ", ".join(columns)
        if is_postgresql:
            with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                copy.write(_copy_block(columns))
            continue
        marks = ", ".join("?" * len(columns))
        cursor.executemany(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - names of ours
            zip(*columns.values(), strict=True),
        )


def _copy_block(columns: _Columns) -> str:
    """Return rows as COPY reads them: tabs between, a backslash doubled, `\\N` for no value."""
    spelled = [list(map(_cell, column)) for column in columns.values()]
    return "\n".join(map("\t".join, zip(*spelled, strict=True))) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return r"\N"
    return value.replace("\\", r"\\") if isinstance(value, str) else str(value)


def _continue_ids(session: Session) -> None:
    """Let PostgreSQL give out ids above those that were written."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in (_CUSTOMERS.name, _CONTACTS.name, Theme.__tablename__):
        session.execute(
            sa.text(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608
                f"(SELECT max(id) FROM {table}))"
            )
        )
