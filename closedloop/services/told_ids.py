"""Ids and file names that tell who somebody is: a recording named by the caller's number.

Such an id becomes a hash, and what a name of a file tells becomes a token. A plain run of digits
is a number of the source and stays: nothing tells the number of a ticket from that of a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import phonenumbers

from closedloop.config import Settings
from closedloop.services.redaction import site_redactor
from ml.text.redact import DEFAULT_COUNTRIES, Redactor
from ml.text.redact_ids import find_national_ids
from ml.text.redact_numbers import find_cards, find_ibans

__all__ = ["IdReader", "hide_in_name", "hide_in_sentence"]

_MAY_TELL = re.compile(r"[@+]|%40|\d(?:[ .\-]?\d){8}|[A-Za-z]{2}[ -]?\d\d(?:[ -]?[A-Za-z0-9]){11}")
"""What every address, phone number, card, IBAN and national id has; most ids have it not."""

_AT = re.compile(r"@|%40")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}", re.IGNORECASE)
_JOINTS = re.compile(r"[_/\\:#|=&?;,~]")
_WITH_PLUS = re.compile(r"\+ ?\d")
_DIALLED = re.compile(r"(?<![A-Za-z0-9])(?:00)?([1-9]\d{10,14})(?![A-Za-z0-9])")
_OF_A_CALL = re.compile(
    r"(?<!\d)20\d\d[-.]?[01]\d[-.]?[0-3]\d"
    r"|call|rec|phone|tel|sms|voice|whats|chat|\bfrom\b|\.(?:wav|mp3|ogg|opus|m4a|json|txt|csv)",
    re.IGNORECASE,
)
"""What stands beside a phone number in the name of a recording, and seldom beside a counter."""

_CARD = re.compile(
    r"(?=\d{16}$)(?:4|5[1-5]|2[2-7]|6(?:011|5))\d+"
    r"|3[47]\d{13}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{5}"
)
_CHECKED_DIGITS = (10, 11, 18)
"""Digits of the national ids that have a check digit."""

_MOBILE = phonenumbers.PhoneNumberType.MOBILE
_LINES = (
    _MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
)


class IdReader:
    """Says which ids of contacts tell who somebody is.

    Parameters
    ----------
    settings : Settings
        For the rules of the site, whose allow list counts, and the countries of its phones.
    """

    def __init__(self, settings: Settings) -> None:
        self._redactor = site_redactor(settings, with_names=False)
        self._codes = _codes_of((*settings.phone_regions, *DEFAULT_COUNTRIES))
        self.tells = lru_cache(maxsize=4096)(self._tells)

    @staticmethod
    def may_tell(ids: Iterable[str]) -> bool:
        """Whether any of several ids needs a closer look: one search for all of them."""
        return _MAY_TELL.search("\n".join(ids)) is not None

    def _tells(self, contact_id: str) -> bool:
        if contact_id.isdecimal() or _MAY_TELL.search(contact_id) is None:
            return False
        if contact_id[:1] == "+" or _AT.search(contact_id):
            return True
        words = _JOINTS.sub(" ", _UUID.sub(" ", contact_id))
        if _WITH_PLUS.search(words) and "PHONE" in self._redactor.redact(words).counts:
            return True
        return bool(_phones(words, self._codes, self._redactor)) or _has_checked(
            words, self._redactor
        )


def hide_in_sentence(sentence: str, ids: IdReader, settings: Settings) -> str:
    """Return a sentence without the words that tell who somebody is; other numbers stay."""
    if not ids.may_tell([sentence]):
        return sentence
    words = sentence.split(" ")
    return " ".join(hide_in_name(w, settings) if ids.tells(w.strip("“”.,()")) else w for w in words)


def hide_in_name(name: str, settings: Settings) -> str:
    """Return the name of a file without what tells of somebody."""
    redactor = site_redactor(settings, with_names=False)
    if _MAY_TELL.search(name) is None:
        return name
    codes = _codes_of((*settings.phone_regions, *DEFAULT_COUNTRIES))
    for number in _phones(_JOINTS.sub(" ", name), codes, redactor):
        name = name.replace(number, "[PHONE]")
    # an underscore joins what a reader of words would take for one
    return "_".join(redactor.redact(part).text for part in redactor.redact(name).text.split("_"))


def _codes_of(countries: Sequence[str]) -> tuple[str, ...]:
    codes = {phonenumbers.country_code_for_region(country) for country in countries}
    return tuple(sorted(str(code) for code in codes if code))


def _phones(words: str, codes: tuple[str, ...], redactor: Redactor) -> list[str]:
    """Return the runs of digits that are phone numbers with the code of a known country.

    A mobile number at the beginning, or any beside what names of recordings say: one counter of
    eleven digits in ten is the number of some line as well.
    """
    of_call = _OF_A_CALL.search(words) is not None
    return [
        found[0]
        for found in _DIALLED.finditer(words)
        if found[1].startswith(codes)
        and _line_of(found[1]) in (_LINES if of_call else (_MOBILE,))
        and (of_call or found.start() == 0)
        and "PHONE" in redactor.redact(f"+{found[1]}").counts  # the site may allow its own
    ]


def _line_of(digits: str) -> int | None:
    """Return what kind of line a number with its country's code is; None for no number."""
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.number_type(number)


def _has_checked(words: str, redactor: Redactor) -> bool:
    """Whether a card, an IBAN or a national id with its check digit stands there in one piece."""
    kinds = set()
    if any(True for _ in find_ibans(words)):
        kinds.add("IBAN")
    if any(_CARD.fullmatch(words[start:end]) for start, end in find_cards(words)):
        kinds.add("CARD")
    if any(
        sum(map(str.isdigit, words[start:end])) in _CHECKED_DIGITS and words[start:end].isalnum()
        for start, end in find_national_ids(words)
    ):
        kinds.add("NATIONAL_ID")
    return bool(kinds) and not kinds.isdisjoint(redactor.redact(words).counts)
