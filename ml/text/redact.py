"""Replace personal data in text by tokens, before anything is stored.

Found are e-mail addresses, phone numbers, payment cards, IBANs, account numbers and web
addresses that carry credentials. Names and postal addresses are not found. Text without a
digit and without an @ is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn, numdb
from stdnum.exceptions import ValidationError

DEFAULT_REGIONS = ("GB", "US", "IE", "FR", "DE", "ES", "IT", "NL")
"""Countries whose national phone numbers are found; numbers with + are found for all."""

KINDS = ("URL", "EMAIL", "IBAN", "CARD", "PHONE", "ACCOUNT")

Span = tuple[int, int]
Finder = Callable[[str], Iterator[Span]]

# what may stand between the digits of one number, invisible characters included
_SPACE = r"\s\u00ad\u200b-\u200d\u2060\ufeff"
_DASH = r"\-\u2010-\u2015\u2212"
_GAP = rf"[{_SPACE}{_DASH}.·_]"

_SIX_DIGITS = re.compile(rf"\d(?:[{_SPACE}{_DASH}.·_()/+]{{0,4}}\d){{5}}")
_THIRTEEN_DIGITS = re.compile(rf"\d(?:{_GAP}{{0,3}}\d){{12,}}")
_DIGITS = re.compile(r"\d+")

_URL_WITH_LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/@<>\"]+@[^\s<>\"]+", re.IGNORECASE)
_URL_WITH_SECRET = re.compile(
    r"\b(?:https?://|www\.)[^\s<>\"?#]{1,300}[?#][^\s<>\"]{0,300}?"
    r"\b(?:token|access_token|auth|password|passwd|pwd|secret|api_?key|session(?:_?id)?|sig|code)"
    r"=[^\s<>\"]+",
    re.IGNORECASE,
)

_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(
    rf"(?:(?:{_LABEL}\.)+(?:xn--[\w-]+|[^\W\d_]{{2,24}})|\[?\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]?)"
)
_LOCAL_END = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+$")
_QUOTED_LOCAL_END = re.compile(r'"[^"\n]{1,64}"$')
_LOCAL_WINDOW = 400
_COMMON_ENDING = re.compile(
    r"\.(?:com|org|net|edu|gov|info|biz|io|me|co|uk|ie|de|fr|es|it|nl|eu|us|ca|au|in)$",
    re.IGNORECASE,
)
# a placeholder of the source in front of an @ is no person; other braces may be in an address
_VENDOR_TOKEN_END = re.compile(
    r"(?:\{|__)(?:first_?|last_?|user_?|customer_?)?(?:name|email|user|customer|pii|phone|number)"
    r"(?:\}|__)$",
    re.IGNORECASE,
)

_IBAN_START = re.compile(
    rf"([A-Za-z]){_GAP}{{0,3}}([A-Za-z]){_GAP}{{0,3}}(?=[0-9]{_GAP}{{0,3}}[0-9])"
)
_IBAN_CHARACTER = re.compile(rf"{_GAP}{{0,3}}([A-Za-z0-9])")

# first digits that card schemes issue; other numbers must stand in long groups to be cards
_ISSUED = re.compile(r"4|5[0-8]|6|3(?:0[0-59]|[4-9])|2(?:2[2-9]|[3-6]|7[01]|720)")
_CARD_DIGITS = range(13, 20)

_FOURS = re.compile(
    rf"(?<!\d)\d{{4}}(?:[{_SPACE}{_DASH}]\d{{4}}){{2,}}(?:[{_SPACE}{_DASH}]\d{{1,4}})?(?!\d)"
)
_LONG_RUN = re.compile(r"\d{8,}")
_YEAR_GROUPS = re.compile(r"(?:(?:19|20)\d\d\D?)+")
_DAY_STAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_BEFORE_AMOUNT = re.compile(r"(?:[£$€¥]|\b(?:GBP|USD|EUR))\s?$")
_AFTER_AMOUNT = re.compile(r"[.,]\d\d(?!\d)")
_DATE = re.compile(
    r"\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d|(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}"
)

_ACCOUNT_WORD = r"(?:bank\s+)?(?:account|acct|acc|a/c)\b"
_NUMBER_WORD = r"(?:[\s.:#]*(?:number|no|num|nr|is|was)\b)*[\s.:#-]*"
_NAMED_ACCOUNT = re.compile(
    rf"\b{_ACCOUNT_WORD}{_NUMBER_WORD}(\d(?:[ -]?\d){{5,17}})(?![\d/])", re.IGNORECASE
)
_NAMED_SORT_CODE = re.compile(
    rf"\bsort\s*code{_NUMBER_WORD}(\d\d[ {_DASH}]?\d\d[ {_DASH}]?\d\d)(?!\d)", re.IGNORECASE
)
_SORT_CODE_AND_ACCOUNT = re.compile(
    rf"(?<![\d/.-])\d\d([ {_DASH}])\d\d\1\d\d[\s,;/&]*(?:and\s+)?(?:{_ACCOUNT_WORD})?{_NUMBER_WORD}"
    r"\d{4}[ -]?\d{3,4}(?!\d)",
    re.IGNORECASE,
)

_SEVEN_TO_FORTY = re.compile(rf"[+(]{{0,2}}\d(?:[{_SPACE}{_DASH}.·()/]{{0,4}}\d){{6,40}}")
_NORTH_AMERICAN = re.compile(
    r"(?<![\d.-])(?:\+?1[-. ]?)?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}(?![\d-])"
)
_BRITISH = re.compile(
    r"(?<![\d/.-])(?:\(0\d{2,4}\)\s?|0\d{2,4}[ -]?)\d{3,4}[ -]?\d{3,4}(?![\d/-]|\.\d)"
)
_DATE_OR_TIME = re.compile(
    r"(?<![\d+./-])(?:\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d\d))?|\d{1,2}([.-])\d{1,2}\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2}|\d{1,2}:\d\d(?::\d\d)?)(?![\d/-]|\.\d)"
)
_PHONE_CONTEXT = 8
_MAX_LOOKUPS = 200


@dataclass(frozen=True)
class Redacted:
    """Text with tokens such as [EMAIL] in place of what was found, and how often, by kind."""

    text: str
    counts: dict[str, int] = field(default_factory=dict)


class Redactor:
    """Redacts many texts under one choice of countries.

    Parameters
    ----------
    regions : sequence of str, optional
        Two-letter codes of countries whose phone numbers are written without +.

    Examples
    --------
    >>> Redactor().redact("Write to ann@example.org").text
    'Write to [EMAIL]'
    """

    def __init__(self, regions: Sequence[str] = DEFAULT_REGIONS) -> None:
        self._regions = tuple(regions)
        self._finders: tuple[tuple[str, Finder], ...] = (
            ("URL", _find_urls),
            ("EMAIL", _find_emails),
            ("IBAN", _find_ibans),
            ("CARD", _find_cards),
            ("ACCOUNT", _find_sort_codes),
            ("PHONE", self._find_phones),
            ("ACCOUNT", _find_accounts),
        )

    def redact(self, text: str) -> Redacted:
        """Return the text with every find replaced; a second pass changes nothing.

        Passes repeat until one finds nothing. They end, for no token can be found again.
        """
        counts: dict[str, int] = {}
        while _may_hold_something(text):
            before = text
            for kind, find in self._finders:
                text = _replace(text, kind, find, counts)
            if text == before:
                break
        return Redacted(text, counts)

    def _find_phones(self, text: str) -> Iterator[Span]:
        """Find phone numbers: two national shapes cheaply, the rest by their countries' plans.

        In a text with more candidates than any conversation has, the rest are taken for phone
        numbers unseen: looking each up would take minutes.
        """
        for n_before, candidate in enumerate(_SEVEN_TO_FORTY.finditer(text)):
            if n_before >= _MAX_LOOKUPS:
                yield candidate.span()
                continue
            start = max(0, candidate.start() - _PHONE_CONTEXT)
            window = text[start : candidate.end() + _PHONE_CONTEXT]
            yield from ((start + a, start + b) for a, b in self._phones_in(window))

    def _phones_in(self, window: str) -> list[Span]:
        window = _DATE_OR_TIME.sub(lambda found: ";" * len(found[0]), window)
        if "+" in window:
            return (
                self._look_up(window, self._regions[0])
                or self._national_phones(window)
                or self._look_up(window, self._regions[0], Leniency.POSSIBLE)
            )
        return self._national_phones(window)

    def _national_phones(self, window: str) -> list[Span]:
        shapes: list[re.Pattern[str]] = []
        if {"US", "CA"} & set(self._regions):
            shapes.append(_NORTH_AMERICAN)
        if "GB" in self._regions:
            shapes.append(_BRITISH)
        if found := [m.span() for shape in shapes for m in shape.finditer(window)]:
            return found
        for region in self._regions:
            if found := self._look_up(window, region):
                return found
        return []

    @staticmethod
    def _look_up(window: str, region: str, leniency: int = Leniency.VALID) -> list[Span]:
        """Ask the numbering plan of a country; an opening bracket without its end stays out.

        A number that only might exist counts when it is written with +: nobody writes an amount
        that way, and plans keep ranges for fiction and for later.
        """
        is_strict = leniency == Leniency.VALID
        matches = PhoneNumberMatcher(window, region, leniency=leniency)
        return [
            (m.start + (m.raw_string[0] == "(" and ")" not in m.raw_string), m.end)
            for m in matches
            if _is_long_enough(m.raw_string) and (is_strict or m.raw_string.startswith("+"))
        ]


def redact(text: str, *, regions: Sequence[str] = DEFAULT_REGIONS) -> Redacted:
    """Redact one text; see `Redactor`, which is faster for many."""
    return _redactor(tuple(regions)).redact(text)


@cache
def _redactor(regions: tuple[str, ...]) -> Redactor:
    return Redactor(regions)


def _may_hold_something(text: str) -> bool:
    """Rule out most texts cheaply: everything found has an @, six digits or is an IBAN."""
    if "@" in text or _SIX_DIGITS.search(text) or _IBAN_START.search(text):
        return True
    return "=" in text and _DIGITS.search(text) is not None


def _replace(text: str, kind: str, find: Finder, counts: dict[str, int]) -> str:
    """Put the token of `kind` in place of each find; finds that overlap are one."""
    spans = _merged(find(text))
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts += (text[end:start], f"[{kind}]")
        end = stop
    if spans:
        counts[kind] = counts.get(kind, 0) + len(spans)
    return "".join((*parts, text[end:]))


def _merged(spans: Iterator[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _is_long_enough(number: str) -> bool:
    """Whether a number is longer than an order number, or written as only phones are.

    Some countries have numbers of six digits, which would make every order number one.
    """
    n_digits = sum(map(str.isdigit, number))
    return n_digits >= 9 or (n_digits >= 8 and number.lstrip("(")[:1] in ("+", "0"))


def _find_urls(text: str) -> Iterator[Span]:
    if "://" in text or "www." in text:
        for match in _URL_WITH_LOGIN.finditer(text):
            yield match.span()
        for match in _URL_WITH_SECRET.finditer(text):
            yield match.span()


def _find_emails(text: str) -> Iterator[Span]:
    """Look to both sides of every @, one space on either side allowed."""
    at = text.find("@")
    while at >= 0:
        if span := _email_around(text, at):
            yield span
        at = text.find("@", at + 1)


def _email_around(text: str, at: int) -> Span | None:
    right = at + 1 + (text[at + 1 : at + 2] in (" ", "\t"))
    domain = _DOMAIN.match(text, right)
    left = at - (text[at - 1 : at] in (" ", "\t"))
    before = text[max(0, left - _LOCAL_WINDOW) : left]
    local = _LOCAL_END.search(before) or _QUOTED_LOCAL_END.search(before)
    if domain is None or local is None or _VENDOR_TOKEN_END.search(before):
        return None
    is_spaced = right > at + 1 or left < at
    if is_spaced and not _COMMON_ENDING.search(domain[0]):
        return None  # "thanks @shop.Please" is a greeting, not an address
    return left - len(local[0]), domain.end()


@cache
def _iban_length(country: str) -> int | None:
    """Return the number of characters of an IBAN of a country, None where there is none."""
    structure = numdb.get("iban").info(country + "00")[0][1].get("bban")
    if structure is None:
        return None
    return 4 + sum(int(n) for n in re.findall(r"\d+", structure))


def _find_ibans(text: str) -> Iterator[Span]:
    for start in _IBAN_START.finditer(text):
        characters, end = [start[1], start[2]], start.end()
        length = _iban_length("".join(characters).upper())
        if length is None:
            continue
        while len(characters) < length and (match := _IBAN_CHARACTER.match(text, end)):
            characters.append(match[1])
            end = match.end()
        if len(characters) == length and _is_iban("".join(characters)):
            yield start.start(), end


def _is_iban(number: str) -> bool:
    try:
        iban.validate(number, check_country=False)
    except ValidationError:
        return False
    return True


def _find_cards(text: str) -> Iterator[Span]:
    """Find 13 to 19 digits in whole groups that pass the Luhn check, wherever they start."""
    for run in _THIRTEEN_DIGITS.finditer(text):
        groups = [(m.start(), m.end()) for m in _DIGITS.finditer(text, *run.span())]
        for first in range(len(groups)):
            if (end := _end_of_card(text, groups, first)) is not None:
                yield groups[first][0], end


def _end_of_card(text: str, groups: Sequence[Span], first: int) -> int | None:
    """Return where the longest card that starts with a group ends."""
    found, number = None, ""
    for last in range(first, len(groups)):
        start, end = groups[last]
        number += text[start:end]
        if len(number) >= _CARD_DIGITS.stop:
            break
        if len(number) in _CARD_DIGITS and _is_card(text, groups[first : last + 1], number):
            found = end
    return found


def _is_card(text: str, groups: Sequence[Span], number: str) -> bool:
    is_phone = text[groups[0][0] - 1 : groups[0][0]] == "+"
    if is_phone or not luhn.is_valid(_ascii_digits(number)):
        return False
    gaps = "".join(text[a:b] for (_, a), (b, _) in pairwise(groups))
    if "." in gaps and gaps.strip("."):
        return False  # "12.50 13.75 …" is a list of amounts
    in_long_groups = all(end - start >= 4 for start, end in groups[:-1])
    return in_long_groups or _ISSUED.match(_ascii_digits(number)) is not None


def _ascii_digits(number: str) -> str:
    return number if number.isascii() else "".join(str(int(digit)) for digit in number)


def _find_sort_codes(text: str) -> Iterator[Span]:
    """Find British sort codes that are named so or stand with an account number."""
    for match in _SORT_CODE_AND_ACCOUNT.finditer(text):
        yield match.span()
    for match in _NAMED_SORT_CODE.finditer(text):
        yield match.span(1)


def _find_accounts(text: str) -> Iterator[Span]:
    """Find named account numbers, four-digit groups, and runs of eight digits or more."""
    for match in _NAMED_ACCOUNT.finditer(text):
        if not _DATE.match(match[1]):
            yield match.span(1)
    for match in _FOURS.finditer(text):
        if not _YEAR_GROUPS.fullmatch(match[0]):
            yield match.span()
    for match in _LONG_RUN.finditer(text):
        if not _is_amount(text, match) and not _is_day_or_fraction(text, match):
            yield match.span()


def _is_amount(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 5) : match.start()]
    is_short = len(match[0]) <= 12
    has_pence = _AFTER_AMOUNT.match(text, match.end()) is not None
    return is_short and (has_pence or _BEFORE_AMOUNT.search(before) is not None)


def _is_day_or_fraction(text: str, match: re.Match[str]) -> bool:
    """Whether a run is 20260329 or the digits behind a decimal point."""
    before = text[max(0, match.start() - 2) : match.start()]
    is_fraction = len(before) == 2 and before[0].isdigit() and before[1] == "."
    return is_fraction or _DAY_STAMP.fullmatch(match[0]) is not None
