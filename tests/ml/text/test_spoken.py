from __future__ import annotations

from ml.text.spoken import languages_of, main_languages
from tests.ml.themes.test_tongues import ENGLISH, INDONESIAN, LITHUANIAN


def test_a_theme_in_one_language_is_in_it_also_where_a_text_is_too_short_to_tell():
    assert languages_of([*LITHUANIAN, "ok"]) == ["lt"] * 5


def test_each_text_of_a_mixed_theme_has_its_own_language():
    found = languages_of([*LITHUANIAN, *INDONESIAN, *ENGLISH, "ok"])
    assert found == ["lt"] * 4 + ["id"] * 4 + ["en"] * 4 + [""]


def test_a_single_text_that_seems_foreign_makes_no_second_language():
    assert languages_of([*ENGLISH, INDONESIAN[0]]) == ["en"] * 5


def test_where_most_texts_are_too_short_no_language_is_claimed():
    assert languages_of(["ok", "refund", "card", INDONESIAN[0]]) == [""] * 4
    assert languages_of([]) == []


def test_languages_below_a_fifth_are_not_main_ones():
    assert main_languages({"id": 4, "lt": 5, "en": 1, "": 3}) == ["lt", "id"]
