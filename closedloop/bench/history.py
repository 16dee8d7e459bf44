"""A seeded history of contacts of any size, written straight into the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from closedloop.extensions import Database
from closedloop.models import Contact, Customer, ImportBatch

FIRST_DAY = date(2022, 1, 1)
DAYS = 3 * 365
CHANNELS = ("phone", "chat", "email", "messaging")
LANGUAGES = ("en", "de", "lt")
N_THEMES, N_DISPOSITIONS, N_QUEUES, N_TEAMS = 60, 40, 10, 15


@dataclass(frozen=True)
class History:
    """Columns of a history, one entry a contact, in the order of start.

    Attributes
    ----------
    customers : array of int
        Number of the customer, 1 and up; 0 is unidentified (2 % of all).
    starts : array of int
        Seconds since 1970, UTC.
    themes, channels, queues, dispositions, teams, languages : arrays of int
        Positions; theme -1 is none.
    handle_seconds : array of int
        -1 is unknown.
    """

    customers: NDArray[np.int64]
    starts: NDArray[np.int64]
    themes: NDArray[np.int64]
    channels: NDArray[np.int64]
    queues: NDArray[np.int64]
    dispositions: NDArray[np.int64]
    teams: NDArray[np.int64]
    languages: NDArray[np.int64]
    handle_seconds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)


def make_history(
    n: int, *, seed: int = 7, first_day: date = FIRST_DAY, days: int = DAYS
) -> History:
    """Draw a history: a fifth of the contacts follow another one of their customer closely.

    The queue and the disposition go with the theme most of the time, as they do in life.
    """
    rng = np.random.default_rng(seed)
    start = int(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp())
    starts = start + rng.integers(0, days * 86_400, n)
    customers = 1 + (rng.power(1.5, n) * n / 3).astype(np.int64)
    themes = np.minimum(rng.geometric(0.06, n) - 1, N_THEMES - 1)
    follows = np.flatnonzero(rng.random(n) < 0.2)
    follows = follows[follows > 0]
    customers[follows] = customers[follows - 1]
    starts[follows] = starts[follows - 1] + rng.exponential(3 * 86_400, len(follows)).astype(int)
    same = follows[rng.random(len(follows)) < 0.6]
    themes[same] = themes[same - 1]
    customers[rng.random(n) < 0.02] = 0
    noise = rng.random(n)
    dispositions = np.where(noise < 0.8, themes % N_DISPOSITIONS, rng.integers(0, 40, n))
    queues = np.where(noise < 0.9, themes % N_QUEUES, rng.integers(0, N_QUEUES, n))
    themes = np.where(rng.random(n) < 0.15, -1, themes)
    order = np.argsort(starts, kind="stable")
    return History(
        customers=customers[order],
        starts=starts[order],
        themes=themes[order],
        channels=rng.choice(4, n, p=[0.5, 0.25, 0.15, 0.1]),
        queues=queues[order],
        dispositions=dispositions[order],
        teams=np.where(rng.random(n) < 0.9, queues[order], rng.integers(0, N_TEAMS, n)),
        languages=rng.choice(3, n, p=[0.9, 0.08, 0.02]),
        handle_seconds=np.where(rng.random(n) < 0.05, -1, rng.gamma(3, 120, n)).astype(np.int64),
    )


def join(one: History, other: History) -> History:
    """Return two histories as one, in the order of start."""
    columns = {
        column.name: np.concatenate([getattr(one, column.name), getattr(other, column.name)])
        for column in fields(History)
    }
    order = np.argsort(columns["starts"], kind="stable")
    return History(**{name: values[order] for name, values in columns.items()})


def write_more(database: Database, history: History, last_id: int) -> tuple[list[int], set[date]]:
    """Write further contacts of known customers; return the customers and reporting days."""
    with database.transaction() as session:
        batch_id = session.scalar(sa.select(sa.func.max(ImportBatch.id))) or 0
        n_customers = session.scalar(sa.select(sa.func.count(Customer.id))) or 1
        known = history.customers > 0
        customers = np.where(known, (history.customers - 1) % n_customers + 1, 0)
        history = replace(history, customers=customers)
        rows = contact_rows(history, batch_id, first_id=last_id + 1)
        load_rows(session.connection(), Contact.__table__, COLUMNS, rows)
    came = sorted({*history.customers.tolist()} - {0})
    first = date(1970, 1, 1)
    numbers = np.unique(history.starts // 86_400).tolist()
    return came, {first + timedelta(days=number) for number in numbers}


COLUMNS = (
    "id", "source", "source_contact_id", "batch_id", "content_hash", "customer_id", "started_at",
    "local_day", "channel", "queue", "agent", "disposition", "handle_seconds", "message_count",
    "team", "language", "follows_contact_id", "theme_id",
)  # fmt: skip


def contact_rows(history: History, batch_id: int, first_id: int = 1) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of `COLUMNS`, row for row."""
    digest = "0" * 64
    columns = (
        history.customers, history.starts, history.themes, history.channels, history.queues,
        history.dispositions, history.teams, history.languages, history.handle_seconds,
    )  # fmt: skip
    days: dict[int, date] = {}
    for number, row in enumerate(zip(*(c.tolist() for c in columns), strict=True), first_id):
        customer, start, theme, channel, queue, disposition, team, language, handle = row
        day_number = start // 86_400
        day = days.get(day_number)
        if day is None:
            day = days[day_number] = date(1970, 1, 1) + timedelta(days=day_number)
        yield (
            number, "bench", f"c{number}", batch_id, digest, customer or None,
            datetime.fromtimestamp(start, UTC), day, CHANNELS[channel], f"queue {queue}",
            f"agent {number % 200}", f"disposition {disposition}", handle if handle >= 0 else None,
            1, f"team {team}", LANGUAGES[language], "", theme + 1 if theme >= 0 else None,
        )  # fmt: skip


def load_rows(
    connection: sa.Connection,
    table: Any,
    columns: tuple[str, ...],
    rows: Iterator[tuple[Any, ...]],
) -> None:
    """Write rows by COPY on PostgreSQL, by the driver's own executemany on SQLite."""
    cursor: Any = connection.connection.cursor()
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    cursor.executemany(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - names of ours
        (tuple(map(_for_sqlite, row)) for row in rows),
    )


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date) else value
