"""Histories of contacts about topics, chained and rolled up, for tests of themes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.extensions import Database
from closedloop.models import Contact, DailyRollup, Theme
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def add_contacts(
    database: Database,
    settings: Settings,
    topics: dict[str, int],
    *,
    start: datetime = START,
    tag: str = "a",
    contacts_each: int = 2,
) -> None:
    """Add so many customers a topic; each contacts us again two days later, in other words."""
    with database.transaction() as session:
        batch = make_batch(session)
        for topic, n_customers in topics.items():
            for number in range(n_customers):
                customer = make_customer(session)
                for turn in range(contacts_each):
                    at = start + timedelta(days=2 * turn + number % 5, minutes=number)
                    make_contact(
                        session,
                        started_at=at,
                        customer=customer,
                        batch=batch,
                        text=f"{topic} {tag}{number} turn{turn}",
                    )
        chain_contacts(session, settings=settings, customer_ids=None)
        roll_up_days(session, days=None)


def rows_of(database: Database, model=Contact) -> list[tuple]:
    """Return every column of every row, by primary key."""
    columns = list(model.__table__.columns)
    if model is DailyRollup:
        columns = [column for column in columns if column.name != "id"]
    keys = columns if model is DailyRollup else list(model.__table__.primary_key)
    with database.reading() as session:
        return [tuple(row) for row in session.execute(sa.select(*columns).order_by(*keys))]


def themes_by_topic(database: Database) -> dict[str, set[str | None]]:
    """Return the keys of the themes that the contacts about each topic are in."""
    from closedloop.models import ContactText

    found: dict[str, set[str | None]] = {}
    with database.reading() as session:
        rows = session.execute(
            sa.select(ContactText.issue_text, Theme.key)
            .join(Contact, Contact.id == ContactText.contact_id)
            .outerjoin(Theme, Theme.id == Contact.theme_id)
        )
        for text, key in rows:
            found.setdefault(text.split()[0], set()).add(key)
    return found


def theme_named(database: Database, name: str) -> Theme:
    """Return the theme of that name."""
    with database.reading() as session:
        theme = session.scalars(sa.select(Theme).where(Theme.name == name)).one()
        session.expunge(theme)
        return theme
