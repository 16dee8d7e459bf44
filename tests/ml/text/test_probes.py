from __future__ import annotations

import numpy as np

from ml.text.language import detect_language
from ml.text.probes import STATEMENTS, count_understood, is_multilingual


class ByPlace:
    """Understands every language, but confuses two statements in one."""

    name, dimensions = "by-place", 8

    def encode(self, texts):
        rows = np.eye(8, dtype=np.float32)
        places = [
            next(said.index(text) for said in STATEMENTS.values() if text in said) for text in texts
        ]
        if texts[0] == STATEMENTS["pl"][0]:
            places[:2] = [1, 0]
        return rows[places]


def test_statements_are_counted_where_the_same_in_english_is_nearest():
    found = count_understood(ByPlace())
    assert found.pop("pl") == 6
    assert set(found.values()) == {8}
    assert "en" not in found


def test_each_language_has_the_same_number_of_statements_and_is_the_one_it_says():
    for language, statements in STATEMENTS.items():
        assert len(set(statements)) == 8
        assert detect_language(" ".join(statements)) == language


class Of(ByPlace):
    """Knows some languages, and takes what is said in others for the first statement."""

    def __init__(self, *languages):
        self.name, self.known, self.asked = "of " + " ".join(languages), languages, 0

    def encode(self, texts):
        self.asked += 1
        is_known = any(texts[0] in STATEMENTS[language] for language in ("en", *self.known))
        return super().encode(texts) if is_known else np.eye(8, dtype=np.float32)[[0] * 8]


def test_an_encoder_that_knows_half_of_the_languages_is_multilingual():
    assert is_multilingual(Of("de", "es", "fr", "id", "it", "zh"))
    # Polish has six right of eight, which is not understood
    assert not is_multilingual(Of("de", "es", "fr", "id", "it", "pl"))


def test_an_encoder_is_tried_once_for_each_name():
    first, again = Of("de", "zh"), Of("de", "zh")
    assert not is_multilingual(first)
    assert not is_multilingual(again)
    assert (first.asked, again.asked) == (13, 0)
