"""Chain the contacts of each customer: gaps to the neighbours, and episodes.

One set-based statement a portion, the same for a few customers after an import and for the
whole history, so that keeping up and starting afresh cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import DAY, WINDOWS
from closedloop.models import Contact, ContactLink, Customer, DueDay
from closedloop.models.base import epoch_seconds

IDS_PER_STATEMENT = 5_000
CUSTOMERS_PER_PORTION = 50_000
TURN_KEY = 7_301_988
"""Number of the advisory lock behind `take_turn`; any constant of our own would do."""

_GAPS = (
    "previous_gap_seconds",
    "next_gap_seconds",
    "previous_same_gap_seconds",
    "next_same_gap_seconds",
)
_KEPT = ("local_day", *_GAPS, "chain_id", "chain_position")
_ID_BITS = 2**40
"""Ids lie below it, so that a place and an id fit one number and the later place wins."""

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_changes: Any = sa.Table(
    "link_changes",
    sa.MetaData(),
    *(sa.Column(name, _links.c[name].type) for name in ("contact_id", *_KEPT)),
    sa.Column("matters", sa.Boolean),
)
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
        Reporting days of the contacts that changed so that a figure changes; they are marked
        as due.
    """
    session.flush()
    take_turn(session)
    _prepare_changes(session)
    window = settings.repeat_window_days * DAY
    days: set[date] = set()
    for condition in _portions_of_customers(session, customer_ids):
        days.update(_write_changes(session, condition, window))
    mark_due(session, days)
    return days


def _prepare_changes(session: Session) -> None:
    """Make the table of changes, which only this connection sees."""
    columns = ", ".join(
        f"{c.name} {c.type.compile(session.get_bind().dialect)}" for c in _changes.c
    )
    end = " ON COMMIT DELETE ROWS" if session.get_bind().dialect.name == "postgresql" else ""
    session.execute(sa.text(f"CREATE TEMPORARY TABLE IF NOT EXISTS link_changes ({columns}){end}"))


def _portions_of_customers(
    session: Session, customer_ids: Sequence[int] | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions on the customer, each of which few enough contacts meet."""
    of = _contacts.c.customer_id
    if customer_ids is not None:
        for ids in in_portions(sorted(set(customer_ids)), IDS_PER_STATEMENT):
            yield of.in_(ids)
        return
    if session.get_bind().dialect.name == "postgresql":
        yield sa.true()  # it walks the index of the customers in bounded memory by itself
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


def _write_changes(
    session: Session, condition: sa.ColumnElement[bool], window: int
) -> Collection[date]:
    """Write the links that have changed and return the days whose figures they change.

    A neighbour further away than the widest window changes no figure: without that, one late
    contact would make a day years ago due.
    """
    session.execute(sa.delete(_changes))
    session.execute(
        sa.insert(_changes).from_select(list(_changes.c.keys()), _find(condition, window))
    )
    changed = sa.select(*(_changes.c[name] for name in ("contact_id", *_KEPT))).where(sa.true())
    insert = insert_into(session, _links).from_select(["contact_id", *_KEPT], changed)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["contact_id"], set_={name: insert.excluded[name] for name in _KEPT}
        )
    )
    return session.scalars(
        sa.select(_changes.c.local_day).where(_changes.c.matters).distinct()
    ).all()


def _find(condition: sa.ColumnElement[bool], window: int) -> sa.Select[Any]:
    """Return the links that are not as they stand, and whether figures change with them."""
    found = _links_of(_with_opener(_with_neighbours(condition), window))
    old = _links.alias("old")
    is_new = old.c.contact_id.is_(None)
    matters = sa.or_(
        is_new,
        old.c.local_day != found.c.local_day,
        *(_near(old.c[name]) != _near(found.c[name]) for name in _GAPS),
    )
    differs = sa.or_(is_new, *(old.c[n].is_distinct_from(found.c[n]) for n in _KEPT))
    return (
        sa.select(*(found.c[name] for name in ("contact_id", *_KEPT)), matters)
        .select_from(found.outerjoin(old, old.c.contact_id == found.c.contact_id))
        .where(differs)
    )


def _near(gap: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a gap up to the widest window, and one value for all beyond it and for none."""
    widest = WINDOWS[-1].seconds
    return sa.case((gap <= widest, gap), else_=sa.literal_column("-1"))


def _with_neighbours(condition: sa.ColumnElement[bool]) -> sa.Subquery:
    """Return each contact with the starts beside it, and its place among its customer's."""
    c = _contacts.c
    at = epoch_seconds(c.started_at).label("at")
    rows = (
        sa.select(
            *(c.id, c.customer_id, c.theme_id, c.started_at, c.source, c.source_contact_id),
            *(c.local_day, at),
        )
        .where(condition, c.customer_id.is_not(None))
        .subquery("rows")
    )
    r = rows.c
    # the order of a customer's contacts, whichever came in first
    in_time = (r.started_at, r.source, r.source_contact_id)
    any_reason: dict[str, Any] = {"partition_by": r.customer_id, "order_by": in_time}
    same_theme: dict[str, Any] = {"partition_by": (r.customer_id, r.theme_id), "order_by": in_time}
    has_theme = r.theme_id.is_not(None)
    return sa.select(
        r.id,
        r.customer_id,
        r.local_day,
        r.at,
        sa.func.lag(r.at).over(**any_reason).label("before"),
        sa.func.lead(r.at).over(**any_reason).label("after"),
        sa.case((has_theme, sa.func.lag(r.at).over(**same_theme))).label("same_before"),
        sa.case((has_theme, sa.func.lead(r.at).over(**same_theme))).label("same_after"),
        sa.func.row_number().over(**any_reason).label("place"),
    ).subquery("neighbours")


def _with_opener(rows: sa.Subquery, window: int) -> sa.Subquery:
    """Add place and id of the contact that opened the episode, as one number.

    An episode opens after more than `window` seconds; the latest opener so far has the
    greatest place, whatever the ids are.
    """
    c = rows.c
    opens = sa.or_(c.before.is_(None), c.at - c.before > window)
    place_and_id = c.place * sa.literal_column(str(_ID_BITS)) + c.id
    opener = sa.func.max(sa.case((opens, place_and_id))).over(
        partition_by=c.customer_id, order_by=c.place, rows=(None, 0)
    )
    return sa.select(rows, opener.label("opener")).subquery("openers")


def _links_of(rows: sa.Subquery) -> sa.Subquery:
    """Turn neighbours into gaps, and openers into chains."""
    c = rows.c
    bits: sa.ColumnElement[int] = sa.literal_column(str(_ID_BITS))
    return sa.select(
        c.id.label("contact_id"),
        c.local_day,
        (c.at - c.before).label("previous_gap_seconds"),
        (c.after - c.at).label("next_gap_seconds"),
        (c.at - c.same_before).label("previous_same_gap_seconds"),
        (c.same_after - c.at).label("next_same_gap_seconds"),
        (c.opener % bits).label("chain_id"),
        (c.place - c.opener.op("/")(bits) + 1).label("chain_position"),
    ).subquery("links")
