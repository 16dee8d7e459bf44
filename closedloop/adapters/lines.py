"""Physical lines of a text file, numbered, none of them larger than memory allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol

MAX_LINE_CHARS = 4 * 1024 * 1024
"""Longest line kept, in characters; what a longer one holds beyond it is passed over."""

KEPT_OF_LONG_LINE = 1000

_UNDECODED = re.compile("[\udc80-\udcff]")


class Line(NamedTuple):
    """One physical line, its end included; `is_too_long` says that the rest was dropped."""

    number: int
    text: str
    is_too_long: bool


def open_text(path: Path, encoding: str, *, newline: str) -> IO[str]:
    """Open so that bytes outside the encoding come through as marks, not as an exception."""
    is_wide = encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32"))
    errors = "replace" if is_wide else "surrogateescape"
    return path.open(encoding=encoding, errors=errors, newline=newline)


class HasLines(Protocol):
    """What can be read line by line."""

    def readline(self, limit: int, /) -> str:
        """Return the next line, or so many characters of it; nothing at the end."""
        ...


def read_lines(stream: HasLines, first: int = 1) -> Iterator[Line]:
    """Yield the lines of `stream`, each at most `MAX_LINE_CHARS` characters long.

    The first of them has the number `first`.
    """
    number = first - 1
    while text := stream.readline(MAX_LINE_CHARS):
        number += 1
        if len(text) < MAX_LINE_CHARS or text.endswith(("\n", "\r")):
            yield Line(number, text, False)
            continue
        while (rest := stream.readline(MAX_LINE_CHARS)) and not rest.endswith(("\n", "\r")):
            pass
        yield Line(number, text[:KEPT_OF_LONG_LINE], True)


def has_undecoded_bytes(text: str, encoding: str) -> bool:
    """Whether `text` holds bytes that the encoding of the file does not know."""
    if text.isascii():
        return False
    if encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        return "\ufffd" in text
    return _UNDECODED.search(text) is not None


def without_escapes(text: str) -> str:
    """Return `text` with undecoded bytes as U+FFFD, so that it can be stored and shown."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
