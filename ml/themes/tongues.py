"""What languages mean for themes: how much words count, and which phrases could name one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ml.text.language import detect_language
from ml.text.spoken import main_languages
from ml.text.stop_words import negations, stop_words

TEXTS_FOR_ALL = 300
"""So many texts of a whole collection tell whether the encoder knows its languages."""
OTHERS = 0.8
MORE_WORDS = 1.0
_CLAUSE = re.compile(r"[.,;:!?¿¡()\[\]\"“”„«»/\n]+|\s[-–—]+\s")
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
LONGEST_PHRASE = 3
LONGEST_WORD = 40
# Endings come behind so many letters in most languages: "kortelė" and "kortelės" are one word.
_STEM = 6


def spoken_in(texts: Sequence[str]) -> Counter[str]:
    """Return how many of a sample of texts are in each language, without those unknown."""
    asked = texts[:: len(texts) // TEXTS_FOR_ALL + 1]
    return Counter(filter(None, map(detect_language, asked)))


def n_languages(spoken: Mapping[str, int]) -> int:
    """Return how many languages at least a fifth of the texts are in, 1 if unknown."""
    return max(1, len(main_languages(spoken)))


def weight_of_words(
    spoken: Counter[str], known: Collection[str] | None, *, is_multilingual: bool = False
) -> float | None:
    """Return how much words should count beside meaning, None for as much as usual.

    Parameters
    ----------
    spoken : Counter
        As of `spoken_in`.
    known : collection of str, optional
        Languages that the encoder was made for; None if it does not say.
    is_multilingual : bool
        Whether it puts equal statements in different languages together.

    Returns
    -------
    float or None
        1.0 where at least four in five of a sample of texts are in languages the encoder was not
        made for: there words tell more than vectors of meaning. 0.0 where a multilingual encoder
        meets several main languages: their words never meet, and would only part them. Both
        measured on one set (`docs/themes/languages.md`).
    """
    if known is None and not is_multilingual:
        return None
    if is_multilingual:
        return 0.0 if n_languages(spoken) > 1 else None
    n_others = sum(n for code, n in spoken.items() if code not in (known or ()))
    return MORE_WORDS if spoken and n_others >= OTHERS * spoken.total() else None


def phrases_in(language: str, text: str) -> dict[str, str]:
    """Return the phrases of one to three words that could name a theme in a language.

    Parameters
    ----------
    language : str
        ISO 639-1 code, of any language but English that puts spaces between words.
    text : str

    Returns
    -------
    dict
        Phrase by stems to the phrase as it was written, in small letters. It neither begins nor
        ends with a small word; one that says no may stand anywhere beside another word.
    """
    # product names and titles are often English, and so are their small words
    small, no = stop_words(language) | stop_words("en") - negations(language), negations(language)
    found: dict[str, str] = {}
    for clause in _CLAUSE.split(text.lower()):
        words = _WORD.findall(clause)
        stems = [word[:_STEM] for word in words]
        for start, word in enumerate(words):
            if not _may_stand_at_end(word, small):
                continue
            for stop in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1):
                inside, last = words[start:stop], words[stop - 1]
                if len(last) > LONGEST_WORD:
                    break
                says_something = not all(part in no or part in small for part in inside)
                if _may_stand_at_end(last, small) and says_something:
                    found.setdefault(" ".join(stems[start:stop]), " ".join(inside))
    return found


def _may_stand_at_end(word: str, small: frozenset[str]) -> bool:
    return word not in small and 2 <= len(word) <= LONGEST_WORD
