from __future__ import annotations

import pytest

from closedloop.domain.errors import Invalid
from closedloop.services.encoders import EncoderCheck, check_encoder_named


def test_the_default_encoder_is_said_to_understand_english_alone():
    found = check_encoder_named("default")
    assert found.name.startswith("all-MiniLM-L6-v2-int8@")
    assert found.dimensions == 384
    assert found.texts_per_second > 0
    assert found.load_seconds > 0
    assert "zh" in found.understood
    assert not {"lt", "id", "zh"} & set(found.languages)


def test_a_language_counts_from_seven_statements_of_eight():
    found = EncoderCheck("x", 2, 0.1, 1.0, {"zh": 7, "de": 8, "lt": 6}, 8)
    assert found.languages == ["de", "zh"]


def test_an_encoder_that_cannot_be_loaded_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(Invalid, match="There is no encoder called"):
        check_encoder_named("nothing")
    with pytest.raises(Invalid, match=r"has no model\.onnx"):
        check_encoder_named(f"onnx:{tmp_path}")
