"""Take the messages of one import out of contacts that other imports share.

What is left is gathered anew from the messages themselves, by the gaps of the imports that
brought them, as if the one taken out had never come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.clock import local_day
from closedloop.domain.contacts import MessageTime, SessionGaps, gather_sessions
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    ContactVersion,
    ImportBatch,
    Message,
    ThemeEvidence,
)
from closedloop.services.bulk import in_portions
from closedloop.services.correction_rows import hand_over
from closedloop.services.intake import gaps_of
from closedloop.services.sessions import (
    PART_FIELDS,
    GatheredContact,
    KnownContacts,
    put_together,
    write_contacts,
    write_texts,
)
from closedloop.services.text_removal import forget_hashes, overwrite_deleted

IDS_AT_ONCE = 1_000

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_texts: Any = ContactText.__table__
_versions: Any = ContactVersion.__table__
_messages: Any = Message.__table__
_evidence: Any = ThemeEvidence.__table__
_NOTHING = dict.fromkeys(PART_FIELDS)


@dataclass(frozen=True)
class Removed:
    """What a removal touched.

    Attributes
    ----------
    days : set of date
        Reporting days of the contacts that are gone or changed, before and after.
    customer_ids : set of int
        Theirs.
    contacts, messages : int
        Contacts that are gone, messages that are gone.
    versions : int
        Earlier versions that are gone or stand again.
    restored : int
        Contacts that are as before.
    """

    days: set[date]
    customer_ids: set[int]
    contacts: int
    messages: int
    versions: int = 0
    restored: int = 0


def delete_contacts(session: Session, ids: Collection[int]) -> None:
    """Delete contacts with their links, words, vectors, earlier versions, messages and quotes.

    What people said of one is kept for others that say the same words.
    """
    overwrite_deleted(session)
    for portion in in_portions(ids, IDS_AT_ONCE):
        hand_over(session, portion)
        said: set[str] = set()
        for table in (_texts, _versions):
            gone = sa.delete(table).where(table.c.contact_id.in_(portion))
            said.update(session.scalars(gone.returning(table.c.text_hash)))
        for table in (_links, _evidence, _messages):
            session.execute(sa.delete(table).where(table.c.contact_id.in_(portion)))
        session.execute(sa.delete(_contacts).where(_contacts.c.id.in_(portion)))
        forget_hashes(session, said - {""})


def remove_messages(
    session: Session, *, batch_id: int, contact_ids: Sequence[int], zone: str
) -> Removed:
    """Take the messages of an import out of some contacts; those left with none are deleted.

    Parameters
    ----------
    session : Session
    batch_id : int
    contact_ids : sequence of int
        Contacts that hold messages of it.
    zone : str
        Of the reporting days.
    """
    known = KnownContacts.load(session, contact_ids)
    of_contact = _messages_of(session, contact_ids)
    left, gone = _parted(of_contact, batch_id)
    empty = [contact_id for contact_id, rows in left.items() if not rows]
    delete_contacts(session, empty)
    for ids in in_portions(gone, IDS_AT_ONCE):
        session.execute(sa.delete(_messages).where(_messages.c.id.in_(ids)))
    rebuilt = _Rebuilt(known, _gaps_of_batches(session, left.values()), batch_id, zone)
    for contact_id, rows in left.items():
        if rows:
            rebuilt.add(known.values[contact_id], rows)
    rebuilt.write(session)
    customers = {row["customer_id"] for row in known.values.values()} - {None}
    return Removed(known.days | rebuilt.days, customers, len(empty), len(gone))


def _parted(
    of_contact: Mapping[int, Sequence[Any]], batch_id: int
) -> tuple[dict[int, list[Any]], list[int]]:
    """Return the messages that stay by contact, and the ids of those that go."""
    left: dict[int, list[Any]] = {}
    gone: list[int] = []
    for contact_id, rows in of_contact.items():
        left[contact_id] = [row for row in rows if row["batch_id"] != batch_id]
        gone += [row["id"] for row in rows if row["batch_id"] == batch_id]
    return left, gone


def _messages_of(session: Session, contact_ids: Sequence[int]) -> dict[int, list[Any]]:
    """Return the messages of contacts, each contact's in time order."""
    found: dict[int, list[Any]] = defaultdict(list)
    for ids in in_portions(contact_ids, IDS_AT_ONCE):
        statement = (
            sa.select(_messages)
            .where(_messages.c.contact_id.in_(ids))
            .order_by(_messages.c.sent_at, _messages.c.source_message_id)
        )
        for row in session.execute(statement).mappings():
            found[row["contact_id"]].append(row)
    return found


