"""The cells of one row under their known names, and what refuses a row."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import RawRow

MAX_ID_CHARS = 200
MAX_LABEL_CHARS = 200
"""Channel, queue, agent, disposition and team are cut to this length."""

_SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d{1,3}")


class Refused(Exception):
    """Carries the code, the known column, what is wrong and the remedy up to `parse_row`."""

    def __init__(self, code: str, known: str, problem: str, remedy: str) -> None:
        super().__init__(code)
        self.code, self.known, self.problem, self.remedy = code, known, problem, remedy


class Cells:
    """The cells of one row under their known names, constants filled in."""

    def __init__(self, raw: RawRow, mapping: Mapping) -> None:
        self._fields = raw.fields
        self.mapping = mapping
        self._columns = mapping.columns
        self._unknown = _unknown(mapping.unknown_values)

    def value(self, known: str) -> Any:
        """Return the cell as the file gives it."""
        column = self._columns.get(known)
        return None if column is None else self._fields.get(column)

    def text(self, known: str) -> str | None:
        """Return the cell as clean text, None when it is empty or means "no value"."""
        column = self._columns.get(known)
        value = None if column is None else self._fields.get(column)
        if value is None:
            return None
        if not isinstance(value, str):
            value = _written(value, known)
        text = clean(value).strip()
        # the whole of a long text in lower case would be made in vain
        return None if text[:MAX_LABEL_CHARS].lower() in self._unknown else text

    def label(self, known: str) -> str | None:
        """Return a short text on one line, or the constant of the mapping."""
        column = self._columns.get(known)
        value = None if column is None else self._fields.get(column)
        constant = self.mapping.constants.get(known)
        if type(value) is str and len(value) <= MAX_LABEL_CHARS:
            return _known_label(value, constant, self._unknown)
        return _on_one_line(self.text(known) or constant)

    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, value) of the further identifiers that have a value."""
        return tuple(
            (kind, text)
            for kind, column in self.mapping.identifiers.items()
            if (text := self._identifier(column))
        )

    def _identifier(self, column: str) -> str | None:
        """Return one identifier; what is too long, shortened, or a list, identifies nobody."""
        value = self._fields.get(column)
        if value is None or isinstance(value, dict | list):
            return None
        text = clean(str(value)).strip()
        if len(text) > MAX_ID_CHARS or is_shortened(text):
            return None
        return None if text.lower() in self._unknown else text


def is_shortened(text: str) -> bool:
    """Whether a spreadsheet rounded a long number, such as 447700900123 to 4.477E+11."""
    return text[:1].isdigit() and _SHORTENED.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _known_label(value: str, constant: str | None, unknown: frozenset[str]) -> str | None:
    """Return a label as `Cells.label` does: the same few stand in row after row of a file."""
    text = clean(value).strip()
    return _on_one_line(constant if text.lower() in unknown else text)


def _on_one_line(text: str | None) -> str | None:
    return (text and " ".join(text.split())[:MAX_LABEL_CHARS].strip()) or None


def _written(value: Any, known: str) -> str:
    if isinstance(value, (dict, list)):
        raise Refused(
            "nested_value", known, "holds a list or an object", "Give one value per column."
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)  # JSON writers turn whole numbers into 12.0
    return str(value)


def clean(text: str) -> str:
    """Return text that every database stores: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


@lru_cache(maxsize=64)
def _unknown(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset({"", *(value.strip().lower() for value in values)})
