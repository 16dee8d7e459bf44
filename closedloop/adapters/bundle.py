"""What somebody hands over: one file, a directory, or an archive of files; bombs are refused."""

from __future__ import annotations

import errno
import fcntl
import gzip
import lzma
import os
import re
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from closedloop.adapters.types import UnreadableFile

MAX_MEMBERS = 200_000
MAX_RATIO = 200
"""How often larger than the archive its content may be."""

MAX_UNPACKED = 64 * 1024**3
ZIP_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(RuntimeError, NotImplementedError, ValueError, IndexError),
)
"""What broken archives make their readers raise."""

_SMALL = 64 * 1024 * 1024
"""Content up to this many bytes is no bomb whatever the ratio."""


_GZIP = b"\x1f\x8b"
_UNPACKED = "closedloop-unpacked-"
_SECONDS_TO_LOCK = 60
_SECONDS_BETWEEN = 0.5
_TO_SHELVE = 0.3
"""Share of a reading in which records are put away before the first contact is made of them."""


class Watch:
    """How far a bundle is read, told by readers that know no lines; set `tell` to hear of it."""

    def __init__(self) -> None:
        self.tell: Callable[[], None] | None = None
        self.n_bytes = self.n_read = 0
        self.is_making = False  # before, a pass over the records only prepares
        self._weight = 1.0
        self._made = 0.0
        self._told = 0.0

    @property
    def share(self) -> float:
        """How much is done, in 0–1; 0 before anything was heard."""
        read = min(1.0, self.n_read / self.n_bytes) if self.n_bytes else 0.0
        return self._weight * read + (1 - self._weight) * self._made

    def over(self, members: Sequence[Member], *, shelves: bool = False) -> Iterator[Member]:
        """Yield the files that are read; with `shelves` contacts are made only after the last."""
        sizes = [member.path.stat().st_size for member in members]
        self.n_bytes, self._weight = sum(sizes), _TO_SHELVE if shelves else 1.0
        self.is_making, self._made = False, 0.0
        before = 0
        for member, size in zip(members, sizes, strict=True):
            self.n_read = before
            yield member
            before += size
        self.n_read = before

    def heard(self, n: int) -> None:
        """Note that so many more characters of the file were read."""
        self.n_read += n
        self._speak()

    def made(self, number: int, of: int) -> None:
        """Note that contacts were made of so many of the records on the shelf."""
        if self.is_making and of:
            self._made = max(self._made, number / of)
        self._speak()

    def _speak(self) -> None:
        now = time.monotonic()
        if self.tell is not None and now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self.tell()


@dataclass(frozen=True)
class Member:
    """One file of a bundle; `name` is how people know it, `path` where it can be opened."""

    name: str
    path: Path


@dataclass(frozen=True)
class Bundle:
    """The files of one export, by name; a single file is a bundle of one.

    `pauses` are seconds by channel, for readers that cut conversations into contacts.
    """

    path: Path
    members: tuple[Member, ...]
    pauses: Mapping[str, int] = field(default_factory=dict, compare=False)
    watch: Watch = field(default_factory=Watch, compare=False, repr=False)

    @property
    def only(self) -> Path | None:
        """The file of a bundle of one."""
        return self.members[0].path if len(self.members) == 1 else None


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a file, a directory, or a .zip or .gz of files, which is unpacked for as long.

    Files in a directory or an archive may be packed as .gz, each by itself; an archive in an
    archive stays packed.

    Raises
    ------
    UnreadableFile
        If an archive is broken, encrypted, holds nothing, or would unpack to far more than it
        is; the sentence says what to do.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p, path))
        members = [Member(p.relative_to(path).as_posix(), p) for p in files]
        if not any(map(_is_gzip, members)):
            yield Bundle(path, tuple(members))
            return
        with _unpacking() as unpacked:
            yield Bundle(path, tuple(_without_gzip(members, unpacked, _most_unpacked(members))))
        return
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic[:2] == _GZIP or (magic == b"PK\x03\x04" and _is_archive(path)):
        with _unpacking() as unpacked:
            if magic[:2] == _GZIP:
                most = _most_unpacked([Member(path.name, path)])
                members = [_unpack_gzip(Member(path.name, path), unpacked / "000000", most)]
            else:
                members = list(_unpack_zip(path, unpacked))
                left = _most_unpacked([Member(path.name, path)]) - _n_bytes(members)
                members = list(_without_gzip(members, unpacked, left))
            yield Bundle(path, tuple(members))
        return
    yield Bundle(path, (Member(path.name, path),))


def _is_gzip(member: Member) -> bool:
    """Whether a file among others is packed; an archive among them stays as it is."""
    if not member.name.lower().endswith(".gz"):
        return False
    with member.path.open("rb") as stream:
        return stream.read(2) == _GZIP


def _n_bytes(members: Sequence[Member]) -> int:
    return sum(member.path.stat().st_size for member in members)


