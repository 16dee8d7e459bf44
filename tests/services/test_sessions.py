"""Messages become the same contacts in whatever order they arrive."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given
from hypothesis import settings as limited
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact
from closedloop.config import Settings
from closedloop.domain.contacts import MessageTime, SessionGaps, gather_sessions
from closedloop.extensions import Database
from closedloop.models import Contact, ContactText, Customer, DueDay, ImportReject, Message
from closedloop.services.cleaning import Stretch
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.intake import store_stretch
from tests.factories.contacts import make_batch
from tests.factories.themes import make_theme

HOUR = 3600
START = datetime(2026, 3, 28, 20, tzinfo=UTC)
FACTS = FileFacts("csv", "utf-8", ",", False, ["a", "b"], [], [])


def message(number: int, seconds: int, customer: int | None = 0, **values) -> ParsedContact:
    return ParsedContact(
        line=number + 2,
        contact_id=f"m{number:03d}",
        started_at=START + timedelta(seconds=seconds),
        customer_id=None if customer is None else f"customer-{customer}",
        **{
            "channel": "social",
            "turns": (("customer", f"Message {number} about my order."),),
            **values,
        },
    )


class Inbox:
    """Stores messages of one source, a stretch at a time."""

    def __init__(self, session: Session, settings: Settings, gap_seconds: int) -> None:
        self.session, self.settings, self.gaps = session, settings, SessionGaps(gap_seconds)
        self.batch = make_batch(session, "social")
        self.cleaner = RowCleaner(settings, FACTS, Mapping({}))

    def take(self, *messages: ParsedContact):
        stretch = Stretch(self.cleaner.clean_all(messages), n_read=len(messages))
        self.session.execute(sa.delete(DueDay))
        store_stretch(
            self.session,
            settings=self.settings,
            batch_id=self.batch.id,
            gaps=self.gaps,
            stretch=stretch,
        )
        self.session.expire_all()
        return set(self.session.scalars(sa.select(DueDay.day)))

    def contacts(self) -> list[Contact]:
        return list(self.session.scalars(sa.select(Contact).order_by(Contact.started_at)))


@pytest.fixture
def inbox(session: Session, settings: Settings) -> Inbox:
    return Inbox(session, settings, 12 * HOUR)


def picture(session: Session) -> set[tuple]:
    """Each contact with what it is made of, ids of rows apart."""
    session.expire_all()
    key_of = dict(session.execute(sa.select(Customer.id, Customer.key_hash)).all())
    ids: dict[int, list[str]] = {}
    for row in session.scalars(
        sa.select(Message).order_by(Message.sent_at, Message.source_message_id)
    ):
        ids.setdefault(row.contact_id, []).append(row.source_message_id)
    contacts = {c.id: c for c in session.scalars(sa.select(Contact))}
    assert set(ids) == set(contacts), "a message or a contact stands alone"
    texts = {t.contact_id: t for t in session.scalars(sa.select(ContactText))}
    assert set(texts) <= set(contacts)
    return {
        (
            key_of.get(c.customer_id),
            c.started_at,
            tuple(ids[c.id]),
            c.source_contact_id,
            c.message_count,
            c.handle_seconds,
            c.link and c.link.previous_gap_seconds,
            c.link and c.link.next_gap_seconds,
            contacts[c.link.chain_id].source_contact_id if c.link else None,
            c.link and c.link.chain_position,
            json.dumps(texts[c.id].turns),
            texts[c.id].issue_text,
        )
        for c in contacts.values()
    }


near_a_gap = st.builds(
    lambda gaps, seconds: gaps * 12 * HOUR + seconds, st.integers(0, 6), st.sampled_from([0, 0, 1])
)
arrivals = st.lists(
    st.tuples(
        st.one_of(near_a_gap, st.integers(0, 80 * HOUR)),
        st.sampled_from([0, 0, 0, 1, None]),
        st.integers(0, 3),  # in which stretch it arrives
    ),
    max_size=12,
)


def test_any_order_and_any_portions_make_the_same_contacts(
    database: Database, settings: Settings
) -> None:
    # the two ends first, then what closes the gap between them
    @example([(0, 0, 0), (24 * HOUR, 0, 0), (12 * HOUR, 0, 1)])
    @example([(0, 0, 0), (24 * HOUR + 1, 0, 0), (12 * HOUR, 0, 1)])
    # a late message before the first one
    @example([(10 * HOUR, 0, 0), (0, 0, 1), (40 * HOUR, 0, 0)])
    @given(arrivals)
    @limited(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(given_arrivals) -> None:
        messages = [
            (message(n, seconds, customer, handle_seconds=n), portion)
            for n, (seconds, customer, portion) in enumerate(given_arrivals)
        ]
        with Session(database.engine.execution_options(closedloop_writes=True)) as session:
            inbox = Inbox(session, settings, 12 * HOUR)
            for portion in range(4):
                inbox.take(*(m for m, p in messages if p == portion))
            found = picture(session)
            expected = set()
            for customer in ("customer-0", "customer-1"):
                times = [
                    MessageTime(m.contact_id, m.started_at)
                    for m, _ in messages
                    if m.customer_id == customer
                ]
                expected |= {
                    tuple(m.message_id for m in group)
                    for group in gather_sessions(times, 12 * HOUR)
                }
            expected |= {(m.contact_id,) for m, _ in messages if m.customer_id is None}
            assert {row[2] for row in found} == expected
            session.rollback()

            inbox = Inbox(session, settings, 12 * HOUR)
            inbox.take(*(m for m, _ in messages))
            assert picture(session) == found
            session.rollback()

    check()


@pytest.mark.parametrize(("extra", "contacts"), [(0, 1), (1, 2)])
def test_neighbours_belong_together_up_to_the_exact_second_of_the_gap(
    inbox: Inbox, extra: int, contacts: int
) -> None:
    inbox.take(message(1, 0), message(2, 12 * HOUR + extra))
    assert len(inbox.contacts()) == contacts


def test_a_late_message_joins_two_contacts_into_the_earlier_one(inbox: Inbox) -> None:
    inbox.take(message(1, 0, handle_seconds=10), message(3, 20 * HOUR, handle_seconds=30))
    early, late = inbox.contacts()
    kept_id, gone_day = early.id, late.local_day
    days = inbox.take(message(2, 10 * HOUR, handle_seconds=20))
    (contact,) = inbox.contacts()
    assert contact.id == kept_id
    assert (contact.message_count, contact.handle_seconds) == (3, 60)
    assert [turn[2] for turn in contact.text.turns] == ["m001", "m002", "m003"]
    assert contact.text.turns[1][3] == "2026-03-29T06:00:00+00:00"
    assert gone_day in days
    session = inbox.session
    assert set(session.scalars(sa.select(Message.contact_id))) == {kept_id}
    assert session.scalars(sa.select(ContactText.contact_id)).all() == [kept_id]
    assert (contact.link.next_gap_seconds, contact.link.chain_position) == (None, 1)


def test_a_late_message_before_the_first_moves_the_start_and_keeps_the_contact(
    inbox: Inbox,
) -> None:
    inbox.take(message(5, 10 * HOUR))
    (contact,) = inbox.contacts()
    kept_id, old_day = contact.id, contact.local_day
    days = inbox.take(message(1, 0))
    (contact,) = inbox.contacts()
    assert (contact.id, contact.started_at) == (kept_id, START)
    assert contact.source_contact_id == "m001"
    assert {old_day, contact.local_day} <= days
    assert old_day != contact.local_day


def test_a_message_that_comes_twice_counts_once_and_other_content_is_noted(inbox: Inbox) -> None:
    inbox.take(message(1, 0), message(2, HOUR))
    inbox.take(message(2, HOUR), message(1, 0, turns=(("customer", "Other words."),)))
    (contact,) = inbox.contacts()
    assert contact.message_count == 2
    batch = inbox.batch
    assert (batch.added, batch.unchanged, batch.changed) == (2, 1, 1)
    assert inbox.session.scalars(sa.select(ImportReject.line)).all() == [3]


def test_new_words_send_a_contact_back_to_be_assigned_and_thanks_do_not(inbox: Inbox) -> None:
    inbox.take(message(1, 0, turns=(("customer", "Where is my order? It has not arrived."),)))
    theme = make_theme(inbox.session)
    inbox.session.execute(sa.update(Contact).values(theme_id=theme.id, cluster=4))
    inbox.take(message(2, HOUR, turns=(("agent", "Let me see."),)))
    (contact,) = inbox.contacts()
    assert (contact.theme_id, contact.cluster) == (theme.id, 4)
    inbox.take(message(3, -HOUR, turns=(("customer", "I want a refund for the broken lamp."),)))
    (contact,) = inbox.contacts()
    assert "refund" in contact.text.issue_text
    assert (contact.theme_id, contact.cluster) == (None, None)


def test_what_was_one_contact_stays_one_under_a_shorter_gap(
    inbox: Inbox, session: Session, settings: Settings
) -> None:
    inbox.take(message(1, 0), message(2, 10 * HOUR))
    stricter = Inbox(session, settings, 2 * HOUR)
    stricter.take(message(3, 5 * HOUR), message(4, 20 * HOUR))
    assert [c.message_count for c in stricter.contacts()] == [3, 1]


def test_customers_and_strangers_are_never_joined(inbox: Inbox) -> None:
    inbox.take(message(1, 0, 0), message(2, 60, 1), message(3, 60, None), message(4, 90, None))
    contacts = inbox.contacts()
    assert [c.message_count for c in contacts] == [1, 1, 1, 1]
    assert sum(c.customer_id is None for c in contacts) == 2
    assert len(set(inbox.session.scalars(sa.select(Message.contact_id)))) == 4


def test_a_label_comes_from_the_earliest_message_that_has_one(inbox: Inbox) -> None:
    inbox.take(message(1, 0), message(2, HOUR, queue="Cards"), message(3, 2 * HOUR, queue="Loans"))
    (contact,) = inbox.contacts()
    assert contact.queue == "Cards"


def test_a_longer_gap_joins_what_the_customer_wrote_before(
    inbox: Inbox, session: Session, settings: Settings
) -> None:
    stricter = Inbox(session, settings, 2 * HOUR)
    stricter.take(message(1, 0), message(2, 5 * HOUR))
    assert [c.message_count for c in stricter.contacts()] == [1, 1]
    inbox.take(message(3, 100 * HOUR))
    assert [c.message_count for c in inbox.contacts()] == [2, 1]


def test_messages_of_a_channel_with_a_gap_of_its_own_are_gathered_among_themselves(
    inbox: Inbox,
) -> None:
    inbox.gaps = SessionGaps(0, {"whatsapp": 24 * HOUR, "email": HOUR})
    inbox.take(
        message(1, 0, channel="whatsapp"),
        message(2, 10 * HOUR, channel="email"),
        message(3, 20 * HOUR, channel="whatsapp"),  # the e-mail between does not part the chat
        message(4, 12 * HOUR, channel="email"),  # two hours are too long for e-mail
        message(5, 13 * HOUR, channel="phone"),
        message(6, 13 * HOUR, channel="phone"),  # no gap: each row is a contact
    )
    inbox.take(message(7, 13 * HOUR, channel="email"))  # one hour exactly, in a later stretch

    found = [(c.channel, c.source_contact_id, c.message_count) for c in inbox.contacts()]
    assert sorted(found) == [
        ("email", "m002", 1),
        ("email", "m004", 2),
        ("phone", "m005", 1),
        ("phone", "m006", 1),
        ("whatsapp", "m001", 2),
    ]
    known = set(inbox.session.scalars(sa.select(Message.source_message_id)))
    assert known == {"m001", "m002", "m003", "m004", "m007"}  # calls are no messages
