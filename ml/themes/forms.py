"""Forms of English words: which are one word, and which are none."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile

# What forms of one word differ by, short ones and longer ones: ad, ads; delivered, delivery.
_ENDINGS = frozenset(["", "s", "es", "ed", "ing"])
_ENDINGS_OF_LONG = _ENDINGS | frozenset(["d", "t", "r", "er", "ers", "y", "ies", "ied", "e", "al"])
LONG, SHORT = 4, 2
"""Letters that two forms of a long word, and of a short one, begin with alike."""
_CONSONANT_Y = re.compile(r"[^\Waeiou]y$")
_CODE = re.compile(r"^(?=.{7})(?=\D*\d\D*\d\D*\d)")


@lru_cache(10_000)
def stem_of(word: str) -> str:
    """Cut common endings: charge, charges, charged and charging are one word."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            break
    else:
        if word.endswith("s") and len(word) == 4 and not word.endswith("ss"):
            word = word[:-1]
    # inquiry, inquiries; apply, applied
    return f"{word[:-1]}i" if len(word) >= 4 and _CONSONANT_Y.search(word) else word


def are_forms(one: str, other: str) -> bool:
    """Return whether two words are forms of one: "ad" and "ads", "spend" and "spent".

    Of several words only "pay off" and "payoff" are: those that differ in spaces.
    """
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    if " " in one or " " in other:
        return False
    pairs = zip(one, other, strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    ends = {one[alike:], other[alike:]}
    return alike >= SHORT and ends <= (_ENDINGS_OF_LONG if alike >= LONG else _ENDINGS)


def is_code(word: str) -> bool:
    """Return whether a word is a pasted number of a version or an order, such as g1296534d."""
    return _CODE.search(word) is not None
