"""Chain the contacts of each customer: gaps to the neighbours, and episodes.

The same statement and the same rule for a few customers after an import and for the whole
history, so that keeping up and starting afresh cannot differ. The rule is `services/links.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import DAY, WINDOWS
from closedloop.models import Contact, ContactLink, Customer, DueDay
from closedloop.models.base import day_number, epoch_seconds
from closedloop.services.binary_copy import Days
from closedloop.services.bulk import (
    Integers,
    among,
    by_index,
    by_table,
    delete_rows,
    in_portions,
    is_postgresql,
    read_columns,
    write_columns,
)
from closedloop.services.follow_ups import has_follow_ups, read_cases
from closedloop.services.links import NONE, find_tied, link

IDS_PER_STATEMENT = 5_000
CUSTOMERS_PER_PORTION = 600_000
"""Of everybody. The table is read whole for each portion: contacts looked up one by one in the
order of their customer lie all over it, and take longer."""

TURN_KEY = 7_301_988
"""Number of the advisory lock behind `take_turn`; any constant of our own would do."""

EPOCH = date(1970, 1, 1)
_GAPS = (
    "previous_gap_seconds",
    "next_gap_seconds",
    "previous_same_gap_seconds",
    "next_same_gap_seconds",
)
_LINKED = (*_GAPS, "chain_id", "chain_position")
_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__


def take_turn(session: Session) -> None:
    """Wait until nobody else writes contacts, and keep others waiting until the commit.

    Two writers that chained the same customers in a different order would lock each other
    out. SQLite has one writer at a time anyway. Taking it twice in a transaction is harmless.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL lock_timeout = 0"))
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(TURN_KEY)))


def insert_into(session: Session, table: Any) -> Any:
    """Return an insert of the session's dialect, which can say what to do on a conflict."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def mark_due(session: Session, days: Collection[date]) -> None:
    """Note down, with the change itself, which days must be added up anew."""
    if days:
        statement = insert_into(session, DueDay).on_conflict_do_nothing()
        session.execute(statement, [{"day": day} for day in sorted(days)])


def chain_contacts(
    session: Session, *, settings: Settings, customer_ids: Sequence[int] | None
) -> set[date]:
    """Bring gaps and chains of customers up to date, whatever came in and in which order.

    A gap runs to the neighbour of the same customer in order of start; of two that started in
    the same second the one whose source id sorts later is the repeat, at a gap of 0. Two are about
    the same when they have the same theme or are one case (`services/follow_ups.py`). A chain
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
        Reporting days of the contacts that changed so that a figure changes; they are marked
        as due.
    """
    session.flush()
    take_turn(session)
    window = settings.repeat_window_days * DAY
    days: set[date] = set()
    with by_table(session) if customer_ids is None else by_index(session):
        is_first = not session.scalar(sa.select(sa.exists(sa.select(_links.c.contact_id))))
        follow = has_follow_ups(session)
        for condition in _portions_of_customers(session, customer_ids):
            days |= _chain_portion(session, condition, window, is_first=is_first, follow=follow)
    mark_due(session, days)
    return days


def last_customer_id(session: Session) -> int:
    """Return the id of the newest customer, 0 without any: there are no more customers."""
    return session.scalar(sa.select(sa.func.max(Customer.id))) or 0


def find_unchained(session: Session, batch_ids: Collection[int]) -> list[int]:
    """Return the customers of imports that were killed before they chained their contacts."""
    c = _contacts.c
    return list(
        session.scalars(
            sa.select(c.customer_id)
            .distinct()
            .select_from(_contacts.outerjoin(_links, _links.c.contact_id == c.id))
            .where(
                c.batch_id.in_(batch_ids),
                c.customer_id.is_not(None),
                _links.c.contact_id.is_(None),
            )
        )
    )


def _portions_of_customers(
    session: Session, customer_ids: Sequence[int] | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions on the customer, each of which few enough contacts meet."""
    of: Any = _contacts.c.customer_id
    if customer_ids is not None:
        for ids in in_portions(sorted(set(customer_ids)), IDS_PER_STATEMENT):
            yield among(session, of, ids)
        return
    if not is_postgresql(session):
        of = of + 0  # no column of an index: SQLite reads the table from one end to the other
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


