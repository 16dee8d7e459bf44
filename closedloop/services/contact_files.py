"""Open an export of contacts, recognise it and check that a mapping fits it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from closedloop.adapters.bundle import Bundle, Watch, open_bundle
from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import FileFacts, UnreadableFile
from closedloop.domain.errors import Invalid, Unreadable
from closedloop.domain.jobs import Progress

COLUMNS_NAMED = 12
MEMBERS_NAMED = 12
ROWS_IN_A_PAGE = 20_000
BYTES_IN_A_PAGE = 24_000_000
PLAIN_BYTES_IN_A_PAGE = 4_000_000
PACKED_BYTES_IN_A_PAGE = 1_000_000
"""What a page looks at itself; a job looks at the rest."""

_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"PAR1")
"""How files begin whose bytes are no lines of text."""


@dataclass(frozen=True)
class OpenedFile:
    """An export that can be read as long as it is open."""

    bundle: Bundle
    facts: FileFacts
    reader: Reader


@dataclass(frozen=True)
class RecognisedFile:
    """What an export looks like, and how it would be read.

    Attributes
    ----------
    facts : FileFacts
    mapping : Mapping
        Known where the format is a vendor's, guessed where it is a table.
    title : str
        The format as people know it.
    guide : str
        Its page in `docs/import/`.
    has_own_mapping : bool
        Whether the format says itself which column is what.
    members : tuple of str
        Names of the files in it, the first `MEMBERS_NAMED` of them.
    n_members : int
    is_packed : bool
        Whether it is an archive or a directory.
    has_lines : bool
        Whether each line is about one row.
    cuts : bool
        Whether its conversations are cut into contacts where they paused.
    """

    facts: FileFacts
    mapping: Mapping
    title: str = ""
    guide: str = ""
    has_own_mapping: bool = False
    members: tuple[str, ...] = ()
    n_members: int = 1
    is_packed: bool = False
    has_lines: bool = False
    cuts: bool = False


@contextmanager
def open_contacts(path: Path, mapping: Mapping | None = None) -> Iterator[OpenedFile]:
    """Open a file, an archive or a directory of contacts for reading.

    Parameters
    ----------
    path : Path
    mapping : Mapping, optional
        Checked against the columns where it is given, and its pauses kept to.

    Raises
    ------
    Unreadable
        If it is empty, broken or no contacts that can be read; the sentence says what to do.
    Invalid
        If the mapping does not fit.
    """
    with ExitStack() as stack:
        opened = _open(stack, path)
        if mapping is not None:
            refuse_misfit(mapping, opened.facts.header)
            opened = replace(opened, bundle=replace(opened.bundle, pauses=mapping.pauses))
        yield opened


def _open(stack: ExitStack, path: Path) -> OpenedFile:
    try:
        bundle = stack.enter_context(open_bundle(path))
        reader, facts = recognise(bundle)
    except UnreadableFile as error:
        raise Unreadable(error.sentence) from error
    except OSError as error:
        raise Unreadable("The file cannot be opened. Check that it is there.") from error
    return OpenedFile(bundle, facts, reader)


def recognise_file(path: Path) -> RecognisedFile:
    """Return the facts about an export and a guess of its mapping, for a person to confirm.

    Raises
    ------
    Unreadable
        If it is empty, broken or no contacts that can be read; the sentence says what to do.
    """
    with open_contacts(path) as opened:
        facts, reader = opened.facts, opened.reader
        if reader.mapping is not None:
            mapping = reader.mapping(facts)
        else:
            mapping = guess_mapping(facts.header, facts.sample_rows)
        files = opened.bundle.members
        return RecognisedFile(
            facts,
            mapping,
            reader.title,
            reader.guide,
            has_own_mapping=reader.mapping is not None,
            members=tuple(member.name for member in files[:MEMBERS_NAMED]),
            n_members=len(files),
            is_packed=opened.bundle.only != path,
            has_lines=reader.has_lines,
            cuts=reader.cuts,
        )


def fits_in_a_page(path: Path, found: RecognisedFile) -> bool:
    """Return whether a page can look at all of a file while somebody waits, told in bounded time.

    Archives, and formats whose rows are put together from several files, only when they are
    small; tables up to `ROWS_IN_A_PAGE` rows.
    """
    size = path.stat().st_size
    if found.is_packed:
        return size <= PACKED_BYTES_IN_A_PAGE
    if found.facts.n_rows:
        return found.facts.n_rows <= ROWS_IN_A_PAGE and size <= BYTES_IN_A_PAGE
    if not found.has_lines:
        return size <= PLAIN_BYTES_IN_A_PAGE
    if size > BYTES_IN_A_PAGE:
        return False
    with path.open("rb") as stream:
        return sum(1 for _ in islice(stream, ROWS_IN_A_PAGE + 2)) <= ROWS_IN_A_PAGE + 1


def check_mapping(path: Path, mapping: Mapping) -> FileFacts:
    """Return the facts about an export that can be read with a mapping.

    Raises
    ------
    Unreadable
    Invalid
        If the mapping does not fit the file.
    """
    with open_contacts(path, mapping) as opened:
        return opened.facts


def refuse_misfit(mapping: Mapping, header: Sequence[str]) -> None:
    """Refuse a mapping that does not fit the columns of a file; `Invalid` says why."""
    if problems := mapping.problems_with(header):
        sentence = " ".join([*problems, _columns_in_words(header)])
        raise Invalid(sentence, {"columns": sentence})


def _columns_in_words(header: Sequence[str]) -> str:
    """Name the first columns of a file, for whoever has to say which is which."""
    names = ", ".join(f"“{name[:40]}”" for name in header[:COLUMNS_NAMED])
    more = len(header) - COLUMNS_NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    return f"The file has the columns {names}{rest}. Say in the mapping which is which."


@dataclass(frozen=True)
class Extent:
    """How much there is to read.

    Attributes
    ----------
    sha256 : str
        Hex; of the whole file, or of all files of a directory and their names.
    n_bytes : int
        As it lies on the disk.
    n_lines : int
        Lines, or rows in a format that has no lines; 0 when nobody knows before reading.
    """

    sha256: str
    n_bytes: int
    n_lines: int

    @property
    def total(self) -> int:
        """Bytes to read; 0 when it cannot be told how far a row is in them."""
        return self.n_bytes if self.n_lines else 0

    def bytes_up_to(self, line: int) -> int:
        """Return about how many bytes the first `line` lines take; 0 when nobody knows."""
        if not self.n_lines:
            return 0
        return min(self.n_bytes, self.n_bytes * line // self.n_lines)


def progress_of(extent: Extent, watch: Watch, line: int, doing: str) -> Progress:
    """Return how far a file is read: by its lines or, where they tell nothing, by its reader."""
    if extent.n_lines or not watch.n_bytes:
        return Progress(extent.bytes_up_to(line), extent.total, doing)
    return Progress(round(extent.n_bytes * watch.share), extent.n_bytes, doing)


def looking_in_words(watch: Watch) -> str:
    """Say how much of an export was looked through before its first row."""
    read, of = (n / 1_000_000 for n in (min(watch.n_read, watch.n_bytes), watch.n_bytes))
    return f"no rows read yet · {read:,.1f} of {of:,.1f} MB looked through"


def fingerprint(path: Path) -> tuple[int, int]:
    """Return size and time of last change: cheap to look at while a file is being read.

    A directory is told by its own; what its files hold is compared at the end.

    Raises
    ------
    Unreadable
        If it is gone.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise Unreadable("The file is gone. Put it back and start the import again.") from error
    return found.st_size, found.st_mtime_ns


