"""Find phone numbers by the numbering plans of countries.

The plans are those of the phonenumbers library; its own matcher is not used, as it parses each
candidate anew for each country. A plan is compiled once into a few patterns over plain digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    country_code_for_region,
    parse,
)
from phonenumbers.phonenumberutil import NumberParseException

from ml.text.redact_shapes import (
    DASH,
    DATE_OR_TIME,
    DIGITS,
    SPACE,
    YEARS,
    Span,
    ascii_digits,
    is_amount,
    only_digits,
)

_SEPARATORS = rf"[{SPACE}{DASH}.·()/]"
_CANDIDATE = re.compile(rf"[+(]{{0,2}}\d(?:{_SEPARATORS}{{0,4}}\d){{6,40}}")
_JOINT = re.compile(rf"{_SEPARATORS}{{0,4}}")
_NORTH_AMERICAN = re.compile(
    r"(?<![A-Za-z\d.-])(?:\+?1[-. ]?)?"
    r"(?:\([2-9]\d\d\)\s?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}(?![\d-])"
)
_BRITISH = re.compile(
    r"(?<![A-Za-z\d/.-])(?:\(0\d{2,4}\)\s?|0\d{2,4}[ -]?)\d{3,4}[ -]?\d{3,4}(?![A-Za-z\d/-]|\.\d)"
)
_CONTEXT = 8
_MAX_LOOKUPS = 200
_FEWEST_DIGITS = 7
_FEWEST_ABROAD = 11
"""With the code of a country but no +; fewer are numbers of an order as well."""

_GOES_ON = re.compile(rf"{_SEPARATORS}{{1,3}}\d")
_MOST_DIGITS = 15
_MOST_GROUPS = 15
_CURRENCY = frozenset("£$€¥₹%#")
_EXIT_CODES = {"00": 2, "011": 3}
_EXIT = re.compile(rf"(?<!\d)(?:00|011){_SEPARATORS}?[1-9]")
_SHAPES = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost")
_OTHER_SHAPES = ("personal_number", "voip", "pager", "uan", "voicemail")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What numbers of a country look like: digits only, without country code.

    Attributes
    ----------
    valid : pattern
        A national number, without the digits dialled before it at home.
    trunk : pattern or None
        Those digits.
    needs_trunk : tuple of patterns
        National numbers that are never written without them at home.
    """

    valid: re.Pattern[str]
    trunk: re.Pattern[str] | None
    needs_trunk: tuple[re.Pattern[str], ...]

    def has(self, digits: str) -> bool:
        """Whether digits are a number as people of the country write it."""
        trunk = self.trunk.match(digits) if self.trunk else None
        if trunk and trunk.end() and self.valid.fullmatch(digits, trunk.end()):
            return True
        return self.valid.fullmatch(digits) is not None and not any(
            shape.fullmatch(digits) for shape in self.needs_trunk
        )


