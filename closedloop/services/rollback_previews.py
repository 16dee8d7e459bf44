"""What taking an import out would do: looked at, or as the import itself noted it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.models import Contact, ImportBatch, Message, ThemeEvidence
from closedloop.services.import_holds import is_being_read
from closedloop.services.intake import gaps_of
from closedloop.services.renewal import has_earlier_version

LOOKED_AT = 50_000
"""Rows of an import up to which what it brought is looked at unasked; of more, what it noted down
itself is told."""

_contacts: Any = Contact.__table__
_messages: Any = Message.__table__


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
    found = _told(session, batch) if is_large(batch) and not is_exact else _seen(session, batch_id)
    return replace(
        found, later=[(row.id, row.unchanged) for row in later], refusal=refusal_of(batch)
    )


def is_large(batch: ImportBatch) -> bool:
    """Return whether an import has more rows than are looked at unasked."""
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
        return count_left(session, batch.id)
    return batch.added


def contacts_said(session: Session, batch: ImportBatch) -> int:
    """Return the number of contacts that the preview says."""
    if is_large(batch):
        return _contacts_told(session, batch)
    return count_contacts_to_go(session, batch.id)


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


def refusal_of(batch: ImportBatch) -> str:
    """Return why an import cannot be taken out now; empty when it can."""
    if is_being_read(batch):
        return (
            "This import is still being read. Cancel it, or wait for its end, and take it out then."
        )
    if batch.rolled_back_at is not None:
        return "This import was taken out before. There is nothing left of it."
    return ""


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


def count_left(session: Session, batch_id: int) -> int:
    """Return how many contacts of an import are there, whoever else brought a part of them."""
    of_batch = sa.select(sa.func.count()).where(_contacts.c.batch_id == batch_id)
    return session.scalar(of_batch) or 0
