"""Read the records of JSON exports one at a time: files, lists, pages of an API and lines.

A record that is broken costs itself and nothing else where the one after it can be found again;
text is taken from the file in pieces, so memory depends on the largest record and not on the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from closedloop.adapters.json_stream import MAX_DEPTH, is_too_deep
from closedloop.adapters.lines import without_escapes

MAX_RECORD_CHARS = 16 * 1024 * 1024
WHOLE_CHARS = 4 * 1024 * 1024
"""Objects up to this size are decoded at once; larger ones are taken as pages and walked."""

KEPT_OF_BROKEN = 2000
TOO_DEEP = f"holds more than {MAX_DEPTH} lists and objects inside each other"
_BLOCK = 256 * 1024
_MAX_TRIES = 20_000
_SPACE = re.compile(r"[\s,\x1e]*")
_OUTER_OBJECT = re.compile(r"\n(?=[{\[])")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]"]', re.DOTALL)
_STEP = {"{": 1, "[": 1, "}": -1, "]": -1}
_UNDECODED = re.compile(r"[\udc80-\udcff]")


@dataclass(frozen=True)
class Record:
    """One object of an export.

    Attributes
    ----------
    list_name : str
        Name of the list or wrapper it stood in; empty where it stood by itself.
    value : dict
    text : str
        The object as JSON.
    number : int
        In the file, from 1.
    context : dict
        What a page says beside its list, as far as it was read; empty for other records.
    """

    list_name: str
    value: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)
    number: int = 0
    context: dict[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read; `is_end` says that nothing after it could be, either.

    `number` counts the records of the file, `reason` is the end of a sentence.
    """

    number: int
    list_name: str
    reason: str
    raw: str = field(repr=False)
    is_end: bool = False


Accepts = Callable[[str, dict[str, Any]], bool]
"""Whether an object found in a list of that name (or in none) is a record."""

Heard = Callable[[int], None]


def read_records(
    path: Path,
    names: Collection[str],
    accepts: Accepts,
    *,
    limit: int | None = None,
    heard: Heard | None = None,
) -> Iterator[Record | Broken]:
    """Yield the records of a JSON file in file order.

    Parameters
    ----------
    path : Path
        One value, a list, or values one after the other (JSON lines).
    names : collection of str
        Lists and wrappers that hold records: `{"tickets": [...]}`, `{"Contact": {...}}`.
    accepts : function
        An object it accepts is a record even where it has a list of such a name in it.
    limit : int, optional
        Stop after so many characters, as if the file ended there.
    heard : function of int, optional
        Told how many characters were read, each time some were.
    """
    with path.open(encoding=_encoding(path), errors="surrogateescape", newline="") as stream:
        reader = _Reader(_Text(stream, limit, heard), names, accepts)
        yield from reader.records()


def looks_like_json(path: Path) -> bool:
    """Whether the first character of a file that is not blank begins an object or a list."""
    with path.open(encoding=_encoding(path), errors="replace") as stream:
        return stream.read(1024).lstrip("\ufeff \t\r\n\x1e")[:1] in ("{", "[")


def _encoding(path: Path) -> str:
    """UTF-8, or UTF-16 where a byte order mark says so (PowerShell writes that)."""
    with path.open("rb") as stream:
        return "utf-16" if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


