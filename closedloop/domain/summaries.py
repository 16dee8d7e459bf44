"""One line for a theme out of a customer's words, where nobody has described it."""

from __future__ import annotations

import re

SUMMARY_LENGTH = 140
# Endings come behind so many letters: "cards" and "card", "refunded" and "refund".
_STEM = 5
_WORD = re.compile(r"[^\W\d_]{2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


def count_words_held(text: str, name: str) -> int:
    """Return how many words of a theme's name stand in a text, whatever their endings."""
    lower = text.casefold()
    return sum(stem in lower for stem in _stems(name))


def summary_of(text: str, name: str) -> str:
    """Return the first sentence that holds the words of a name, cut to 140 characters.

    Parameters
    ----------
    text : str
        What a customer said, redacted.
    name : str
        Where no sentence holds all of its words, the first of those that hold most is taken.
    """
    sentences = [part.strip() for part in _SENTENCE_END.split(" ".join(text.split()))]
    best = max(sentences, key=lambda sentence: count_words_held(sentence, name))
    if len(best) <= SUMMARY_LENGTH:
        return best
    cut = best[: SUMMARY_LENGTH - 1]
    whole = cut if best[len(cut)] == " " else cut.rpartition(" ")[0] or cut
    return whole.rstrip(" ,;:-") + "…"


def _stems(name: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(name.casefold())}
