"""Find national identity numbers by check digit, or by their rules where they have none.

GB (National Insurance, NHS), US (SSN, ITIN), DE (Steuer-ID), LT (asmens kodas), ID (NIK) and
CN (resident identity number). Numbers of few digits that others use as well, such as ten digits
for NHS and for phones, count when their word stands before them or their own grouping is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import pairwise

from stdnum import luhn
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.gb import nhs
from stdnum.lt import asmens

from ml.text.redact_numbers import end_of_card
from ml.text.redact_shapes import DASH, DIGITS, SPACE, STRETCH, Span, ascii_digits

_CUE_WINDOW = 48
_LINK = rf"[{SPACE}{DASH}.]{{1,3}}"
_IS_LINK = re.compile(rf"[{SPACE}{DASH}]{{1,3}}|\.")
_GOES_ON = re.compile(rf"{_LINK}\d")
_GOES_BEFORE = re.compile(rf"\d{_LINK}$")
_MOST_GROUPS = 18

_NINO = re.compile(
    rf"(?<![\w-])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    rf"(?:{_LINK})?\d\d(?:{_LINK})?\d\d(?:{_LINK})?\d\d(?:{_LINK})?[A-D](?![\w-])",
    re.IGNORECASE,
)
_NINO_WINDOW = 8
_FEWEST_DIGITS = 9
_SSN = re.compile(r"(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}")
_ITIN = re.compile(r"9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4}")
_NORTH_AMERICAN = re.compile(r"[2-9]\d\d[2-9]\d{6}")
_PROVINCES = re.compile(r"1[1-9]|21|3[1-6]|5[1-3]|6[1-5]|7[1-6]|8[12]|9[1-7]")
_ISSUED_CARD = re.compile(r"4|5[1-5]|6(?:011|2|5)|3[47]|2[2-7]")

_TAX_CUE = re.compile(r"\b(?:ssn|social security|itin|taxpayer|tax id|social)\b", re.IGNORECASE)
_TAX_CUE_END = re.compile(r"\b(?:ssn|security|itin|tax id|social)\s?#$", re.IGNORECASE)
_NHS_CUE = re.compile(r"\b(?:nhs|health (?:service|number)|chi number)\b", re.IGNORECASE)
_NIK_CUE = re.compile(r"\b(?:nik|ktp|kependudukan|kk)\b", re.IGNORECASE)

Groups = Sequence[Span]


def find_national_ids(text: str) -> Iterator[Span]:
    """Find national identity numbers; a text without six digits in a row holds none."""
    for stretch in STRETCH.finditer(text):
        start, end = stretch.span()
        if any(map(str.isalpha, text[max(0, start - 3) : start])):
            at = max(0, start - _NINO_WINDOW)
            yield from (nino.span() for nino in _NINO.finditer(text, at, end + _NINO_WINDOW))
        if end - start >= _FEWEST_DIGITS:
            groups = [m.span() for m in DIGITS.finditer(text, start, end)]
            yield from _find_in_groups(text, groups)


def _find_in_groups(text: str, groups: Groups) -> Iterator[Span]:
    first = 0
    while first < len(groups):
        found = _longest_from(text, groups, first)
        if found is None:
            first += 1
        else:
            last, end = found
            yield groups[first][0], end
            first = last + 1


def _longest_from(text: str, groups: Groups, first: int) -> tuple[int, int] | None:
    """Return (last group, end) of the longest number that starts with a group."""
    number, found = "", None
    for last in range(first, min(len(groups), first + _MOST_GROUPS)):
        start, end = groups[last]
        if last > first and not _IS_LINK.fullmatch(text, groups[last - 1][1], start):
            break
        number += text[start:end]
        if len(number) > 18:
            break
        check = _CHECKS.get(len(number))
        if check is not None and not _has_mixed_points(text, groups[first : last + 1]):
            stop = check(text, groups[first : last + 1], ascii_digits(number))
            found = (last, stop) if stop else found
    return None if found is not None and _runs_into_card(text, groups, first, found) else found


def _runs_into_card(text: str, groups: Groups, first: int, found: tuple[int, int]) -> bool:
    """Whether a payment card begins in a number in groups, and ends behind it."""
    last, end = found
    before = _before(text, groups[first:])
    if last == first or _TAX_CUE.search(before) or _NHS_CUE.search(before):
        return False
    cards = (end_of_card(text, _alike(text, groups, start), 0) for start in range(first, last))
    return any(card is not None and card > end for card in cards)


def _alike(text: str, groups: Groups, first: int) -> Groups:
    """Return the groups from one on between which the same stands."""
    gap = text[groups[first][1] : groups[first + 1][0]]
    last = first + 1
    while last + 1 < len(groups) and text[groups[last][1] : groups[last + 1][0]] == gap:
        last += 1
    return groups[first : last + 1]


def _has_mixed_points(text: str, groups: Groups) -> bool:
    """Whether points and spaces stand between groups, as in a list of amounts."""
    gaps = {text[a:b] == "." for (_, a), (b, _) in pairwise(groups)}
    return len(gaps) > 1


def _before(text: str, groups: Groups) -> str:
    return text[max(0, groups[0][0] - _CUE_WINDOW) : groups[0][0]]


def _is_free(text: str, groups: Groups, *, but: str = "") -> bool:
    """Whether no letter, sign (`but` one) or digits of a longer thing stand at the number."""
    start, end = groups[0][0], groups[-1][1]
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    is_decimal = after in (".", ",") and text[end + 1 : end + 2].isdigit()
    return not (
        is_decimal
        or _GOES_BEFORE.search(text[max(0, start - 4) : start]) is not None
        or before.isalnum()
        or (before in ("+", "/", "_", "#") and before != but)
        or after.isalnum()
        or after in ("/", "_")
    )


def _sizes(groups: Groups) -> tuple[int, ...]:
    return tuple(end - start for start, end in groups)


def _end_of_tax_number(text: str, groups: Groups, number: str) -> int | None:
    """Check an SSN or ITIN: written 3-2-4, or any way behind its word."""
    is_ruled = _SSN.fullmatch(number) or _ITIN.fullmatch(number)
    is_named = _TAX_CUE_END.search(_before(text, groups)) is not None  # "SSN#123-45-6789"
    if not is_ruled or not (_is_free(text, groups, but="#" if is_named else "")):
        return None
    gaps = [text[a:b].strip() for (_, a), (b, _) in pairwise(groups)]
    is_written_so = _sizes(groups) == (3, 2, 4) and gaps[0] == gaps[1] and "." not in gaps
    if is_written_so or _TAX_CUE.search(_before(text, groups)):
        return groups[-1][1]
    return None


def _end_of_nhs(text: str, groups: Groups, number: str) -> int | None:
    if not nhs.is_valid(number) or not _is_free(text, groups):
        return None
    is_written_so = _sizes(groups) == (3, 3, 4) and not _NORTH_AMERICAN.fullmatch(number)
    if (is_written_so and number[0] != "0") or _NHS_CUE.search(_before(text, groups)):
        return groups[-1][1]
    return None


def _end_of_eleven(text: str, groups: Groups, number: str) -> int | None:
    is_valid = idnr.is_valid(number) or asmens.is_valid(number)
    return groups[-1][1] if is_valid and _is_free(text, groups) else None


def _end_of_nik(text: str, groups: Groups, number: str) -> int | None:
    """Check the place and the birth date; what may be a card as well needs its word."""
    if not _PROVINCES.match(number) or number.endswith("0000") or not _is_free(text, groups):
        return None
    day = int(number[6:8])
    if not _is_date(2000 + int(number[10:12]), int(number[8:10]), day - 40 * (day > 40)):
        return None
    if len(groups) > 1 and _GOES_ON.match(text, groups[-1][1]):
        return None  # the first sixteen digits of a longer card
    may_be_card = luhn.is_valid(number) and _ISSUED_CARD.match(number) is not None
    if may_be_card and not _NIK_CUE.search(_before(text, groups)):
        return None
    return groups[-1][1]


def _end_of_resident(text: str, groups: Groups, number: str) -> int | None:
    """Check a Chinese number of 17 digits and a check digit, X where it is ten."""
    end = groups[-1][1]
    if len(number) == 17:
        if text[end : end + 1] not in ("x", "X"):
            return None
        number, end = number + "X", end + 1
    is_bound = not text[end : end + 1].isascii() or not text[end : end + 1].isalnum()
    year = int(number[6:10])
    if number[0] in "12345678" and is_bound and 1900 <= year <= 2099:
        is_born = _is_date(year, int(number[10:12]), int(number[12:14]))
        return end if is_born and number[-1] == ric.calc_check_digit(number) else None
    return None


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


_CHECKS: dict[int, Callable[[str, Groups, str], int | None]] = {
    9: _end_of_tax_number,
    10: _end_of_nhs,
    11: _end_of_eleven,
    16: _end_of_nik,
    17: _end_of_resident,
    18: _end_of_resident,
}
