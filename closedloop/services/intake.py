"""Write one stretch of an import: everything about its rows, in one transaction.

After each stretch the database is whole: contacts, texts, messages, customers, the quarantine and
the counts of the import. Chains may wait for the end, and are missed where they do; the daily
roll-up does, and which days it is behind on is written down here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import compress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import SessionGaps
from closedloop.models import (
    Contact,
    ContactText,
    Customer,
    ImportBatch,
    ImportReject,
    Message,
)
from closedloop.services.bulk import among, take_ids, write_columns
from closedloop.services.clean_rows import SAID, CleanReject, CleanRow, CleanTable, as_json
from closedloop.services.cleaning import Stretch
from closedloop.services.customers import find_or_add_customers, note_identifiers, note_links
from closedloop.services.key_state import require_keys
from closedloop.services.renewal import Renewed, renew_contacts
from closedloop.services.repeats import chain_contacts, mark_due, take_turn
from closedloop.services.sessions import add_messages

_contacts: Any = Contact.__table__
_texts: Any = ContactText.__table__
_messages: Any = Message.__table__
_rejects: Any = ImportReject.__table__
_customers: Any = Customer.__table__
_AS_THEY_ARE = (
    *("started_at", "local_day", "content_hash", "channel", "queue", "agent", "team"),
    *("disposition", "language", "handle_seconds", "csat", "follows_contact_id", *SAID),
)
_TEXT = ("turns", "issue_text", "text_hash")
WITHDRAWN = "withdrawn"
"""Code of contacts that are here and that their source has deleted or calls spam by now."""

_NOTHING_SAID = as_json(())


@dataclass
class Sorted:
    """Places of rows by what is known of their ids.

    Attributes
    ----------
    new, changed : list of int
        `changed` have an id that is known with other content.
    unchanged : int
        How many are known as they are.
    """

    new: list[int] = field(default_factory=list)
    unchanged: int = 0
    changed: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Stored:
    """What became of a stretch.

    Attributes
    ----------
    customer_ids : list of int
        Whose contacts are still to be chained.
    changed_lines : set of int
        Of the rows that were refused, as their ids are known with other content.
    """

    customer_ids: list[int]
    changed_lines: set[int]


def sort_rows(rows: CleanTable, known: dict[str, str], *, latest: bool = False) -> Sorted:
    """Tell new rows from repetitions and from other content under a known id.

    Parameters
    ----------
    rows : CleanTable
    known : dict of str to str
        Content hash by contact id; the new ones are put in, as a file may repeat itself.
    latest : bool
        Whether other content takes the place of what is known, and so is what is known next.
    """
    ids, hashes = rows["contact_id"], rows["content_hash"]
    if not known and len(own := dict(zip(ids, hashes, strict=True))) == len(ids):
        known |= own
        return Sorted(list(range(len(ids))))
    found = Sorted()
    for place, (contact_id, own_hash) in enumerate(zip(ids, hashes, strict=True)):
        digest = known.setdefault(contact_id, "")
        if not digest:
            known[contact_id] = own_hash
            found.new.append(place)
        elif digest == own_hash:
            found.unchanged += 1
        else:
            found.changed.append(place)
            if latest:
                known[contact_id] = own_hash
    return found


def known_hashes(session: Session, source: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the content hash, by id, of contacts and messages the source has brought before."""
    contacts = sa.select(_contacts.c.source_contact_id, _contacts.c.content_hash).where(
        _contacts.c.source == source, among(session, _contacts.c.source_contact_id, ids)
    )
    messages = sa.select(_messages.c.source_message_id, _messages.c.content_hash).where(
        _messages.c.source == source, among(session, _messages.c.source_message_id, ids)
    )
    return _pairs(session.execute(contacts).all()) | _pairs(session.execute(messages).all())


