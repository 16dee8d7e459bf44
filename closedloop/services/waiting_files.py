"""Files that were brought and wait: what they look like, and the jobs that look at them or read.

Pages and the API bring files in the same way. What is remembered beside a file is changed by
the caller, once its transaction is through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts
from closedloop.adapters.uploads import Upload, find_upload
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotFound
from closedloop.domain.jobs import JobKind, JobState
from closedloop.models import ImportBatch, Job
from closedloop.models.imports import BatchState
from closedloop.queries.imports import find_batch
from closedloop.queries.jobs import find_job
from closedloop.services.contact_files import (
    RecognisedFile,
    fits_in_a_page,
    measure_extent,
    recognise_file,
)
from closedloop.services.import_batches import open_import
from closedloop.services.jobs import queue_job
from closedloop.services.previews import ImportPreview, SampleRow, preview_file
from closedloop.services.replays import lines_to_try
from closedloop.services.told_ids import hide_in_name

SAMPLE_ROWS = 20


@dataclass(frozen=True)
class WaitingFile:
    """A file that waits for its mapping, and what it looks like."""

    upload: Upload
    found: RecognisedFile

    @property
    def facts(self) -> FileFacts:
        """What the first look at the file showed."""
        return self.found.facts

    @property
    def is_small(self) -> bool:
        """Whether it can be looked at as a whole while somebody waits."""
        return fits_in_a_page(self.upload.path, self.found)

    @property
    def is_sampled(self) -> bool:
        """Whether its first contacts can be shown while somebody waits.

        In a large file only where its first lines are its first rows, and all of them count.
        """
        is_replay = self.upload.replay_of_id is not None
        has_first_lines = self.found.has_lines and not self.found.is_packed and not is_replay
        return self.is_small or has_first_lines


def get_waiting_file(settings: Settings, token: str) -> WaitingFile:
    """Return a file that was brought and what it looks like.

    Raises
    ------
    NotFound
        If it is no longer kept.
    Unreadable
    """
    upload = find_upload(settings.uploads, token)
    if upload is None:
        raise NotFound(
            "This upload is no longer kept; files wait for a week. Upload it again: nothing is "
            "counted twice."
        )
    return WaitingFile(upload, recognise_file(upload.path))


def lines_that_count(session: Session, upload: Upload, mapping: Mapping) -> frozenset[int] | None:
    """Return the only lines that count, where refused rows are tried again; None is all."""
    if upload.replay_of_id is None or find_batch(session, upload.replay_of_id) is None:
        return None
    sha256 = measure_extent(upload.path).sha256
    return lines_to_try(session, replay_of_id=upload.replay_of_id, sha256=sha256, mapping=mapping)


def show_first_rows(
    session: Session, *, settings: Settings, waiting: WaitingFile, mapping: Mapping
) -> list[SampleRow]:
    """Return the first rows beside what they become, personal data hidden.

    Of files that cannot be shown at once those that a job noted when it looked at all of it with
    this mapping; none before.
    """
    upload = waiting.upload
    if not waiting.is_sampled:
        is_same = upload.mapping == mapping.to_dict()
        return [SampleRow.from_dict(row) for row in upload.sample] if is_same else []
    return preview_file(
        session,
        settings=settings,
        path=upload.path,
        mapping=mapping,
        source=mapping.source,
        sample=SAMPLE_ROWS,
        limit=SAMPLE_ROWS,
        only_lines=lines_that_count(session, upload, mapping),
    ).sample


def try_small_file(
    session: Session, *, settings: Settings, waiting: WaitingFile, mapping: Mapping
) -> ImportPreview:
    """Return what an import of a small file would do, with its first rows."""
    return preview_file(
        session,
        settings=settings,
        path=waiting.upload.path,
        mapping=mapping,
        source=mapping.source,
        sample=SAMPLE_ROWS,
        only_lines=lines_that_count(session, waiting.upload, mapping),
    )


def queue_try(
    session: Session, *, settings: Settings, upload: Upload, mapping: Mapping, by: Actor
) -> Job:
    """Queue the job that looks at a whole file, with a mapping that fits it, and stores nothing."""
    arguments = _arguments(settings, upload, mapping)
    return queue_job(session, kind=JobKind.TRY_IMPORT, arguments=arguments, by=by)


@dataclass(frozen=True)
class QueuedImport:
    """The job that reads a file, the import it fills, and how often a job was asked for."""

    job_id: int
    batch_id: int | None
    attempts: int


def queue_import(
    session: Session,
    *,
    settings: Settings,
    upload: Upload,
    mapping: Mapping,
    by: Actor,
    origin: str,
    mapping_name: str = "",
) -> QueuedImport:
    """Queue the import of a file, or return the one that it already has with this mapping.

    An import of it that broke off goes on.

    Parameters
    ----------
    session : Session
    settings : Settings
    upload : Upload
    mapping : Mapping
    by : Actor
    origin : str
        How the file came: upload or api.
    mapping_name : str
        Of a saved mapping.

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used.
    """
    settled = mapping.to_dict()
    if upload.job_id is not None and _goes_on(session, upload, settled):
        return QueuedImport(upload.job_id, upload.batch_id, upload.attempts)
    batch_id = _batch_to_fill(session, upload, settled)
    if batch_id is None:
        batch_id = open_import(
            session,
            settings=settings,
            path=upload.path,
            mapping=mapping,
            source=mapping.source,
            file_name=upload.file_name,
            by=by,
            origin=origin,
            mapping_name=mapping_name,
            replay_of_id=upload.replay_of_id,
        ).id
    job = queue_job(
        session,
        kind=JobKind.IMPORT_CONTACTS,
        arguments={**_arguments(settings, upload, mapping), "batch_id": batch_id},
        by=by,
        slot=f"contacts.import_file @ {upload.token[:24]}-{upload.attempts}",
    )
    return QueuedImport(job.id, batch_id, upload.attempts + 1)


def _arguments(settings: Settings, upload: Upload, mapping: Mapping) -> dict[str, Any]:
    return {
        "path": str(upload.path),
        "mapping": mapping.to_dict(),
        "source": mapping.source,
        "file_name": hide_in_name(upload.file_name, settings),
        "token": upload.token,
        "replay_of_id": upload.replay_of_id,
    }


def _goes_on(session: Session, upload: Upload, mapping: dict[str, Any]) -> bool:
    """Whether the job of this file waits, runs or is done with this very mapping."""
    job, batch = find_job(session, upload.job_id or 0), _batch_of(session, upload)
    if job is None or (batch is not None and batch.rolled_back_by):
        return False
    is_same = job.arguments.get("mapping") == mapping
    return is_same and job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DONE)


def _batch_to_fill(session: Session, upload: Upload, mapping: dict[str, Any]) -> int | None:
    """Return the import that broke off and can go on; None to open a new one."""
    batch = _batch_of(session, upload)
    if batch is None or batch.state is BatchState.DONE or batch.mapping != mapping:
        return None
    return None if batch.rolled_back_by else batch.id


def _batch_of(session: Session, upload: Upload) -> ImportBatch | None:
    return find_batch(session, upload.batch_id) if upload.batch_id else None
