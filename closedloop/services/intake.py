"""Write one stretch of an import: everything about its rows, in one transaction.

After each stretch the database is whole: contacts, texts, messages, customers, chains, the
quarantine and the counts of the import. Only the daily roll-up waits for the end; which days
it is behind on is written down here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import SessionGaps
from closedloop.models import Contact, ContactText, ImportBatch, ImportReject, Message
from closedloop.services.bulk import among, as_instant, take_ids, write_columns
from closedloop.services.cleaning import Stretch
from closedloop.services.contact_rows import SAID, CleanReject, CleanRow, as_json, text_hash
from closedloop.services.customers import find_or_add_customers, note_identifiers, note_links
from closedloop.services.key_state import require_keys
from closedloop.services.repeats import chain_contacts, mark_due, take_turn
from closedloop.services.sessions import add_messages

_contacts: Any = Contact.__table__
_texts: Any = ContactText.__table__
_messages: Any = Message.__table__
_rejects: Any = ImportReject.__table__
_AS_THEY_ARE = (
    *("content_hash", "channel", "queue", "agent", "team", "disposition", "language"),
    *("handle_seconds", "csat", "follows_contact_id", *SAID),
)


@dataclass
class Sorted:
    """Rows by what is known of their ids, and the customers whose contacts are to be chained."""

    new: list[CleanRow] = field(default_factory=list)
    customer_ids: list[int] = field(default_factory=list)
    unchanged: int = 0
    changed: list[CleanRow] = field(default_factory=list)


def sort_rows(rows: Iterable[CleanRow], known: dict[str, str]) -> Sorted:
    """Tell new rows from repetitions and from other content under a known id.

    Parameters
    ----------
    rows : iterable of CleanRow
    known : dict of str to str
        Content hash by contact id; the new ones are put in, as a file may repeat itself.
    """
    found = Sorted()
    for row in rows:
        digest = known.setdefault(row.contact_id, "")
        if not digest:
            known[row.contact_id] = row.content_hash
            found.new.append(row)
        elif digest == row.content_hash:
            found.unchanged += 1
        else:
            found.changed.append(row)
    return found


def known_hashes(session: Session, source: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the content hash of those ids the source has brought before, as either kind."""
    contacts = sa.select(_contacts.c.source_contact_id, _contacts.c.content_hash).where(
        _contacts.c.source == source, among(session, _contacts.c.source_contact_id, ids)
    )
    messages = sa.select(_messages.c.source_message_id, _messages.c.content_hash).where(
        _messages.c.source == source, among(session, _messages.c.source_message_id, ids)
    )
    return _pairs(session.execute(contacts)) | _pairs(session.execute(messages))


def _pairs(result: Iterable[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in result}


def gaps_of(mapping: Mapping[str, Any]) -> SessionGaps:
    """Return the session gaps of a mapping as an import keeps it."""
    return SessionGaps(
        mapping.get("session_gap_seconds") or 0, dict(mapping.get("session_gaps") or {})
    )


def store_stretch(
    session: Session,
    *,
    settings: Settings,
    batch_id: int,
    gaps: SessionGaps,
    stretch: Stretch,
    chain_later: bool = False,
) -> Sorted:
    """Store a stretch and count it; rows that are known already change nothing.

    Parameters
    ----------
    session : Session
    settings : Settings
    batch_id : int
    gaps : SessionGaps
        Rows whose channel has one above 0 are messages that are gathered into contacts.
    stretch : Stretch
    chain_later : bool
        Whether the caller chains the customers, many stretches at once; those of messages are
        chained here all the same, as contacts may have been joined.

    Returns
    -------
    Sorted
        What became of the rows.
    """
    take_turn(session)
    require_keys(session, settings)
    batch = session.get_one(ImportBatch, batch_id, populate_existing=True)
    known = known_hashes(session, batch.source, [row.contact_id for row in stretch.rows])
    found = sort_rows(stretch.rows, known)
    key_version = len(settings.customer_keys)
    found_customers = find_or_add_customers(session, found.new, key_version=key_version)
    customers = found_customers.ids
    messages = [row for row in found.new if gaps.of(row.channel) > 0]
    whole = [row for row in found.new if gaps.of(row.channel) == 0]
    days = _add_contacts(session, batch, whole, customers)
    if messages:
        days |= add_messages(
            session,
            batch_id=batch_id,
            source=batch.source,
            rows=messages,
            customers=customers,
            gaps=gaps,
            zone=settings.reporting_zone,
        )
    if found_customers.own:
        note_links(session, batch.source, found.new, found_customers)
    note_identifiers(session, stretch.rows, found_customers, key_version=key_version)
    mark_due(session, days)
    found.customer_ids = list(customers.values())
    if messages or not chain_later:
        chain_contacts(session, settings=settings, customer_ids=found.customer_ids)
        found.customer_ids = []
    _quarantine(session, batch_id, [*stretch.rejects, *map(_note_on_change, found.changed)])
    _count(batch, stretch, found)
    session.flush()
    return found


def _add_contacts(
    session: Session, batch: ImportBatch, rows: Sequence[CleanRow], customers: dict[str, int]
) -> set[date]:
    """Store rows each of which is a contact."""
    if not rows:
        return set()
    ids = take_ids(session, _contacts, len(rows))
    given = dict(zip(CleanRow._fields, zip(*rows, strict=True), strict=True))
    write_columns(
        session,
        _contacts,
        {
            "id": ids,
            "source": [batch.source] * len(rows),
            "source_contact_id": given["contact_id"],
            "batch_id": [batch.id] * len(rows),
            "customer_id": [row.customer_key and customers[row.customer_key] for row in rows],
            "started_at": list(map(as_instant, given["started_at"])),
            "local_day": [day.isoformat() for day in given["local_day"]],
            "message_count": [1] * len(rows),
            **{name: given[name] for name in _AS_THEY_ARE},
        },
    )
    spoken = [(i, row) for i, row in zip(ids, rows, strict=True) if row.turns]
    write_columns(
        session,
        _texts,
        {
            "contact_id": [i for i, _ in spoken],
            "turns": [as_json(row.turns) for _, row in spoken],
            "issue_text": [row.issue_text for _, row in spoken],
            "text_hash": [text_hash(row.issue_text) for _, row in spoken],
        },
    )
    return set(given["local_day"])


def _note_on_change(row: CleanRow) -> CleanReject:
    reason = (
        f"The contact {row.contact_id} was taken in before with other content. "
        "The first version stays. If this one is right, give it an id of its own."
    )
    return CleanReject(row.line, "changed", reason[:500], row.raw, row.customer_key)


def _quarantine(session: Session, batch_id: int, rejects: Sequence[CleanReject]) -> None:
    if rejects:
        values = [{"batch_id": batch_id, **asdict(reject)} for reject in rejects]
        session.execute(sa.insert(_rejects), values)


def _count(batch: ImportBatch, stretch: Stretch, found: Sorted) -> None:
    batch.rows_read += stretch.n_read
    batch.rows_done += stretch.n_read
    batch.added += len(found.new)
    batch.unchanged += found.unchanged
    batch.changed += len(found.changed)
    batch.rejected += len(stretch.rejects)
    batch.unidentified += sum(row.customer_key is None for row in found.new)
    counts = dict(batch.redactions)
    for row in found.new:
        for kind, number in row.redactions.items():
            counts[kind] = counts.get(kind, 0) + number
    batch.redactions = counts
