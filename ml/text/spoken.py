"""Which languages a theme is spoken in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ml.text.language import detect_language

# So many texts of a theme tell its languages; each is looked at only where they are mixed.
TEXTS_ASKED = 30
MAIN_SHARE = 0.2
"""From this share of a theme on, a language has keywords of its own."""
FEWEST_TEXTS = 3


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


def main_languages(spoken: Mapping[str, int]) -> list[str]:
    """Return the languages that at least a fifth of the texts are in, most spoken first."""
    total = sum(spoken.values())
    main = [code for code in spoken if code and spoken[code] >= MAIN_SHARE * total]
    return sorted(main, key=lambda code: (-spoken[code], code))
