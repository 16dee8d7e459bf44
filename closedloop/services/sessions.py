"""Gather messages into contacts: those of one customer within a session gap are one arrival.

Messages may come late and in any order, also over several imports. What was one contact stays
one; contacts between which a late message closes the gap are joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.clock import local_day
from closedloop.domain.contacts import MessageTime, SessionGaps, gather_sessions
from closedloop.models import Contact, ContactLink, ContactText, Message
from closedloop.services.bulk import in_portions
from closedloop.services.clean_rows import CleanRow, text_hash
from closedloop.services.contact_rows import words_to_embed
from closedloop.services.repeats import IDS_PER_STATEMENT

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_texts: Any = ContactText.__table__
_messages: Any = Message.__table__
_LABELS = ("channel", "queue", "agent", "team", "disposition", "language", "follows_contact_id")
_SUMS = ("handle_seconds", "wait_seconds", "transfers")
_FIRSTS = ("csat", "nps", "ces", "abandoned", "resolved", "survey_resolved")
PART_FIELDS = (*_LABELS, *_SUMS, *_FIRSTS)
"""What a message says of its contact beside its words."""

Turn = list[Any]
"""[speaker, text, message id, sent at in ISO 8601, UTC]"""


@dataclass
class _Group:
    """Messages that are one contact, in time order, and the contacts that they were."""

    customer_id: int | None
    messages: list[MessageTime]
    contact_ids: list[int]
    rows: list[CleanRow] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return bool(self.rows) or len(self.contact_ids) > 1

    @property
    def kept(self) -> int | None:
        """The contact of the earliest message that had one."""
        return self.contact_ids[0] if self.contact_ids else None


def add_messages(
    session: Session,
    *,
    batch_id: int,
    source: str,
    rows: Sequence[CleanRow],
    customers: Mapping[str, int],
    gaps: SessionGaps,
    zone: str,
) -> set[date]:
    """Store messages that are new to the source, and join them to contacts.

    Parameters
    ----------
    session : Session
    batch_id, source : int, str
    rows : sequence of CleanRow
        Each id once, none of them known to the source. Without customer, each is a contact.
    customers : mapping of str to int
        Customer's key to id.
    gaps : SessionGaps
        Longest silence inside a contact, inclusive.
    zone : str
        Of the reporting days.

    Returns
    -------
    set of date
        Reporting days of the contacts that were added, changed or joined, before and after.
    """
    groups = _alone(rows) + _gathered(session, source, rows, customers, gaps)
    known = KnownContacts.load(session, [i for group in groups for i in group.contact_ids])
    contacts = [GatheredContact.build(group, known, zone) for group in groups]
    write_contacts(session, contacts, batch_id, source)
    _write_messages(session, contacts, batch_id, source)
    write_texts(session, contacts, known)
    return known.days | {contact.values["local_day"] for contact in contacts}


def _alone(rows: Iterable[CleanRow]) -> list[_Group]:
    return [_Group(None, [_time(row)], [], [row]) for row in rows if row.customer_key is None]


def _time(row: CleanRow) -> MessageTime:
    return MessageTime(row.contact_id, row.started_at)


def _gathered(
    session: Session,
    source: str,
    rows: Iterable[CleanRow],
    customers: Mapping[str, int],
    gaps: SessionGaps,
) -> list[_Group]:
    """Return the groups of the customers of `rows` that are not as they were."""
    new: dict[tuple[int, str], dict[str, CleanRow]] = defaultdict(dict)
    for row in rows:
        if row.customer_key is not None:
            key = (customers[row.customer_key], gaps.group(row.channel))
            new[key][row.contact_id] = row
    old = _stored_messages(session, source, {customer_id for customer_id, _ in new}, gaps)
    groups = []
    for key, fresh in new.items():
        customer_id, channel = key
        of_contact = {message.message_id: contact for message, contact in old[key]}
        times = [message for message, _ in old[key]] + [_time(r) for r in fresh.values()]
        for messages in _joined(gather_sessions(times, gaps.of(channel)), of_contact):
            ids = [m.message_id for m in messages]
            contact_ids = list(dict.fromkeys(of_contact[i] for i in ids if i in of_contact))
            fresh_rows = [fresh[i] for i in ids if i in fresh]
            groups.append(_Group(customer_id, messages, contact_ids, fresh_rows))
    return [group for group in groups if group.is_changed]


def _stored_messages(
    session: Session, source: str, customer_ids: Collection[int], gaps: SessionGaps
) -> dict[tuple[int, str], list[tuple[MessageTime, int]]]:
    """Return (message, its contact) of each customer and group of channels."""
    found: dict[tuple[int, str], list[tuple[MessageTime, int]]] = defaultdict(list)
    statement = (
        sa.select(
            _contacts.c.customer_id,
            _contacts.c.channel,
            _messages.c.source_message_id,
            _messages.c.sent_at,
            _messages.c.contact_id,
        )
        .join(_contacts, _contacts.c.id == _messages.c.contact_id)
        .where(_contacts.c.customer_id.in_(customer_ids), _messages.c.source == source)
    )
    for customer_id, channel, message_id, sent_at, contact_id in session.execute(statement):
        key = (customer_id, gaps.group(channel))
        found[key].append((MessageTime(message_id, sent_at), contact_id))
    return found


def _joined(
    sessions: Sequence[list[MessageTime]], of_contact: Mapping[str, int]
) -> Iterator[list[MessageTime]]:
    """Put sessions together that hold messages of one contact, and those between them.

    It happens when a source is imported with a shorter gap than before.
    """
    last = {
        of_contact[message.message_id]: position
        for position, messages in enumerate(sessions)
        for message in messages
        if message.message_id in of_contact
    }
    group: list[MessageTime] = []
    end = 0
    for position, messages in enumerate(sessions):
        ends = (last[of_contact[m.message_id]] for m in messages if m.message_id in of_contact)
        end = max(end, position, *ends)
        group += messages
        if position == end:
            yield group
            group = []


@dataclass
class KnownContacts:
    """The contacts that change, as they stand."""

    values: dict[int, Any]
    turns: dict[int, list[Turn]]
    hashes: dict[int, str]

    @classmethod
    def load(cls, session: Session, contact_ids: Sequence[int]) -> KnownContacts:
        """Read contacts with their texts."""
        known = cls({}, {}, {})
        text_columns = (_texts.c.contact_id, _texts.c.turns, _texts.c.text_hash)
        for ids in in_portions(contact_ids, IDS_PER_STATEMENT):
            contacts = sa.select(_contacts).where(_contacts.c.id.in_(ids))
            known.values |= {row["id"]: row for row in session.execute(contacts).mappings()}
            texts = sa.select(*text_columns).where(_texts.c.contact_id.in_(ids))
            for contact_id, turns, digest in session.execute(texts):
                known.turns[contact_id], known.hashes[contact_id] = turns, digest
        return known

    @property
    def days(self) -> set[date]:
        """Reporting days before the change."""
        return {row["local_day"] for row in self.values.values()}


@dataclass
class GatheredContact:
    """One contact as it is to be stored."""

    id: int | None
    absorbed: list[int]
    rows: list[CleanRow]
    values: dict[str, Any]
    turns: list[Turn]

    @classmethod
    def build(cls, group: _Group, known: KnownContacts, zone: str) -> GatheredContact:
        """Put contact and messages together; a label comes from the earliest part with one."""
        first = group.messages[0]
        parts: list[Any] = [*map(known.values.get, group.contact_ids), *map(_as_part, group.rows)]
        parts.sort(key=lambda part: (part["started_at"], part["source_contact_id"]))
        values = {
            "customer_id": group.customer_id,
            "source_contact_id": first.message_id,
            "content_hash": parts[0]["content_hash"],
            "started_at": first.sent_at,
            "local_day": local_day(first.sent_at, zone),
            "message_count": len(group.messages),
            **put_together(parts),
        }
        turns = [turn for i in group.contact_ids for turn in known.turns.get(i, ())]
        turns += [turn for row in group.rows for turn in _turns(row)]
        turns.sort(key=lambda turn: (turn[3], turn[2]))
        return cls(group.kept, group.contact_ids[1:], group.rows, values, turns)


def put_together(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the parts of a contact, in time order, say of it by `PART_FIELDS`."""
    values: dict[str, Any] = {}
    for name in _SUMS:
        known = [part[name] for part in parts if part[name] is not None]
        values[name] = sum(known) if known else None
    for name in _FIRSTS:
        values[name] = next((part[name] for part in parts if part[name] is not None), None)
    for name in _LABELS:
        values[name] = next((part[name] for part in parts if part[name]), "")
    return values


