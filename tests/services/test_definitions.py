"""What a definition notes beside its labels; what it does is in test_themes and test_curation."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.models import ContactText, Theme, ThemeDefinition
from closedloop.services.definitions import define
from closedloop.services.themes import discover_themes
from closedloop.services.triage import merge_themes
from tests.factories.histories import add_contacts, theme_named
from tests.factories.theme_maker import make_maker

SAID = {
    "lt": "Mano nauja banko kortelė dar neatėjo paštu, ką man dabar daryti ",
    "en": "My new card has not arrived yet, what should I do about it ",
    "id": "Sudah dua minggu saya menunggu dan belum sampai juga, tolong dibantu ",
}


@pytest.fixture
def spoken(database, settings, actor):
    """CARD in Lithuanian and, by fewer, in English; REFUND in Indonesian."""
    for topic, language, n in (("CARD", "lt", 9), ("CARD", "en", 6), ("REFUND", "id", 9)):
        add_contacts(database, settings, {topic: n}, tag=SAID[language])
    discover_themes(database.transaction, settings=settings, by=actor, maker=make_maker())


def languages(database, name):
    """Return the languages of each definition of a theme, oldest first."""
    with database.reading() as session:
        query = (
            sa.select(ThemeDefinition.languages)
            .join(Theme, Theme.id == ThemeDefinition.theme_id)
            .where(Theme.name == name)
            .order_by(ThemeDefinition.number)
        )
        return list(session.scalars(query))


def test_a_definition_notes_the_languages_its_texts_are_in(database, spoken):
    assert languages(database, "Card") == [["lt", "en"]]
    assert languages(database, "Refund") == [["id"]]


def test_after_a_merger_the_definition_holds_the_languages_of_both(
    database, settings, actor, spoken
):
    card, refund = theme_named(database, "Card"), theme_named(database, "Refund")
    with database.transaction() as session:
        merge_themes(
            session,
            settings=settings,
            theme_id=refund.id,
            into_id=card.id,
            reason="One matter",
            by=actor,
        )

    was, became = languages(database, "Card")
    assert was == ["lt", "en"]
    assert set(became) == {"lt", "en", "id"}


def test_where_no_text_is_kept_the_languages_stay_those_of_the_definition_before(database, spoken):
    card = theme_named(database, "Card")
    with database.transaction() as session:
        session.execute(sa.update(ContactText).values(issue_text=""))
        set_id = session.scalar(sa.select(ThemeDefinition.definition_set_id).limit(1))
        assert define(session, theme_id=card.id, set_id=set_id, labels=[0]) == 2

    assert languages(database, "Card") == [["lt", "en"], ["lt", "en"]]
