"""Find numbers whose groups commas or bars part: transcripts write a comma for a pause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stdnum import luhn

from ml.text.redact_numbers import ISSUED
from ml.text.redact_phones import PhoneFinder
from ml.text.redact_shapes import DIGITS, Span, only_digits

_APART = r"(?:[,/|:*]\s?|\s[/|]\s|\s)"
_CARD = re.compile(
    rf"(?<![\d,./£$€-])\d{{4}}{_APART}(?:\d{{4}}{_APART}\d{{4}}{_APART}\d{{4}}|\d{{6}}{_APART}\d{{5}})"
    r"(?!\d|[,./]\d)"
)
_PHONE = re.compile(r"(?<![\d,.£$€-])\(?\d{1,6}\)?(?:,?\s\d{1,6}){1,12}(?!\d|[,.]\d|\s?%)")
_CUE = re.compile(
    r"\b(?:numbers?|phone|mobile|cell|telephone|tel|call|ring|dial|text|reach|contact|whatsapp"
    r"|nummer|telefon\w*|handy|numeris|nomor|hp)\b\D{0,24}$",
    re.IGNORECASE,
)
_CUE_WINDOW = 40
_WITHOUT_ZERO = ((3, 3, 4), (3, 4, 4))
"""Groups of numbers that begin with no 0: North America's, and mobiles of China."""


def find_parted_cards(text: str) -> Iterator[Span]:
    """Find payment cards in four groups, or three, whatever parts them."""
    for run in _CARD.finditer(text):
        number = only_digits(run[0])
        if ISSUED.match(number) and luhn.is_valid(number):
            yield run.span()


class PartedPhones:
    """Finds phone numbers with commas in them behind a word that announces one.

    Parameters
    ----------
    countries : sequence of str
        Two-letter codes of countries whose numbers are written without +.
    """

    def __init__(self, countries: Sequence[str]) -> None:
        self._plans = PhoneFinder(countries)

    def __call__(self, text: str) -> Iterator[Span]:
        """Find them, whole runs of groups that are a number of a country."""
        if ", " not in text:
            return
        for run in _PHONE.finditer(text):
            before = text[max(0, run.start() - _CUE_WINDOW) : run.start()]
            if "," in run[0] and _CUE.search(before) and self._is_phone(run[0]):
                yield run.span()

    def _is_phone(self, run: str) -> bool:
        sizes = tuple(len(group[0]) for group in DIGITS.finditer(run))
        number = only_digits(run)
        return (number[0] == "0" or sizes in _WITHOUT_ZERO) and self._plans.has(number)
