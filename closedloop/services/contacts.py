"""Take contacts in: recognise a file, look at it without writing, import it.

An import reads and writes in stretches. It may stop anywhere: what was committed is whole, and
a second run goes on from there or, begun afresh, finds it unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.contacts import Outcome, read_contacts
from closedloop.adapters.mapping import MAX_SOURCE_CHARS, Mapping
from closedloop.adapters.parse import clean
from closedloop.adapters.types import ParsedContact, Reject
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound, Refusal
from closedloop.domain.jobs import Progress
from closedloop.models import ImportBatch
from closedloop.models.contacts import BatchState
from closedloop.services.audit import record_event
from closedloop.services.contact_files import (
    Extent,
    RecognisedFile,
    check_mapping,
    measure_extent,
    open_contacts,
    recognise_file,
    with_rows,
)
from closedloop.services.contact_rows import RowCleaner, hash_customer
from closedloop.services.intake import Stretch, gaps_of, store_stretch
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.previews import ImportPreview, preview_file
from closedloop.services.rollups import roll_up_due

__all__ = [
    "ImportPreview",
    "RecognisedFile",
    "close_lost_imports",
    "hash_customer",
    "import_file",
    "open_import",
    "preview_file",
    "recognise_file",
]

ROWS_PER_STRETCH = 2_000
CHARACTERS_PER_STRETCH = 4_000_000


def open_import(
    session: Session,
    *,
    path: Path,
    mapping: Mapping,
    source: str,
    file_name: str,
    by: Actor,
) -> ImportBatch:
    """Note down an import that is about to begin; hand its id to `import_file`.

    Whoever does so before queueing the work can start it again after any accident without
    reading twice what was taken in.

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used; nothing is noted down then.
    """
    check_mapping(path, mapping)
    source = " ".join(clean(source).split())
    if not 0 < len(source) <= MAX_SOURCE_CHARS:
        sentence = f"Name the system the file comes from, in at most {MAX_SOURCE_CHARS} characters."
        raise Invalid(sentence, {"source": sentence})
    batch = ImportBatch(
        source=source,
        file_name=clean(file_name)[-255:],  # some systems let names hold any byte
        file_sha256=measure_extent(path).sha256,
        mapping=mapping.to_dict(),
        redactions={},
        started_by=by.name[:120],
    )
    session.add(batch)
    session.flush()  # the caller needs the id
    return batch


def import_file(
    transactions: Transactions,
    *,
    settings: Settings,
    path: Path,
    mapping: Mapping,
    source: str,
    file_name: str,
    by: Actor,
    report: Report = tell_nobody,
    batch_id: int | None = None,
) -> ImportBatch:
    """Take the contacts of a file in, in bounded memory and short transactions.

    Personal data are redacted and customers hashed before anything is written. A contact that
    the source has brought before is left as it is: with the same content it counts as
    unchanged, with other content as changed, with a note in the quarantine. With
    `mapping.session_gap_seconds` above 0 each row is a message, and those of one customer at
    most so many seconds apart are one contact.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    path : Path
    mapping : Mapping
    source : str
        Ids are unique within it; at most 60 characters.
    file_name : str
        As people know the file.
    by : Actor
    report : Report, optional
        Told bytes read of the file's size, about.
    batch_id : int, optional
        Of an import that was opened or broke off: goes on after the rows that were committed.
        One that is done is returned as it is.

    Returns
    -------
    ImportBatch

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used.
    NotFound, Conflict
        If there is no such import, or it was of another file or mapping.
    """
    if batch_id is None:
        with transactions() as session:
            batch_id = open_import(
                session, path=path, mapping=mapping, source=source, file_name=file_name, by=by
            ).id
    batch, extent = _resume(transactions, batch_id, path, mapping)
    if batch.state is BatchState.DONE:
        return batch
    run = _Run(transactions, settings, path, mapping, by, report, batch, extent)
    try:
        return run.go()
    except Exception as error:
        run.give_up(error)
        raise


def close_lost_imports(session: Session, *, by: Actor) -> int:
    """Close imports that broke off and that nobody began again.

    Returns
    -------
    int
        Imports closed: those still said to be running a day after they began.
    """
    lost = session.scalars(
        sa.select(ImportBatch).where(
            ImportBatch.state == BatchState.RUNNING,
            ImportBatch.started_at < utc_now() - timedelta(days=1),
        )
    ).all()
    for batch in lost:
        batch.state, batch.finished_at = BatchState.FAILED, utc_now()
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


def _resume(
    transactions: Transactions, batch_id: int, path: Path, mapping: Mapping
) -> tuple[ImportBatch, Extent]:
    """Return an import that may begin or go on."""
    with transactions() as session:
        batch = session.get(ImportBatch, batch_id)
        if batch is None:
            raise NotFound(f"There is no import number {batch_id}.")
        if batch.state is BatchState.DONE:
            return batch, Extent(batch.file_sha256, 0, 0)
        extent = measure_extent(path)
        if extent.sha256 != batch.file_sha256:
            raise Conflict("The file has changed since this import began. Import it as a new one.")
        if batch.mapping != mapping.to_dict():
            raise Conflict("This import began with another mapping. Import the file as a new one.")
        batch.state, batch.message, batch.finished_at = BatchState.RUNNING, "", None
        return batch, extent


class _Run:
    """One run over a file, from where the last one stopped."""

    def __init__(
        self,
        transactions: Transactions,
        settings: Settings,
        path: Path,
        mapping: Mapping,
        by: Actor,
        report: Report,
        batch: ImportBatch,
        extent: Extent,
    ) -> None:
        self._transactions = transactions
        self._settings = settings
        self._path = path
        self._mapping = mapping
        self._by = by
        self._report = report
        self._batch = batch
        self._extent = extent

    def go(self) -> ImportBatch:
        """Read to the end, add the days up, close the import."""
        with open_contacts(self._path, self._mapping) as opened:
            self._extent = with_rows(self._extent, opened)
            cleaner = RowCleaner(self._settings, opened.facts, self._mapping)
            # the time of the first run, so that each run refuses the same rows
            now = self._batch.started_at
            outcomes = read_contacts(opened.bundle, opened.facts, self._mapping, now=now)
            rest = islice(outcomes, self._batch.rows_done, None)
            for stretch in _stretches(rest, cleaner):
                self._store(stretch)
        roll_up_due(self._transactions, report=self._report)
        return self._close(BatchState.DONE, "")

    def give_up(self, error: Exception) -> None:
        """Close the import as failed, with the roll-up of what was taken in up to date."""
        rows = f"{self._batch.rows_done:,} rows"
        if isinstance(error, Refusal):
            message = error.sentence
        else:
            message = f"The import met a fault it did not expect ({type(error).__name__})."
        roll_up_due(self._transactions, report=self._report)
        self._close(
            BatchState.FAILED,
            f"{message[:350]} It stopped after {rows}, which stay. Start it again to go on there.",
        )

    def _store(self, stretch: Stretch) -> None:
        with self._transactions() as session:
            store_stretch(
                session,
                settings=self._settings,
                batch_id=self._batch.id,
                gaps=gaps_of(self._mapping.to_dict()),
                stretch=stretch,
            )
            batch = session.get_one(ImportBatch, self._batch.id)
        self._batch = batch
        self._tell(stretch.last_line, f"{batch.rows_read:,} rows read, {batch.added:,} new")

    def _tell(self, line: int, doing: str) -> None:
        self._report(Progress(self._extent.bytes_up_to(line), self._extent.total, doing))

    def _close(self, state: BatchState, message: str) -> ImportBatch:
        with self._transactions() as session:
            batch = session.get_one(ImportBatch, self._batch.id)
            batch.state, batch.finished_at = state, utc_now()
            batch.message = message or _outcome_in_words(batch)
            is_done = state is BatchState.DONE
            if is_done:
                _close_broken_off(session, batch)
            record_event(
                session,
                by=self._by,
                verb="contacts.imported" if is_done else "contacts.import_stopped",
                target_kind="import",
                target_id=batch.id,
                summary=f"imported {batch.file_name}: {_outcome_in_words(batch)}"
                if is_done
                else f"stopped importing {batch.file_name} after {batch.rows_done:,} rows",
                detail={
                    name: getattr(batch, name)
                    for name in ("source", "rows_read", "added", "unchanged", "changed", "rejected")
                },
            )
        return batch


def _broken_off(session: Session, batch: ImportBatch) -> Sequence[ImportBatch]:
    """Return imports of the same file that never came to an end: their process was killed."""
    same = (ImportBatch.source == batch.source, ImportBatch.file_sha256 == batch.file_sha256)
    return session.scalars(
        sa.select(ImportBatch)
        .where(*same, ImportBatch.id < batch.id, ImportBatch.state == BatchState.RUNNING)
        .where(ImportBatch.rows_done > 0)
        .order_by(ImportBatch.id)
    ).all()


def _close_broken_off(session: Session, batch: ImportBatch) -> None:
    """Say of imports that broke off that this one read their file to its end.

    One that is alive after all closes itself as done when it is.
    """
    for other in _broken_off(session, batch):
        other.state, other.finished_at = BatchState.FAILED, utc_now()
        other.message = (
            f"It broke off after {other.rows_done:,} rows, which stay. "
            f"Import no. {batch.id} read the same file to its end."
        )


def _outcome_in_words(batch: ImportBatch) -> str:
    if batch.rows_read == 0:
        return "The file has column names but no rows below them."
    return (
        f"{batch.rows_read:,} rows read: {batch.added:,} new, {batch.unchanged:,} unchanged, "
        f"{batch.changed:,} changed, {batch.rejected:,} in quarantine."
    )


def _stretches(outcomes: Iterator[Outcome], cleaner: RowCleaner) -> Iterator[Stretch]:
    """Yield the rest of a file in stretches of bounded size, cleaned."""
    stretch, n_characters = Stretch(), 0
    for outcome in outcomes:
        stretch.n_read += 1
        stretch.last_line = outcome.line
        if isinstance(outcome, ParsedContact):
            n_characters += sum(len(text) for _, text in outcome.turns)
            stretch.rows.append(cleaner.clean(outcome))
        elif isinstance(outcome, Reject):
            stretch.rejects.append(cleaner.clean_reject(outcome))
        if stretch.n_read >= ROWS_PER_STRETCH or n_characters >= CHARACTERS_PER_STRETCH:
            yield stretch
            stretch, n_characters = Stretch(), 0
    if stretch.n_read:
        yield stretch
