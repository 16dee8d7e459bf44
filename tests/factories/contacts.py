"""Contacts for tests, written straight into the tables; flags are for the services to keep."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from closedloop.domain.clock import local_day
from closedloop.models import Contact, ContactLink, ContactText, Customer, ImportBatch

_number = itertools.count(1)
ZONE = "Europe/London"
LINK = tuple(c.key for c in ContactLink.__table__.c if c.key not in ("contact_id", "local_day"))


def make_batch(session: Session, source: str = "test") -> ImportBatch:
    """Add an import."""
    batch = ImportBatch(
        source=source, file_name="test.csv", file_sha256="0" * 64, mapping={}, started_by="Test"
    )
    session.add(batch)
    session.flush()
    return batch


def make_customer(session: Session) -> Customer:
    """Add a customer."""
    key = hashlib.sha256(f"customer {next(_number)}".encode()).hexdigest()
    customer = Customer(key_hash=key)
    session.add(customer)
    session.flush()
    return customer


def make_contact(
    session: Session,
    *,
    started_at: datetime = datetime(2026, 3, 2, 10, tzinfo=UTC),
    customer: Customer | None = None,
    theme=None,
    text: str | None = "My card has not arrived.",
    batch: ImportBatch | None = None,
    **values,
) -> Contact:
    """Add a contact; without a customer it is unidentified. Gaps and chain make its link."""
    link = {name: values.pop(name) for name in LINK if name in values}
    batch = batch or make_batch(session)
    contact = Contact(
        **{
            "source": batch.source,
            "source_contact_id": f"c{next(_number)}",
            "batch_id": batch.id,
            "content_hash": "0" * 64,
            "customer_id": customer.id if customer else None,
            "started_at": started_at,
            "local_day": local_day(started_at, ZONE),
            "channel": "phone",
            "queue": "cards",
            "agent": "a1",
            "disposition": "Card enquiry",
            "handle_seconds": 300,
            "theme_id": theme.id if theme else None,
            **values,
        }
    )
    session.add(contact)
    session.flush()
    if link:
        make_link(session, contact, **link)
    if text is not None:
        digest = hashlib.sha256(text.encode()).hexdigest()
        session.add(
            ContactText(
                contact_id=contact.id,
                turns=[["customer", text]],
                issue_text=text,
                text_hash=digest,
            )
        )
        session.flush()
    return contact


def make_link(session: Session, contact: Contact, **values) -> ContactLink:
    """Say where a contact stands among those of its customer."""
    opens = {"chain_id": contact.id, "chain_position": 1}
    link = ContactLink(
        **{"contact_id": contact.id, "local_day": contact.local_day, **opens, **values}
    )
    session.add(link)
    session.flush()
    return link


def make_history(session: Session, gaps_hours: list[float], **values) -> list[Contact]:
    """Add one customer's contacts: the first at 2 March 2026 10:00 UTC, then after each gap."""
    from datetime import timedelta

    customer = make_customer(session)
    batch = make_batch(session)
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    contacts = [make_contact(session, started_at=at, customer=customer, batch=batch, **values)]
    for gap in gaps_hours:
        at += timedelta(hours=gap)
        contacts.append(
            make_contact(session, started_at=at, customer=customer, batch=batch, **values)
        )
    return contacts