def _gaps_of_batches(
    session: Session, messages: Iterable[Sequence[Any]]
) -> dict[int | None, SessionGaps]:
    ids = {row["batch_id"] for rows in messages for row in rows}
    statement = sa.select(ImportBatch.id, ImportBatch.mapping).where(ImportBatch.id.in_(ids))
    return {batch_id: gaps_of(mapping) for batch_id, mapping in session.execute(statement)}


@dataclass
class _Rebuilt:
    """Contacts made anew of the messages that stay."""

    known: KnownContacts
    gaps: Mapping[int | None, SessionGaps]
    batch_id: int
    zone: str
    contacts: list[GatheredContact] = field(default_factory=list)
    message_ids: list[list[int]] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    source: str = ""

    def add(self, old: Any, rows: Sequence[Any]) -> None:
        """Gather what is left of a contact: itself, and others where a message had joined them."""
        by_id = {row["source_message_id"]: row for row in rows}
        gap_of = {i: self._gap(row, old["channel"]) for i, row in by_id.items()}
        times = [MessageTime(i, row["sent_at"]) for i, row in by_id.items()]

        def gap(last: MessageTime, message: MessageTime) -> int:
            # each was joined under the gap of its own import; the longer one held them together
            return max(gap_of[last.message_id], gap_of[message.message_id])

        for place, messages in enumerate(gather_sessions(times, gap)):
            parts = [by_id[message.message_id] for message in messages]
            self.contacts.append(self._contact(old, parts, keeps_id=place == 0))
            self.message_ids.append([row["id"] for row in parts])
            self.days.add(self.contacts[-1].values["local_day"])
        self.source = old["source"]

    def _gap(self, row: Any, channel: str) -> int:
        said = (row["details"] or {}).get("channel", channel)
        return self.gaps.get(row["batch_id"], SessionGaps()).of(said)

    def _contact(self, old: Any, parts: Sequence[Any], *, keeps_id: bool) -> GatheredContact:
        first = parts[0]
        keeps_batch = keeps_id and old["batch_id"] != self.batch_id
        values = {
            "customer_id": old["customer_id"],
            "own_customer_id": old["own_customer_id"],
            "source_contact_id": first["source_message_id"],
            "content_hash": first["content_hash"],
            "started_at": first["sent_at"],
            "local_day": local_day(first["sent_at"], self.zone),
            "message_count": len(parts),
            "batch_id": old["batch_id"] if keeps_batch else _first_batch(parts),
            **_said(old, parts),
        }
        ids = {row["source_message_id"] for row in parts}
        turns = [turn for turn in self.known.turns.get(old["id"], ()) if turn[2] in ids]
        return GatheredContact(old["id"] if keeps_id else None, [], [], values, turns)

    def write(self, session: Session) -> None:
        """Write the contacts, move messages to those that are new, and renew the words."""
        if not self.contacts:
            return
        is_new = [contact.id is None for contact in self.contacts]
        write_contacts(session, self.contacts, self.batch_id, self.source)
        moves = [
            {"message": message_id, "contact": contact.id}
            for contact, ids, new in zip(self.contacts, self.message_ids, is_new, strict=True)
            for message_id in ids
            if new
        ]
        if moves:
            session.connection().execute(
                sa.update(_messages)
                .where(_messages.c.id == sa.bindparam("message"))
                .values(contact_id=sa.bindparam("contact")),
                moves,
            )
        self._write_words(session)

    def _write_words(self, session: Session) -> None:
        write_texts(session, self.contacts, self.known)
        silent = [c.id for c in self.contacts if not c.turns and c.id in self.known.hashes]
        for ids in in_portions(silent, IDS_AT_ONCE):
            session.execute(sa.delete(_texts).where(_texts.c.contact_id.in_(ids)))
            session.execute(
                sa.update(_contacts)
                .where(_contacts.c.id.in_(ids))
                .values(theme_id=None, cluster=None, theme_confidence=None)
            )


def _first_batch(parts: Sequence[Any]) -> int:
    return int(min(row["batch_id"] for row in parts if row["batch_id"] is not None))


def _said(old: Any, parts: Sequence[Any]) -> dict[str, Any]:
    """Return labels, handle time and rating of what is left.

    Messages taken in before they were noted down one by one cannot be told apart: then the
    contact keeps what it says.
    """
    if any(row["details"] is None for row in parts):
        return {name: old[name] for name in PART_FIELDS}
    return put_together([{**_NOTHING, **row["details"]} for row in parts])