def _pairs(result: Iterable[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in result}


def gaps_of(mapping: Mapping[str, Any]) -> SessionGaps:
    """Return the session gaps of a mapping as an import keeps it."""
    return SessionGaps(
        mapping.get("session_gap_seconds") or 0, dict(mapping.get("session_gaps") or {})
    )


def takes_latest(mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping as an import keeps it lets later content replace what is known."""
    return bool(mapping.get("on_change", "keep") != "keep")


def store_stretch(
    session: Session,
    *,
    settings: Settings,
    batch_id: int,
    gaps: SessionGaps,
    stretch: Stretch,
    chain_later: bool = False,
) -> Stored:
    """Store a stretch and count it; rows that are known as they are change nothing.

    Other content under a known id replaces the contact where the mapping says so, unless
    messages are gathered in it.

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
        chained here all the same, as contacts may have been joined, and so are those of contacts
        that were replaced, as theirs would not be missed after an accident.

    Returns
    -------
    Stored
    """
    take_turn(session)
    require_keys(session, settings)
    batch = session.get_one(ImportBatch, batch_id, populate_existing=True)
    rows = stretch.rows
    latest = takes_latest(batch.mapping)
    known = known_hashes(session, batch.source, rows["contact_id"])
    found = sort_rows(rows, known, latest=latest)
    new, changed = rows.take(found.new), rows.take(found.changed).rows()
    key_version = len(settings.customer_keys)
    customers = find_or_add_customers(session, new["customer_key"], key_version=key_version)
    messages, whole = _messages_and_whole(new, gaps)
    days = _add_contacts(session, batch, whole, customers.ids)
    if messages:
        days |= add_messages(
            session,
            batch_id=batch_id,
            source=batch.source,
            rows=messages,
            customers=customers.ids,
            gaps=gaps,
            zone=settings.reporting_zone,
        )
    if customers.own:
        note_links(session, batch.source, new.rows(), customers)
    renewed = Renewed()
    if latest and changed:
        # a row whose channel is gathered is a message, whatever its id was before
        alone = [row for row in changed if not gaps.of(row.channel)]
        renewed = renew_contacts(
            session,
            batch=batch,
            rows=alone,
            key_version=key_version,
            extends=batch.mapping["on_change"] == "extend",
        )
        chain_contacts(session, settings=settings, customer_ids=sorted(renewed.customer_ids))
        changed = [row for row in changed if row.contact_id not in renewed.known]
    if any(rows["identifiers"]):
        note_identifiers(session, rows.rows(), customers, key_version=key_version)
    mark_due(session, days | renewed.days)
    customer_ids = list(customers.ids.values())
    if messages or not chain_later:
        chain_contacts(session, settings=settings, customer_ids=customer_ids)
        customer_ids = []
    notes = [
        _note_on_change(row, may_change=not latest and not gaps.of(row.channel)) for row in changed
    ]
    withdrawn = _notes_on_withdrawn(session, batch.source, stretch.withdrawn)
    _quarantine(session, batch_id, [*stretch.rejects, *notes, *withdrawn])
    _count(batch, stretch, found, new)
    batch.changed += len(withdrawn)
    batch.renewed += renewed.contacts
    session.flush()
    return Stored(customer_ids, {row.line for row in changed})


def _messages_and_whole(rows: CleanTable, gaps: SessionGaps) -> tuple[list[CleanRow], CleanTable]:
    """Tell rows that are gathered into contacts from those that are one each."""
    if not gaps.gathers:
        return [], rows
    is_message = [gaps.of(channel) > 0 for channel in rows["channel"]]
    messages = [place for place, gathered in enumerate(is_message) if gathered]
    whole = [place for place, gathered in enumerate(is_message) if not gathered]
    return rows.take(messages).rows(), rows.take(whole)


def _add_contacts(
    session: Session, batch: ImportBatch, rows: CleanTable, customers: dict[str, int]
) -> set[date]:
    """Store rows each of which is a contact."""
    n = len(rows)
    if not n:
        return set()
    ids = take_ids(session, _contacts, n)
    given = {name: rows[name] for name in _AS_THEY_ARE}
    write_columns(
        session,
        _contacts,
        {
            "id": ids,
            "source": [batch.source] * n,
            "source_contact_id": rows["contact_id"],
            "batch_id": [batch.id] * n,
            "customer_id": [key and customers[key] for key in rows["customer_key"]],
            "message_count": [1] * n,
            # a column nobody fills need not be named
            **{name: values for name, values in given.items() if values.count(None) < n},
        },
    )
    spoken = [turns != _NOTHING_SAID for turns in rows["turns"]]
    texts = {"contact_id": ids, **{name: rows[name] for name in _TEXT}}
    write_columns(session, _texts, {name: list(compress(of, spoken)) for name, of in texts.items()})
    return set(map(date.fromisoformat, set(rows["local_day"])))


def _note_on_change(row: CleanRow, *, may_change: bool) -> CleanReject:
    reason = (
        f"The contact {row.contact_id} was taken in before with other content. "
        "The first version stays. If this one is right, give it an id of its own"
    )
    reason += ", or import the file again and let the later version count." if may_change else "."
    return CleanReject(row.line, "changed", reason[:500], row.raw, row.customer_key)


def _notes_on_withdrawn(
    session: Session, source: str, lines: Mapping[str, int]
) -> list[CleanReject]:
    """Return a note for each contact that is here and that its source has taken back since."""
    if not lines:
        return []
    own = sa.func.coalesce(_contacts.c.own_customer_id, _contacts.c.customer_id)
    known = session.execute(
        sa.select(_contacts.c.source_contact_id, _customers.c.key_hash)
        .select_from(_contacts.outerjoin(_customers, _customers.c.id == own))
        .where(_contacts.c.source == source)
        .where(among(session, _contacts.c.source_contact_id, list(lines)))
    )
    return [
        CleanReject(
            lines[contact_id],
            WITHDRAWN,
            f"The contact {contact_id} is deleted or spam in its source by now. It is here since "
            "an earlier import and still counts. To have it out, take that import out and bring "
            "an export made since.",
            as_json({"contact_id": contact_id}),
            key_hash,
        )
        for contact_id, key_hash in known
    ]


def withdrawn_in_words(session: Session, batch_id: int) -> str:
    """Say how many contacts an import found that are here and no longer in their source."""
    of_batch = (_rejects.c.batch_id == batch_id, _rejects.c.code == WITHDRAWN)
    n = session.scalar(sa.select(sa.func.count()).where(*of_batch)) or 0
    if not n:
        return ""
    return f" {withdrawn_words(n)}."


def withdrawn_words(n: int) -> str:
    """Say of how many contacts that are here the source says that they are none."""
    if n == 1:
        return "1 contact that is here is deleted or spam in the source by now; it still counts"
    return (
        f"{n:,} contacts that are here are deleted or spam in the source by now; they still count"
    )


def _quarantine(session: Session, batch_id: int, rejects: Sequence[CleanReject]) -> None:
    if rejects:
        values = [{"batch_id": batch_id, **asdict(reject)} for reject in rejects]
        session.execute(sa.insert(_rejects), values)


def _count(batch: ImportBatch, stretch: Stretch, found: Sorted, new: CleanTable) -> None:
    batch.rows_read += stretch.n_read
    batch.rows_done += stretch.n_read
    batch.added += len(found.new)
    batch.unchanged += found.unchanged
    batch.changed += len(found.changed)
    batch.rejected += len(stretch.rejects)
    batch.unidentified += new["customer_key"].count(None)
    counts = dict(batch.redactions)
    for redactions in filter(None, new["redactions"]):
        for kind, number in redactions.items():
            counts[kind] = counts.get(kind, 0) + number
    batch.redactions = counts
