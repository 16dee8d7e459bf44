"""Refused rows as files: with personal data hidden, or as they stand in the export, to correct."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from closedloop.adapters.csv_out import csv_lines, lines_to_read_again
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.registry import reader_named
from closedloop.adapters.uploads import Upload, find_upload_of
from closedloop.config import Settings
from closedloop.domain.errors import Invalid, NotFound
from closedloop.queries.imports import get_batch, list_rejects
from closedloop.services.contact_files import measure_extent
from closedloop.services.replays import Refused, refused_rows

ROWS_EXPORTED = 50_000
"""Refused rows that a file holds at most."""


def find_kept_file(settings: Settings, batch_id: int) -> Upload | None:
    """Return the file an import read, as long as it is kept; None when it is not, or never was."""
    return find_upload_of(settings.uploads, batch_id)


def get_kept_file(settings: Settings, batch_id: int) -> Upload:
    """Return the file an import read, as long as it is kept.

    Raises
    ------
    NotFound
        If it is no longer kept, or never was: commands and the watched folder keep none.
    """
    if upload := find_kept_file(settings, batch_id):
        return upload
    raise NotFound(
        "The file of this import is no longer kept; files stay for a week. The list of refused "
        "rows, personal data hidden, stays on the page of the import."
    )


def hidden_rows(session: Session, *, batch_id: int) -> Iterator[str]:
    """Return the lines of a CSV file of refused rows, personal data hidden.

    Raises
    ------
    NotFound
        If there is no such import.
    """
    batch = get_batch(session, batch_id)
    rejects = list_rejects(session, batch_id=batch_id, limit=ROWS_EXPORTED + 1)
    rows: list[list[object]] = [
        [batch.file_name, r.line, r.reason, r.raw] for r in rejects[:ROWS_EXPORTED]
    ]
    if len(rejects) > ROWS_EXPORTED:
        rows.append([f"Only the first {ROWS_EXPORTED:,} rows are in this file."])
    unit = reader_named(batch.format).unit.capitalize()
    return csv_lines(("File", unit, "Reason", "Row, personal data hidden"), rows)


def rows_to_correct(
    session: Session, *, settings: Settings, batch_id: int, file: Path | None = None
) -> Iterator[str]:
    """Return the lines of a CSV file of refused rows as they stand in the export.

    Those that another import took in since are left out.

    Parameters
    ----------
    session : Session
    settings : Settings
    batch_id : int
    file : Path, optional
        The export; by default the one that is kept.

    Raises
    ------
    NotFound
        If there is no such import, or its file is no longer kept.
    Invalid
        If the file is another one than the import read.
    Unreadable
    """
    batch = get_batch(session, batch_id)
    if file is None:
        file = get_kept_file(settings, batch_id).path
    elif measure_extent(file).sha256 != batch.file_sha256:
        raise Invalid(f"{file.name} is not the file that import {batch_id} read, or has changed.")
    rejects = [
        Refused(r.line, r.reason, r.raw)
        for r in list_rejects(session, batch_id=batch_id, limit=ROWS_EXPORTED)
        if r.settled_by_id is None
    ]
    mapping = Mapping.from_dict(batch.mapping)
    return lines_to_read_again(refused_rows(file, rejects, mapping))
