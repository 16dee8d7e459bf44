"""What people said about contacts outlives contacts that are deleted and texts that expire.

A correction is put down for one contact, and means all that say its words. So it must not go
with that contact while others say them, and must not be lost to the others once theirs are gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import ContactText, ThemeCorrection

_STANDS = ThemeCorrection.taken_back_at.is_(None)
_SAYS_SOMETHING = ContactText.issue_text != ""
_SAID = (
    ThemeCorrection.text_hash,
    ThemeCorrection.theme_id,
    ThemeCorrection.belongs,
    ThemeCorrection.change_id,
)


def hand_over(session: Session, contact_ids: Collection[int]) -> None:
    """Pass what people said about contacts that will be deleted on to others with the same words.

    Parameters
    ----------
    contact_ids : collection of int
        Few enough for one statement.
    """
    rows = session.execute(
        sa.select(ThemeCorrection.id, *_SAID)
        .where(
            ThemeCorrection.contact_id.in_(contact_ids), _STANDS, ThemeCorrection.text_hash != ""
        )
        .order_by(ThemeCorrection.id)
    ).all()
    if not rows:
        return
    hashes = sorted({row.text_hash for row in rows})
    others = session.execute(
        sa.select(*_SAID)
        .distinct()
        .where(
            ThemeCorrection.text_hash.in_(hashes),
            ThemeCorrection.contact_id.not_in(contact_ids),
            _STANDS,
        )
    )
    kept: set[tuple[Any, ...]] = {tuple(other) for other in others}
    heirs = session.execute(
        sa.select(ContactText.text_hash, sa.func.min(ContactText.contact_id))
        .where(
            ContactText.text_hash.in_(hashes),
            ContactText.contact_id.not_in(contact_ids),
            _SAYS_SOMETHING,
        )
        .group_by(ContactText.text_hash)
    )
    heir_of = {row[0]: row[1] for row in heirs}
    for number, *said in rows:
        if said[0] in heir_of and tuple(said) not in kept:
            kept.add(tuple(said))
            session.execute(
                sa.update(ThemeCorrection)
                .where(ThemeCorrection.id == number)
                .values(contact_id=heir_of[said[0]])
                .execution_options(synchronize_session=False)
            )


def put_down_by_contact(session: Session, contact_ids: Collection[int]) -> None:
    """Before texts are removed: write what people said about them down for each of their contacts.

    Under the same change, so that taking that back takes these back, too. All of it is written,
    where a contact came in after some of it was said: what is below the last word counts once
    that is taken back. A contact about which something was said by itself, when it held other
    words or none, needs nothing.

    Parameters
    ----------
    contact_ids : collection of int
        Few enough for one statement.
    """
    of_words = sa.exists().where(ThemeCorrection.text_hash == ContactText.text_hash, _STANDS)
    found = session.execute(
        sa.select(ContactText.contact_id, ContactText.text_hash)
        .where(ContactText.contact_id.in_(contact_ids), _SAYS_SOMETHING, of_words)
        .order_by(ContactText.contact_id)
    ).all()
    if not found:
        return
    said = session.execute(
        sa.select(*_SAID, ThemeCorrection.said_by, ThemeCorrection.said_at)
        .where(ThemeCorrection.text_hash.in_({row.text_hash for row in found}), _STANDS)
        .group_by(*_SAID, ThemeCorrection.said_by, ThemeCorrection.said_at)
        .order_by(sa.func.max(ThemeCorrection.id))
    ).mappings()
    of_text: dict[str, list[Any]] = defaultdict(list)
    for one in said:
        of_text[one["text_hash"]].append(one)
    own = _read_own(session, [contact for contact, _ in found])
    lacking = [
        (contact, text_hash)
        for contact, text_hash in found
        if _lacks(own[contact], text_hash, of_text[text_hash])
    ]
    rows = [
        {**one, "contact_id": contact}
        for text_hash, all_said in of_text.items()
        for one in all_said
        for contact, words in lacking
        if words == text_hash
    ]
    if rows:
        session.execute(sa.insert(ThemeCorrection), rows)


def _read_own(session: Session, contact_ids: Collection[int]) -> dict[int, set[tuple[Any, ...]]]:
    """Return what was said of contacts by themselves."""
    rows = session.execute(
        sa.select(ThemeCorrection.contact_id, *_SAID).where(
            ThemeCorrection.contact_id.in_(contact_ids), _STANDS
        )
    )
    own: dict[int, set[tuple[Any, ...]]] = defaultdict(set)
    for contact, *said in rows:
        own[contact].add(tuple(said))
    return own


def _lacks(own: Collection[tuple[Any, ...]], text_hash: str, said: Sequence[Any]) -> bool:
    """Return whether something that was said of a text is not put down for one of its contacts."""
    if any(hash_of_own != text_hash for hash_of_own, *_ in own):
        return False
    return any(tuple(one[column.key] for column in _SAID) not in own for one in said)
