"""The watched folder: files that other systems drop are read without anybody being there.

`<folder>/<name of a saved mapping>/file` is read with that mapping; a vendor's format, which is
recognised, may lie anywhere. A folder `name.export` is one export of several files, such as tickets
beside their events. What was read moves to `done/`, what cannot be read to `failed/` beside a text
that says why.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from closedloop.adapters.mapping import DEFAULT_SOURCE, Mapping
from closedloop.adapters.registry import reader_named
from closedloop.adapters.types import BadMapping
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, Refusal, Unavailable
from closedloop.domain.jobs import Progress
from closedloop.queries.mappings import find_mapping, list_mappings
from closedloop.services.audit import record_event
from closedloop.services.contact_files import recognise_file
from closedloop.services.contacts import import_file
from closedloop.services.long_work import Cancelled, Report, Transactions, tell_nobody
from closedloop.services.mappings import BUNDLE, RESERVED
from closedloop.services.same_contacts import refuse_second_source
from closedloop.services.told_ids import hide_in_name

logger = logging.getLogger(__name__)
QUIET_SECONDS = 60
"""A file that changed less long ago is still being written."""

_UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload")
_OF_THE_SYSTEM = ("lost+found", "system volume information", "$recycle.bin")
_SHOWN = 20
_STAYS = "It cannot be moved away, so that it is looked at again every night: move it yourself."


@dataclass(frozen=True)
class WaitingFile:
    """A file or a folder of files to read; `mapping_name` is where it lies, empty at the top."""

    path: Path
    mapping_name: str
    is_quiet: bool


@dataclass(frozen=True)
class PickedUp:
    """What became of a file.

    Attributes
    ----------
    file_name, mapping_name : str
    outcome : str
        done, failed, or left for the next time.
    batch_id : int or None
        Its import.
    sentence : str
        What it brought, or why it was not read.
    """

    file_name: str
    mapping_name: str
    outcome: str
    batch_id: int | None
    sentence: str


@dataclass(frozen=True)
class FolderState:
    """What lies in the watched folder: waiting and still growing files, and refused ones.

    `shut` are the folders in it that cannot be read and written.
    """

    problem: str
    shut: list[str] = field(default_factory=list)
    waiting: list[WaitingFile] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    n_failed: int = 0


def list_waiting(folder: Path) -> list[WaitingFile]:
    """Return the files to read, in the order in which they came."""
    now = time.time()
    found = []
    for path, name in _files(folder):
        try:
            came, last_change = _times_of(path)
        except OSError:  # gone in between
            continue
        is_quiet = now - last_change >= QUIET_SECONDS and not _is_being_filled(path)
        found.append((came, path.name, WaitingFile(path, name, is_quiet)))
    return [waiting for _, _, waiting in sorted(found, key=lambda item: item[:2])]


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if _is_bundle(path) or _is_finished(path):
            yield path, ""
        elif _is_for_files(path) and _is_open(path):
            inside = (p for p in path.iterdir() if _is_bundle(p) or _is_finished(p))
            yield from ((p, path.name) for p in inside)


def _is_for_files(path: Path) -> bool:
    return path.is_dir() and path.name.lower() not in {*RESERVED, *_OF_THE_SYSTEM}


def _is_open(path: Path) -> bool:
    """Whether files of a folder can be read, and moved away afterwards."""
    return os.access(path, os.R_OK | os.W_OK | os.X_OK)


def _is_bundle(path: Path) -> bool:
    """Whether a folder is one export of several files; an empty one waits for them."""
    is_named = path.name.lower().endswith(BUNDLE) and not path.name.startswith(".")
    return is_named and path.is_dir() and any(p.is_file() for p in path.rglob("*"))


def _is_finished(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and not _is_unfinished(path)


def _is_unfinished(path: Path) -> bool:
    return path.name.lower().endswith(_UNFINISHED)


def _is_being_filled(path: Path) -> bool:
    """Whether a file of a bundle is still being sent."""
    return path.is_dir() and any(map(_is_unfinished, path.rglob("*")))


def _times_of(path: Path) -> tuple[float, float]:
    """Return when a file came and when it or anything in it last changed."""
    seen = path.stat()
    inside = (p.stat() for p in path.rglob("*")) if path.is_dir() else ()
    return seen.st_mtime, max(t for s in (seen, *inside) for t in (s.st_mtime, s.st_ctime))


def problem_with(settings: Settings) -> str:
    """Return what is wrong with the folder in a sentence; empty when it can be used or is off."""
    if not settings.watched_folder:
        return ""
    folder = Path(settings.watched_folder)
    if not folder.is_dir():
        return f"{folder} is no directory. Make it, or set CLOSEDLOOP_WATCHED_FOLDER to another."
    if not _is_open(folder):
        return f"{folder} cannot be read and written. Files are moved there once they are read."
    return ""


def look_at_folder(settings: Settings) -> FolderState | None:
    """Return what lies in the folder; None where none is watched."""
    if not settings.watched_folder:
        return None
    if problem := problem_with(settings):
        return FolderState(problem)
    folder = Path(settings.watched_folder)
    notes = sorted(_notes_in(folder / "failed"), key=lambda p: p.name)
    failed = [
        (note.name.removesuffix(".txt"), _read_note(note)[:500].strip()) for note in notes[-_SHOWN:]
    ]
    return FolderState("", _shut_in(folder), list_waiting(folder), failed, len(notes))


def _shut_in(folder: Path) -> list[str]:
    inside = (p for p in folder.iterdir() if not p.name.startswith(".") and _is_for_files(p))
    return sorted(path.name for path in inside if not _is_open(path))


def _read_note(note: Path) -> str:
    try:
        return note.read_text("utf-8", "replace")
    except OSError:
        return "Why it was not read cannot be read either."


def _notes_in(failed: Path) -> Iterator[Path]:
    """Yield why files were not read; what lies in a bundle that was refused is no reason."""
    for note in failed.rglob("*.txt"):
        if not any(p.lower().endswith(BUNDLE) for p in note.relative_to(failed).parts[:-1]):
            yield note


def pick_up_files(
    transactions: Transactions, *, settings: Settings, by: Actor, report: Report = tell_nobody
) -> list[PickedUp]:
    """Read what lies in the watched folder; what is still being written waits.

    A folder in it that is shut is left alone: what cannot be moved away would be read every night.

    Raises
    ------
    Invalid
        If the folder cannot be used.
    """
    if not settings.watched_folder:
        return []
    if problem := problem_with(settings):
        raise Invalid(problem)
    folder = Path(settings.watched_folder)
    files = [waiting for waiting in list_waiting(folder) if waiting.is_quiet]
    if shut := _shut_in(folder):
        logger.warning("folders that cannot be read and written: %s", ", ".join(shut))
    found = []
    for number, waiting in enumerate(files):
        name = hide_in_name(waiting.path.name, settings)[:80]
        report(Progress(number, len(files), f"reading {name}"))
        found.append(_pick_up(transactions, settings, folder, waiting, by, report))
    return found


def _pick_up(
    transactions: Transactions,
    settings: Settings,
    folder: Path,
    waiting: WaitingFile,
    by: Actor,
    report: Report,
) -> PickedUp:
    name = waiting.path.name
    try:
        mapping = _mapping_for(transactions, waiting)
        if mapping.source == DEFAULT_SOURCE:
            with transactions() as session:
                refuse_second_source(
                    session,
                    settings=settings,
                    path=waiting.path,
                    mapping=mapping,
                    source=mapping.source,
                )
        batch = import_file(
            transactions,
            settings=settings,
            path=waiting.path,
            mapping=mapping,
            source=mapping.source,
            file_name=name,
            by=by,
            report=report,
            origin="folder",
            mapping_name=waiting.mapping_name,
        )
    except Cancelled:
        raise
    except (Unavailable, Conflict) as later:
        return PickedUp(name, waiting.mapping_name, "left", None, later.sentence)
    except Refusal as refusal:
        if not waiting.path.exists():  # another process was faster
            return PickedUp(name, waiting.mapping_name, "left", None, "It was read elsewhere.")
        is_moved = _move(waiting, folder / "failed", f"{refusal.sentence}\n")
        _record_failure(transactions, hide_in_name(name, settings), refusal.sentence, by)
        sentence = refusal.sentence if is_moved else f"{refusal.sentence} {_STAYS}"
        return PickedUp(name, waiting.mapping_name, "failed", None, sentence)
    except Exception as error:
        logger.exception("a file of the watched folder could not be read")
        sentence = f"It met a fault that was not expected ({type(error).__name__}); see the log."
        return PickedUp(name, waiting.mapping_name, "left", None, sentence)
    is_moved = _move(waiting, folder / "done")
    sentence = batch.message if is_moved else f"{batch.message} {_STAYS}"
    return PickedUp(name, waiting.mapping_name, "done", batch.id, sentence)


def _mapping_for(transactions: Transactions, waiting: WaitingFile) -> Mapping:
    """Return the saved mapping the folder is named after, or the one a vendor's format has."""
    with transactions() as session:
        saved = find_mapping(session, waiting.mapping_name) if waiting.mapping_name else None
        names = [known.name for known in list_mappings(session)]
    if saved is not None:
        try:
            return Mapping.from_dict(saved.mapping)
        except BadMapping as error:
            raise Invalid(error.sentence) from error
    recognised = recognise_file(waiting.path)
    if reader_named(recognised.facts.format).mapping is not None:
        return recognised.mapping
    there = f"Saved are: {', '.join(names)}." if names else "None has been saved yet."
    where = f"“{waiting.mapping_name}”" if waiting.mapping_name else "the folder it lies in"
    raise Invalid(
        f"No mapping is called {where}, and a table says nowhere which column is what. Import one "
        f"such file by hand, save its mapping, and name the folder after it. {there}"
    )


def _move(waiting: WaitingFile, to: Path, note: str = "") -> bool:
    """Move a file out of the way; one of the same name keeps its place. Return whether it is."""
    target = to / waiting.mapping_name / waiting.path.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            stamp = f"{utc_now():%Y%m%d-%H%M%S}"
            target = target.with_name(f"{target.stem}-{stamp}{target.suffix}")
        shutil.move(waiting.path, target)  # also to another file system
        if note:
            target.with_name(f"{target.name}.txt").write_text(note, "utf-8")
    except FileNotFoundError:  # another process was faster
        return True
    except OSError as error:  # of its words only these: the others name the file
        logger.error("a file of the watched folder could not be moved away: %s", error.strerror)
        return False
    return True


def _record_failure(transactions: Transactions, name: str, sentence: str, by: Actor) -> None:
    with transactions() as session:
        record_event(
            session,
            by=by,
            verb="contacts.file_refused",
            target_kind="import",
            target_id=None,
            summary=f"did not read {name[:120]}: {sentence}",
        )
