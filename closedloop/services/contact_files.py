"""Recognise a file of contacts and check that a mapping fits it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from closedloop.adapters.mapping import Mapping, guess_mapping
from closedloop.adapters.sniff import sniff_file
from closedloop.adapters.types import FileFacts, UnreadableFile
from closedloop.domain.errors import Invalid, Unreadable

COLUMNS_NAMED = 12


@dataclass(frozen=True)
class RecognisedFile:
    """What a file looks like, and how it would be read."""

    facts: FileFacts
    mapping: Mapping


def recognise_file(path: Path) -> RecognisedFile:
    """Return the facts about a file and a guess of its mapping, for a person to confirm.

    Raises
    ------
    Unreadable
        If it is empty, binary or no table of contacts; the sentence says what to do.
    """
    facts = _sniff(path)
    return RecognisedFile(facts, guess_mapping(facts.header, facts.sample_rows))


def check_mapping(path: Path, mapping: Mapping) -> FileFacts:
    """Return the facts about a file that can be read with a mapping.

    Raises
    ------
    Unreadable
    Invalid
        If the mapping does not fit the file.
    """
    facts = _sniff(path)
    if problems := mapping.problems_with(facts.header):
        sentence = " ".join([*problems, _columns_in_words(facts.header)])
        raise Invalid(sentence, {"columns": sentence})
    return facts


def _columns_in_words(header: Sequence[str]) -> str:
    """Name the first columns of a file, for whoever has to say which is which."""
    names = ", ".join(f"“{name[:40]}”" for name in header[:COLUMNS_NAMED])
    more = len(header) - COLUMNS_NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    return f"The file has the columns {names}{rest}. Say in the mapping which is which."


def _sniff(path: Path) -> FileFacts:
    try:
        return sniff_file(path)
    except UnreadableFile as error:
        raise Unreadable(error.sentence) from error
    except OSError as error:
        raise Unreadable("The file cannot be opened. Check that it is there.") from error


@dataclass(frozen=True)
class Extent:
    """How much there is to read.

    Attributes
    ----------
    sha256 : str
        Of the whole file, hex.
    n_bytes, n_lines : int
    """

    sha256: str
    n_bytes: int
    n_lines: int

    def bytes_up_to(self, line: int) -> int:
        """Return about how many bytes the first `line` lines take."""
        return min(self.n_bytes, self.n_bytes * line // max(self.n_lines, 1))


def measure_extent(path: Path) -> Extent:
    """Read a file once from end to end; `Unreadable` when it cannot be opened."""
    digest = hashlib.sha256()
    n_bytes = n_feeds = n_returns = 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                n_bytes += len(block)
                n_feeds += block.count(b"\n")
                n_returns += block.count(b"\r")
    except OSError as error:
        raise Unreadable("The file cannot be opened. Check that it is there.") from error
    return Extent(digest.hexdigest(), n_bytes, n_feeds or n_returns)
