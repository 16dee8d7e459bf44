"""What the finders of personal data share: spans, gaps between digits, and digit groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

Span = tuple[int, int]
"""First character, and the one behind the last."""

Finder = Callable[[str], Iterator[Span]]

# what may stand between the digits of one number, invisible characters included
SPACE = r"\s\u00ad\u200b-\u200d\u2060\ufeff"
DASH = r"\-\u2010-\u2015\u2212"
GAP = rf"[{SPACE}{DASH}.·_]"

STRETCH = re.compile(rf"\d(?:[{SPACE}{DASH}.·_()/+]{{0,4}}\d){{5,}}")
"""Six digits or more that may be one number: without one, a text holds no number to hide."""

MAY_BE_IBAN = re.compile(r"(?<=[A-Za-z])\d\d[\sA-Za-z0-9-]{11}")
"""What an IBAN has of which the account is mostly letters, so that no six digits meet."""

DIGITS = re.compile(r"\d+")

DATE_OR_TIME = re.compile(
    r"(?<![\d+./-])(?:\d{1,2}/\d{1,2}(?:/(?:\d{4}|\d\d))?|\d{1,2}([.-])\d{1,2}\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2}|\d{1,2}:\d\d(?::\d\d)?)(?![\d/-]|\.\d)"
)
YEARS = re.compile(r"(?:(?:19|20)\d\d\D?)+")
_BEFORE_AMOUNT = re.compile(r"(?:[£$€¥₹]|\b(?:GBP|USD|EUR|INR|IDR|CNY|RMB|Rp\.?|Rs\.?))\s?$")
_AFTER_AMOUNT = re.compile(r"[.,]\d\d(?!\d)")
_LONGEST_AMOUNT = 12


def ascii_digits(number: str) -> str:
    """Write the digits of any script as 0 to 9."""
    return number if number.isascii() else "".join(str(int(digit)) for digit in number)


def only_digits(text: str) -> str:
    """Return the digits of a text, as 0 to 9."""
    return ascii_digits("".join(filter(str.isdecimal, text)))


def is_amount(text: str, start: int, end: int) -> bool:
    """Whether a run of digits is money: a currency stands before it, or pence after it."""
    if end - start > _LONGEST_AMOUNT:
        return False
    before = text[max(0, start - 5) : start]
    return _AFTER_AMOUNT.match(text, end) is not None or _BEFORE_AMOUNT.search(before) is not None


def merged(spans: Iterator[Span] | Sequence[Span]) -> list[Span]:
    """Return spans in order, those that overlap as one."""
    ordered = sorted(spans)
    if len(ordered) < 2:
        return ordered
    found: list[Span] = []
    for start, stop in ordered:
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found
