"""Put the later version of a contact in the place of the one before, and back again.

A source that exports a record again when it has changed brings a known id with other content.
What stood before is kept as a version, so that an import taken out gives way to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.vendor_rows import WITH_SUBJECT
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    ContactVersion,
    Customer,
    ImportBatch,
    Message,
    ThemeEvidence,
)
from closedloop.services.bulk import among, delete_rows, in_portions
from closedloop.services.clean_rows import SAID, CleanRow, text_hash
from closedloop.services.contact_rows import words_to_embed
from closedloop.services.customers import find_or_add_customers
from closedloop.services.repeats import IDS_PER_STATEMENT

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_texts: Any = ContactText.__table__
_versions: Any = ContactVersion.__table__
_customers: Any = Customer.__table__
_evidence: Any = ThemeEvidence.__table__
_messages: Any = Message.__table__
_OWN = ("batch_id", "local_day", "content_hash", "follows_contact_id")
"""Columns that a version has beside its contact's other ones."""
_SAID = (
    *("started_at", "channel", "queue", "agent", "team", "disposition", "language"),
    *("handle_seconds", "csat", *SAID),
)
_UNTHEMED = {"theme_id": None, "cluster": None, "theme_confidence": None}


@dataclass
class Renewed:
    """What took the place of other content.

    Attributes
    ----------
    known : set of str
        Ids of contacts that may be replaced; those of messages are not among them.
    contacts : int
        How many were replaced now.
    days : set of date
        Their reporting days, before and after.
    customer_ids : set of int
        Theirs, before and after.
    """

    known: set[str] = field(default_factory=set)
    contacts: int = 0
    days: set[date] = field(default_factory=set)
    customer_ids: set[int] = field(default_factory=set)


def renew_contacts(
    session: Session,
    *,
    batch: ImportBatch,
    rows: Sequence[CleanRow],
    key_version: int,
    extends: bool,
) -> Renewed:
    """Replace contacts of an import's source by what its rows say of them now.

    What an earlier import brought is kept as a version; what this one brought is not, as all of
    it goes when the import is taken out. A version without words takes none away, nor the language
    of those that stay. The theme is given up where what is embedded changed.
    Links of the contacts are removed: chain the customers in the same transaction.

    Parameters
    ----------
    session : Session
        Holds the turn of writers.
    batch : ImportBatch
    rows : sequence of CleanRow
        In the order of the file, each a contact of its own; of several with one id the last wins.
    key_version : int
        How many keys their customers are hashed with.
    extends : bool
        Whether what was said before stays, and the rows tell only what came since.
    """
    last = {row.contact_id: row for row in rows}
    stored = _stored(session, batch.source, list(last))
    pairs = [
        (old, row)
        for contact_id, old in stored.items()
        if (row := last[contact_id]).content_hash != old["content_hash"]
    ]
    found = Renewed(set(stored), len(pairs))
    if not pairs:
        return found
    _keep_versions(session, [old for old, _ in pairs if old["batch_id"] != batch.id])
    keys = [row.customer_key for _, row in pairs]
    customers = find_or_add_customers(session, keys, key_version=key_version)
    new = []
    for old, row in pairs:
        own = customers.own.get(row.customer_key) if row.customer_key else None
        values = {name: getattr(row, name) for name in (*_SAID, *_OWN) if name != "batch_id"}
        values |= {
            "batch_id": batch.id,
            "language": row.language or (old["language"] if extends or not row.turns else ""),
            "customer_id": row.customer_key and customers.ids[row.customer_key],
            "own_customer_id": own,
        }
        new.append(_Fresh(old, values, *_words(old, row, batch.format, extends=extends)))
    _put_in_place(session, new, found)
    return found


def _words(
    old: Mapping[str, Any], row: CleanRow, format: str, *, extends: bool
) -> tuple[list[Any], str]:
    """Return all that was said in a contact so far, and what of it is embedded."""
    before, since = list(old["turns"] or []), [list(turn) for turn in row.turns]
    if before and not since:
        return before, old["issue_text"]
    has_subject = format in WITH_SUBJECT
    turns = extended(before, since, has_subject=has_subject) if extends else since
    return turns, row.issue_text if turns == since else words_to_embed(
        [(t[0], t[1]) for t in turns]
    )