def _chain_portion(
    session: Session,
    condition: sa.ColumnElement[bool],
    window: int,
    *,
    is_first: bool,
    follow: bool,
) -> set[date]:
    """Write the links that are not as they stand; return the days whose figures change.

    Where there `is_first` of all none, none is looked for; nor are cases where none `follow`.
    """
    old = read_columns(session, _select_starts(condition) if is_first else _select_links(condition))
    if is_first:
        nothing = np.full(len(old["id"]), NONE, dtype=np.int64)
        old |= dict.fromkeys(("linked_day", *_LINKED), nothing)
    ids = old["id"]
    ties = _ties(session, ids, old["customer"], old["start"])
    cases = read_cases(session, condition, ids) if follow else None
    found = link(ids, old["customer"], old["start"], old["theme"], ties, window, cases)
    new = {
        "previous_gap_seconds": found.previous_gap,
        "next_gap_seconds": found.next_gap,
        "previous_same_gap_seconds": found.previous_same_gap,
        "next_same_gap_seconds": found.next_same_gap,
        "chain_id": found.chain_id,
        "chain_position": found.chain_position,
    }
    is_new = old["linked_day"] == NONE
    moved = is_new | (old["linked_day"] != old["day"])
    changed = np.logical_or.reduce([moved, *(new[name] != old[name] for name in _LINKED)])
    matters = np.logical_or.reduce([moved, *(_near(new[n]) != _near(old[n]) for n in _GAPS)])
    delete_rows(session, _links.c.contact_id, ids[changed & ~is_new])
    _write(session, np.flatnonzero(changed), ids, old["day"], new)
    return {EPOCH + timedelta(days=int(n)) for n in np.unique(old["day"][matters])}


def _select_starts(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return what links are made from."""
    c = _contacts.c
    return sa.select(
        c.id,
        c.customer_id.label("customer"),
        epoch_seconds(c.started_at).label("start"),
        sa.func.coalesce(c.theme_id, 0).label("theme"),
        day_number(c.local_day).label("day"),
    ).where(condition)


def _select_links(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return contacts with their links as they stand; `NONE` where there is none."""
    return (
        _select_starts(condition)
        .add_columns(
            sa.func.coalesce(day_number(_links.c.local_day), NONE).label("linked_day"),
            *(sa.func.coalesce(_links.c[name], NONE).label(name) for name in _LINKED),
        )
        .select_from(_contacts.outerjoin(_links, _links.c.contact_id == _contacts.c.id))
    )


def _ties(session: Session, ids: Integers, customers: Integers, starts: Integers) -> Integers:
    """Return the rank of each contact among those of the same customer and second.

    By source and source id, so that it does not depend on which came in first.
    """
    ranks = np.zeros(len(ids), dtype=np.int64)
    tied = np.flatnonzero(find_tied(customers, starts))
    if not len(tied):
        return ranks
    c = _contacts.c
    names: dict[int, tuple[str, str]] = {}
    for portion in in_portions(ids[tied].tolist(), IDS_PER_STATEMENT):
        rows = session.execute(
            sa.select(c.id, c.source, c.source_contact_id).where(among(session, c.id, portion))
        )
        names |= {row.id: (row.source, row.source_contact_id) for row in rows}
    in_order = sorted(tied.tolist(), key=lambda place: names[int(ids[place])])
    ranks[in_order] = np.arange(len(in_order))
    return ranks


def _near(gap: Integers) -> Integers:
    """Return a gap up to the widest window, and `NONE` for all beyond it.

    A neighbour further away changes no figure: without that, one late contact would make a
    day years ago due.
    """
    return np.where(gap <= WINDOWS[-1].seconds, gap, NONE)


def _write(
    session: Session, rows: Integers, ids: Integers, days: Integers, links: dict[str, Integers]
) -> None:
    """Write some rows of the arrays."""
    rows = rows[np.argsort(ids[rows])]  # so that the rows and their index grow in one direction
    columns: dict[str, Any] = {"contact_id": ids[rows], "local_day": Days(days[rows])}
    for name in _GAPS:
        columns[name] = np.ma.masked_equal(links[name][rows], NONE, copy=False)
    columns |= {name: links[name][rows] for name in ("chain_id", "chain_position")}
    write_columns(session, _links, columns)