def _most_unpacked(packed: Sequence[Member]) -> int:
    """Return how many bytes may come of what is packed, all of it together."""
    return min(MAX_UNPACKED, max(_SMALL, _n_bytes(packed) * MAX_RATIO))


def _without_gzip(members: Sequence[Member], into: Path, most: int) -> Iterator[Member]:
    """Yield the files, those that are packed one by one as what is in them."""
    for number, member in enumerate(members):
        if not _is_gzip(member):
            yield member
            continue
        try:
            found = _unpack_gzip(member, into / f"gz{number:06d}", most)
        except UnreadableFile as error:
            raise UnreadableFile(f"In {member.name}: {error.sentence}") from error
        most -= found.path.stat().st_size
        yield found


@contextmanager
def _unpacking() -> Iterator[Path]:
    """Give a directory to unpack into, held by a lock for as long as its process lives."""
    delete_left_unpacked()
    with tempfile.TemporaryDirectory(prefix=_UNPACKED) as name:
        held = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(held)


def delete_left_unpacked() -> int:
    """Remove what killed processes left unpacked, which is as customers said it; return how many.

    The lock of a process ends with it, however it ends. What is younger than a minute stays: it
    may be held in a moment.
    """
    before, deleted = time.time() - _SECONDS_TO_LOCK, 0
    for path in Path(tempfile.gettempdir()).glob(f"{_UNPACKED}*"):
        try:
            facts = path.lstat()
            if not path.is_dir() or facts.st_uid != os.getuid() or facts.st_ctime > before:
                continue
            found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue  # it has just gone
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
            deleted += 1
        except OSError:
            continue  # somebody reads it
        finally:
            os.close(found)
    return deleted


def _is_hidden(path: Path, root: Path) -> bool:
    parts = (part for part in path.relative_to(root).parts if part != "..")
    return any(part.startswith((".", "__MACOSX")) for part in parts)


def _is_archive(path: Path) -> bool:
    """Whether a zip is an archive of files and not a workbook, which is a zip, too."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {"[Content_Types].xml", "xl/workbook.xml"} & set(archive.namelist())
    except ZIP_FAULTS:
        return True


def _unpack_zip(path: Path, into: Path) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            infos = [i for i in infos if not _is_hidden(Path("/", i.filename), Path("/"))]
            _refuse_bomb(path, sum(i.file_size for i in infos), len(infos))
            for number, info in enumerate(sorted(infos, key=lambda i: i.filename)):
                target = into / f"{number:06d}"  # never the name in the archive: it may hold ..
                with archive.open(info) as source, target.open("wb") as sink:
                    _copy(source, sink, info.file_size)
                yield Member(info.filename, target)
    except ZIP_FAULTS as error:
        raise _unpackable(
            error, "The archive cannot be unpacked: it is broken or has a password."
        ) from error


def _unpack_gzip(member: Member, target: Path, most: int) -> Member:
    limit = min(_free_bytes(), most)
    try:
        with gzip.open(member.path) as source, target.open("wb") as sink:
            _copy(source, sink, limit)
    except ZIP_FAULTS as error:
        raise _unpackable(error, "The .gz file cannot be unpacked: it is broken.") from error
    return Member(re.sub(r"\.gz$", "", member.name, flags=re.IGNORECASE), target)


def _copy(source: object, sink: object, limit: int) -> None:
    """Copy at most what was announced, whatever the archive does then."""
    left = limit
    while block := source.read(min(1 << 20, left + 1)):  # type: ignore[attr-defined]
        left -= len(block)
        if left < 0:
            raise UnreadableFile(_BOMB)
        sink.write(block)  # type: ignore[attr-defined]


_NO_ROOM = (
    "There is not enough room on this computer to unpack the archive. Free some, or bring what is "
    "in it unpacked."
)
_BOMB = (
    "The archive would unpack to far more than it should. Bring the files in it without an archive."
)


def _refuse_bomb(path: Path, n_bytes: int, n_members: int) -> None:
    if n_members == 0:
        raise UnreadableFile("The archive holds no files. Check the export and make it again.")
    if n_members > MAX_MEMBERS:
        raise UnreadableFile(
            f"The archive holds {n_members:,} files; at most {MAX_MEMBERS:,} are read at once. "
            "Split it."
        )
    if n_bytes > _most_unpacked([Member(path.name, path)]):
        raise UnreadableFile(_BOMB)
    if n_bytes > _free_bytes():
        raise UnreadableFile(_NO_ROOM)


def _free_bytes() -> int:
    return shutil.disk_usage(tempfile.gettempdir()).free


def _unpackable(error: BaseException, sentence: str) -> UnreadableFile:
    """Return why something cannot be unpacked: a full disk is no broken archive."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return UnreadableFile(_NO_ROOM)
    return UnreadableFile(f"{sentence} Make it again, or bring what is in it unpacked.")