def _as_part(row: CleanRow) -> dict[str, Any]:
    return {
        "started_at": row.started_at,
        "source_contact_id": row.contact_id,
        "content_hash": row.content_hash,
        **{name: getattr(row, name) for name in PART_FIELDS},
    }


def _details(row: CleanRow) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in PART_FIELDS}
    return {name: value for name, value in said.items() if value not in ("", None)}


def _turns(row: CleanRow) -> list[Turn]:
    sent_at = row.started_at.isoformat()
    return [[speaker, text, row.contact_id, sent_at] for speaker, text in row.turns]


def write_contacts(
    session: Session, contacts: Sequence[GatheredContact], batch_id: int, source: str
) -> None:
    """Add new contacts, then change the kept ones; new ones get their `id`."""
    new = {c.values["source_contact_id"]: c for c in contacts if c.id is None}
    if new:
        added = session.execute(
            sa.insert(_contacts).returning(_contacts.c.id, _contacts.c.source_contact_id),
            [{"source": source, "batch_id": batch_id, **c.values} for c in new.values()],
        ).all()
        kept = [c for c in contacts if c.id is not None]
        for contact_id, source_contact_id in added:
            new[source_contact_id].id = contact_id
    else:
        kept = list(contacts)
    if kept:
        session.connection().execute(
            sa.update(_contacts).where(_contacts.c.id == sa.bindparam("kept_id")),
            [{**c.values, "kept_id": c.id} for c in kept],
        )


