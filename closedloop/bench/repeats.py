"""How fast repeats and roll-ups are, against the bare window function and against pandas."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from closedloop.bench.history import (
    DAYS,
    FIRST_DAY,
    History,
    join,
    make_history,
    write_more,
)
from closedloop.bench.loading import analyze, write_history
from closedloop.bench.places import Place
from closedloop.models import Contact, ContactLink, DailyRollup, DailySlice, DueDay
from closedloop.services.repeats import chain_contacts, mark_due
from closedloop.services.rollups import roll_up_days, roll_up_due

LATE_CONTACTS = 20_000
LATE_DAYS = 14
"""How many days before the end late contacts reach as a rule; see `measure_repeats`."""

_BARE = """
CREATE TABLE bare AS SELECT id,
  LAG(started_at) OVER a AS before, LEAD(started_at) OVER a AS after,
  LAG(started_at) OVER t AS same_before, LEAD(started_at) OVER t AS same_after
FROM contacts WHERE customer_id IS NOT NULL
WINDOW a AS (PARTITION BY customer_id ORDER BY started_at, source, source_contact_id),
       t AS (PARTITION BY customer_id, theme_id ORDER BY started_at, source, source_contact_id)
"""

Report = dict[str, Any]


def ensure_history(place: Place, n: int) -> float | None:
    """Write a history of `n` contacts where there is none; seconds of it, None if it was there."""
    if _has_any(place, Contact.id <= n):
        return None
    history = make_history(n)
    return _timed(lambda: write_history(place.database, history))


def ensure_rolled_up(place: Place) -> None:
    """Chain and add up a history that was only written."""
    if not _has_any(place, DailySlice.kind == "all"):
        _chain(place)
        _roll_up(place)
        analyze(place.database)


def measure_repeats(place: Place, n: int, *, tell: Callable[[str], None] = print) -> Report:
    """Time everything on a history of `n` contacts; seconds of wall time.

    What an earlier measurement left is taken away first. `tell` hears each time as it is found.
    Late contacts come twice: of the last days, as an export of yesterday brings them, and half of
    them of any day there is, which makes every day of years due.
    """
    found: Report = {"contacts": n}

    def timed(what: str, work: Callable[[], object]) -> None:
        found[what] = _timed(work)
        tell(f"{what}: {found[what]} s")

    _start_afresh(place, n)
    timed("bare window functions", lambda: _run(place, _BARE))
    _run(place, "DROP TABLE bare")
    found["pandas"], rates = _pandas(place)
    tell(f"pandas: {found['pandas']} s")
    timed("from nothing", lambda: _chain(place))
    timed("all again", lambda: _chain(place))
    timed("roll up everything", lambda: _roll_up(place))
    found["agrees with pandas"] = _rates(place) == rates
    analyze(place.database)  # as it does by itself once this much is new
    found["late and new contacts"] = LATE_CONTACTS
    begin = n
    for words, late in (("them", _late_contacts()), ("those of any day", _of_any_day())):
        customers, days = write_more(place.database, late, begin)
        begin += len(late)
        found[f"days of {words}"] = len(days)
        timed(f"flags after {words}", partial(_keep_up, place, customers, days))
        timed(f"roll-ups after {words}", lambda: roll_up_due(place.database.transaction))
    return found


def _late_contacts() -> History:
    """Draw contacts of the last days."""
    first = FIRST_DAY + timedelta(days=DAYS - LATE_DAYS)
    return make_history(LATE_CONTACTS, seed=11, first_day=first, days=LATE_DAYS)


def _of_any_day() -> History:
    """Draw late contacts: half of the last days, half of any day there is."""
    first = FIRST_DAY + timedelta(days=DAYS - LATE_DAYS)
    half = LATE_CONTACTS // 2
    return join(
        make_history(LATE_CONTACTS - half, seed=13, first_day=first, days=LATE_DAYS),
        make_history(half, seed=12),
    )


def _start_afresh(place: Place, n: int) -> None:
    """Leave the history alone: no late contacts, no links, no roll-ups."""
    if not _has_any(place, ContactLink.contact_id > 0):
        return
    with place.database.transaction() as session:
        for table in (ContactLink, DailyRollup, DailySlice, DueDay):
            if session.get_bind().dialect.name == "postgresql":
                session.execute(sa.text(f"TRUNCATE {table.__tablename__}"))
            else:
                session.execute(sa.delete(table))
        session.execute(sa.delete(Contact).where(Contact.id > n))
    analyze(place.database)


def _has_any(place: Place, condition: sa.ColumnElement[bool]) -> bool:
    """Return whether any row meets a condition."""
    with place.database.reading() as session:
        return bool(session.scalar(sa.select(sa.exists().where(condition))))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


def _run(place: Place, statement: str) -> None:
    with place.database.transaction() as session:
        session.execute(sa.text(statement))


def _chain(place: Place) -> None:
    with place.database.transaction() as session:
        chain_contacts(session, settings=place.settings, customer_ids=None)


def _roll_up(place: Place) -> None:
    with place.database.transaction() as session:
        roll_up_days(session, days=None)


def _keep_up(place: Place, customers: list[int], days: set[date]) -> None:
    with place.database.transaction() as session:
        mark_due(session, days)
        chain_contacts(session, settings=place.settings, customer_ids=customers)


def _pandas(place: Place) -> tuple[float | None, tuple[int, int] | None]:
    """Return the seconds of a plain reference, and its repeats: any reason, same theme.

    It reads the same columns from the same database, as whoever works with pandas would.
    """
    try:
        pd: Any = importlib.import_module("pandas")
    except ModuleNotFoundError:
        return None, None
    began = time.perf_counter()
    with place.database.engine.connect() as connection:
        frame = pd.read_sql(
            sa.text(
                "SELECT id, customer_id, theme_id, started_at, source, source_contact_id "
                "FROM contacts WHERE customer_id IS NOT NULL"
            ),
            connection,
            parse_dates=["started_at"],
        )
    frame = frame.sort_values(["customer_id", "started_at", "source", "source_contact_id"])
    week = pd.Timedelta(days=7)
    counts = []
    for keys in (["customer_id"], ["customer_id", "theme_id"]):
        starts = frame.groupby(keys)["started_at"]
        after = starts.shift(-1) - frame["started_at"]
        starts.shift(1)  # the gap before is wanted, too
        counts.append(int((after <= week).sum()))
    return round(time.perf_counter() - began, 2), (counts[0], counts[1])


def _rates(place: Place) -> tuple[int, int]:
    with place.database.reading() as session:
        row = session.execute(
            sa.text("SELECT sum(any_7d), sum(same_7d) FROM daily_slices WHERE kind = 'all'")
        ).one()
    return int(row[0]), int(row[1])
