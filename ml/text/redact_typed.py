"""Find names that somebody introduces as chats have them: in small letters, or all in capitals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ml.text.language_words import small_words_of
from ml.text.redact_shapes import Span

_WORD = r"[^\W\d_](?:[^\W\d_]|['’-]){1,23}"
_INTRODUCED = re.compile(
    rf"\bmy (?:(?:full|first|last|maiden|legal|real|sur) ?)?name(?:'s|’s| is|s is)[ ]{{1,2}}"
    rf"({_WORD})(?:[ ]({_WORD}))?(?:[ ]({_WORD}))?(?![\w@])",
    re.IGNORECASE,
)
# what is said of a name, and what is told next to it
_NO_NAME_WORDS = (
    "a an as at by do in is it its it's of on or out so to up not no never also actually already "
    "always now just only really very too then here there these those our his her him us if into "
    "over under off as being were am im i'm i've ive id didnt dont cant "
    "spelled spelt misspelled misspelt wrong incorrect correct right incorrectly correctly "
    "registered listed shown showing printed written mentioned missing changed different common "
    "unique similar same deeply main live tied attached associated linked cleared forged used "
    "removed added taken mine mr mrs ms miss dr sir madam "
    "booking bookings confirmation conformation password passward pin number num numbers no ssn "
    "social account acc card credit debit order ticket flight phone mobile contact email mail "
    "address city date dob birth last first full middle four digits name names surname company "
    "customer member username user details ph calling speaking writing looking having trying "
    "hello hi hey thanks thank ok okay yes yeah sure"
)
_NO_NAME = frozenset(_NO_NAME_WORDS.split()) | small_words_of("en")
_MASKED = frozenset("xX*")


def typed_names(text: str) -> Iterator[Span]:
    """Find names behind "my name is" that are not written as names are, up to three words.

    The first word that is no name ends them: "my name is ann lee and my order" holds two.
    """
    for found in _INTRODUCED.finditer(text):
        style, end = _style(found[1]), found.start(1)
        for group in (1, 2, 3):
            if not style or not _may_be_name(found[group] or "", style):
                break
            end = found.end(group)
        if end > found.start(1):
            yield found.start(1), end


def _may_be_name(word: str, style: str) -> bool:
    is_word = word.lower().strip("'’-") in _NO_NAME or _MASKED.issuperset(word)
    return _style(word) == style and not is_word


def _style(word: str) -> str:
    """Return how a word is written; empty where names are written so."""
    return "small" if word.islower() else "capitals" if word.isupper() else ""
