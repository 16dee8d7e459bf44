"""Tell the language of a text, offline, or say that it is too short or too mixed to tell.

A wrong language is worse than none: it sends a contact to the wrong filter. So a text must have
enough letters and its language a clear lead; `MIN_LETTERS` and `MIN_CONFIDENCE` come from
measurements by length (`benchmarks/language.py`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from functools import cache

from py3langid.langid import (
    MODEL_FILE,
    LanguageIdentifier,
)

from ml.text.clean import without_marks
from ml.text.language_words import language_by_small_words

LANGUAGES = (
    "ar bg bn cs da de el en es et fa fi fr he hi hr hu id is it ja ko lt lv mk nl no pl pt ro ru "
    "sk sl sq sr sv ta te th tl tr uk ur vi zh"
)
"""ISO 639-1 codes that are told apart unless a site names its own, space separated.

Languages that few sites meet are left out, as each one more is one more to be mistaken for; so is
Malay, which short texts do not tell from Indonesian.
"""

_LANGUAGES = tuple(LANGUAGES.split())
MIN_LETTERS = 15
MIN_CONFIDENCE = 0.6
_EAST_ASIAN_LETTERS = 5  # what one character of Chinese, Japanese or Korean counts
_MAX_CHARACTERS = 400  # more says nothing new and costs time
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")


def detect_language(text: str, among: Iterable[str] | None = None) -> str:
    """Return the language of a text as ISO 639-1 code, "" where it cannot be told.

    Links, handles and the tokens of redaction are left out; only the first 400 characters
    count. The same text always gives the same answer.

    Parameters
    ----------
    text : str
    among : iterable of str, optional
        Codes to choose from, such as the languages a site serves; `LANGUAGES` if left out.

    Raises
    ------
    ValueError
        If a code of `among` is no language that is known.

    Examples
    --------
    >>> detect_language("Mein Paket ist immer noch nicht angekommen")
    'de'
    >>> detect_language("ok")
    ''
    """
    plain = without_marks(text[:_MAX_CHARACTERS])
    codes = _LANGUAGES if among is None else tuple(sorted(set(among)))
    language = language_by_small_words(plain)
    if language in codes:
        return language
    if not _has_enough_letters(plain):
        return ""
    language, confidence = _identifier(codes).classify(" ".join(plain.split()))
    return str(language) if confidence >= MIN_CONFIDENCE else ""


def _has_enough_letters(text: str) -> bool:
    n_letters = len(_LETTER.findall(text))
    if n_letters >= MIN_LETTERS or text.isascii():
        return n_letters >= MIN_LETTERS
    n_east_asian = len(_EAST_ASIAN.findall(text))
    return n_letters + (_EAST_ASIAN_LETTERS - 1) * n_east_asian >= MIN_LETTERS


@cache
def _identifier(codes: tuple[str, ...]) -> LanguageIdentifier:
    """Return what tells these languages apart; the model is read once, at the first text."""
    identifier = copy.copy(_whole_identifier())
    unknown = sorted(set(codes) - set(identifier.labels))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no language that can be told by its texts.")
    identifier.set_languages(codes)
    return identifier


@cache
def _whole_identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
