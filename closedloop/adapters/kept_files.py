"""Look for an identifier in the files an instance keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

_BLOCK = 1024 * 1024
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"PAR1")
SHORTEST = 5
"""Shorter words stand in any file by chance."""


def needles(words: Collection[str]) -> list[bytes]:
    """Return the bytes by which words are looked for, as UTF-8 and as UTF-16 have them."""
    long_enough = [word for word in words if len(word) >= SHORTEST]
    return [word.encode(code) for word in long_enough for code in ("utf-8", "utf-16-le")]


def mentions(path: Path, wanted: Sequence[bytes]) -> bool:
    """Return whether a file holds one of the words, in bounded memory."""
    keep = max(map(len, wanted), default=1) - 1
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            window = tail + block
            if any(word in window for word in wanted):
                return True
            tail = window[-keep:] if keep else b""
    return False


def is_packed(path: Path) -> bool:
    """Return whether a file is compressed, so that no word can be found in it as it lies there."""
    with path.open("rb") as stream:
        return stream.read(4).startswith(_PACKED)


def kept_files(instance: Path, *, but: Collection[str]) -> Iterator[Path]:
    """Yield the files of an instance directory, but those at its top with one of these names."""
    for path in sorted(instance.rglob("*")):
        if path.is_file() and not (path.parent == instance and path.name in but):
            yield path
