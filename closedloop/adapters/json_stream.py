"""Take the records out of JSON of any size, one at a time, and go on after one that is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from json.decoder import JSONDecodeError
from typing import IO, Any

from closedloop.adapters.cells import clean

MAX_DEPTH = 50
"""Objects and lists inside each other; no export of contacts comes near."""

MAX_RECORD_CHARS = 16 * 1024 * 1024
KEPT_OF_BAD_RECORD = 1000
_CHUNK_CHARS = 1 << 18

_DECODE = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
# A string is never gone through twice: to step back in one of millions of characters would take
# gigabytes, to begin anew at each quote of one without an end would take hours.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)


class NoList(Exception):
    """There is no list of records where one was looked for."""


class BrokenJson(Exception):
    """A value cannot be read; the message ends a sentence that begins with its place."""


@dataclass(frozen=True)
class Record:
    """One element of the list: its value, or in `broken` why there is none.

    `is_last` says that nothing behind it can be read.
    """

    value: Any = field(repr=False)
    raw: str = field(default="", repr=False)
    broken: str = ""
    is_last: bool = False


def is_too_deep(value: Any, raw: str) -> bool:
    """Whether a value holds more than `MAX_DEPTH` lists and objects inside each other."""
    if raw.count("[") + raw.count("{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner for item in level if isinstance(item, dict | list) for inner in _inside(item)
        ]
        if not level:
            return False
    return True


def _inside(item: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item


def with_plain_keys(value: dict[str, Any], raw: str) -> dict[str, Any]:
    """Return an object whose keys can be stored and shown, whatever was written for them."""
    if raw.isascii() and "\\u" not in raw:
        return value
    return {clean(key): item for key, item in value.items()}


def find_list(stream: IO[str]) -> str:
    """Return the key of the first list of objects in a JSON object; '' for a list itself.

    Raises
    ------
    NoList
        If there is none, or what stands before it is broken.
    """
    window = _Window(stream)
    start = window.skip_space()
    if start == "[":
        return ""
    if start != "{":
        raise NoList
    window.pos += 1
    try:
        for key in window.names():
            if window.next_is_list_of_objects():
                return key
            window.decode()
    except BrokenJson as error:
        raise NoList from error
    raise NoList


def read_list(
    stream: IO[str], key: str, heard: Callable[[int], None] | None = None
) -> Iterator[Record]:
    """Yield the elements of the list under `key`, or of the lists a file is made of ('').

    Several values written one after another are read like one. What cannot be read is a
    record that is broken; where nothing behind it can be made out, it is the last.

    Parameters
    ----------
    stream : text stream
    key : str
        From `find_list`.
    heard : function of int, optional
        Told how many characters were read, each time some were.
    """
    window = _Window(stream, heard)
    while start := window.skip_space():
        if start == "[" and not key:
            window.pos += 1
            yield from window.elements()
        elif start == "{" and key:
            window.pos += 1
            yield from _under(window, key)
        else:
            window.is_lost = True
            yield Record(None, window.excerpt(), "is followed by what is no list", is_last=True)
        if window.is_lost:
            return


def _under(window: _Window, key: str) -> Iterator[Record]:
    try:
        for name in window.names():
            if window.skip_space() != "[":
                window.decode()
                continue
            window.pos += 1
            if name == key:
                yield from window.elements()
            else:
                for _ in window.elements():
                    pass  # another list, which may be longer than memory
            if window.is_lost:
                return
    except BrokenJson as error:
        window.is_lost = True
        yield Record(None, window.excerpt(), str(error), is_last=True)


class _Window:
    """A stream of JSON seen through a buffer; `pos` is where reading has come to."""

    def __init__(self, stream: IO[str], heard: Callable[[int], None] | None = None) -> None:
        self._stream = stream
        self._heard = heard
        self._text = ""
        self._is_at_end = False
        self._indent: str | None = None
        self.pos = 0
        self.is_lost = False

    def _more(self) -> bool:
        """Read on and forget what lies behind; False at the end of the file."""
        if self._is_at_end:
            return False
        kept = self._text[self.pos :]
        chunk = self._stream.read(max(_CHUNK_CHARS, len(kept)))  # doubles: no quadratic copying
        self._is_at_end = not chunk
        if self._heard is not None:
            self._heard(len(chunk))
        self._text, self.pos = kept + chunk, 0
        return bool(chunk)

    def skip_space(self) -> str:
        """Go to the next character that is no white space and return it; '' at the end."""
        space = ""
        while True:
            match = _SPACE.match(self._text, self.pos)
            end = match.end() if match else self.pos
            space = (space + self._text[self.pos : end])[-KEPT_OF_BAD_RECORD:]
            self.pos = end
            if end < len(self._text) or not self._more():
                break
        if "\n" in space:
            self._indent = space.rpartition("\n")[2]
        elif space or self.pos:
            self._indent = None
        return self._text[self.pos : self.pos + 1]

    def excerpt(self) -> str:
        """Return the beginning of what comes next."""
        return self._text[self.pos : self.pos + KEPT_OF_BAD_RECORD]

    def decode(self) -> tuple[Any, str]:
        """Return the next value and its text."""
        while True:
            try:
                value, end = _DECODE(self._text, self.pos)
            except JSONDecodeError as error:
                if self._may_go_on(error) and self._more():
                    continue
                if len(self._text) - self.pos >= MAX_RECORD_CHARS:
                    raise BrokenJson(_TOO_LONG) from error
                raise BrokenJson(_NOT_VALID) from error
            except RecursionError as error:
                raise BrokenJson(_TOO_DEEP) from error
            except ValueError as error:
                raise BrokenJson("holds a number that is too long") from error
            if end == len(self._text) and self._text[end - 1] not in '}]"' and self._more():
                continue  # a number may go on behind the buffer
            raw = self._text[self.pos : end]
            if is_too_deep(value, raw):
                raise BrokenJson(_TOO_DEEP)
            self.pos = end
            return value, raw

    def _may_go_on(self, error: JSONDecodeError) -> bool:
        """Whether the text ended before the value did."""
        is_open = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - 12
        return is_open and len(self._text) - self.pos < MAX_RECORD_CHARS

    def names(self) -> Iterator[str]:
        """Yield the keys of an object that was just entered, `pos` behind each colon."""
        while True:
            start = self.skip_space()
            if start == "}":
                self.pos += 1
                return
            if start == ",":
                self.pos += 1
                continue
            if start != '"':
                raise BrokenJson(_NOT_VALID)
            key, _ = self.decode()
            if self.skip_space() != ":":
                raise BrokenJson(_NOT_VALID)
            self.pos += 1
            yield str(key)

    def next_is_list_of_objects(self) -> bool:
        """Whether a list begins here whose first element is an object."""
        if self.skip_space() != "[":
            return False
        while (match := _SPACE.match(self._text, self.pos + 1)) and match.end() == len(self._text):
            if not self._more():
                return False
        return bool(match) and self._text[match.end()] == "{" if match else False

    def elements(self) -> Iterator[Record]:
        """Yield the elements of a list that was just entered."""
        while (start := self.skip_space()) != "]":
            if not start:
                self.is_lost = True
                yield Record(None, "", "is missing: the file breaks off before it", is_last=True)
                return
            if start == ",":
                self.pos += 1
                continue
            try:
                value, raw = self.decode()
                yield Record(value, raw)
            except BrokenJson as error:
                excerpt = self.excerpt()
                self.is_lost = not self._recover()
                yield Record(None, excerpt, str(error), is_last=self.is_lost)
                if self.is_lost:
                    return
        self.pos += 1

    def _recover(self) -> bool:
        """Go to the end of a broken record; False when it cannot be found.

        A line break never stands inside a JSON text, so the next line that begins as this
        record's did begins a record. In JSON without lines the brackets are counted.
        """
        if self._indent is not None:
            return self._next_line(re.compile("\n" + re.escape(self._indent) + r"(?=\{)"))
        while len(self._text) - self.pos < MAX_RECORD_CHARS and self._more():
            pass
        depth = 0
        for match in _TOKEN.finditer(self._text, self.pos):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
            if depth <= 0 and match[0] in "}]":
                is_end_of_list = depth < 0 and match[0] == "]"
                self.pos = match.start() if is_end_of_list else match.end()
                return True
        return False

    def _next_line(self, pattern: re.Pattern[str]) -> bool:
        while True:
            if match := pattern.search(self._text, self.pos):
                self.pos = match.start()
                return True
            overlap = len(pattern.pattern)
            self.pos = max(self.pos, len(self._text) - overlap)
            if not self._more():
                return False


_NOT_VALID = "is not valid JSON"
_TOO_DEEP = f"holds more than {MAX_DEPTH} lists and objects inside each other"
_TOO_LONG = f"holds more than {MAX_RECORD_CHARS:,} characters"
