"""What discovery tells the maker of themes beside the texts; the rest is in test_themes."""

from __future__ import annotations

import dataclasses

from closedloop.services.themes import discover_themes
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import Discoverer, WordEncoder, make_maker


def test_how_much_words_count_is_left_to_what_finds_themes_and_knows_the_encoder(
    database, settings, actor
):
    add_contacts(
        database, settings, {"CARD": 9, "REFUND": 8}, tag="has not been with me since then, "
    )
    encoder, find, given = WordEncoder(), Discoverer(), []
    encoder.languages = {"lt"}

    def discover(texts, *, encoder, **options):
        given.append((encoder, options))
        return find(texts, encoder=encoder, **options)

    maker = dataclasses.replace(make_maker(encoder), discover=discover)
    discover_themes(database.transaction, maker=maker, settings=settings, by=actor)

    assert given[0][0] is encoder
    assert "lexical_weight" not in given[0][1]