@cache
def _plan(region: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return None
    descriptions = [getattr(metadata, name, None) for name in (*_SHAPES, *_OTHER_SHAPES)]
    shapes = [d.national_number_pattern for d in descriptions if d and d.national_number_pattern]
    formats = [
        re.compile(rf"(?={form.leading_digits_pattern[-1]}){form.pattern}")
        for form in metadata.number_format
        if form.leading_digits_pattern
        and re.match(r"\(?\d", form.national_prefix_formatting_rule or "")
        and not form.national_prefix_optional_when_formatting
    ]
    trunk = metadata.national_prefix_for_parsing
    return _Plan(
        valid=re.compile("|".join(f"(?:{shape})" for shape in shapes)),
        trunk=re.compile(trunk) if trunk else None,
        needs_trunk=tuple(formats),
    )


@cache
def _plans_of_code(code: int) -> tuple[_Plan, ...]:
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    return tuple(plan for region in regions if (plan := _plan(region)))


def _national_part(digits: str) -> tuple[int, str] | None:
    """Split digits written after + into country code and number, None where no country is."""
    for length in (1, 2, 3):
        code = int(digits[:length] or 0)
        if code in COUNTRY_CODE_TO_REGION_CODE:
            return code, digits[length:]
    return None


def _is_international(digits: str, *, only_valid: bool = True) -> bool:
    """Whether digits written after + are a number of a country, or at least as long as one."""
    split = _national_part(digits)
    if split is None:
        return False
    code, national = split
    if not only_valid:
        return len(national) >= 6 and 8 <= len(digits) <= _MOST_DIGITS
    return any(
        plan.valid.fullmatch(national)
        or (national[:1] == "0" and plan.valid.fullmatch(national, 1))  # "+44 (0)20"
        for plan in _plans_of_code(code)
    )


class PhoneFinder:
    """Finds phone numbers: national ones of some countries, those with + of all.

    Parameters
    ----------
    countries : sequence of str
        Two-letter codes.
    """

    def __init__(self, countries: Sequence[str]) -> None:
        self._plans = tuple(plan for country in countries if (plan := _plan(country)))
        codes = {str(country_code_for_region(country)) for country in countries}
        self._codes = tuple(code for code in codes if len(code) > 1)
        self._shapes: list[re.Pattern[str]] = []
        if {"US", "CA"} & set(countries):
            self._shapes.append(_NORTH_AMERICAN)
        if "GB" in countries:
            self._shapes.append(_BRITISH)

    def __call__(self, text: str) -> Iterator[Span]:
        """Find phone numbers: two national shapes cheaply, the rest by their countries' plans.

        In a text with more candidates than any conversation has, the rest are taken for phone
        numbers unseen: looking each up would take minutes.
        """
        for n_before, candidate in enumerate(_CANDIDATE.finditer(text)):
            if n_before >= _MAX_LOOKUPS:
                yield candidate.span()
                continue
            start = max(0, candidate.start() - _CONTEXT)
            window = text[start : candidate.end() + _CONTEXT]
            yield from ((start + a, start + b) for a, b in self._find_in(window))

    def has(self, digits: str) -> bool:
        """Whether digits are a national number of one of the countries."""
        return len(digits) > _FEWEST_DIGITS and any(plan.has(digits) for plan in self._plans)

    def _find_in(self, window: str) -> list[Span]:
        window = DATE_OR_TIME.sub(lambda found: ";" * len(found[0]), window)
        if "+" in window:
            return self._planned(window)
        if _EXIT.search(window):
            return self._planned(window) or self._shaped(window)
        shaped = self._shaped(window)
        if any(_GOES_ON.match(window, end) for _, end in shaped):
            # the shape of one country may be the beginning of another one's number
            whole = self._planned(window)
            if _n_digits(window, whole) > _n_digits(window, shaped):
                return whole
        return shaped or self._planned(window)

    def _shaped(self, window: str) -> list[Span]:
        """Find the two national shapes, unissued numbers among them."""
        for shape in self._shapes:
            if found := [m.span() for m in shape.finditer(window)]:
                return found
        return []

    def _planned(self, window: str) -> list[Span]:
        """Find what the numbering plans hold."""
        groups = [m.span() for m in DIGITS.finditer(window)]
        found, first = [], 0
        while first < len(groups):
            match = self._longest_from(window, groups, first)
            if match is None:
                first += 1
            else:
                last, span = match
                found.append(span)
                first = last + 1
        return found

    def _longest_from(
        self, window: str, groups: Sequence[Span], first: int
    ) -> tuple[int, Span] | None:
        """Return (last group, span) of the longest number that starts with a group."""
        start = groups[first][0]
        opening = _opening(window, start)
        has_plus = "+" in opening
        if not has_plus and _touches(window, start - len(opening)):
            return None
        ends = _ends(window, groups, first)
        for last, digits in reversed(ends):
            end = groups[last][1]
            if has_plus:
                is_phone = _is_international(digits)
            else:
                is_phone = self._is_national(window, start, end, digits)
            if is_phone:
                return last, _trimmed(window, start - len(opening), end)
        return _possible(window, groups, start - len(opening), ends) if has_plus else None

    def _is_national(self, window: str, start: int, end: int, digits: str) -> bool:
        n_digits = len(digits)
        if n_digits < 8 or (n_digits == 8 and digits[0] != "0"):
            return False  # some countries have numbers as short as order numbers
        if window[end : end + 1] in _CURRENCY or is_amount(window, start, end):
            return False
        if window[end : end + 1].isascii() and window[end : end + 1].isalpha():
            return False
        if YEARS.fullmatch(window[start:end]):
            return False
        for exit_code, length in _EXIT_CODES.items():
            if digits.startswith(exit_code) and _is_international(digits[length:]):
                return True
        is_abroad = n_digits >= _FEWEST_ABROAD and digits.startswith(self._codes)
        return (is_abroad and _is_international(digits)) or self.has(digits)


def _n_digits(window: str, spans: Sequence[Span]) -> int:
    return sum(len(only_digits(window[start:end])) for start, end in spans)


def _opening(window: str, start: int) -> str:
    """Return the + and bracket right before a number."""
    at = start
    while at and window[at - 1] in "(+" and start - at < 2:
        at -= 1
    if at and start == at and window[at - 1] == " " and window[at - 2 : at - 1] == "+":
        at -= 2
    return window[at:start]


def _touches(window: str, start: int) -> bool:
    """Whether a number is the end of something longer: a word, an amount, a decimal."""
    before = window[start - 1 : start] if start else ""
    is_word = before.isascii() and before.isalpha()
    is_decimal = before in (".", ",", "/", "-") and window[start - 2 : start - 1].isdigit()
    return is_word or is_decimal or before in _CURRENCY or before == "_"


def _ends(window: str, groups: Sequence[Span], first: int) -> list[tuple[int, str]]:
    """Return (last group, digits) of each number of up to 15 digits that starts with a group."""
    ends: list[tuple[int, str]] = []
    digits = ""
    for last in range(first, min(len(groups), first + _MOST_GROUPS)):
        start, end = groups[last]
        if last > first and not _JOINT.fullmatch(window, groups[last - 1][1], start):
            break
        digits += ascii_digits(window[start:end])
        if len(digits) > _MOST_DIGITS + 3:
            break
        ends.append((last, digits))
    return ends


def _possible(
    window: str, groups: Sequence[Span], start: int, ends: Sequence[tuple[int, str]]
) -> tuple[int, Span] | None:
    """Return what only might exist: nobody writes an amount with +, and plans keep spare ranges."""
    for last, digits in reversed(ends):
        if _is_international(digits, only_valid=False):
            return last, _trimmed(window, start, groups[last][1])
    return None


def _trimmed(window: str, start: int, end: int) -> Span:
    """Leave an opening bracket without its end out."""
    number = window[start:end]
    if number[0] == "(" and number.count("(") > number.count(")"):
        start += 1
    return start, end


def same_phone(text: str) -> str:
    """Return what two spellings of one phone number share: its last eight digits."""
    return only_digits(text)[-8:]  # nine would hold the digit dialled first at home


def spellings(number: str, countries: Sequence[str]) -> set[str]:
    """Return the digits of a phone number at home and abroad; as written where it is none."""
    found = {only_digits(number)}
    for country in countries:
        try:
            parsed = parse(number, country)
        except NumberParseException:
            continue
        national = str(parsed.national_number)
        plan = _plan(country)
        if plan is not None and plan.valid.fullmatch(national):
            metadata = PhoneMetadata.metadata_for_region(country)
            home = (metadata.national_prefix or "") if metadata else ""
            return found | {f"{parsed.country_code}{national}", f"{home}{national}"}
    return found