class _BadValue(Exception):
    """Why no value could be decoded; `is_large` when it may be whole but is too long."""

    def __init__(self, reason: str, *, is_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_large = is_large


class _TooDeep(_BadValue):
    """A value of more levels than can be decoded; it may well be whole."""


def _no_constant(_: str) -> None:
    """NaN and Infinity are no numbers anybody can count with."""


class _Text:
    """The text of a file, of which only what is being looked at is kept."""

    def __init__(self, stream: IO[str], limit: int | None, heard: Heard | None = None) -> None:
        self._stream = stream
        self._heard = heard
        self._left = limit
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self.buffer = ""
        self.at = 0
        self.is_end = False

    def more(self) -> bool:
        """Read on, dropping what lies behind; False at the end of the file."""
        if self.is_end:
            return False
        size = max(_BLOCK, len(self.buffer) - self.at)
        if self._left is not None:
            size = min(size, self._left)
        try:
            block = self._stream.read(size) if size else ""
        except (UnicodeError, OSError):  # half a character of UTF-16, a disk that fails
            block = ""
        if self._left is not None:
            self._left -= len(block)
        if self._heard is not None:
            self._heard(len(block))
        self.is_end = not block
        keep = max(0, self.at - 1)  # whether a line began here is asked later
        self.buffer, self.at = self.buffer[keep:] + block, self.at - keep
        return not self.is_end

    def peek(self) -> str:
        """Move to the next character that is no blank or comma and return it; "" at the end."""
        while True:
            found = _SPACE.match(self.buffer, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.more():
                return ""

    def value(self, most: int = MAX_RECORD_CHARS) -> tuple[Any, str]:
        """Decode the value here and move behind it; on `_BadValue` stay."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if self._is_cut(error) and self._may_grow(most):
                    continue
                raise self._bad(error) from error
            except RecursionError as error:
                raise _TooDeep(TOO_DEEP) from error
            except ValueError as error:
                raise _BadValue("holds a number that is too long") from error
            if end == len(self.buffer) and not isinstance(value, dict | list | str) and self.more():
                continue  # a number may go on
            text, self.at = self.buffer[self.at : end], end
            if _UNDECODED.search(text):
                raise _Undecoded(text)
            return value, text

    def skip(self) -> bool:
        """Move behind the list or object here, however deep; False where the file ends in it."""
        level = 0
        while True:
            mark = _MARK.search(self.buffer, self.at)
            if mark is None or mark[0] == '"':  # a string that goes on behind the buffer
                self.at = mark.start() if mark else len(self.buffer)
                if len(self.buffer) - self.at > MAX_RECORD_CHARS or not self.more():
                    return False
                continue
            self.at = mark.end()
            level += _STEP.get(mark[0], 0)
            if level <= 0:
                return True

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the decoder may only have come to the end of what has been read."""
        return error.msg.startswith("Unterminated") or error.pos >= len(self.buffer) - 16

    def _may_grow(self, most: int) -> bool:
        return len(self.buffer) - self.at < most and self.more()

    def _bad(self, error: json.JSONDecodeError) -> _BadValue:
        if not self._is_cut(error):
            return _BadValue("is not valid JSON")
        if self.is_end:
            return _BadValue("breaks off before its end")
        return _BadValue(
            f"holds more than {MAX_RECORD_CHARS // 1024 // 1024} million characters", is_large=True
        )

    def excerpt(self) -> str:
        """Return the beginning of what stands here."""
        return without_escapes(self.buffer[self.at : self.at + KEPT_OF_BROKEN])


class _Undecoded(_BadValue):
    """A value that is whole but holds bytes that are not UTF-8; the text is behind it."""

    def __init__(self, text: str) -> None:
        super().__init__("holds bytes that are not UTF-8")
        self.text = text


class _Reader:
    """Walks one file."""

    def __init__(self, text: _Text, names: Collection[str], accepts: Accepts) -> None:
        self._text = text
        self._names = names
        self._accepts = accepts
        self._number = 0
        self._keys: frozenset[str] = frozenset()  # of the last good record
        self._is_over = False

    def records(self) -> Iterator[Record | Broken]:
        while not self._is_over and (char := self._text.peek()):
            if char == "[":
                self._text.at += 1
                yield from self._items("", {})
            elif char == "{":
                yield from self._outer_object()
            else:
                yield self._broken("", "is not valid JSON", self._text.excerpt())
                self._go_to_outer_object()

    def _outer_object(self) -> Iterator[Record | Broken]:
        """Read an object that stands by itself; one that cannot be decoded at once is walked."""
        try:
            value, text = self._text.value(WHOLE_CHARS)
        except _Undecoded as bad:
            yield self._broken("", bad.reason, bad.text)
            return
        except _BadValue:
            yield from self._walk()
            return
        yield from self._unfolded(value, text)

    def _unfolded(self, value: dict[str, Any], text: str) -> Iterator[Record | Broken]:
        """Yield the records of a decoded object: itself, or those of its lists and wrappers."""
        held = [name for name in self._names if isinstance(value.get(name), list | dict)]
        if not held or self._accepts("", value):
            yield self._record("", value, text, {})
            return
        context = {key: item for key, item in value.items() if key not in held}
        if is_too_deep(context, text):
            yield self._broken("", TOO_DEEP, _shallow(context))
            context = {}
        for name in held:
            items = value[name]
            for item in items if isinstance(items, list) else [items]:
                if is_too_deep(item, text):
                    yield self._broken(name, TOO_DEEP, _shallow(item))
                elif isinstance(item, dict):
                    yield self._record(name, item, json.dumps(item), context)
                else:
                    yield self._broken(name, "is no JSON object", json.dumps(item))

    def _items(self, name: str, context: dict[str, Any]) -> Iterator[Record | Broken]:
        """Read the rest of a list of records; the bracket that opens it is behind."""
        while (char := self._text.peek()) != "]":
            if not char:
                self._is_over = True
                yield self._broken(name, "breaks off before its end", "", is_end=True)
                return
            raw = self._text.excerpt()
            try:
                value, text = self._text.value()
            except _Undecoded as bad:
                yield self._broken(name, bad.reason, bad.text)
                continue
            except _BadValue as bad:
                found = self._go_past(bad, name)
                yield self._broken(name, bad.reason, raw, is_end=not found)
                if not found:
                    return
                continue
            if not isinstance(value, dict):
                yield self._broken(name, "is no JSON object", text)
            elif name:
                yield self._record(name, value, text, context)
            else:
                yield from self._unfolded(value, text)
        self._text.at += 1

    def _walk(self) -> Iterator[Record | Broken]:
        """Read an object key by key: lists of records are passed on, the rest is kept."""
        start = self._text.excerpt()
        kept: dict[str, Any] = {}
        size, has_lists, is_deep = 0, False, False
        self._text.at += 1
        while (char := self._text.peek()) != "}":
            try:
                key = self._key() if char == '"' else self._refuse(char)
                if key in self._names and self._text.peek() == "[":
                    self._text.at += 1
                    has_lists = True
                    yield from self._items(key, dict(kept))
                    if self._is_over:
                        return
                    continue
                kept[key], text = self._value_unless_deep()
                is_deep = is_deep or not text
                size += len(text)
                if size > MAX_RECORD_CHARS:
                    raise _BadValue("is too long")
            except _BadValue as bad:
                self._go_to_outer_object()
                yield self._broken("", bad.reason, start, is_end=self._is_over)
                return
        self._text.at += 1
        if is_deep:
            yield self._broken("", TOO_DEEP, _shallow(kept))
        elif not has_lists:
            yield from self._unfolded(kept, json.dumps(kept))

    def _value_unless_deep(self) -> tuple[Any, str]:
        """Return the value here and its text; None and no text for one that goes too deep."""
        try:
            value, text = self._text.value()
        except _TooDeep:
            if not self._text.skip():
                raise
            return None, ""
        return (None, "") if is_too_deep(value, text) else (value, text)

    def _key(self) -> str:
        key, _ = self._text.value()
        if self._text.peek() != ":":
            raise _BadValue("is not valid JSON")
        self._text.at += 1
        self._text.peek()
        return str(key)

    def _refuse(self, char: str) -> str:
        raise _BadValue("is not valid JSON" if char else "breaks off before its end")

    def _go_to_outer_object(self) -> None:
        """Move to the next line that begins an object, which is where JSON lines go on."""
        text = self._text
        if (
            text.at
            and text.buffer[text.at - 1] == "\n"
            and text.buffer[text.at :][:1] in ("{", "[")
        ):
            return
        while not (found := _OUTER_OBJECT.search(text.buffer, text.at)):
            text.at = len(text.buffer)
            if not text.more():
                self._is_over = True
                return
        text.at = found.end()

    def _go_past(self, bad: _BadValue, name: str) -> bool:
        """Move behind a broken record; False where nothing after it can be read."""
        if not isinstance(bad, _TooDeep):
            return self._go_to_record(name)
        self._is_over = not self._text.skip()
        return not self._is_over

    def _go_to_record(self, name: str) -> bool:
        """Move behind a broken record to the next object that is like the records before."""
        text = self._text
        text.at += 1
        for _ in range(_MAX_TRIES):
            while (at := text.buffer.find("{", text.at)) < 0:
                text.at = len(text.buffer)
                if not text.more():
                    self._is_over = True
                    return False
            text.at = at
            if self._is_record_here(name):
                return True
            text.at += 1
        self._is_over = True
        return False

    def _is_record_here(self, name: str) -> bool:
        text = self._text
        try:
            value, found = text.value(_BLOCK)
        except _Undecoded as bad:
            text.at -= len(bad.text)
            return False
        except _BadValue:
            return False
        text.at -= len(found)
        return isinstance(value, dict) and self._is_alike(name, value)

    def _is_alike(self, name: str, value: dict[str, Any]) -> bool:
        if not self._keys:
            return self._accepts(name, value)
        return 2 * len(self._keys & value.keys()) > len(self._keys | value.keys())

    def _record(
        self, name: str, value: dict[str, Any], text: str, context: dict[str, Any]
    ) -> Record | Broken:
        if is_too_deep(value, text):
            return self._broken(name, TOO_DEEP, _shallow(value))
        self._number += 1
        self._keys = frozenset(value)
        return Record(name, value, text, self._number, context)

    def _broken(self, name: str, reason: str, raw: str, *, is_end: bool = False) -> Broken:
        self._number += 1
        kept = without_escapes(raw[:KEPT_OF_BROKEN])
        return Broken(self._number, name, reason, kept, is_end)


def _shallow(value: Any) -> str:
    """Return what a value says on its first level as JSON: whose it is stands there."""
    if not isinstance(value, dict):
        return ""
    return json.dumps({k: v for k, v in value.items() if not isinstance(v, dict | list)})
