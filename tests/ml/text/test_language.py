"""Language: told where it can be, not claimed where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.text.language import LANGUAGES, detect_language

SENTENCES = Path(__file__).parents[4] / "shared/data/xsid_valid"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My order has not arrived and nobody can tell me when it will", "en"),
        ("Mein Paket ist immer noch nicht angekommen", "de"),
        ("Mano siuntinys vis dar neatvyko, prašau padėti", "lt"),
        ("Pesanan saya belum sampai, tolong dibantu", "id"),
        ("我的包裹还没有到", "zh"),
        ("注文した商品が届きません", "ja"),
        ("Ma commande n'est toujours pas arrivée chez moi", "fr"),
        ("Mi pedido todavía no ha llegado a mi casa", "es"),
        ("Моя посылка всё ещё не пришла", "ru"),
    ],
)
def test_detect_language_tells_what_a_customer_writes_in(text, language):
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "hi",
        "好的",
        "12345 67890",
        "[PHONE 2] [NAME] [EMAIL]",
        "https://example.org/the-house",
        "\ud800\udfff",
        "!!! ??? ...",
    ],
)
def test_detect_language_says_nothing_of_what_is_too_short_or_no_words(text):
    assert detect_language(text) == ""


def test_detect_language_is_not_led_by_tokens_and_links():
    text = "Mein Paket ist nicht da"

    assert detect_language(f"[NATIONAL_ID 2] {text} https://this-is-the-house.example") == "de"


def test_detect_language_chooses_among_the_languages_of_a_site():
    text = "Mein Paket ist immer noch nicht angekommen und ich warte"

    assert detect_language(text, ["de", "en"]) == "de"
    assert detect_language(text, ["en", "lt"]) != "de"
    with pytest.raises(ValueError, match="qq"):
        detect_language(text, ["qq"])


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_detect_language_always_gives_a_known_code_or_none(text):
    found = detect_language(text)

    assert found == "" or found in LANGUAGES.split()


def test_the_model_is_read_at_the_first_text_that_needs_it_and_not_at_import():
    code = (
        "import ml.text.language as l; "
        "read = lambda: l._whole_identifier.cache_info().currsize; "
        "at_import = read(); "
        "l.detect_language('Paket verschwunden gestern Abend Nachbar unbekannt'); "
        "print(at_import, read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["0", "1"]


def test_detect_language_is_right_where_it_answers_on_short_sentences():
    if not SENTENCES.exists():
        pytest.skip("the sentences with known languages are not on this machine")
    n, n_told, n_right = 0, 0, 0
    for path in sorted(SENTENCES.glob("*.conll")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# text = "):
                found = detect_language(line[9:])
                n += 1
                n_told += found != ""
                n_right += found == path.name[:2]

    assert n == 1200
    assert n_right / n_told > 0.99
    assert n_told / n > 0.85
