"""What an import opened: contacts, customers, and who of them came again."""

from __future__ import annotations

from closedloop.queries.imports import BatchContacts, count_batch_contacts
from tests.factories.contacts import make_batch, make_contact, make_customer

DAY = 86_400


def test_the_contacts_of_an_import_are_counted_with_their_customers(session):
    batch = make_batch(session)
    again, once, chatty, late = (make_customer(session) for _ in range(4))
    make_contact(session, batch=batch, customer=again, next_gap_seconds=7 * DAY)
    make_contact(session, batch=batch, customer=again)
    make_contact(session, batch=batch, customer=once)
    make_contact(session, batch=batch, customer=chatty, message_count=3)
    make_contact(session, batch=batch, customer=late, next_gap_seconds=7 * DAY + 1)
    make_contact(session, batch=batch)
    make_contact(session, customer=make_customer(session))  # of another import

    opened = count_batch_contacts(session, batch.id)

    assert opened == BatchContacts(
        contacts=6, unidentified=1, customers=4, again=1, again_in_messages=2
    )
    assert (opened.again_share, opened.again_share_in_messages) == (0.25, 0.5)


def test_an_import_that_opened_nothing_claims_no_share(session):
    opened = count_batch_contacts(session, make_batch(session).id)

    assert opened == BatchContacts(0, 0, 0, 0, 0)
    assert opened.again_share is None
