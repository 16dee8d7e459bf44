"""Find payment cards and IBANs by their checksums, and bank accounts by how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from stdnum import iban, luhn, numdb
from stdnum.exceptions import ValidationError

from ml.text.redact_shapes import DASH, DIGITS, GAP, SPACE, YEARS, Span, ascii_digits, is_amount

_THIRTEEN_DIGITS = re.compile(rf"\d(?:{GAP}{{0,3}}\d){{12,}}")

_IBAN_COUNTRY_END = re.compile(rf"([A-Za-z]){GAP}{{0,3}}([A-Za-z]){GAP}{{0,3}}$")
_IBAN_COUNTRY_WINDOW = 8
_IBAN_CHARACTER = re.compile(rf"{GAP}{{0,3}}([A-Za-z0-9])")

# first digits that card schemes issue; other numbers must stand in long groups to be cards
ISSUED = re.compile(r"4|5[0-8]|6|3(?:0[0-59]|[4-9])|2(?:2[2-9]|[3-6]|7[01]|720)")
_CARD_DIGITS = range(13, 20)

_FOURS = re.compile(
    rf"\d(?<!\d\d)\d{{3}}(?:[{SPACE}{DASH}]\d{{4}}){{2,}}(?:[{SPACE}{DASH}]\d{{1,4}})?(?!\d)"
)
_PARCEL = re.compile(r"\b(?:1Z[0-9A-Z]{16}|[A-Z]{2}\d{9}[A-Z]{2})\b")
_LONG_RUN = re.compile(r"\d{8,}")
_DAY_STAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DATE = re.compile(
    r"\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d|(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}"
)

_ACCOUNT_WORD = r"(?:bank\s+)?(?:account|acct|acc|a/c)\b"
_NUMBER_WORD = r"(?:[\s.:#]*(?:number|no|num|nr|is|was)\b)*[\s.:#-]*"
_NAMED_ACCOUNT = re.compile(
    rf"\b{_ACCOUNT_WORD}{_NUMBER_WORD}(\d(?:[ -]?\d){{5,17}})(?![\d/])", re.IGNORECASE
)
_NAMED_SORT_CODE = re.compile(
    rf"\bsort\s*code{_NUMBER_WORD}(\d\d[ {DASH}]?\d\d[ {DASH}]?\d\d)(?!\d)", re.IGNORECASE
)
_SORT_CODE_AND_ACCOUNT = re.compile(
    rf"\d(?<![\d/.-]\d)\d([ {DASH}])\d\d\1\d\d[\s,;/&]*(?:and\s+)?"
    rf"(?:{_ACCOUNT_WORD})?{_NUMBER_WORD}"
    r"\d{4}[ -]?\d{3,4}(?!\d)",
    re.IGNORECASE,
)


@cache
def _iban_length(country: str) -> int | None:
    """Return the number of characters of an IBAN of a country, None where there is none."""
    structure = numdb.get("iban").info(country + "00")[0][1].get("bban")
    if structure is None:
        return None
    return 4 + sum(int(n) for n in re.findall(r"\d+", structure))


def find_ibans(text: str) -> Iterator[Span]:
    """Find IBANs of any country in any grouping, wherever digits follow two letters."""
    for digits in DIGITS.finditer(text):
        at = digits.start()
        head = text[max(0, at - _IBAN_COUNTRY_WINDOW) : at]
        country = _IBAN_COUNTRY_END.search(head)
        if country is None:
            continue
        length = _iban_length((country[1] + country[2]).upper())
        if length is not None and (end := _end_of_iban(text, at, country, length)):
            yield at - len(head) + country.start(), end


def _end_of_iban(text: str, at: int, country: re.Match[str], length: int) -> int | None:
    characters, end = [country[1], country[2]], at
    while len(characters) < length and (match := _IBAN_CHARACTER.match(text, end)):
        characters.append(match[1])
        end = match.end()
    return end if len(characters) == length and _is_iban("".join(characters)) else None


def _is_iban(number: str) -> bool:
    try:
        iban.validate(number, check_country=False)
    except ValidationError:
        return False
    return True


def find_cards(text: str) -> Iterator[Span]:
    """Find 13 to 19 digits in whole groups that pass the Luhn check, wherever they start."""
    for run in _THIRTEEN_DIGITS.finditer(text):
        groups = [(m.start(), m.end()) for m in DIGITS.finditer(text, *run.span())]
        for first in range(len(groups)):
            if (end := end_of_card(text, groups, first)) is not None:
                yield groups[first][0], end


def end_of_card(text: str, groups: Sequence[Span], first: int) -> int | None:
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
    if is_phone or int(number[0]) == 0 or not luhn.is_valid(ascii_digits(number)):
        return False
    gaps = "".join(text[a:b] for (_, a), (b, _) in pairwise(groups))
    if "." in gaps and gaps.strip("."):
        return False  # "12.50 13.75 …" is a list of amounts
    in_long_groups = all(end - start >= 4 for start, end in groups[:-1])
    return in_long_groups or ISSUED.match(ascii_digits(number)) is not None


def find_sort_codes(text: str) -> Iterator[Span]:
    """Find British sort codes that are named so or stand with an account number."""
    for match in _SORT_CODE_AND_ACCOUNT.finditer(text):
        yield match.span()
    if "sort" in text.lower():
        for match in _NAMED_SORT_CODE.finditer(text):
            yield match.span(1)


def find_accounts(text: str) -> Iterator[Span]:
    """Find named account numbers, four-digit groups, and runs of eight digits or more."""
    lower = text.lower()
    if "acc" in lower or "a/c" in lower:
        for match in _NAMED_ACCOUNT.finditer(text):
            if not _DATE.match(match[1]):
                yield match.span(1)
    for match in _FOURS.finditer(text):
        if not YEARS.fullmatch(match[0]):
            yield match.span()
    if _LONG_RUN.search(text):
        yield from _find_long_runs(text)


def _find_long_runs(text: str) -> Iterator[Span]:
    parcels = [match.span() for match in _PARCEL.finditer(text)]
    for match in _LONG_RUN.finditer(text):
        if any(start <= match.start() < end for start, end in parcels):
            continue
        if not is_amount(text, *match.span()) and not _is_day_or_fraction(text, match):
            yield match.span()


def _is_day_or_fraction(text: str, match: re.Match[str]) -> bool:
    """Whether a run is 20260329 or the digits behind a decimal point."""
    before = text[max(0, match.start() - 2) : match.start()]
    is_fraction = len(before) == 2 and before[0].isdigit() and before[1] == "."
    return is_fraction or _DAY_STAMP.fullmatch(match[0]) is not None
