"""Imports as people follow them: which files came in, what of them could not be read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import HEADLINE_WINDOW, share
from closedloop.domain.errors import NotFound
from closedloop.models import Contact, ContactLink, ContactVersion, ImportBatch, ImportReject


def list_batches(
    session: Session, *, limit: int = 20, before_id: int | None = None
) -> Sequence[ImportBatch]:
    """Return imports, newest first, below `before_id` when given."""
    statement = sa.select(ImportBatch).order_by(ImportBatch.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(ImportBatch.id < before_id)
    return session.scalars(statement).all()


def get_batch(session: Session, batch_id: int) -> ImportBatch:
    """Return one import.

    Raises
    ------
    NotFound
    """
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import {batch_id}.")
    return batch


def find_batch(session: Session, batch_id: int) -> ImportBatch | None:
    """Return one import, None when there is no such."""
    return session.get(ImportBatch, batch_id)


@dataclass(frozen=True)
class BatchContacts:
    """The contacts that an import opened.

    Attributes
    ----------
    contacts, unidentified : int
        All, and those without a customer. A message that joined a contact of an earlier import
        is not among them, nor is a contact that was here and was replaced.
    customers : int
        Distinct known ones.
    again, again_in_messages : int
        Of the customers, those with a contact that another one followed within 7 days; and how
        many it would be were each message a contact of its own.
    """

    contacts: int
    unidentified: int
    customers: int
    again: int
    again_in_messages: int

    @property
    def again_share(self) -> float | None:
        """Customers who came again of all known ones, 0 to 1; None without any."""
        return share(self.again, self.customers)

    @property
    def again_share_in_messages(self) -> float | None:
        """What the share would be were each message a contact."""
        return share(self.again_in_messages, self.customers)


def count_batch_contacts(session: Session, batch_id: int) -> BatchContacts:
    """Return the contacts an import opened, the customers behind them, and who came again."""
    customer = Contact.customer_id
    came_again = ContactLink.next_gap_seconds <= HEADLINE_WINDOW.seconds
    in_messages = sa.or_(came_again, Contact.message_count > 1)
    of_import = [Contact.batch_id == batch_id]
    if session.scalar(sa.select(ImportBatch.renewed).where(ImportBatch.id == batch_id)):
        of_import.append(~sa.exists().where(ContactVersion.contact_id == Contact.id))
    row = session.execute(
        sa.select(
            sa.func.count(Contact.id),
            sa.func.count(Contact.id) - sa.func.count(customer),
            sa.func.count(sa.distinct(customer)),
            sa.func.count(sa.distinct(sa.case((came_again, customer)))),
            sa.func.count(sa.distinct(sa.case((in_messages, customer)))),
        )
        .select_from(Contact)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .where(*of_import)
    ).one()
    return BatchContacts(*(int(value) for value in row))


def list_rejects(
    session: Session, *, batch_id: int, after_line: int = 0, limit: int = 50
) -> Sequence[ImportReject]:
    """Return rows that could not be read, in file order, below line `after_line`."""
    return session.scalars(
        sa.select(ImportReject)
        .where(ImportReject.batch_id == batch_id, ImportReject.line > after_line)
        .order_by(ImportReject.line)
        .limit(limit)
    ).all()


@dataclass(frozen=True)
class RejectCounts:
    """Refused rows of an import.

    Attributes
    ----------
    total, settled : int
        All of them, and those another import took in since.
    reasons : list of (code, rows, a sentence of one of them)
        Of those not settled, most frequent first.
    """

    total: int
    settled: int
    reasons: list[tuple[str, int, str]]

    @property
    def kept(self) -> int:
        """Rows with other content for a known id, where the version before was kept."""
        return sum(rows for code, rows, _ in self.reasons if code == "changed")

    @property
    def withdrawn(self) -> int:
        """Contacts that are here and that their source has deleted or calls spam by now."""
        return sum(rows for code, rows, _ in self.reasons if code == "withdrawn")

    @property
    def left(self) -> int:
        """Rows that are still to be mended."""
        return self.total - self.settled


def count_rejects(session: Session, batch_id: int) -> RejectCounts:
    """Return how many rows of an import were refused, why, and how many came in since."""
    is_open = ImportReject.settled_by_id.is_(None)
    rows = sa.func.count(ImportReject.id)
    of_batch = ImportReject.batch_id == batch_id
    total, settled = session.execute(sa.select(rows, rows.filter(~is_open)).where(of_batch)).one()
    reasons = session.execute(
        sa.select(ImportReject.code, rows, sa.func.min(ImportReject.reason))
        .where(of_batch, is_open)
        .group_by(ImportReject.code)
        .order_by(rows.desc(), ImportReject.code)
    )
    return RejectCounts(total, settled, [(code, int(n), said) for code, n, said in reasons])


def count_settled(session: Session, batch_ids: Collection[int]) -> dict[int, int]:
    """Return how many refused rows of imports came in since, by import; none are left out."""
    rows = session.execute(
        sa.select(ImportReject.batch_id, sa.func.count(ImportReject.id).label("settled"))
        .where(
            ImportReject.batch_id.in_(sorted(batch_ids)), ImportReject.settled_by_id.is_not(None)
        )
        .group_by(ImportReject.batch_id)
    )
    return {row.batch_id: row.settled for row in rows}


def list_replays(session: Session, batch_id: int) -> Sequence[ImportBatch]:
    """Return the imports that tried refused rows of this one again, newest first."""
    return session.scalars(
        sa.select(ImportBatch)
        .where(ImportBatch.replay_of_id == batch_id)
        .order_by(ImportBatch.id.desc())
    ).all()
