"""Take out again what an import brought: contacts, messages, words, customers nobody else has.

It goes in portions, each a transaction that leaves the database whole; killed anywhere, the
next run goes on with what is left. An import that is half taken out says so: it has a name in
`rolled_back_by` and no time in `rolled_back_at`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
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
    ThemeEvidence,
)
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.import_holds import is_being_read
from closedloop.services.intake import gaps_of
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.renewal import forget_versions, has_earlier_version, restore_contacts
from closedloop.services.repeats import chain_contacts, mark_due, take_turn
from closedloop.services.rollups import roll_up_due
from closedloop.services.session_removal import (
    IDS_AT_ONCE,
    Removed,
    delete_contacts,
    remove_messages,
)

CONTACTS_AT_ONCE = 2_000
LOOKED_AT = 50_000
"""Rows of an import up to which what it brought is looked at unasked; of more, what it noted down
itself is told."""

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


@dataclass(frozen=True)
class RollBackPreview:
    """What taking an import out would do.

    Attributes
    ----------
    contacts, rebuilt, restored : int
        Contacts that would go; contacts of other imports that would lose messages of this one;
        contacts of earlier imports that would get back the content this one replaced. `rebuilt` is
        None where it was not counted.
    customers : int or None
        Customers whose every contact would go; None where they were not counted.
    quotes : int
        Quotes of themes that would go.
    later : list of (import, its unchanged rows)
        Later imports of the same source that found rows they had already: those rows may be of
        this import and would be gone, though that file holds them.
    refusal : str
        Why it cannot be done now; empty when it can.
    is_exact : bool
        False where the numbers are those of the import itself, from the day it was read: contacts
        that were erased or replaced since are still among them.
    """

    contacts: int
    rebuilt: int | None
    restored: int
    customers: int | None
    quotes: int
    later: list[tuple[int, int]]
    refusal: str
    is_exact: bool = True


def preview_roll_back(
    session: Session, *, batch_id: int, is_exact: bool = False
) -> RollBackPreview:
    """Return what taking an import out would do; nothing is written.

    Parameters
    ----------
    session : Session
    batch_id : int
    is_exact : bool
        Whether an import of more than `LOOKED_AT` rows is looked at, too, which takes some
        seconds a million rows.

    Raises
    ------
    NotFound
    """
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import number {batch_id}.")
    later = session.execute(
        sa.select(ImportBatch.id, ImportBatch.unchanged)
        .where(ImportBatch.source == batch.source, ImportBatch.id > batch_id)
        .where(ImportBatch.unchanged > 0, ImportBatch.rolled_back_at.is_(None))
        .order_by(ImportBatch.id)
    )
    found = _told(session, batch) if _is_large(batch) and not is_exact else _seen(session, batch_id)
    return replace(found, later=[(row.id, row.unchanged) for row in later], refusal=_refusal(batch))


def _is_large(batch: ImportBatch) -> bool:
    return batch.added + batch.renewed > LOOKED_AT


def _told(session: Session, batch: ImportBatch) -> RollBackPreview:
    """Return what the import says of itself; only quotes, which are few, are looked up."""
    return RollBackPreview(
        contacts=_contacts_told(session, batch),
        rebuilt=None if gaps_of(batch.mapping).gathers else 0,
        restored=batch.renewed,
        customers=None,
        quotes=_count_quotes(session, _contacts.c.batch_id == batch.id),
        later=[],
        refusal="",
        is_exact=False,
    )


def _contacts_told(session: Session, batch: ImportBatch) -> int:
    """Return how many contacts a large import brought: its rows, where each is one.

    Of messages nobody noted it down, nor what is left of an import half taken out: those are
    counted in the index.
    """
    if gaps_of(batch.mapping).gathers or batch.rolled_back_by:
        return _count_left(session, batch.id)
    return batch.added


def _seen(session: Session, batch_id: int) -> RollBackPreview:
    """Look at everything that an import brought."""
    going = contacts_to_go(batch_id)
    c = _contacts.c
    holding = sa.select(_messages.c.contact_id).where(_messages.c.batch_id == batch_id).distinct()
    touched = session.scalar(sa.select(sa.func.count()).select_from(holding.subquery())) or 0
    alone = sa.select(sa.func.count()).where(going, c.id.in_(holding))
    stays = _contacts.alias("stays")
    others = sa.exists().where(stays.c.customer_id == c.customer_id, stays.c.batch_id != batch_id)
    replaced = sa.select(sa.func.count()).where(
        c.batch_id == batch_id, has_earlier_version(batch_id)
    )
    customers = sa.select(sa.func.count(sa.distinct(c.customer_id))).where(going, ~others)
    return RollBackPreview(
        contacts=count_contacts_to_go(session, batch_id),
        rebuilt=touched - (session.scalar(alone) or 0),
        restored=session.scalar(replaced) or 0,
        customers=session.scalar(customers) or 0,
        quotes=_count_quotes(session, going),
        later=[],
        refusal="",
    )


def _count_quotes(session: Session, going: sa.ColumnElement[bool]) -> int:
    # A look-up for each quote, of which there are few: as a join, SQLite would begin with the
    # contacts of the import.
    is_of_one = (
        sa.select(sa.func.count())
        .select_from(_contacts)
        .where(_contacts.c.id == ThemeEvidence.contact_id, going)
        .correlate(ThemeEvidence)
        .scalar_subquery()
    )
    return session.scalar(sa.select(sa.func.count(ThemeEvidence.id)).where(is_of_one == 1)) or 0


def _refusal(batch: ImportBatch) -> str:
    if is_being_read(batch):
        return (
            "This import is still being read. Cancel it, or wait for its end, and take it out then."
        )
    if batch.rolled_back_at is not None:
        return "This import was taken out before. There is nothing left of it."
    return ""


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
    if refusal := _refusal(batch):
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
            detail={"contacts": _contacts_said(session, batch)},
        )
    return batch


def _contacts_said(session: Session, batch: ImportBatch) -> int:
    """Return the number of contacts that the preview says."""
    if _is_large(batch):
        return _contacts_told(session, batch)
    return count_contacts_to_go(session, batch.id)


def _check_count(
    session: Session, batch: ImportBatch, contacts: int | None, *, wants_count: bool
) -> None:
    if contacts is None and not wants_count:
        return
    found, sentence = _contacts_said(session, batch), ""
    if contacts is not None and contacts != found and _is_large(batch):
        found = count_contacts_to_go(session, batch.id)  # somebody had them counted
    if contacts is None and found > COUNT_TYPED_ABOVE:
        sentence = f"Type how many contacts go. It would be {found:,}."
    elif contacts is not None and contacts != found:
        sentence = f"{found:,} contacts would go, not {contacts:,}. Look at them again."
    if sentence:
        raise Invalid(sentence, {"typed_count": sentence})


def count_contacts_to_go(session: Session, batch_id: int) -> int:
    """Return how many contacts a roll-back would delete; rebuilt ones are not among them."""
    return session.scalar(sa.select(sa.func.count()).where(contacts_to_go(batch_id))) or 0


def contacts_to_go(batch_id: int) -> sa.ColumnElement[bool]:
    """Return the condition on contacts that only this import brought."""
    others = sa.exists().where(
        _messages.c.contact_id == _contacts.c.id,
        _messages.c.batch_id.is_distinct_from(batch_id),
    )
    return sa.and_(_contacts.c.batch_id == batch_id, ~others, ~has_earlier_version(batch_id))


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
    brought, the later stays. Contacts that
    hold messages of other imports, too, are put together anew from those. Customers who have no
    contact left go, unless a link run joined them with others. Rows in quarantine and
    measurements made before stay.

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
        total = _count_left(session, batch_id)
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


def _count_left(session: Session, batch_id: int) -> int:
    of_batch = sa.select(sa.func.count()).where(_contacts.c.batch_id == batch_id)
    return session.scalar(of_batch) or 0


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
