"""What customers answer when asked for more: that this was all, or who they are.

Neither says what they came for, though words of an issue stand in it: "no need", "card no 5689".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import dropwhile

LONGEST_DECLINE = 100
"""Longer turns than so many characters decline nothing in passing; they say why."""
LONGEST_THANKS = 7
"""Words from "thanks" on, the name of whoever is thanked among them."""

_words = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*").findall


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ACKNOWLEDGED = _listed(
    "ok okay okey oke k oh well yes yeah yep ya yup sure sorry great fine um uh"
)
_DECLINING = _listed("no noo nope nah not nothing none")
_ALL = _listed("that's thats that it's its")
_OF_DECLINING = _DECLINING | _listed(
    "a all and any anything are as assistance at byee do else enough everything for from further "
    "have help i i'm im is it it's its more moment my need needed now of other query queries "
    "question questions really required right so that that's thats the there this time to today "
    "u want wanted yet you your"
)
BEGINNINGS = _ACKNOWLEDGED | _DECLINING | _ALL
"""With one of them begins whatever declines."""
_THANKS = _listed("thank thanks thankyou thx thnks tks bye byee goodbye cheers")

_NUMBERED = re.compile(
    r"\b(account|ac|acc|acct|a/c|card|phone|mobile|contact|order|booking|policy|reference|ref|claim"
    r"|customer|member|membership|confirmation|ssn|invoice|ticket|seat|flight|serial|id|pnr)"
    r" no(?=\.? *#?\d|\.? is\b|:|[ .?!,]*$| and\b| of\b| for\b)",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"\b(?:my name|name is|name's|ssn|social security|date of birth|dob|born on"
    r"|(?:account|card|phone|mobile|order|booking|policy|reference|customer|contact|claim"
    r"|confirmation|boarding pass|member(?:ship)?)"
    r"(?: card)? (?:number|no|id|confirmation)|(?:ac|acct?|a/c) no|post ?code|zip code"
    r"|mother's maiden|security (?:answer|code|word)"
    r"|password is|pass(?:phrase| phrase)|e-?mail(?: address)? is|address is|ending (?:in|with)"
    r"|ends in"
    r"|last (?:four|4) digits|first line of)\b",
    re.IGNORECASE,
)
# Who only names a number ("sent to my email or phone number") gives none away.
_GIVEN = re.compile(
    r"\d|[:@]|\b(?:is|are|was|it's|its|name|name's|here|ssn|dob|birth|born|ending|ends|zero|one|two"
    r"|three|four|five|six|seven|eight|nine|double|triple)\b",
    re.IGNORECASE,
)
FEWEST_WORDS_OF_A_MENTION = 5


def without_numbering(text: str) -> str:
    """Return the text with "number" for the "no" of "card no 5689", which denies nothing."""
    return _NUMBERED.sub(r"\1 number", text)


def declines(lower: str) -> bool:
    """Return whether a turn in small letters only says that nothing more is needed.

    "no need", "not really, thanks Riley" and "ok that's all" do. A question never does, nor what
    has a word beyond those, unless it follows the thanks.
    """
    if len(lower) > LONGEST_DECLINE or "?" in lower:
        return False
    words = list(dropwhile(_ACKNOWLEDGED.__contains__, _words(lower)))
    if not words or not (words[0] in _DECLINING or _is_all(words)):
        return False
    for place, word in enumerate(words):
        if word in _THANKS:
            return len(words) - place <= LONGEST_THANKS
        if word not in _OF_DECLINING:
            return False
    return True


def _is_all(words: Sequence[str]) -> bool:
    return words[0] in _ALL and not {"all", "it", "enough"}.isdisjoint(words[1:3])


def tells_identity(text: str, count_content: Callable[[str], int]) -> bool:
    """Return whether a turn tells who somebody is, or a number by which to find them.

    Parameters
    ----------
    text : str
        Of one turn.
    count_content : callable
        How many words of a text in small letters say more than a courtesy.
    """
    if not _IDENTITY.search(text):
        return False
    is_given = bool(_GIVEN.search(text))
    return is_given or count_content(text.lower()) < FEWEST_WORDS_OF_A_MENTION