def measure_extent(path: Path) -> Extent:
    """Read a file or directory once from end to end; `Unreadable` when it cannot be opened."""
    try:
        if not path.is_dir():
            return _measure(path)
        digest, n_bytes = hashlib.sha256(), 0
        with open_bundle(path) as bundle:
            for member in bundle.members:
                one = _measure(member.path)
                digest.update(f"{member.name}\0{one.sha256}\n".encode("utf-8", "surrogateescape"))
                n_bytes += one.n_bytes
        return Extent(digest.hexdigest(), n_bytes, 0)
    except UnreadableFile as error:
        raise Unreadable(error.sentence) from error
    except OSError as error:
        raise Unreadable("The file cannot be opened. Check that it is there.") from error


def _measure(path: Path) -> Extent:
    digest = hashlib.sha256()
    n_bytes = n_feeds = n_returns = 0
    is_text = True
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            is_text = is_text and not (n_bytes == 0 and block.startswith(_PACKED))
            digest.update(block)
            n_bytes += len(block)
            n_feeds += block.count(b"\n") if is_text else 0
            n_returns += block.count(b"\r") if is_text else 0
    return Extent(digest.hexdigest(), n_bytes, n_feeds or n_returns)


def with_rows(extent: Extent, opened: OpenedFile) -> Extent:
    """Return an extent that knows how many lines or rows the opened file has, if that can be."""
    facts, bundle = opened.facts, opened.bundle
    if facts.n_rows:
        return replace(extent, n_lines=facts.n_rows)
    if not opened.reader.has_lines:
        return replace(extent, n_lines=0)
    if bundle.only == bundle.path:
        return extent
    members = [m for m in bundle.members if facts.member in ("", m.name)]
    return replace(extent, n_lines=sum(_measure(m.path).n_lines for m in members))
