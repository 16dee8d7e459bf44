"""Take out again what an import brought: contacts, messages, words, customers nobody else has.

It goes in portions, each a transaction that leaves the database whole; killed anywhere, the
next run goes on with what is left. An import that is half taken out says so: it has a name in
`rolled_back_by` and no time in `rolled_back_at`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.jobs import Progress
from closedloop.models import (
    Contact,
    ContactVersion,
    Customer,
    CustomerKey,
    ImportBatch,
    ImportReject,
    Message,
)
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.renewal import forget_versions, restore_contacts
from closedloop.services.repeats import chain_contacts, mark_due, take_turn
from closedloop.services.rollback_previews import (
    contacts_said,
    count_contacts_to_go,
    count_left,
    is_large,
    refusal_of,
)
from closedloop.services.rollups import roll_up_due
from closedloop.services.session_removal import (
    IDS_AT_ONCE,
    Removed,
    delete_contacts,
    remove_messages,
)

CONTACTS_AT_ONCE = 2_000
COUNT_TYPED_ABOVE = 100
"""More contacts than this are taken out only when their number was typed."""

_contacts: Any = Contact.__table__
_customers: Any = Customer.__table__
_messages: Any = Message.__table__


@dataclass(frozen=True)
class RolledBack:
    """What one run took out (contacts, messages, customers), and contacts put back as before."""

    batch_id: int
    contacts: int
    messages: int
    customers: int
    restored: int = 0


def begin_roll_back(
    session: Session,
    *,
    batch_id: int,
    by: Actor,
    contacts: int | None = None,
    wants_count: bool = False,
) -> ImportBatch:
    """Note down that an import is taken out, before the first row goes; from then on it is.

    Parameters
    ----------
    session : Session
    batch_id : int
    by : Actor
    contacts : int, optional
        How many contacts somebody thinks will go; refused when it is another number.
    wants_count : bool
        Whether that must be said of more than `COUNT_TYPED_ABOVE`, unless it is half taken out.

    Raises
    ------
    NotFound
        If there is no such import.
    Conflict
        If it is being read, or was taken out before.
    Invalid
        If the number is wrong, or wanted and not given.
    """
    take_turn(session)
    batch = _batch(session, batch_id)
    if refusal := refusal_of(batch):
        raise Conflict(refusal)
    if not batch.rolled_back_by:
        _check_count(session, batch, contacts, wants_count=wants_count)
    if batch.state is BatchState.RUNNING:  # its process was killed
        batch.state, batch.finished_at = BatchState.FAILED, utc_now()
    if not batch.rolled_back_by:
        batch.rolled_back_by = by.name[:120]
        record_event(
            session,
            by=by,
            verb="contacts.roll_back_begun",
            target_kind="import",
            target_id=batch.id,
            summary=f"began to take the import of {batch.file_name} out",
            detail={"contacts": contacts_said(session, batch)},
        )
    return batch


def _check_count(
    session: Session, batch: ImportBatch, contacts: int | None, *, wants_count: bool
) -> None:
    if contacts is None and not wants_count:
        return
    found, sentence = contacts_said(session, batch), ""
    if contacts is not None and contacts != found and is_large(batch):
        found = count_contacts_to_go(session, batch.id)  # somebody had them counted
    if contacts is None and found > COUNT_TYPED_ABOVE:
        sentence = f"Type how many contacts go. It would be {found:,}."
    elif contacts is not None and contacts != found:
        sentence = f"{found:,} contacts would go, not {contacts:,}. Look at them again."
    if sentence:
        raise Invalid(sentence, {"typed_count": sentence})


def roll_back_import(
    transactions: Transactions,
    *,
    settings: Settings,
    batch_id: int,
    by: Actor,
    report: Report = tell_nobody,
) -> RolledBack:
    """Take an import out; the same file can be imported again afterwards.

    Contacts that only it brought are deleted with their links, words and quotes. Contacts whose
    content it replaced get back what they had; where a later import replaced what this one
    brought, the later stays. Contacts that hold messages of other imports, too, are put together
    anew from those. Customers who have no contact left go, unless a link run joined them with
    others. Rows in quarantine and measurements made before stay.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    batch_id : int
    by : Actor
    report : Report, optional
        Told contacts done of those there were.

    Raises
    ------
    NotFound, Conflict
        See `begin_roll_back`.
    """
    with transactions() as session:
        batch = _batch(session, batch_id)
        if batch.rolled_back_at is not None:
            return RolledBack(batch_id, 0, 0, 0)
        begin_roll_back(session, batch_id=batch_id, by=by)
        total = count_left(session, batch_id)
    done = RolledBack(batch_id, 0, 0, 0)
    for removed, customers in _portions(transactions, settings, batch_id):
        done = RolledBack(
            batch_id,
            done.contacts + removed.contacts,
            done.messages + removed.messages,
            done.customers + customers,
            done.restored + removed.restored,
        )
        report(
            Progress(
                done.contacts, max(total, done.contacts), f"{done.contacts:,} contacts taken out"
            )
        )
    roll_up_due(transactions, report=report)
    _close(transactions, done, by)
    return done


def _batch(session: Session, batch_id: int) -> ImportBatch:
    batch = session.get(ImportBatch, batch_id, populate_existing=True)
    if batch is None:
        raise NotFound(f"There is no import number {batch_id}.")
    return batch


def _portions(
    transactions: Transactions, settings: Settings, batch_id: int
) -> Iterator[tuple[Removed, int]]:
    """Take portion after portion out; yield what each touched and how many customers went."""
    ways = (_take_versions_out, _put_versions_back, _take_messages_out, _take_contacts_out)
    for take_out in ways:
        while True:
            with transactions() as session:
                take_turn(session)
                removed = take_out(session, settings, batch_id)
                customers = _settle(session, settings, removed)
            if not (removed.contacts or removed.messages or removed.versions):
                break
            yield removed, customers


def _take_versions_out(session: Session, settings: Settings, batch_id: int) -> Removed:
    del settings
    n, customers = forget_versions(session, batch_id=batch_id, limit=CONTACTS_AT_ONCE)
    return Removed(set(), customers, 0, 0, versions=n)


def _put_versions_back(session: Session, settings: Settings, batch_id: int) -> Removed:
    del settings
    found = restore_contacts(session, batch_id=batch_id, limit=CONTACTS_AT_ONCE)
    n = found.contacts
    return Removed(found.days, found.customer_ids, 0, 0, versions=n, restored=n)


def _take_messages_out(session: Session, settings: Settings, batch_id: int) -> Removed:
    first = (
        sa.select(_messages.c.contact_id)
        .where(_messages.c.batch_id == batch_id)
        .order_by(_messages.c.contact_id)
        .distinct()
        .limit(IDS_AT_ONCE)
    )
    ids = session.scalars(first).all()
    return remove_messages(
        session, batch_id=batch_id, contact_ids=ids, zone=settings.reporting_zone
    )


def _take_contacts_out(session: Session, settings: Settings, batch_id: int) -> Removed:
    del settings
    first = (
        sa.select(_contacts.c.id, _contacts.c.customer_id, _contacts.c.local_day)
        .where(_contacts.c.batch_id == batch_id)
        .order_by(_contacts.c.id)
        .limit(CONTACTS_AT_ONCE)
    )
    rows = session.execute(first).all()
    delete_contacts(session, [row.id for row in rows])
    customers = {row.customer_id for row in rows} - {None}
    return Removed({row.local_day for row in rows}, customers, len(rows), 0)


def _settle(session: Session, settings: Settings, removed: Removed) -> int:
    """Bring days, customers and chains up to date with what is gone; return customers gone."""
    mark_due(session, removed.days)
    gone = _delete_empty(session, removed.customer_ids)
    chain_contacts(session, settings=settings, customer_ids=sorted(removed.customer_ids - gone))
    return len(gone)


def _delete_empty(session: Session, customer_ids: Collection[int]) -> set[int]:
    """Delete those customers who have no contact and whom no link run joined with anybody."""
    gone: set[int] = set()
    c = _customers.c
    other = _customers.alias("other")
    has_contact = sa.exists().where(
        sa.or_(_contacts.c.customer_id == c.id, _contacts.c.own_customer_id == c.id)
    )
    has_link = sa.exists().where(CustomerKey.customer_id == c.id, CustomerKey.link_run_id > 0)
    has_version = sa.exists().where(ContactVersion.customer_id == c.id)
    is_linked = sa.or_(c.merged_into_id.is_not(None), has_link)
    has_others = sa.exists().where(other.c.merged_into_id == c.id)
    for ids in in_portions(sorted(customer_ids), IDS_AT_ONCE):
        empty = sa.and_(c.id.in_(ids), ~has_contact, ~has_version, ~is_linked, ~has_others)
        gone.update(session.scalars(sa.delete(_customers).where(empty).returning(c.id)).all())
    return gone


def _close(transactions: Transactions, done: RolledBack, by: Actor) -> None:
    with transactions() as session:
        take_turn(session)
        batch = _batch(session, done.batch_id)
        if batch.rolled_back_at is not None:
            return
        batch.rolled_back_at = utc_now()
        session.execute(
            sa.update(ImportReject)
            .where(ImportReject.settled_by_id == batch.id)
            .values(settled_by_id=None)
        )
        record_event(
            session,
            by=by,
            verb="contacts.rolled_back",
            target_kind="import",
            target_id=batch.id,
            summary=f"took the import of {batch.file_name} out: {done.contacts:,} contacts",
            detail={
                "contacts": done.contacts,
                "messages": done.messages,
                "customers": done.customers,
                "restored": done.restored,
            },
        )