def extended(
    before: Sequence[Any], since: Sequence[Any], *, has_subject: bool = False
) -> list[Any]:
    """Return the turns of an earlier export, followed by those that only a later one has.

    Turns that differ in marks and blanks alone are the same. Where the later export has all of
    the earlier turns, it counts as it is.

    Parameters
    ----------
    before, since : sequence of (speaker, text)
    has_subject : bool
        The first turn of each may begin with a line that is the subject: it may be another by
        now, and stands above whichever turn came first.
    """
    before, since = list(before), list(since)
    told, telling = list(map(_alike, before)), list(map(_alike, since))
    if has_subject and (place := _place_of_first(before, since, told)) is not None:
        telling[0] = told[place]
        if place == 0:
            before[0] = since[0]
    old = Counter(told)
    if old <= Counter(telling):
        return since
    added = []
    for turn, words in zip(since, telling, strict=True):
        if old[words]:
            old[words] -= 1
        else:
            added.append(turn)
    return [*before, *added]


def _alike(turn: Sequence[Any]) -> tuple[str, str]:
    return str(turn[0]), re.sub(r"\W+", "", str(turn[1])).lower()


def _place_of_first(
    before: Sequence[Any], since: Sequence[Any], told: Sequence[tuple[str, str]]
) -> int | None:
    """Return the place in `before` of the first turn of `since`, whatever their subject lines."""
    if not before or not since:
        return None
    first = {_alike(since[0]), _below_subject(since[0])}
    for place, words in enumerate(told):
        known = {words, _below_subject(before[0])} if place == 0 else {words}
        if any(text for _, text in known & first):
            return place
    return None


def _below_subject(turn: Sequence[Any]) -> tuple[str, str]:
    return _alike((turn[0], str(turn[1]).partition("\n")[2]))


