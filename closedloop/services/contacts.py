"""Take contacts in: recognise a file, look at it without writing, import it.

An import reads and writes in stretches. It may stop anywhere: what was committed is whole, and
a second run goes on from there or, begun afresh, finds it unchanged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from closedloop.adapters.bundle import Watch
from closedloop.adapters.contacts import read_contacts, read_rows
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import Piece
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import Progress
from closedloop.models import ImportBatch
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.cleaning import (
    Cleaning,
    Item,
    Stretch,
    is_worth_processes,
    pieces_of,
    without_first,
)
from closedloop.services.contact_files import (
    Extent,
    OpenedFile,
    RecognisedFile,
    fingerprint,
    looking_in_words,
    measure_extent,
    open_contacts,
    progress_of,
    recognise_file,
    with_rows,
)
from closedloop.services.contact_rows import hash_customer
from closedloop.services.import_batches import (
    close_broken_off,
    close_lost_imports,
    find_broken_off,
    get_open_import,
    left_behind,
    open_import,
    outcome_in_words,
    resume_import,
)
from closedloop.services.import_faults import as_refusal, faults_in_words
from closedloop.services.import_holds import TakenOver, keep_hold, new_holder
from closedloop.services.intake import gaps_of, store_stretch, withdrawn_in_words
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.previews import ImportPreview, preview_file
from closedloop.services.repeats import (
    chain_contacts,
    find_unchained,
    last_customer_id,
    take_turn,
)
from closedloop.services.replays import Replay, open_replay, settle_rejects
from closedloop.services.rollups import roll_up_due
from closedloop.services.waiting import Waiting

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

logger = logging.getLogger(__name__)

STRETCHES_TOGETHER = 8
"""How many stretches of a large file one transaction stores: pages of indexes are written once for
all of them."""

CHAINED_AT_ONCE = 100_000
"""Customers whose contacts are chained in one transaction, which others wait for."""

EVERYBODY_AT_ONCE = 400_000
"""Of no more customers, all are chained in one transaction where most of them wait: reading the
table from one end to the other takes half as long as looking their contacts up."""


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
    origin: str = "command",
    mapping_name: str = "",
    replay_of_id: int | None = None,
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
        One that is done is returned as it is. Without it, the last import of the same file and
        mapping goes on if it broke off; otherwise a new one begins.
    origin, mapping_name, replay_of_id : str, str, int
        See `open_import`.

    Returns
    -------
    ImportBatch

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used.
    NotFound, Conflict
        If there is no such import, or it was of another file or mapping; if the file changes
        while it is read, or another process goes on with the import.
    Unavailable
        If disk or database fail; what was committed stays, and the next run goes on there.
    """
    if batch_id is not None:
        with transactions() as session:
            if (known := get_open_import(session, batch_id)).state is BatchState.DONE:
                return known  # its file may be gone by now
    seen, extent = fingerprint(path), measure_extent(path)
    with new_holder() as holder, faults_in_words():
        with transactions() as session:  # opened and held at once: killed here, it can go on
            if batch_id is None:
                batch_id = find_broken_off(
                    session,
                    sha256=extent.sha256,
                    mapping=mapping,
                    source=source,
                    replay_of_id=replay_of_id,
                )
            if batch_id is None:
                batch_id = open_import(
                    session,
                    settings=settings,
                    path=path,
                    mapping=mapping,
                    source=source,
                    file_name=file_name,
                    by=by,
                    origin=origin,
                    mapping_name=mapping_name,
                    replay_of_id=replay_of_id,
                    extent=extent,
                ).id
            batch = resume_import(
                session, batch_id=batch_id, sha256=extent.sha256, mapping=mapping, holder=holder
            )
        if batch.state is BatchState.DONE:
            return batch
        run = _Run(transactions, settings, path, mapping, by, report, batch, extent, holder, seen)
        try:
            return run.go()
        except TakenOver:
            raise
        except Exception as error:
            run.give_up(error)
            raise


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
        holder: str,
        seen: tuple[int, int],
    ) -> None:
        self._transactions = transactions
        self._settings = settings
        self._path = path
        self._mapping = mapping
        self._by = by
        self._report = report
        self._batch = batch
        self._extent = extent
        self._holder = holder
        self._seen = seen
        self._watch = Watch()
        self._replay: Replay | None = None
        self._unchained = Waiting()
        self._began = time.monotonic()
        self._done_before = batch.rows_done

    def go(self) -> ImportBatch:
        """Read to the end, add the days up, close the import."""
        with open_contacts(self._path, self._mapping) as opened:
            self._extent = with_rows(self._extent, opened)
            opened.bundle.watch.tell = self._tell_looking
            self._watch = opened.bundle.watch
            # the time of the first run, so that each run refuses the same rows
            now = self._batch.started_at
            how = Cleaning(self._settings, opened.facts, self._mapping, now)
            with self._transactions() as session:
                self._replay = open_replay(session, self._batch, opened)
                # of a run that was killed before it came to them
                self._unchained.add(find_unchained(session, left_behind(session, self._batch)))
            rest = without_first(self._items(opened), opened.facts, self._batch.rows_done)
            stretches = how.stretches(rest, n_bytes=self._extent.n_bytes)
            n = STRETCHES_TOGETHER if is_worth_processes(self._extent.n_bytes) else 1
            for together in in_portions(stretches, n):
                self._refuse_change(fingerprint(self._path) != self._seen)
                self._store(together)
        self._refuse_change(measure_extent(self._path).sha256 != self._batch.file_sha256)
        self._chain(self._report)
        roll_up_due(self._transactions, report=self._report)
        return self._close(BatchState.DONE, "")

    def _items(self, opened: OpenedFile) -> Iterator[Item | Piece]:
        """Return the rows to take in, as pieces where processes beside can split those."""
        bundle, facts = opened.bundle, opened.facts
        if self._mapping.first_event_per_contact:  # which events came before matters
            now = self._batch.started_at
            items: Iterator[Item] = read_contacts(bundle, facts, self._mapping, now=now)
        elif self._replay is None and is_worth_processes(self._extent.n_bytes):
            return pieces_of(bundle, facts)
        else:
            items = read_rows(bundle, facts)
        return self._replay.only_wanted(items) if self._replay else items

    def give_up(self, error: Exception) -> None:
        """Close the import as failed, with the roll-up of what was taken in up to date."""
        rows = f"{self._batch.rows_done:,} rows"
        if refusal := as_refusal(error):
            message = refusal.sentence
        else:
            message = f"The import met a fault it did not expect ({type(error).__name__})."
        with self._even_if_it_fails():
            self._chain()
            roll_up_due(self._transactions)
        with self._even_if_it_fails():
            self._close(
                BatchState.FAILED,
                f"{message[:350]} It stopped after {rows}, which stay. "
                "Start it again to go on there.",
            )

    @contextmanager
    def _even_if_it_fails(self) -> Iterator[None]:
        """Go on after any fault: what broke the import breaks this, too, and is told anyway."""
        try:
            yield
        except Exception as too:
            logger.warning("import %s could not be closed: %s", self._batch.id, type(too).__name__)

    @staticmethod
    def _refuse_change(is_changed: bool) -> None:
        if is_changed:
            raise Conflict(
                "The file changed while it was being read. Put it back as it was to go on with "
                "this import, or import the new one: what is here already counts once."
            )

    def _store(self, stretches: Sequence[Stretch]) -> None:
        with self._transactions() as session:
            take_turn(session)
            keep_hold(session, self._batch.id, self._holder)
            customer_ids = [self._store_one(session, stretch) for stretch in stretches]
            batch = session.get_one(ImportBatch, self._batch.id)
        self._batch = batch
        for ids in customer_ids:
            self._unchained.add(ids)
        seconds = time.monotonic() - self._began
        rate = (batch.rows_done - self._done_before) / seconds if seconds else 0
        self._tell(
            stretches[-1].last_line,
            f"{batch.rows_read:,} rows read, {batch.added:,} new · {rate:,.0f} rows a second",
        )

    def _store_one(self, session: Session, stretch: Stretch) -> list[int]:
        """Store a stretch; return the customers whose contacts are still to be chained."""
        found = store_stretch(
            session,
            settings=self._settings,
            batch_id=self._batch.id,
            gaps=gaps_of(self._mapping.to_dict()),
            stretch=stretch,
            chain_later=True,
        )
        if self._replay:
            taken = [r for r in stretch.rows.rows() if r.line not in found.changed_lines]
            settle_rejects(session, self._replay, batch_id=self._batch.id, rows=taken)
        return found.customer_ids

    def _chain(self, report: Report = tell_nobody) -> None:
        """Bring the repeats of the customers up to date whose contacts came in.

        At the end, as most of them come in again and again. Who still waits when the process is
        killed is found by whoever comes next.
        """
        done, waiting = 0, len(self._unchained)
        portions: Iterable[list[int] | None] = self._unchained.portions(CHAINED_AT_ONCE)
        for customer_ids in [None] if self._are_most(waiting) else portions:
            doing = f"finding the repeats of {waiting:,} customers"
            report(Progress(done, waiting, doing))
            with self._transactions() as session:
                chain_contacts(session, settings=self._settings, customer_ids=customer_ids)
            done += len(customer_ids or ())
        self._unchained = Waiting()

    def _are_most(self, waiting: int) -> bool:
        """Return whether so many customers are chained sooner with all others than by themselves.

        Of fewer than one portion holds, it makes no difference worth a second way.
        """
        if waiting <= CHAINED_AT_ONCE:
            return False
        with self._transactions() as session:
            everybody = last_customer_id(session)  # or a few fewer
        return everybody <= min(EVERYBODY_AT_ONCE, 2 * waiting)

    def _tell(self, line: int, doing: str) -> None:
        self._report(progress_of(self._extent, self._watch, line, doing))

    def _tell_looking(self) -> None:
        """Say how far files are looked through from which no row has come yet."""
        if self._batch.rows_done == self._done_before:
            self._tell(0, looking_in_words(self._watch))

    def _close(self, state: BatchState, message: str) -> ImportBatch:
        with self._transactions() as session:
            batch = session.get_one(ImportBatch, self._batch.id)
            batch.state, batch.finished_at = state, utc_now()
            words = outcome_in_words(batch) + withdrawn_in_words(session, batch.id)
            batch.message = message or words
            is_done = state is BatchState.DONE
            if is_done:
                close_broken_off(session, batch)
            record_event(
                session,
                by=self._by,
                verb="contacts.imported" if is_done else "contacts.import_stopped",
                target_kind="import",
                target_id=batch.id,
                summary=f"imported {batch.file_name}: {outcome_in_words(batch)}"
                if is_done
                else f"stopped importing {batch.file_name} after {batch.rows_done:,} rows",
                detail={
                    name: getattr(batch, name)
                    for name in ("source", "rows_read", "added", "unchanged", "changed", "rejected")
                },
            )
        return batch
