"""Chain the contacts of each customer, and add the days up.

Both are one set-based statement a portion, the same for a few customers after an import and
for the whole history, so that keeping up and starting afresh cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import DAY, WINDOWS, Basis
from closedloop.models import Contact, Customer, DailyRollup
from closedloop.models.base import seconds_between

IDS_PER_STATEMENT = 5_000
CUSTOMERS_PER_PORTION = 50_000
DAYS_PER_STATEMENT = 500
TURN_KEY = 7_301_988
"""Number of the advisory lock behind `take_turn`; any constant of our own would do."""

_KEPT = (
    "previous_gap_seconds",
    "next_gap_seconds",
    "previous_same_gap_seconds",
    "next_same_gap_seconds",
    "chain_id",
    "chain_position",
)
_contacts: Any = Contact.__table__
_rollups: Any = DailyRollup.__table__
_Item = TypeVar("_Item")


def take_turn(session: Session) -> None:
    """Wait until nobody else writes contacts, and keep others waiting until the commit.

    Two writers that chained the same customers in a different order would lock each other
    out. SQLite has one writer at a time anyway. Taking it twice in a transaction is harmless.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL lock_timeout = 0"))
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN_KEY)))


def in_portions(items: Collection[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion


def chain_contacts(
    session: Session, *, settings: Settings, customer_ids: Sequence[int] | None
) -> set[date]:
    """Bring gaps and chains of customers up to date, whatever came in and in which order.

    A gap runs to the neighbour of the same customer in order of start; of two that started in
    the same second the one whose source id sorts later is the repeat, at a gap of 0. A chain
    joins neighbours at most `settings.repeat_window_days` times 24 hours apart (inclusive), for
    any reason.

    Parameters
    ----------
    session : Session
        Objects it has loaded do not see the change until they are refreshed.
    settings : Settings
    customer_ids : sequence of int or None
        None is everybody.

    Returns
    -------
    set of date
        Reporting days of the contacts that changed: their roll-up is out of date.
    """
    session.flush()
    take_turn(session)
    window = settings.repeat_window_days * DAY
    days: set[date] = set()
    for condition in _portions_of_customers(session, customer_ids):
        days.update(session.execute(_chaining(condition, window)).scalars())
    return days


def _portions_of_customers(
    session: Session, customer_ids: Sequence[int] | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions on the customer, each of which few enough contacts meet."""
    of = _contacts.c.customer_id
    if customer_ids is not None:
        for ids in in_portions(sorted(set(customer_ids)), IDS_PER_STATEMENT):
            yield of.in_(ids)
        return
    last = 0
    while True:
        page = (
            sa.select(Customer.id)
            .where(Customer.id > last)
            .order_by(Customer.id)
            .limit(CUSTOMERS_PER_PORTION)
            .subquery()
        )
        end = session.scalar(sa.select(sa.func.max(page.c.id)))
        if end is None:
            return
        yield of.between(last + 1, end)
        last = end


def _chaining(condition: sa.ColumnElement[bool], window: int) -> sa.Update:
    """Return the statement that writes what has changed and returns the days of it."""
    links = _links(_with_episode(_with_neighbours(condition), window))
    changed = (
        sa.select(links)
        .where(sa.or_(*(links.c[f"old_{n}"].is_distinct_from(links.c[n]) for n in _KEPT)))
        .subquery("changed")
    )
    return (
        sa.update(_contacts)
        .where(_contacts.c.id == changed.c.id)
        .values({name: changed.c[name] for name in _KEPT})
        .returning(_contacts.c.local_day)
    )


def _in_time() -> tuple[Any, ...]:
    """Return what orders a customer's contacts, whichever came in first."""
    c = _contacts.c
    return (c.started_at, c.source, c.source_contact_id)


def _with_neighbours(condition: sa.ColumnElement[bool]) -> sa.Subquery:
    """Return each contact with the starts beside it, and its place among its customer's."""
    c = _contacts.c
    any_reason: dict[str, Any] = {"partition_by": c.customer_id, "order_by": _in_time()}
    same_theme: dict[str, Any] = {
        "partition_by": (c.customer_id, c.theme_id),
        "order_by": _in_time(),
    }
    has_theme = c.theme_id.is_not(None)
    return (
        sa.select(
            c.id,
            c.customer_id,
            c.started_at,
            *(c[name].label(f"old_{name}") for name in _KEPT),
            sa.func.lag(c.started_at).over(**any_reason).label("before"),
            sa.func.lead(c.started_at).over(**any_reason).label("after"),
            sa.case((has_theme, sa.func.lag(c.started_at).over(**same_theme))).label("same_before"),
            sa.case((has_theme, sa.func.lead(c.started_at).over(**same_theme))).label("same_after"),
            sa.func.row_number().over(**any_reason).label("place"),
        )
        .where(condition, c.customer_id.is_not(None))
        .subquery("neighbours")
    )


def _with_episode(rows: sa.Subquery, window: int) -> sa.Subquery:
    """Number the episodes of each customer: one opens after more than `window` seconds."""
    c = rows.c
    opens = sa.or_(c.before.is_(None), seconds_between(c.started_at, c.before) > window)
    number = sa.func.sum(sa.case((opens, 1), else_=0)).over(
        partition_by=c.customer_id, order_by=c.place, rows=(None, 0)
    )
    return sa.select(rows, number.label("episode")).subquery("episodes")


def _links(rows: sa.Subquery) -> sa.Subquery:
    """Turn neighbours into gaps, and episodes into chains."""
    c = rows.c
    chain: dict[str, Any] = {
        "partition_by": (c.customer_id, c.episode),
        "order_by": c.place,
    }
    return sa.select(
        c.id,
        *(c[f"old_{name}"] for name in _KEPT),
        seconds_between(c.started_at, c.before).label("previous_gap_seconds"),
        seconds_between(c.after, c.started_at).label("next_gap_seconds"),
        seconds_between(c.started_at, c.same_before).label("previous_same_gap_seconds"),
        seconds_between(c.same_after, c.started_at).label("next_same_gap_seconds"),
        sa.func.first_value(c.id).over(**chain).label("chain_id"),
        sa.func.row_number().over(**chain).label("chain_position"),
    ).subquery("links")


def roll_up_days(session: Session, *, days: Collection[date] | None) -> int:
    """Add the contacts of some reporting days up anew; doing it twice changes nothing.

    Parameters
    ----------
    session : Session
    days : collection of date or None
        None is the whole history.

    Returns
    -------
    int
        Rows the roll-up now has for these days.
    """
    session.flush()
    if days is None:
        session.execute(sa.delete(_rollups))
        return _insert_rollups(session, sa.true())
    rows = 0
    for portion in in_portions(sorted(set(days)), DAYS_PER_STATEMENT):
        session.execute(sa.delete(_rollups).where(_rollups.c.day.in_(portion)))
        rows += _insert_rollups(session, _contacts.c.local_day.in_(portion))
    return rows


def _insert_rollups(session: Session, condition: sa.ColumnElement[bool]) -> int:
    c = _contacts.c
    keys = {
        "day": c.local_day,
        "theme_id": c.theme_id,
        "channel": c.channel,
        "queue": c.queue,
        "disposition": c.disposition,
    }
    figures = {
        "contacts": sa.func.count(),
        "identified": sa.func.count(c.customer_id),
        "handled": sa.func.count(c.handle_seconds),
        "handle_seconds": sa.func.coalesce(sa.func.sum(c.handle_seconds), 0),
        **_window_figures(),
    }
    rows = sa.select(*keys.values(), *figures.values()).where(condition).group_by(*keys.values())
    result: Any = session.execute(
        sa.insert(_rollups).from_select([*keys, *figures], rows, include_defaults=False),
        execution_options={"preserve_rowcount": True},
    )
    return int(result.rowcount)


def _window_figures() -> dict[str, sa.ColumnElement[int]]:
    """Return the counts of each basis and window by the name of their column."""
    c = _contacts.c
    gaps = {
        Basis.ANY: (c.previous_gap_seconds, c.next_gap_seconds),
        Basis.SAME: (c.previous_same_gap_seconds, c.next_same_gap_seconds),
    }
    known = c.customer_id.is_not(None)
    figures = {}
    for basis, (before, after) in gaps.items():
        for window in WINDOWS:
            opens = known & (before.is_(None) | (before > window.seconds))
            ends = after.is_(None) | (after > window.seconds)
            name = f"{basis.value}_{window.key}"
            figures[name] = _count(known & (after <= window.seconds))
            figures[f"opening_{name}"] = _count(opens)
            figures[f"resolved_{name}"] = _count(opens & ends)
    return figures


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((condition, 1)))
