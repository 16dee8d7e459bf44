"""Objects out of JSON of any size: lines, lists and pages alike; a broken one costs itself.

One reader serves all three because they differ only in what stands between the objects: a
line end, a comma in a list, or the beginning and the end of a page such as
`{"type": "list", "tickets": [{...}, {...}]}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.lines import open_text, without_escapes
from closedloop.adapters.types import UnreadableFile

MAX_OBJECT_CHARS = 16 * 1024 * 1024
"""Longest object that is read; a longer one is passed over and said to be so."""

PEEK_CHARS = 4 * 1024 * 1024
"""How much of a file the first look takes in."""

_BLOCK = 1 << 20
_KEPT_RAW = 1000
_TOKEN_CHARS = 16  # an error this close to the end of what was read may be the end's fault
_SEARCH_BUDGET = 64 * 1024 * 1024  # characters tried in vain after one broken object
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[\s\ufeff]*")
_BETWEEN_PAIRS = re.compile(r"[\s,]*")
_BETWEEN_VALUES = re.compile(r"[\s,\]}\ufeff]*")
_UNDECODED = re.compile("[\udc80-\udcff]")

Json = dict[str, Any]


class BrokenJson(NamedTuple):
    """What could not be read: `problem` completes a sentence that begins with the place."""

    problem: str
    raw: str


class _Broken(Exception):
    """Carries what is wrong with the object that is being read."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


_CUT = "breaks off in the middle. Export it again."
_TOO_DEEP = "is nested too deeply or holds a number that is too long. Export it again."
_TOO_LONG = f"is longer than {MAX_OBJECT_CHARS:,} characters. Leave it out."
_NO_OBJECT = "is no JSON object. Export it again."
_NO_TEXT = "holds bytes that are not in the encoding of the file. Save the file as UTF-8."
_REST = "and what follows it cannot be told apart. Export the file again."


def read_objects(
    path: Path,
    *,
    lists: Collection[str],
    is_record: Callable[[Json], bool],
    max_chars: int | None = None,
) -> Iterator[Json | BrokenJson]:
    """Yield the objects of a JSON file in order, in bounded memory; never raises on content.

    Parameters
    ----------
    path : Path
    lists : collection of str
        Keys under which a page holds its records. An object with a list under one of them is
        a page; any other object on the level of records is handed out.
    is_record : function of an object
        Tells a record from an object inside one; used to find the next record after a broken
        one, never to leave one out.
    max_chars : int, optional
        Where to stop reading.

    Yields
    ------
    dict or BrokenJson
    """
    try:
        encoding = find_encoding(path).name
    except UnreadableFile as error:
        yield BrokenJson(f"cannot be read. {error.sentence}", "")
        return
    with open_text(path, encoding, newline="") as stream:
        window = _Window(stream, max_chars)
        while char := window.step(_BETWEEN_VALUES):
            head = window.head()
            try:
                found = _next_object(window, char, lists)
            except _Broken as broken:
                yield BrokenJson(broken.problem, head)
                if not _step_to_record(window, lists, is_record):
                    yield BrokenJson(_REST, "")
                    return
            else:
                if found is not None:
                    yield found


def peek_objects(
    path: Path, *, lists: Collection[str], is_record: Callable[[Json], bool], limit: int = 20
) -> list[Json]:
    """Return the first whole objects of a file, none where it is no JSON."""
    if not is_json(path):
        return []
    found: list[Json] = []
    for item in read_objects(path, lists=lists, is_record=is_record, max_chars=PEEK_CHARS):
        if isinstance(item, dict):
            found.append(item)
        if len(found) == limit:
            break
    return found


def is_json(path: Path) -> bool:
    """Whether a file begins as JSON does."""
    with path.open("rb") as stream:
        start = stream.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    return start[:1] in (b"{", b"[")