def _stored(session: Session, source: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return contacts with their words by id of the source; those made of messages are left out."""
    gathered = sa.exists().where(_messages.c.contact_id == _contacts.c.id)
    is_wanted = sa.and_(
        _contacts.c.source == source,
        among(session, _contacts.c.source_contact_id, ids),
        ~gathered,
    )
    return {row["source_contact_id"]: row for row in _with_words(session, is_wanted)}


def _with_words(session: Session, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    statement = (
        sa.select(_contacts, _texts.c.turns, _texts.c.issue_text, _texts.c.text_hash)
        .select_from(_contacts.outerjoin(_texts, _texts.c.contact_id == _contacts.c.id))
        .where(condition)
        .order_by(_contacts.c.id)
    )
    return session.execute(statement).mappings().all()


def _keep_versions(session: Session, stored: Sequence[Mapping[str, Any]]) -> None:
    values = [
        {
            "contact_id": old["id"],
            **{name: old[name] for name in _OWN},
            "customer_id": old["own_customer_id"] or old["customer_id"],
            "said": {**{name: old[name] for name in _SAID}, "started_at": str(old["started_at"])},
            "turns": old["turns"] or [],
            "issue_text": old["issue_text"] or "",
            "text_hash": old["text_hash"] or "",
        }
        for old in stored
    ]
    if values:
        session.execute(sa.insert(_versions), values)


@dataclass(frozen=True)
class _Fresh:
    """What a contact becomes: columns by name, and words."""

    old: Mapping[str, Any]
    values: dict[str, Any]
    turns: list[Any]
    issue_text: str

    @property
    def is_reworded(self) -> bool:
        """Whether something else is embedded now, so that the theme may be another one."""
        return bool((self.old["issue_text"] or "") != self.issue_text)


def _put_in_place(session: Session, fresh: Sequence[_Fresh], found: Renewed) -> None:
    """Write contacts and words anew, and note down whose they were and are, and when."""
    ids = [one.old["id"] for one in fresh]
    reworded = [one.old["id"] for one in fresh if one.is_reworded]
    delete_rows(session, _links.c.contact_id, ids)
    delete_rows(session, _texts.c.contact_id, ids)
    delete_rows(session, _evidence.c.contact_id, reworded)
    words = [
        {
            "contact_id": one.old["id"],
            "turns": one.turns,
            "issue_text": one.issue_text,
            "text_hash": text_hash(one.issue_text),
        }
        for one in fresh
        if one.turns
    ]
    if words:
        session.execute(sa.insert(_texts), words)
    # a name of its own for each value: that of a column is taken by the statement
    names = list(fresh[0].values)
    session.connection().execute(
        sa.update(_contacts)
        .where(_contacts.c.id == sa.bindparam("contact"))
        .values({name: sa.bindparam(f"new_{name}") for name in names}),
        [
            {"contact": one.old["id"], **{f"new_{k}": v for k, v in one.values.items()}}
            for one in fresh
        ],
    )
    for portion in in_portions(reworded, IDS_PER_STATEMENT):
        is_one = among(session, _contacts.c.id, portion)
        session.execute(sa.update(_contacts).where(is_one).values(**_UNTHEMED))
    for one in fresh:
        found.days |= {one.old["local_day"], one.values["local_day"]}
        found.customer_ids |= {one.old["customer_id"], one.values["customer_id"]} - {None}


def has_earlier_version(batch_id: int) -> sa.ColumnElement[bool]:
    """Return the condition on contacts that stood before an import replaced them."""
    return sa.exists().where(
        _versions.c.contact_id == _contacts.c.id, _versions.c.batch_id != batch_id
    )


def forget_versions(session: Session, *, batch_id: int, limit: int) -> tuple[int, set[int]]:
    """Drop versions that an import brought and a later one replaced.

    Returns
    -------
    n : int
    customer_ids : set of int
        Whose they were.
    """
    first = (
        sa.select(_versions.c.id, _versions.c.customer_id)
        .where(_versions.c.batch_id == batch_id)
        .order_by(_versions.c.id)
        .limit(limit)
    )
    rows = session.execute(first).all()
    delete_rows(session, _versions.c.id, [row.id for row in rows])
    return len(rows), {row.customer_id for row in rows} - {None}


def restore_contacts(session: Session, *, batch_id: int, limit: int) -> Renewed:
    """Give contacts that an import replaced their version of before; its own are forgotten by now.

    The customer is found as links are now. The theme is given up where the words differ.
    """
    newest = (
        sa.select(sa.func.max(_versions.c.id))
        .join(_contacts, _contacts.c.id == _versions.c.contact_id)
        .where(_contacts.c.batch_id == batch_id)
        .group_by(_versions.c.contact_id)
        .order_by(_versions.c.contact_id)
        .limit(limit)
    )
    is_newest = _versions.c.id.in_(session.scalars(newest).all())
    versions = session.execute(sa.select(_versions).where(is_newest)).mappings().all()
    if not versions:
        return Renewed()
    ids = [version["contact_id"] for version in versions]
    old = {row["id"]: row for row in _with_words(session, _contacts.c.id.in_(ids))}
    roots = _roots(session, {version["customer_id"] for version in versions} - {None})
    found = Renewed(contacts=len(versions))
    fresh = [
        _Fresh(old[v["contact_id"]], _values_of(v, roots), v["turns"], v["issue_text"])
        for v in versions
    ]
    _put_in_place(session, fresh, found)
    delete_rows(session, _versions.c.id, [version["id"] for version in versions])
    return found


def _values_of(version: Any, roots: Mapping[int, int | None]) -> dict[str, Any]:
    """Return the columns of a contact as a version has them."""
    own = version["customer_id"]
    own = own if own in roots else None
    root = roots[own] if own else None
    said = version["said"]
    return {
        **{name: said[name] for name in _SAID},
        **{name: version[name] for name in _OWN},
        "started_at": datetime.fromisoformat(said["started_at"]),
        "customer_id": root or own,
        "own_customer_id": own if root else None,
    }


def _roots(session: Session, customer_ids: Collection[int]) -> dict[int, int | None]:
    """Return whom customers are linked with, by customer."""
    columns = (_customers.c.id, _customers.c.merged_into_id)
    rows = session.execute(
        sa.select(*columns).where(among(session, _customers.c.id, sorted(customer_ids)))
    )
    return {row.id: row.merged_into_id for row in rows}
