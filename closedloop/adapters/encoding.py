"""Tell what text a file holds from a bounded number of its bytes."""

from __future__ import annotations

import codecs
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from closedloop.adapters.types import UnreadableFile

HEAD_BYTES = 256 * 1024
N_BLOCKS = 16
BLOCK_BYTES = 64 * 1024

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"PK\x03\x04", "is a spreadsheet or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel or Word file"),
    (b"\x1f\x8b", "is packed with gzip"),
    (b"BZh", "is packed with bzip2"),
    (b"\xfd7zXZ", "is packed with xz"),
    (b"7z\xbc\xaf", "is a 7z archive"),
    (b"%PDF", "is a PDF"),
    (b"\x89PNG", "is a picture"),
    (b"\xff\xd8\xff", "is a picture"),
    (b"GIF8", "is a picture"),
    (b"SQLite format 3", "is a database file"),
    (b"PAR1", "is a Parquet file"),
)
_REMEDY = "Open it in the program it comes from, save as CSV (UTF-8) and import that file."
_ASIAN = ["shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"]
_MARKS = "–—‘’‚“”„•…«»€°·§\u00a0"

# What people write above ASCII, by encoding; of equals the first wins, being the most frequent.
_USUAL = {
    "cp1252": "àâäáãåæçèéêëìíîïñòóôõöøùúûüýÿßœšž£¿¡ªº" + _MARKS,
    "cp1254": "çğıöşüâîû" + _MARKS,
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžöüőűäßăâîşţđ" + _MARKS,
    "cp1257": "ąčęėįšųūžāēģīķļņõäöü" + _MARKS,
    "cp1251": "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўј№" + _MARKS,
    "cp1253": "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ" + _MARKS,
}
_IN_LATIN_WORD = re.compile(r"[a-zA-Z][\u0370-\u052f]|[\u0370-\u052f][a-zA-Z]")
_SURE = 0.9

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b")) + b"\x7f"
"""Bytes no text is made of; ESC stays, some Japanese encodings switch with it."""

_MOST_CONTROLS = 0.02
"""Share of the beginning from which it is no text: an odd one in a row is the row's fault."""


_MOST_NULS = 0.05
"""Share of the beginning from which NULs are halves of characters, or no text at all."""


class Encoding(NamedTuple):
    """Name of the codec, whether a byte order mark stands first, and how it was told."""

    name: str
    has_bom: bool
    reason: str


def find_encoding(path: Path) -> Encoding:
    """Return the encoding of a text file, told from its head and blocks all through it.

    At most 1.3 MB are read. One broken character does not turn a UTF-8 file into another
    one; its row is quarantined by the readers instead.

    Raises
    ------
    UnreadableFile
        If the file is empty or holds no text.
    """
    head, blocks = _sample(path)
    if not head.strip(b" \t\r\n\xef\xbb\xbf\x00"):
        raise UnreadableFile(
            "The file is empty. Check that the export has finished and upload it again."
        )
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise UnreadableFile(f"The file {what}, not a table of text. {_REMEDY}")
    for bom, name in _BOMS:
        if head.startswith(bom):
            label = name.removesuffix("-sig").upper()
            return Encoding(name, True, f"It begins with the byte order mark of {label}.")
    if head.count(0) > max(1, _MOST_NULS * len(head)):
        return _wide_without_mark(head)
    if len(head) - len(head.translate(None, _CONTROLS)) > max(1, _MOST_CONTROLS * len(head)):
        raise UnreadableFile(
            f"The file is binary (it is full of control characters), not a table of text. {_REMEDY}"
        )
    return _by_content(head, blocks)


def _sample(path: Path) -> tuple[bytes, list[bytes]]:
    """Return the head of the file and blocks spread evenly over the rest."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        size = path.stat().st_size
        rest = size - len(head)
        blocks = []
        for i in range(N_BLOCKS if rest > N_BLOCKS * BLOCK_BYTES else 0):
            stream.seek(len(head) + (rest - BLOCK_BYTES) * i // (N_BLOCKS - 1))
            blocks.append(stream.read(BLOCK_BYTES))
        if not blocks and rest > 0:
            blocks = [stream.read(rest)]
    return head, blocks


def _wide_without_mark(head: bytes) -> Encoding:
    """Return UTF-16 when every other byte is NUL, as in Latin text; refuse all else."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    most = len(head) // 2
    for name, many, few in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if many > 0.4 * most and few < 0.05 * most:
            return Encoding(name, False, "Every other byte is NUL, as in UTF-16.")
    raise UnreadableFile(f"The file is binary (it holds NUL bytes), not a table of text. {_REMEDY}")


def _by_content(head: bytes, blocks: list[bytes]) -> Encoding:
    """Tell UTF-8 from the national encodings by what the bytes above 127 make."""
    parts = [head, *blocks]
    if all(part.isascii() for part in parts):
        return Encoding("utf-8", False, "The sample holds plain ASCII, read as UTF-8.")
    texts = [part.decode("utf-8", "replace") for part in parts]
    # a block may begin and end in the middle of a character: three marks at either end at most
    broken = sum(text[3:-3].count("\ufffd") for text in texts)
    whole = sum(1 for text in texts for char in text if char > "\x7f" and char != "\ufffd")
    if broken == 0 or whole > 20 * broken:
        return Encoding("utf-8", False, "Its accented letters are well-formed UTF-8.")
    return _national(b"\n".join(_lines_with_high_bytes(parts)))


def _lines_with_high_bytes(parts: list[bytes]) -> list[bytes]:
    lines = [line for part in parts for line in part.splitlines() if not line.isascii()]
    return lines[:500]


def _national(sample: bytes) -> Encoding:
    """Return the encoding whose everyday letters the sample holds most of.

    Letters alone tell the European encodings apart, even in few words, which statistics of
    whole texts do not; charset-normalizer is asked where none of them fits.
    """
    reason = "Its accented letters are not UTF-8; they read best as {}."
    shares = {name: _share_of_usual(sample, name) for name in _USUAL}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < _SURE and (asian := from_bytes(sample, cp_isolation=_ASIAN).best()):
        return Encoding(asian.encoding, False, reason.format(asian.encoding))
    if shares[best] == 0:
        return Encoding("latin-1", False, reason.format("Latin-1"))
    return Encoding(best, False, reason.format(best.replace("cp", "Windows-")))


def _share_of_usual(sample: bytes, encoding: str) -> float:
    """Return which share of the letters above ASCII is usual; 0 to 1."""
    text = sample.decode(encoding, "replace")
    high = [character for character in text.lower() if character > "\x7f"]
    usual = sum(character in _USUAL[encoding] for character in high)
    odd = len(_IN_LATIN_WORD.findall(text)) + _capitals_inside_words(text)
    return max(0, usual - odd) / max(1, len(high))


def _capitals_inside_words(text: str) -> int:
    return sum(b > "\x7f" and a.islower() and b.isupper() for a, b in pairwise(text))
