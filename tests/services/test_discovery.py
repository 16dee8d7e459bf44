"""What discovery tells the maker of themes beside the texts; the rest is in test_themes."""

from __future__ import annotations

import pytest

from closedloop.services.themes import discover_themes
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import Discoverer, WordEncoder, make_maker


@pytest.mark.parametrize(("languages", "weight"), [({"lt"}, 1.0), ({"en"}, None), (None, None)])
def test_words_count_for_more_where_the_encoder_was_made_for_another_language(
    database, settings, actor, languages, weight
):
    add_contacts(
        database, settings, {"CARD": 9, "REFUND": 8}, tag="has not been with me since then, "
    )
    encoder, discover = WordEncoder(), Discoverer()
    encoder.languages = languages
    maker = make_maker(encoder, discover)

    discover_themes(database.transaction, maker=maker, settings=settings, by=actor)

    assert discover.calls[0].get("lexical_weight") == weight