def _write_messages(
    session: Session, contacts: Sequence[GatheredContact], batch_id: int, source: str
) -> None:
    """Add the new messages, move those of contacts that were joined, and drop the latter."""
    rows = [
        {
            "source": source,
            "source_message_id": row.contact_id,
            "contact_id": contact.id,
            "sent_at": row.started_at,
            "content_hash": row.content_hash,
            "batch_id": batch_id,
            "details": _details(row),
        }
        for contact in contacts
        for row in contact.rows
    ]
    if rows:
        session.execute(sa.insert(_messages), rows)
    gone = [{"gone_id": i, "kept_id": c.id} for c in contacts for i in c.absorbed]
    if gone:
        session.connection().execute(
            sa.update(_messages)
            .where(_messages.c.contact_id == sa.bindparam("gone_id"))
            .values(contact_id=sa.bindparam("kept_id")),
            gone,
        )
    for ids in in_portions([pair["gone_id"] for pair in gone], IDS_PER_STATEMENT):
        session.execute(sa.delete(_links).where(_links.c.contact_id.in_(ids)))
        session.execute(sa.delete(_texts).where(_texts.c.contact_id.in_(ids)))
        session.execute(sa.delete(_contacts).where(_contacts.c.id.in_(ids)))


def write_texts(
    session: Session, contacts: Sequence[GatheredContact], known: KnownContacts
) -> None:
    """Write what was said; a contact whose words changed waits to be assigned anew."""
    rows, reworded = [], []
    for contact in contacts:
        if contact.turns:
            words = words_to_embed([(speaker, text) for speaker, text, *_ in contact.turns])
            row = {
                "contact_id": contact.id,
                "turns": contact.turns,
                "issue_text": words,
                "text_hash": text_hash(words),
            }
            rows.append(row)
            if contact.id in known.values and known.hashes.get(contact.id) != row["text_hash"]:
                reworded.append(contact.id)
    old = [row["contact_id"] for row in rows if row["contact_id"] in known.hashes]
    for ids in in_portions(old, IDS_PER_STATEMENT):
        session.execute(sa.delete(_texts).where(_texts.c.contact_id.in_(ids)))
    if rows:
        session.execute(sa.insert(_texts), rows)
    for ids in in_portions(reworded, IDS_PER_STATEMENT):
        session.execute(
            sa.update(_contacts)
            .where(_contacts.c.id.in_(ids))
            .values(theme_id=None, cluster=None, theme_confidence=None)
        )
