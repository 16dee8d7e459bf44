"""How fast repeats and roll-ups are, against the bare window function and against pandas."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from closedloop.bench.history import DAYS, FIRST_DAY, make_history, write_history, write_more
from closedloop.bench.places import Place
from closedloop.services.repeats import chain_contacts, mark_due
from closedloop.services.rollups import roll_up_days, roll_up_due

LATE_CONTACTS = 20_000
LATE_DAYS = 14
"""How many days before the end late contacts reach."""

_BARE = """
CREATE TABLE bare AS SELECT id,
  LAG(started_at) OVER a AS before, LEAD(started_at) OVER a AS after,
  LAG(started_at) OVER t AS same_before, LEAD(started_at) OVER t AS same_after
FROM contacts WHERE customer_id IS NOT NULL
WINDOW a AS (PARTITION BY customer_id ORDER BY started_at, source, source_contact_id),
       t AS (PARTITION BY customer_id, theme_id ORDER BY started_at, source, source_contact_id)
"""

Report = dict[str, Any]


def measure_repeats(place: Place, n: int) -> Report:
    """Write a history of `n` contacts and time everything on it; seconds of wall time."""
    history = make_history(n)
    write_history(place.database, history)
    found: Report = {"contacts": n}
    found["bare window functions"] = _timed(lambda: _run(place, _BARE))
    _run(place, "DROP TABLE bare")
    found["pandas"], rates = _pandas(place)
    found["from nothing"] = _timed(lambda: _chain(place))
    found["all again"] = _timed(lambda: _chain(place))
    found["roll up everything"] = _timed(lambda: _roll_up(place))
    found["agrees with pandas"] = _rates(place) == rates
    late = make_history(
        LATE_CONTACTS,
        seed=11,
        first_day=FIRST_DAY + timedelta(days=DAYS - LATE_DAYS),
        days=LATE_DAYS,
    )
    customers, days = write_more(place.database, late, len(history))
    found["late and new contacts"] = LATE_CONTACTS
    found["flags after them"] = _timed(lambda: _keep_up(place, customers, days))
    found["roll-ups after them"] = _timed(lambda: roll_up_due(place.database.transaction))
    return found


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