class _Window:
    """The part of a file that is looked at: grows at its end, is cut at its beginning."""

    def __init__(self, stream: IO[str], max_chars: int | None) -> None:
        self._stream = stream
        self._left = max_chars
        self._may_hold_bytes = False
        self._n_dropped = 0
        self.text = ""
        self.at = 0

    @property
    def rest(self) -> int:
        return len(self.text) - self.at

    @property
    def place(self) -> int:
        """Characters from the beginning of the file."""
        return self._n_dropped + self.at

    def grow(self) -> bool:
        """Take in as much again as is there, at least a block; whether there was any."""
        wanted = max(_BLOCK, self.rest)
        if self._left is not None:
            wanted = min(wanted, self._left)
            self._left -= wanted
        block = self._stream.read(wanted) if wanted else ""
        if not block:
            return False
        self._n_dropped += self.at
        self.text, self.at = self.text[self.at :] + block, 0
        self._may_hold_bytes = self._may_hold_bytes or bool(_UNDECODED.search(block))
        return True

    def head(self) -> str:
        return without_escapes(self.text[self.at : self.at + _KEPT_RAW])

    def step(self, over: re.Pattern[str]) -> str:
        """Step over blanks and the like; return the character there, nothing at the end."""
        while True:
            match = over.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""

    def value(self) -> Any:
        """Decode the value here and step behind it; `_Broken` where it is none."""
        while True:
            try:
                found, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if not _may_be_cut(error):
                    problem = f"is not valid JSON (at character {error.pos - self.at + 1}). "
                    raise _Broken(problem + "Export it again.") from None
                if self.rest > MAX_OBJECT_CHARS:
                    raise _Broken(_TOO_LONG) from None
                if not self.grow():
                    raise _Broken(_CUT) from None
            except (RecursionError, ValueError):
                raise _Broken(_TOO_DEEP) from None
            else:
                is_open = end == len(self.text) and isinstance(found, (int, float))
                if is_open and self.grow():  # the digits may go on
                    continue
                self._take(end)
                return found

    def _take(self, end: int) -> None:
        start, self.at = self.at, end
        if self._may_hold_bytes and _UNDECODED.search(self.text, start, end):
            raise _Broken(_NO_TEXT)

    def whole_object(self) -> Json | None:
        """Decode the object here if it stands in the window as a whole, and step behind it."""
        try:
            found, end = _DECODER.raw_decode(self.text, self.at)
        except (RecursionError, ValueError):
            return None
        self._take(end)
        return found if isinstance(found, dict) else None


def _may_be_cut(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated") or error.pos >= len(error.doc) - _TOKEN_CHARS


def _next_object(window: _Window, char: str, lists: Collection[str]) -> Json | None:
    """Read what begins here: an object, or None for the beginning or the end of a page."""
    if char == "[":
        window.at += 1
        return None
    if char == "{":
        return _object(window, lists)
    value = window.value()
    if isinstance(value, str) and window.step(_BLANK) == ":":  # what a page says after its list
        window.at += 1
        if window.step(_BLANK) == "[" and value in lists:
            window.at += 1
        else:
            window.value()
        return None
    raise _Broken(_NO_OBJECT)


def _object(window: _Window, lists: Collection[str]) -> Json | None:
    """Read a record, or step into the list of a page."""
    start = window.at
    found = window.whole_object()
    if found is not None and not any(isinstance(found.get(key), list) for key in lists):
        return found
    if found is not None:
        window.at = start
    return _walked(window, lists)


def _walked(window: _Window, lists: Collection[str]) -> Json | None:
    """Read an object pair by pair: a page may be larger than memory."""
    start = window.place
    window.at += 1
    found: Json = {}
    while (char := window.step(_BETWEEN_PAIRS)) != "}":
        if char != '"':
            raise _Broken(_CUT if not char else "is not valid JSON. Export it again.")
        key = window.value()
        if window.step(_BLANK) != ":":
            raise _Broken("is not valid JSON. Export it again.")
        window.at += 1
        if window.step(_BLANK) == "[" and key in lists:
            window.at += 1
            return None
        found[key] = window.value()
        if window.place - start > MAX_OBJECT_CHARS:
            raise _Broken(_TOO_LONG)
    window.at += 1
    return found


def _step_to_record(
    window: _Window, lists: Collection[str], is_record: Callable[[Json], bool]
) -> bool:
    """Step to the next record or list of records; False where the search would take too long.

    An object inside the broken record is not mistaken for a record: `is_record` tells.
    """
    keys = "|".join(re.escape(key) for key in lists)
    candidate = re.compile(rf'\{{\s*"|"(?:{keys})"\s*:\s*\[' if keys else r'\{\s*"')
    budget = _SEARCH_BUDGET
    while budget > 0:
        match = candidate.search(window.text, window.at)
        if match is None:
            window.at = max(window.at, len(window.text) - 4 * _TOKEN_CHARS)
            if not window.grow():
                window.at = len(window.text)
                return True
            continue
        window.at = match.start()
        if match[0].endswith("["):
            return True
        is_found, cost = _is_at_record(window, is_record)
        if is_found:
            return True
        budget -= cost
    return False


def _is_at_record(window: _Window, is_record: Callable[[Json], bool]) -> tuple[bool, int]:
    """Return whether a record begins here, stepping on if not, and the characters it took."""
    while True:
        try:
            found, end = _DECODER.raw_decode(window.text, window.at)
        except json.JSONDecodeError as error:
            is_cut = _may_be_cut(error)
            if is_cut and window.rest <= MAX_OBJECT_CHARS and window.grow():
                continue
            cost = window.rest if is_cut else error.pos - window.at
        except (RecursionError, ValueError):
            cost = _BLOCK
        else:
            if is_record(found):
                return True, 0
            cost = end - window.at
            window.at = end - 1
        window.at += 1
        return False, cost + 1
