"""Words that name something found: only those that enough people said.

What one customer says in contact after contact sets a small theme apart, too; but as a keyword a
name of a neighbour or a street would be shown to all, and stay when the customer is erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NAMELESS = "Contacts without words in common"

_WORD = re.compile(r"\w+")
_QUOTED = "“"
_SHORTEST, _LONGEST_ENDING = 4, 3
_REWRITTEN = frozenset({"not", "cannot", "without", "number"})
"""Stand in keywords for what texts write in many ways: hasn't, can't, can not, seat no 5."""


def shared_words(
    name: str,
    keywords: Sequence[str],
    said: Iterable[tuple[int | None, str]],
    *,
    k: int,
) -> tuple[str, list[str]]:
    """Return name and keywords without what fewer than `k` people said.

    Parameters
    ----------
    name : str
        Made of keywords, or a quote in “” where there was none.
    keywords : sequence of str
        The most telling first.
    said : iterable of (customer, text)
        What belongs to it; a text of nobody known is of a person of its own.
    k : int
        Fewest people.

    Examples
    --------
    >>> said = [(1, "card lost"), (2, "lost my cards"), (2, "lost, says Zorbax")]
    >>> shared_words("Zorbax, lost", ["zorbax", "lost", "card"], said, k=2)
    ('Lost, card', ['lost', 'card'])
    """
    texts = [
        (-place - 1 if person is None else person, text.lower())
        for place, (person, text) in enumerate(said)
    ]
    kept = [keyword for keyword in keywords if _is_shared(keyword, texts, k)]
    dropped = {word for keyword in keywords if keyword not in kept for word in _words(keyword)}
    own = dropped - {word for keyword in kept for word in _words(keyword)}
    if not name.startswith(_QUOTED) and own.isdisjoint(_words(name)):
        return name, kept
    renamed = ", ".join(kept[:2])
    return renamed[:1].upper() + renamed[1:] or NAMELESS, kept


def _is_shared(keyword: str, texts: Sequence[tuple[int, str]], k: int) -> bool:
    signs = [re.compile(_sign(word)) for word in _words(keyword) if word not in _REWRITTEN]
    people: set[int] = set()
    for person, text in texts:
        if all(sign.search(text) for sign in signs):
            people.add(person)
            if len(people) >= k:
                return True
    return False


def _words(phrase: str) -> list[str]:
    return _WORD.findall(phrase.lower())


def _sign(word: str) -> str:
    """Return a pattern of a word with whatever ending: activating, activated; a short one whole."""
    if not word.isascii():
        return re.escape(word)
    if len(word) < _SHORTEST:
        return rf"\b{word}s?\b"
    return word[: max(_SHORTEST, len(word) - _LONGEST_ENDING)]
