"""An import as it is noted down: opened, taken up again, closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import MAX_SOURCE_CHARS, Mapping
from closedloop.adapters.parse import clean
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.models import ImportBatch
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.contact_files import Extent, check_mapping, measure_extent
from closedloop.services.import_holds import hold_import, is_being_read
from closedloop.services.repeats import chain_contacts, find_unchained
from closedloop.services.told_ids import hide_in_name

LOOKED_BACK = timedelta(days=7)
"""How long a failed import is looked at each night for contacts that it left unchained."""


def open_import(
    session: Session,
    *,
    settings: Settings,
    path: Path,
    mapping: Mapping,
    source: str,
    file_name: str,
    by: Actor,
    origin: str = "command",
    mapping_name: str = "",
    replay_of_id: int | None = None,
    extent: Extent | None = None,
) -> ImportBatch:
    """Note down an import that is about to begin; hand its id to `import_file`.

    Whoever does so before queueing the work can start it again after any accident without
    reading twice what was taken in.

    Parameters
    ----------
    session : Session
    settings : Settings
        For what its rules hide in the name of the file.
    path : Path
    mapping : Mapping
    source, file_name : str
        See `import_file`.
    by : Actor
    origin : str
        How the file came: upload, command, api or folder.
    mapping_name : str
        Of a saved mapping.
    replay_of_id : int, optional
        The import whose refused rows are tried again. With the very file of that import only
        those rows are read.
    extent : Extent, optional
        Of the file, where it was measured already.

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used; nothing is noted down then.
    """
    facts = check_mapping(path, mapping)
    source = " ".join(clean(source).split())
    if not 0 < len(source) <= MAX_SOURCE_CHARS:
        sentence = f"Name the system the file comes from, in at most {MAX_SOURCE_CHARS} characters."
        raise Invalid(sentence, {"source": sentence})
    name = hide_in_name(clean(file_name), settings)  # some systems let names hold any byte
    batch = ImportBatch(
        source=source,
        file_name=name[-255:],
        file_sha256=(extent or measure_extent(path)).sha256,
        format=facts.format,
        origin=origin,
        mapping_name=mapping_name,
        replay_of_id=replay_of_id,
        mapping=mapping.to_dict(),
        redactions={},
        started_by=by.name[:120],
    )
    session.add(batch)
    session.flush()  # the caller needs the id
    return batch


def find_broken_off(
    session: Session,
    *,
    sha256: str,
    mapping: Mapping,
    source: str,
    replay_of_id: int | None = None,
) -> int | None:
    """Return the last import of a file under a mapping if it broke off and nobody reads it."""
    last = session.scalar(
        sa.select(ImportBatch)
        .where(
            ImportBatch.source == source,
            ImportBatch.file_sha256 == sha256,
            ImportBatch.replay_of_id.is_not_distinct_from(replay_of_id),
            ImportBatch.rolled_back_by == "",
        )
        .order_by(ImportBatch.id.desc())
        .limit(1)
    )
    if last is None or last.state is BatchState.DONE or last.mapping != mapping.to_dict():
        return None
    has_begun = last.beat_at is not None  # others wait for the worker they were queued for
    return last.id if has_begun and not is_being_read(last) else None


def get_open_import(session: Session, batch_id: int) -> ImportBatch:
    """Return an import that was not taken out again.

    Raises
    ------
    NotFound, Conflict
    """
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import number {batch_id}.")
    if batch.rolled_back_by:
        raise Conflict("This import was taken out again. Import the file as a new one.")
    return batch


def resume_import(
    session: Session, *, batch_id: int, sha256: str, mapping: Mapping, holder: str
) -> ImportBatch:
    """Return an import that may begin or go on, held by `holder` from now on.

    One that is done is returned as it is.

    Raises
    ------
    NotFound
    Conflict
        If it was of another file or mapping, or was taken out again.
    """
    batch = get_open_import(session, batch_id)
    if batch.state is BatchState.DONE:
        return batch
    if sha256 != batch.file_sha256:
        raise Conflict("The file has changed since this import began. Import it as a new one.")
    if batch.mapping != mapping.to_dict():
        raise Conflict("This import began with another mapping. Import the file as a new one.")
    batch.state, batch.message, batch.finished_at = BatchState.RUNNING, "", None
    hold_import(batch, holder)
    return batch


def close_lost_imports(session: Session, *, settings: Settings, by: Actor) -> int:
    """Close imports that broke off and that nobody began again; chain what they left behind.

    Returns
    -------
    int
        Imports closed: those still said to be running a day after they began. Of those that
        failed, the ones of the last `LOOKED_BACK` are chained, so that a night may be missed.
    """
    now = utc_now()
    yesterday = now - timedelta(days=1)
    recent = sa.and_(
        ImportBatch.state == BatchState.FAILED, ImportBatch.finished_at > now - LOOKED_BACK
    )
    broken = session.scalars(
        sa.select(ImportBatch).where(sa.or_(ImportBatch.state == BatchState.RUNNING, recent))
    ).all()
    left = [batch for batch in broken if not is_being_read(batch)]
    if unchained := find_unchained(session, [batch.id for batch in left]):
        chain_contacts(session, settings=settings, customer_ids=unchained)
    lost = [b for b in left if b.state is BatchState.RUNNING and b.started_at < yesterday]
    for batch in lost:
        batch.state, batch.finished_at = BatchState.FAILED, now
        batch.message = (
            f"It broke off after {batch.rows_done:,} rows, which stay. "
            "Import the file again to take in the rest."
        )
        record_event(
            session,
            by=by,
            verb="contacts.import_stopped",
            target_kind="import",
            target_id=batch.id,
            summary=f"closed the import of {batch.file_name}, which broke off",
        )
    return len(lost)


def _broken_off(session: Session, batch: ImportBatch) -> Sequence[ImportBatch]:
    """Return imports of the same file that never came to an end: their process was killed."""
    same = (ImportBatch.source == batch.source, ImportBatch.file_sha256 == batch.file_sha256)
    return session.scalars(
        sa.select(ImportBatch)
        .where(*same, ImportBatch.id < batch.id, ImportBatch.state == BatchState.RUNNING)
        .where(ImportBatch.rows_done > 0)
        .order_by(ImportBatch.id)
    ).all()


def left_behind(session: Session, batch: ImportBatch) -> list[int]:
    """Return the imports that may have left contacts unchained: this one and those before it."""
    return [batch.id, *(other.id for other in _broken_off(session, batch))]


def close_broken_off(session: Session, batch: ImportBatch) -> None:
    """Say of imports that broke off that this one read their file to its end.

    One that is alive after all closes itself as done when it is.
    """
    for other in _broken_off(session, batch):
        other.state, other.finished_at = BatchState.FAILED, utc_now()
        other.message = (
            f"It broke off after {other.rows_done:,} rows, which stay. "
            f"Import no. {batch.id} read the same file to its end."
        )


def outcome_in_words(batch: ImportBatch) -> str:
    """Return what an import brought, in a sentence; what there was none of is left out."""
    if batch.rows_read == 0:
        return "The file has column names but no rows below them."
    renewed = f" ({batch.renewed:,} replaced what was here)" if batch.renewed else ""
    parts = (
        (batch.unchanged, f"{batch.unchanged:,} unchanged"),
        (batch.changed, f"{batch.changed:,} changed{renewed}"),
        (batch.rejected, f"{batch.rejected:,} in quarantine"),
    )
    new = f"{batch.added:,} new"
    found = ", ".join([new, *(words for count, words in parts if count)])
    rows = "1 row" if batch.rows_read == 1 else f"{batch.rows_read:,} rows"
    return f"{rows} read: {found}{_left_out_in_words(batch)}."


def _left_out_in_words(batch: ImportBatch) -> str:
    if not batch.left_out:
        return ""
    if not batch.mapping.get("first_event_per_contact"):
        return f", {batch.left_out:,} left out, not from customers"
    if not batch.mapping.get("inbound"):
        return f", {batch.left_out:,} left out, later events of the same contact"
    return f", {batch.left_out:,} left out, not from customers or later events of a contact"
