"""Which languages a theme is spoken in, and which of their phrases could name it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ml.text.language import detect_language
from ml.text.stop_words import negations, stop_words

# So many texts of a theme tell its languages; each is looked at only where they are mixed.
TEXTS_ASKED = 60
MAIN_SHARE = 0.2
"""From this share of a theme on, a language has keywords of its own."""
FEWEST_TEXTS = 3
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


def languages_of(texts: Sequence[str]) -> list[str]:
    """Return the language of each text of one theme, "" where it cannot be told.

    Where nearly all of a sample speak one language, all do, also texts too short to tell. In a
    theme of several languages each text is looked at, with only those languages to choose from.
    """
    asked = texts[:: max(1, len(texts) // TEXTS_ASKED)]
    told = Counter(filter(None, map(detect_language, asked)))
    if not told or 2 * told.total() < len(asked):
        return [""] * len(texts)
    # one that hardly anybody speaks is a text that was mistaken
    own = [code for code in told if told[code] >= FEWEST_TEXTS and code in main_languages(told)]
    if not own:
        return [""] * len(texts)
    if len(own) == 1:
        return own * len(texts)
    return [detect_language(text, own) for text in texts]


def weight_of_words(
    texts: Sequence[str], known: Collection[str] | None, *, is_multilingual: bool = False
) -> float | None:
    """Return how much words should count beside meaning, None for as much as usual.

    Parameters
    ----------
    texts : sequence of str
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
    asked = texts[:: len(texts) // TEXTS_FOR_ALL + 1]
    told = Counter(filter(None, map(detect_language, asked)))
    if is_multilingual:
        return 0.0 if len(main_languages(told)) > 1 else None
    n_others = sum(n for code, n in told.items() if code not in (known or ()))
    return MORE_WORDS if told and n_others >= OTHERS * told.total() else None


def main_languages(spoken: Mapping[str, int]) -> list[str]:
    """Return the languages that at least a fifth of the texts are in, most spoken first."""
    total = sum(spoken.values())
    main = [code for code in spoken if code and spoken[code] >= MAIN_SHARE * total]
    return sorted(main, key=lambda code: (-spoken[code], code))


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
