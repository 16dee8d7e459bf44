"""One line for a theme in a customer's words: chosen by runs, and only until somebody describes."""

from __future__ import annotations

import pytest

from closedloop.domain.themes import ThemeStatus
from closedloop.models import Contact, ContactText, Theme
from closedloop.queries.summaries import list_summaries
from closedloop.services.evidence import renew_evidence
from closedloop.services.long_work import tell_nobody
from closedloop.services.quotes import reject_quote
from closedloop.services.themes import describe_scenario
from tests.factories.theme_maker import make_maker
from tests.factories.themes import make_theme
from tests.services.test_evidence import card, say, words

__all__ = ["card"]
LINE = "The CARD has not arrived."


@pytest.fixture
def told(session, card):
    """Eight customers of a theme, one of whom says what its name says, second."""
    card.name = "Card not arrived"
    for number in range(8):
        say(session, card, f"CARD {words(number)}")
    contact = say(session, card, f"Good morning {words(50, 2)}. {LINE} Where is it?")
    session.commit()
    return contact


def renew(database, settings, session, *, is_run):
    session.rollback()
    renew_evidence(
        database.transaction,
        settings=settings,
        report=tell_nobody,
        maker=make_maker(),
        is_run=is_run,
    )
    session.expire_all()


def test_the_sentence_that_holds_the_words_of_the_name_stands_for_the_theme(
    database, settings, session, card, told
):
    renew(database, settings, session, is_run=True)
    assert list_summaries(session, [card.id]) == {card.id: LINE}


def test_the_nightly_round_keeps_it_and_a_run_chooses_anew(database, settings, session, card, told):
    renew(database, settings, session, is_run=True)
    card.name = "Card lost in the post"
    better = say(session, card, f"{words(60, 2)}. My CARD was lost in the post.")
    session.commit()

    renew(database, settings, session, is_run=False)
    assert session.get_one(Theme, card.id).summary_contact_id == told.id

    renew(database, settings, session, is_run=True)
    assert session.get_one(Theme, card.id).summary_contact_id == better.id


def test_what_a_person_wrote_takes_its_place_and_no_run_chooses_again(
    database, settings, session, card, told, actor
):
    describe_scenario(session, theme_id=card.id, scenario="Cards come too late.", by=actor)
    session.commit()

    renew(database, settings, session, is_run=True)

    assert list_summaries(session, [card.id]) == {}
    assert session.get_one(Theme, card.id).summary_contact_id is None


@pytest.mark.parametrize("end", ["rejected", "moved", "expired"])
def test_a_sentence_goes_with_what_it_stands_on_and_another_is_chosen(
    database, settings, session, card, told, actor, end
):
    renew(database, settings, session, is_run=True)
    if end == "rejected":
        reject_quote(session, theme_id=card.id, contact_id=told.id, by=actor)
    elif end == "moved":
        other = make_theme(session, ThemeStatus.TRIAGED)
        session.get_one(Contact, told.id).theme_id = other.id
    else:
        session.get_one(ContactText, told.id).issue_text = ""
    session.commit()
    assert list_summaries(session, [card.id]) == {}

    renew(database, settings, session, is_run=False)

    line = list_summaries(session, [card.id])[card.id]
    assert line.startswith("CARD word")


def test_a_theme_of_few_customers_gets_none(database, settings, session, card, told):
    for contact in session.query(Contact).filter(Contact.id != told.id):
        contact.customer_id = told.customer_id
    session.commit()
    renew(database, settings, session, is_run=True)
    assert list_summaries(session, [card.id]) == {}
