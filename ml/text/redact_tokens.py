"""Number the tokens of a contact, so that the same value is the same token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml.text.redact_phones import same_phone
from ml.text.redact_shapes import Span, merged, only_digits
from ml.text.redact_spoken import said_digits

TOKEN = re.compile(r"\[([A-Z][A-Z0-9_]{1,24})(?: (\d{1,6}))?\]")
"""A token, such as [PHONE] or [PHONE 2]: group 1 is its kind, group 2 its number from 2."""

_SPELLED_AT = re.compile(
    r"\s?[\[({<]\s?(?:at|ät|@)\s?[\])}>]\s?|\s(?:at|ät|eta)\s(?:the\srate\s(?:of\s)?)?|\s?@\s?"
)
_SPELLED_DOT = re.compile(
    r"\s?[\[({<]\s?(?:dot|punkt|\.)\s?[\])}>]\s?|\s(?:dot|punkt|titik|taškas)\s|\s?\.\s?"
)


class Tokens:
    """The tokens of one contact: which values have had which number, and how often, by kind."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}

    def keep(self, text: str) -> None:
        """Leave the tokens that a text of the source already has to what they stand for there."""
        if "[" in text:
            for found in TOKEN.finditer(text):
                number = int(found[2] or 1)
                self._last[found[1]] = max(self._last.get(found[1], 0), number)

    def replace(self, text: str, kind: str, spans: Iterator[Span] | Sequence[Span]) -> str:
        """Put a token in place of each find; finds that overlap are one."""
        finds = merged(spans)
        return self._put(text, [(kind, span) for span in finds]) if finds else text

    def replace_kinds(self, text: str, found: Sequence[tuple[str, Span]]) -> str:
        """Put tokens in place of finds of several kinds; those that overlap are one."""
        chosen: list[tuple[str, Span]] = []
        for kind, (start, end) in sorted(found, key=lambda find: (find[1][0], -find[1][1])):
            if not chosen or start >= chosen[-1][1][1]:
                chosen.append((kind, (start, end)))
            elif end > chosen[-1][1][1]:
                chosen[-1] = (chosen[-1][0], (chosen[-1][1][0], end))
        return self._put(text, chosen)

    def _put(self, text: str, finds: Sequence[tuple[str, Span]]) -> str:
        parts: list[str] = []
        position = 0
        for kind, (start, end) in finds:
            parts += (text[position:start], self.token(kind, text[start:end]))
            position = end
        return "".join((*parts, text[position:]))

    def token(self, kind: str, value: str) -> str:
        """Return the token that stands for a value, and count it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self._token(kind, value)

    def _token(self, kind: str, value: str) -> str:
        same = _same(kind, value)
        number = self._numbers.get((kind, same)) or self._known_person(kind, same)
        if number is None:
            number = self._last.get(kind, 0) + 1
            self._last[kind] = number
        self._numbers[kind, same] = number
        return f"[{kind}]" if number == 1 else f"[{kind} {number}]"

    def _known_person(self, kind: str, same: str) -> int | None:
        """Return the number of the one person a shorter or longer form of a name can mean."""
        if kind != "NAME":
            return None
        words = set(same.split())
        numbers = {
            number
            for (known_kind, known), number in self._numbers.items()
            if known_kind == kind and (words <= set(known.split()) or words >= set(known.split()))
        }
        return numbers.pop() if len(numbers) == 1 else None


def _same(kind: str, value: str) -> str:
    """Return what the spellings of one value share."""
    if kind in ("PHONE", "CARD", "ACCOUNT") and any(map(str.isalpha, value)):
        value = said_digits(value) or value
    if kind == "PHONE":
        return same_phone(value)
    if kind in ("CARD", "ACCOUNT"):
        return only_digits(value)
    folded = value.casefold()
    if kind == "EMAIL":
        return _SPELLED_DOT.sub(".", _SPELLED_AT.sub("@", folded))
    if kind in ("IBAN", "NATIONAL_ID"):
        return "".join(filter(str.isalnum, folded))
    return " ".join(re.findall(r"\w+", folded)) if kind == "NAME" else folded
