"""Take what was said out of contacts, with vectors and labels that no other text needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import ContactText, ContactVersion, EncodedText, ThemeEvidence
from closedloop.services.bulk import in_portions
from closedloop.services.correction_rows import put_down_by_contact
from closedloop.services.long_work import Transactions
from closedloop.services.run_records import forget_texts

IDS_AT_ONCE = 1_000
VECTORS_AT_ONCE = 10_000

_texts: Any = ContactText.__table__
_versions: Any = ContactVersion.__table__
_vectors: Any = EncodedText.__table__
_evidence: Any = ThemeEvidence.__table__


@dataclass(frozen=True)
class RemovedTexts:
    """How many texts, vectors and quotes went."""

    texts: int = 0
    vectors: int = 0
    quotes: int = 0

    def __add__(self, other: RemovedTexts) -> RemovedTexts:
        """Return the sum."""
        return RemovedTexts(
            self.texts + other.texts, self.vectors + other.vectors, self.quotes + other.quotes
        )


def overwrite_deleted(session: Session) -> None:
    """Have SQLite write zeros over what this connection deletes; PostgreSQL leaves it to VACUUM."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA secure_delete = ON").close()


def remove_texts(session: Session, contact_ids: Collection[int]) -> RemovedTexts:
    """Delete texts of contacts, quotes of them, and vectors that no text is left for.

    The contacts stay, with their theme, and with what people said of their words.
    """
    removed = RemovedTexts()
    for ids in in_portions(sorted(contact_ids), IDS_AT_ONCE):
        put_down_by_contact(session, ids)
        quotes = session.execute(
            sa.delete(_evidence)
            .where(_evidence.c.contact_id.in_(ids))
            .returning(_evidence.c.contact_id)
        ).all()
        hashes = session.scalars(
            sa.delete(_texts).where(_texts.c.contact_id.in_(ids)).returning(_texts.c.text_hash)
        ).all()
        removed += RemovedTexts(len(hashes), _remove_vectors(session, set(hashes)), len(quotes))
        forget_texts(session, set(hashes) - _still_said(session, set(hashes)))
    return removed


def remove_versions(session: Session, condition: sa.ColumnElement[bool]) -> set[int]:
    """Delete earlier versions of contacts, and vectors that no text is left for.

    Returns
    -------
    set of int
        The imports that brought them.
    """
    rows = session.execute(
        sa.delete(_versions).where(condition).returning(_versions.c.batch_id, _versions.c.text_hash)
    ).all()
    forget_hashes(session, {row.text_hash for row in rows} - {""})
    return {row.batch_id for row in rows}


def count_old_versions(session: Session, before: date) -> int:
    """Return how many earlier versions of contacts before a day still hold their words."""
    return session.scalar(sa.select(sa.func.count()).where(_has_old_words(before))) or 0


def empty_versions(session: Session, before: date) -> int:
    """Take the words out of earlier versions of contacts before a day; return how many had some."""
    old = _has_old_words(before)
    hashes = session.scalars(sa.select(_versions.c.text_hash).where(old)).all()
    session.execute(sa.update(_versions).where(old).values(turns=[], issue_text="", text_hash=""))
    forget_hashes(session, set(hashes))
    return len(hashes)


def _has_old_words(before: date) -> sa.ColumnElement[bool]:
    return sa.and_(_versions.c.local_day < before, _versions.c.text_hash != "")


def forget_hashes(session: Session, hashes: Collection[str]) -> None:
    """Drop vectors of texts and where runs put them, but of those that a contact still says."""
    for portion in in_portions(sorted(hashes), IDS_AT_ONCE):
        _remove_vectors(session, portion)
        forget_texts(session, set(portion) - _still_said(session, portion))


def remove_unused_vectors(transactions: Transactions) -> int:
    """Delete vectors that no text is left for, as of a conversation that has grown since.

    Returns
    -------
    int
        How many went.
    """
    removed, after = 0, ("", "")
    place = sa.tuple_(_vectors.c.encoder, _vectors.c.text_hash)
    while True:
        with transactions() as session:
            portion = sa.select(_vectors.c.encoder, _vectors.c.text_hash)
            portion = portion.order_by(_vectors.c.encoder, _vectors.c.text_hash)
            rows = session.execute(portion.where(place > after).limit(VECTORS_AT_ONCE)).all()
            if not rows:
                return removed
            overwrite_deleted(session)
            after = tuple(rows[-1])
            removed += _remove_vectors(session, {row.text_hash for row in rows})


def _still_said(session: Session, hashes: Collection[str]) -> set[str]:
    """Return those of the hashes that the text of another contact has."""
    query = sa.select(_texts.c.text_hash).where(_texts.c.text_hash.in_(sorted(hashes))).distinct()
    return set(session.scalars(query))


def _remove_vectors(session: Session, hashes: Collection[str]) -> int:
    used = sa.exists().where(_texts.c.text_hash == _vectors.c.text_hash)
    gone = session.execute(
        sa.delete(_vectors)
        .where(_vectors.c.text_hash.in_(sorted(hashes)), ~used)
        .returning(_vectors.c.text_hash)
    )
    return len(gone.all())
