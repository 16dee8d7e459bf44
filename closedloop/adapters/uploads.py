"""Uploaded files while somebody decides how to read them: kept under a name nobody can guess.

Beside each file lies a small JSON with what the person called it and what was chosen so far.
Files are never served; housekeeping removes them.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

_TOKEN = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Upload:
    """One uploaded file.

    Attributes
    ----------
    token : str
        32 hexadecimal digits, random.
    directory : Path
    file_name : str
        As the person's computer called it, at most 255 characters; for showing only.
    size : int
        Bytes.
    mapping : mapping or None
        What was chosen last, as `Mapping.to_dict` gives it.
    job_id, batch_id : int or None
        The job that reads it in, and the import it fills.
    attempts : int
        How often a job was asked for.
    mapping_name : str
        Under which the mapping was saved; empty when it was not.
    try_job_id : int or None
        The job that looks at the whole file without storing it.
    replay_of_id : int or None
        The import whose refused rows this file tries again.
    sample : list
        First rows beside what they become, personal data hidden, where a job looked at them.
    """

    token: str
    directory: Path
    file_name: str
    size: int
    mapping: Mapping[str, Any] | None = field(default=None)
    job_id: int | None = None
    batch_id: int | None = None
    attempts: int = 0
    mapping_name: str = ""
    try_job_id: int | None = None
    replay_of_id: int | None = None
    sample: list[Any] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.directory / f"{self.token}.upload"

    @property
    def _notes(self) -> Path:
        return self.directory / f"{self.token}.json"


def save_upload(directory: Path, stream: IO[bytes], *, file_name: str) -> Upload:
    """Copy a stream into the directory in bounded memory, under a random name."""
    directory.mkdir(parents=True, exist_ok=True)
    upload = Upload(secrets.token_hex(16), directory, _plain_name(file_name), 0)
    try:
        with upload.path.open("xb") as target:
            shutil.copyfileobj(stream, target, _CHUNK_BYTES)
        return note(upload, size=upload.path.stat().st_size)
    except OSError:  # a full disk keeps no half of a file
        delete_upload(upload)
        raise


def find_upload(directory: Path, token: str) -> Upload | None:
    """Return an upload by its token, None when there is none (any more)."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        notes = json.loads((directory / f"{token}.json").read_text("utf-8"))
        upload = Upload(token=token, directory=directory, **notes)
    except (OSError, ValueError, TypeError):
        return None
    return upload if upload.path.is_file() else None


def copy_upload(upload: Upload) -> Upload:
    """Keep the file of an upload under a second name, on the disk once where that can be."""
    copy = Upload(secrets.token_hex(16), upload.directory, upload.file_name, upload.size)
    try:
        copy.path.hardlink_to(upload.path)
    except OSError:  # a file system without links
        shutil.copyfile(upload.path, copy.path)
    return note(copy)


def find_upload_of(directory: Path, batch_id: int) -> Upload | None:
    """Return the upload that an import read, None when it is no longer kept or never was one."""
    if not directory.is_dir():
        return None
    for notes in directory.glob("*.json"):
        upload = find_upload(directory, notes.stem)
        if upload is not None and upload.batch_id == batch_id:
            return upload
    return None


def note(upload: Upload, **changes: Any) -> Upload:
    """Change what is remembered of an upload and return it as it is now."""
    upload = replace(upload, **changes)
    kept = {k: v for k, v in asdict(upload).items() if k not in ("token", "directory")}
    fresh = upload._notes.with_suffix(".new")
    fresh.write_text(json.dumps(kept), "utf-8")
    fresh.replace(upload._notes)  # a reader sees the old notes or the new, never half of them
    return upload


def delete_upload(upload: Upload) -> None:
    """Remove the file and what is remembered of it."""
    upload.path.unlink(missing_ok=True)
    upload._notes.unlink(missing_ok=True)


def delete_old_files(directory: Path, *, days: int) -> int:
    """Remove what has lain in a directory of uploads for so many days; return how many files."""
    if not directory.exists():
        return 0
    before = time.time() - timedelta(days=days).total_seconds()
    old = [path for path in directory.iterdir() if path.is_file() and path.stat().st_mtime < before]
    for path in old:
        path.unlink()
    return len(old)


def _plain_name(name: str) -> str:
    """Return a file name on one line, without the directories some browsers send along."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(c for c in last if c.isprintable()).strip()[:255] or "unnamed file"
