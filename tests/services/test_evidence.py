"""Which quotes stand beside a theme."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import NotFound
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    DefinitionSet,
    EncodedText,
    QuoteRejection,
    ThemeEvidence,
)
from closedloop.queries.theme_figures import list_quotes, list_rejected_quotes
from closedloop.services.evidence import SPARE, renew_evidence
from closedloop.services.long_work import tell_nobody
from closedloop.services.quotes import reject_quote, take_back_rejection
from tests.factories.contacts import make_contact, make_customer
from tests.factories.theme_maker import TopicModel, WordEncoder, make_maker
from tests.factories.themes import make_theme

AT = datetime(2026, 5, 2, 10, tzinfo=UTC)


@pytest.fixture
def card(session):
    """A theme of a definition set in force, without contacts."""
    theme = make_theme(session, name="Card", keywords=["arrived", "post"])
    session.add(
        DefinitionSet(
            number=1,
            encoder="words@1",
            model=TopicModel(["CARD"]).to_bytes(),
            label_themes=[theme.id],
            is_current=True,
            reason="Test",
        )
    )
    session.flush()
    return theme


def say(session, theme, text, *, customer=None, confidence=0.9, **values) -> Contact:
    """Add a contact that was assigned, with its vector."""
    contact = make_contact(
        session,
        theme=theme,
        text=text,
        customer=customer or make_customer(session),
        cluster=0 if theme else -1,
        theme_confidence=confidence,
        started_at=AT,
        **values,
    )
    text_hash = session.get_one(ContactText, contact.id).text_hash
    if session.get(EncodedText, ("words@1", text_hash)) is None:
        vector = WordEncoder().encode([text])[0].astype("<f2").tobytes()
        session.add(EncodedText(encoder="words@1", text_hash=text_hash, vector=vector))
        session.flush()
    return contact


def words(start: int, n: int = 8) -> str:
    return " ".join(f"word{start}x{place}" for place in range(n))


def pick(database, settings) -> int:
    return renew_evidence(
        database.transaction, settings=settings, report=tell_nobody, maker=make_maker()
    )


def shown(session, theme, kind="typical") -> list[int]:
    session.expire_all()
    quotes = list_quotes(session, [theme.id])[theme.id]
    return [quote.contact_id for quote in quotes if quote.kind == kind]


def test_typical_quotes_hold_the_words_of_the_theme(database, settings, session, card):
    for number in range(8):
        say(session, card, f"CARD {words(number)}")
    told = say(session, card, f"CARD not arrived by post {words(99, 2)}")
    session.commit()

    pick(database, settings)

    assert shown(session, card)[0] == told.id


def test_a_customer_and_a_sentence_are_quoted_once_and_the_best_of_a_customer_counts(
    database, settings, session, card
):
    talker = make_customer(session)
    for number in range(6):
        say(session, card, f"CARD {words(number)}", customer=talker)
    best = say(session, card, "CARD arrived not by post", customer=talker)
    for _ in range(6):
        say(session, card, "CARD broken again and again")
    session.commit()

    pick(database, settings)

    with database.reading() as reading:
        texts = reading.scalars(
            sa.select(ContactText.issue_text).join(
                ThemeEvidence, ThemeEvidence.contact_id == ContactText.contact_id
            )
        ).all()
    assert sorted(texts) == ["CARD arrived not by post", "CARD broken again and again"]
    assert shown(session, card)[0] == best.id


def test_a_merged_theme_is_quoted_by_the_words_of_what_was_merged_into_it(
    database, settings, session, card
):
    make_theme(session, status="merged", merged_into_id=card.id, keywords=["swallowed", "machine"])
    for number in range(8):
        say(session, card, f"CARD {words(number)}")
    told = say(session, card, f"CARD swallowed by a machine {words(99, 2)}")
    session.commit()

    pick(database, settings)

    assert told.id in shown(session, card)


def test_a_rejected_quote_makes_room_at_once_and_stays_away_when_quotes_are_picked_anew(
    database, settings, session, card, actor
):
    for number in range(26):
        say(session, card, f"CARD {words(number)}")
    session.commit()
    assert pick(database, settings) == 2 * (3 + SPARE)
    before = shown(session, card)

    reject_quote(session, theme_id=card.id, contact_id=before[1], by=actor)
    session.commit()

    after = shown(session, card)
    assert after[:2] == [before[0], before[2]]
    assert len(after) == 3
    assert after[2] not in before
    assert not set(after) & set(shown(session, card, "boundary"))
    session.commit()
    pick(database, settings)
    assert before[1] not in shown(session, card) + shown(session, card, "boundary")
    kept = session.scalars(sa.select(ThemeEvidence.contact_id)).all()
    assert before[1] not in kept


def test_taking_a_rejection_back_restores_what_was_shown(database, settings, session, card, actor):
    for number in range(20):
        say(session, card, f"CARD {words(number)}")
    session.commit()
    pick(database, settings)
    before = shown(session, card)
    reject_quote(session, theme_id=card.id, contact_id=before[0], by=actor)
    reject_quote(session, theme_id=card.id, contact_id=before[0], by=actor)
    (rejected,) = list_rejected_quotes(session, card.id)
    assert (rejected.contact_id, rejected.rejected_by) == (before[0], actor.name)

    take_back_rejection(session, theme_id=card.id, contact_id=before[0], by=actor)

    assert shown(session, card) == before
    assert list_rejected_quotes(session, card.id) == []
    verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["themes.quote_rejected", "themes.quote_taken_back"]
    with pytest.raises(NotFound, match="not rejected"):
        take_back_rejection(session, theme_id=card.id, contact_id=before[0], by=actor)


def test_only_what_is_quoted_can_be_rejected(session, card, actor):
    contact = say(session, card, "CARD")

    with pytest.raises(NotFound, match="no longer quoted"):
        reject_quote(session, theme_id=card.id, contact_id=contact.id, by=actor)
    assert session.scalars(sa.select(QuoteRejection)).all() == []


def test_a_rejected_contrary_quote_is_replaced_too(database, settings, session, card, actor):
    for number in range(8):
        say(session, card, f"CARD {words(number)}")
    for number in range(4):
        say(session, None, f"CARD something else {words(50 + number, 40)}", confidence=None)
    session.commit()
    pick(database, settings)
    (contrary,) = shown(session, card, "contrary")

    reject_quote(session, theme_id=card.id, contact_id=contrary, by=actor)

    (other,) = shown(session, card, "contrary")
    assert other != contrary


def test_a_quote_says_who_speaks_and_when(session, card):
    known = say(session, card, "CARD lost")
    unknown = say(session, card, "CARD gone")
    session.get_one(ContactText, unknown.id).turns = [["unknown", "CARD gone"]]
    for rank, contact in enumerate((known, unknown), 1):
        session.add(
            ThemeEvidence(
                theme_id=card.id, kind="typical", rank=rank, contact_id=contact.id, confidence=0.9
            )
        )
    session.flush()

    first, second = list_quotes(session, [card.id])[card.id]

    assert (first.speaker, first.day) == ("customer", AT.date())
    assert second.speaker == "unknown"
