"""Erase one customer: everything about them in the database and in the files of the instance.

What stays is an audit event that does not say who it was, and what was decided and measured
before: sums that no longer lead to anybody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.kept_files import SHORTEST, is_packed, kept_files, mentions, needles
from closedloop.adapters.uploads import delete_upload, find_upload
from closedloop.config import INSTANCE_FILE, Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict, Invalid, NotFound, Unreadable
from closedloop.domain.identities import IdentifierKind
from closedloop.domain.jobs import Progress
from closedloop.models import (
    Contact,
    ContactVersion,
    Customer,
    CustomerKey,
    ImportBatch,
    ImportReject,
    Job,
    LinkMove,
    Message,
)
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.contact_files import measure_extent
from closedloop.services.contact_rows import CUSTOMER_TOKEN
from closedloop.services.follow_ups import IS_FOLLOW_UP
from closedloop.services.identifiers import hash_customer, normalise_identifier
from closedloop.services.import_holds import is_being_read
from closedloop.services.key_state import require_keys
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.mappings import BUNDLE
from closedloop.services.repeats import chain_contacts, mark_due, take_turn
from closedloop.services.rollups import roll_up_due
from closedloop.services.session_removal import delete_contacts
from closedloop.services.text_removal import (
    IDS_AT_ONCE,
    RemovedTexts,
    overwrite_deleted,
    remove_texts,
    remove_unused_vectors,
    remove_versions,
)
from closedloop.services.theme_stats import find_stats_day, refresh_theme_stats

EMPTIED = "(emptied when a customer was erased)"

_contacts: Any = Contact.__table__
_customers: Any = Customer.__table__
_keys: Any = CustomerKey.__table__
_messages: Any = Message.__table__
_versions: Any = ContactVersion.__table__
_moves: Any = LinkMove.__table__
_rejects: Any = ImportReject.__table__


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be.

    Attributes
    ----------
    contacts, days : int
        Contacts, and the reporting days they lay on.
    texts, vectors, quotes, messages : int
        Of these contacts.
    rejects : int
        Rows in quarantine that named the customer.
    emptied : int
        Rows in quarantine that name somebody who cannot be told; they were emptied.
    identifiers : int
        Keyed hashes the customer was known by.
    others : int
        Other customers who were seen with the identifier; they stay, without it.
    files : list of str
        Uploads and read files of the watched folder that were deleted, as people called them.
    unsearched : list of str
        Files that are compressed, or that cannot be opened, and in which nobody can look.
    mentioned : list of str
        Other files of the instance that hold the identifier; they are for you to delete.
    tokens : list of str
        Of the uploads that were deleted.
    """

    contacts: int = 0
    days: int = 0
    texts: int = 0
    vectors: int = 0
    quotes: int = 0
    messages: int = 0
    rejects: int = 0
    emptied: int = 0
    identifiers: int = 0
    others: int = 0
    files: list[str] = field(default_factory=list)
    unsearched: list[str] = field(default_factory=list)
    mentioned: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list, repr=False, compare=False)


@dataclass(frozen=True)
class _Target:
    """A customer by everything that leads to them."""

    text: str
    written: str
    customer_ids: list[int]
    n_others: int
    keys: set[str]
    hashes: list[str]
    contact_ids: list[int]
    contact_keys: list[tuple[str, str]]
    days: set[date]
    batch_ids: set[int]
    file_hashes: set[str]
    n_rejects: int

    @property
    def words(self) -> list[str]:
        return [self.text, self.written, *self.hashes]


def erase_customer(
    transactions: Transactions,
    *,
    settings: Settings,
    customer_id_text: str,
    kind: IdentifierKind | None = None,
    only_own: bool = False,
    by: Actor,
    report: Report = tell_nobody,
    dry_run: bool = False,
) -> Erased:
    """Remove every trace of a customer.

    Deleted are contacts, what was said in them, quotes, vectors nobody else needs, links,
    messages, rows in quarantine, hashes, and uploads the customer stands in. The days they lay on
    are added up anew. Customers linked with this one are the same person and go too. Decisions
    and measurements stay.

    On SQLite what is deleted is written over; copies of pages in free space go with
    `Database.compact`. On PostgreSQL they go with VACUUM. Backups and the systems the contacts
    came from are not touched: importing them again brings the customer back.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    customer_id_text : str
        As a source names the customer, or an identifier of the kind.
    kind : IdentifierKind, optional
    only_own : bool
        Erase the one whose own id it is, though others were seen with it: they only lose it.
    by : Actor
    report : Report, optional
    dry_run : bool
        Count, but change nothing.

    Raises
    ------
    NotFound
        If nobody is known by it.
    Invalid
        If it is no identifier of its kind.
    Conflict
        If several customers share the identifier, an import is being read, or the keys are not
        those of the database.
    """
    report(Progress(0, 0, "Looking for the customer"))
    with transactions() as session:
        take_turn(session)
        require_keys(session, settings)
        target = _find(session, settings, customer_id_text.strip(), kind, only_own=only_own)
        _refuse_while_importing(session)
    # before the rows go: broken off in between, the next run still knows which files these are
    files = _erase_files(settings, target, dry_run=dry_run)
    with transactions() as session:
        take_turn(session)
        _refuse_while_importing(session)
        target = _find(session, settings, target.text, kind, only_own=only_own)
        erased = _erase_rows(session, settings, target, files, by)
        if dry_run:
            session.rollback()
            return erased
    remove_unused_vectors(transactions)  # of what was said before a conversation grew
    roll_up_due(transactions, report=report)
    with transactions() as session:
        if as_of := find_stats_day(session, settings):
            refresh_theme_stats(session, settings=settings, as_of=as_of)
    return erased


def _refuse_while_importing(session: Session) -> None:
    running = session.scalars(sa.select(ImportBatch).where(ImportBatch.state == BatchState.RUNNING))
    for batch in running:
        if is_being_read(batch):
            raise Conflict(
                f"Import no. {batch.id} is being read and may bring the customer in again. "
                "Wait for its end or cancel it."
            )


def _find(
    session: Session, settings: Settings, text: str, kind: IdentifierKind | None, *, only_own: bool
) -> _Target:
    written = normalise_identifier(text, kind, settings.phone_regions) if kind else text
    if not written:
        sentence = f"This is no {kind.label if kind else 'identifier'}."
        raise Invalid(sentence)
    key = hash_customer(written, settings.customer_keys, kind)
    keys = {key, hash_customer(text, settings.customer_keys)} if kind else {key}
    own, seen = _roots(session, keys)
    wanted = own if only_own and own else own | seen
    if len(wanted) > 1:
        raise Conflict(_shared(len(wanted), has_own=len(own) == 1))
    return _gather(session, text, written, wanted, keys, n_others=len(seen - wanted))


def _shared(n_customers: int, *, has_own: bool) -> str:
    sentence = (
        f"{n_customers:,} customers share this identifier. Name the one to erase by an "
        "identifier of their own, such as the customer id of the source."
    )
    if has_own:
        sentence += (
            " It is the own id of one of them: --only-own erases that one, and of the others "
            "nothing but this identifier."
        )
    return sentence


def _roots(session: Session, keys: Collection[str]) -> tuple[set[int], set[int]]:
    """Return the customers known by a key as their own, and those seen with it."""
    root = sa.func.coalesce(_customers.c.merged_into_id, _customers.c.id)
    own = sa.select(root).where(_customers.c.key_hash.in_(keys))
    seen = (
        sa.select(root)
        .join(_keys, _keys.c.customer_id == _customers.c.id)
        .where(_keys.c.key_hash.in_(keys))
    )
    return set(session.scalars(own)), set(session.scalars(seen))


def _gather(
    session: Session, text: str, written: str, roots: set[int], keys: set[str], *, n_others: int
) -> _Target:
    is_one = _customers.c.id.in_(roots) | _customers.c.merged_into_id.in_(roots)
    customers = {
        row.id: row.key_hash
        for row in session.execute(sa.select(_customers.c.id, _customers.c.key_hash).where(is_one))
    }
    contacts = session.execute(
        sa.select(
            *(_contacts.c.id, _contacts.c.source, _contacts.c.source_contact_id),
            *(_contacts.c.local_day, _contacts.c.batch_id),
        ).where(_contacts.c.customer_id.in_(list(customers)))
    ).all()
    hashes = sorted({*customers.values(), *keys})
    rejects = session.execute(
        sa.select(_rejects.c.batch_id).where(_rejects.c.customer_key.in_(hashes))
    ).all()
    if not customers and not rejects:
        raise NotFound(
            "Nobody is known by this. Write it as the source does, or say with --kind what it is."
        )
    ids = [row.id for row in contacts]
    batches = {row.batch_id for row in contacts} | {row.batch_id for row in rejects}
    batches |= _batches_of_messages(session, ids)
    batches |= _batches_of_versions(session, ids, list(customers))
    return _Target(
        text=text,
        written=written,
        customer_ids=sorted(customers),
        n_others=n_others,
        keys=keys,
        hashes=hashes,
        contact_ids=ids,
        contact_keys=[(row.source, row.source_contact_id) for row in contacts],
        days={row.local_day for row in contacts},
        batch_ids=batches,
        file_hashes=_hashes_of_files(session, batches),
        n_rejects=len(rejects),
    )


def _batches_of_messages(session: Session, contact_ids: Collection[int]) -> set[int]:
    found: set[int] = set()
    for ids in in_portions(contact_ids, IDS_AT_ONCE):
        batches = sa.select(_messages.c.batch_id).where(_messages.c.contact_id.in_(ids))
        found.update(i for i in session.scalars(batches.distinct()) if i is not None)
    return found


def _batches_of_versions(
    session: Session, contact_ids: Collection[int], customer_ids: Sequence[int]
) -> set[int]:
    """Return the imports that brought the customer's earlier versions of contacts."""
    batches = sa.select(_versions.c.batch_id).distinct()
    found = set(session.scalars(batches.where(_versions.c.customer_id.in_(customer_ids))))
    for ids in in_portions(contact_ids, IDS_AT_ONCE):
        found.update(session.scalars(batches.where(_versions.c.contact_id.in_(ids))))
    return found


def _hashes_of_files(session: Session, batch_ids: Collection[int]) -> set[str]:
    found: set[str] = set()
    for ids in in_portions(batch_ids, IDS_AT_ONCE):
        found.update(
            session.scalars(sa.select(ImportBatch.file_sha256).where(ImportBatch.id.in_(ids)))
        )
    return found


def _erase_rows(
    session: Session, settings: Settings, target: _Target, files: Erased, by: Actor
) -> Erased:
    overwrite_deleted(session)
    removed = RemovedTexts()
    messages = 0
    for ids in in_portions(target.contact_ids, IDS_AT_ONCE):
        removed += remove_texts(session, ids)
        of_contacts = sa.select(sa.func.count()).where(_messages.c.contact_id.in_(ids))
        messages += session.scalar(of_contacts) or 0
        remove_versions(session, _versions.c.contact_id.in_(ids))
        delete_contacts(session, ids)
    followers = _forget_follow_ups(session, target.contact_keys)
    if followers:
        chain_contacts(session, settings=settings, customer_ids=sorted(followers))
    customer_ids = target.customer_ids
    # also of contacts that are somebody else's by now
    remove_versions(session, _versions.c.customer_id.in_(customer_ids))
    n_keys = len(
        session.execute(
            sa.delete(_keys)
            .where(_keys.c.customer_id.in_(customer_ids) | _keys.c.key_hash.in_(target.keys))
            .returning(_keys.c.kind)
        ).all()
    )
    session.execute(sa.delete(_moves).where(_moves.c.customer_id.in_(customer_ids)))
    session.execute(sa.delete(_customers).where(_customers.c.id.in_(customer_ids)))
    session.execute(sa.delete(_rejects).where(_rejects.c.customer_key.in_(target.hashes)))
    _empty_jobs(session, target.words, files.tokens)
    mark_due(session, target.days)
    erased = replace(
        files,
        contacts=len(target.contact_ids),
        days=len(target.days),
        texts=removed.texts,
        vectors=removed.vectors,
        quotes=removed.quotes,
        messages=messages,
        rejects=target.n_rejects,
        emptied=_empty_rejects(session),
        identifiers=len(customer_ids) + n_keys,
        others=target.n_others,
    )
    _record(session, erased, by)
    return erased


def _record(session: Session, erased: Erased, by: Actor) -> None:
    record_event(
        session,
        by=by,
        verb="contacts.customer_erased",
        target_kind="site",
        target_id=None,
        summary=f"erased a customer: {erased.contacts:,} contacts on {erased.days:,} days, "
        f"{erased.rejects:,} rows in quarantine, {len(erased.files):,} uploads",
        detail={
            "contacts": erased.contacts,
            "days": erased.days,
            "rejects": erased.rejects,
            "files": len(erased.files),
        },
    )


def _forget_follow_ups(session: Session, contacts: Collection[tuple[str, str]]) -> set[int]:
    """Clear references of other contacts to those that are gone; return whose they were."""
    customer_ids: set[int] = set()
    for portion in in_portions(contacts, IDS_AT_ONCE):
        of_source: dict[str, list[str]] = {}
        for source, contact_id in portion:
            of_source.setdefault(source, []).append(contact_id)
        for source, ids in of_source.items():
            cleared = session.scalars(
                sa.update(_contacts)
                .where(
                    _contacts.c.source == source,
                    _contacts.c.follows_contact_id.in_(ids),
                    IS_FOLLOW_UP,
                )
                .values(follows_contact_id="")
                .returning(_contacts.c.customer_id)
            )
            customer_ids.update(i for i in cleared if i is not None)
            of_source_now = sa.select(_contacts.c.id).where(_contacts.c.source == source)
            session.execute(
                sa.update(_versions)
                .where(_versions.c.follows_contact_id.in_(ids))
                .where(_versions.c.contact_id.in_(of_source_now))
                .values(follows_contact_id="")
            )
    return customer_ids


def _empty_rejects(session: Session) -> int:
    """Empty quarantined rows that name a customer nobody can tell: it may be this one."""
    cannot_tell = sa.and_(
        _rejects.c.customer_key.is_(None), _rejects.c.raw.contains(CUSTOMER_TOKEN, autoescape=True)
    )
    emptied = sa.update(_rejects).where(cannot_tell).values(raw=EMPTIED)
    return len(session.execute(emptied.returning(_rejects.c.id)).all())


def _empty_jobs(session: Session, words: Collection[str], tokens: Collection[str]) -> None:
    """Empty what jobs were asked and answered where it names the customer.

    What jobs said of an upload that is gone is emptied, too: a try shows first rows of it.
    """
    wanted = [json.dumps(word)[1:-1] for word in words if len(word) >= SHORTEST]
    for job in session.scalars(sa.select(Job)):
        said = json.dumps([job.arguments, job.checkpoint, job.result, job.error])
        if any(word in said for word in wanted):
            job.arguments, job.checkpoint, job.result, job.error = {}, {}, {}, ""
        elif job.arguments.get("token") in tokens:
            job.checkpoint, job.result = {}, {k: v for k, v in job.result.items() if _is_count(v)}
    session.flush()  # statements that follow do not go by the loaded jobs


def _is_count(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _erase_files(settings: Settings, target: _Target, *, dry_run: bool) -> Erased:
    """Delete uploads the customer stands in; name the files where somebody has to look."""
    wanted = needles(target.words)
    found = Erased()
    _erase_picked_up(settings, target, wanted, found, dry_run=dry_run)
    folder = Path(settings.watched_folder).resolve() if settings.watched_folder else None
    for path in kept_files(settings.instance, but=_own_files(settings)):
        if folder is not None and path.is_relative_to(folder):
            continue
        if path.parent == settings.uploads and path.suffix in (".upload", ".json"):
            if path.suffix == ".upload":
                _erase_upload(settings, target, path, wanted, found, dry_run=dry_run)
            continue
        name = str(path.relative_to(settings.instance))
        if _holds(path, wanted, name, found):
            found.mentioned.append(name)
    return found


def _own_files(settings: Settings) -> set[str]:
    """Return the files of the instance that are no copies of anything: keys and database."""
    url = sa.make_url(settings.url)
    if url.get_backend_name() != "sqlite":
        return {INSTANCE_FILE}
    name = Path(url.database or "").name
    return {INSTANCE_FILE, *(f"{name}{end}" for end in ("", "-wal", "-shm", "-journal"))}


def _holds(path: Path, wanted: list[bytes], name: str, found: Erased) -> bool:
    """Whether a file mentions the customer; what cannot be opened is named as not searched."""
    try:
        return bool(wanted) and mentions(path, wanted)
    except FileNotFoundError:  # gone in between
        return False
    except OSError:
        found.unsearched.append(name)
        return False


def _erase_picked_up(
    settings: Settings, target: _Target, wanted: list[bytes], found: Erased, *, dry_run: bool
) -> None:
    """Delete files of the watched folder that were read; name those that wait to be.

    Whoever wrote the customer otherwise in a file, or compressed it, had it imported all the
    same: such a file is known by its content.
    """
    if not settings.watched_folder:
        return
    folder = Path(settings.watched_folder)
    paths = list(kept_files(folder, but=()))
    over = {path for path in paths if path.is_relative_to(folder / "done")}
    read = {whole for whole in {_whole(path, folder) for path in over} if _is_read(whole, target)}
    over.update(path for path in paths if path.is_relative_to(folder / "failed"))
    for path in paths:
        name, is_over = str(path.relative_to(folder)), path in over
        n_unsearched = len(found.unsearched)
        if _holds(path, wanted, name, found) or (is_over and _whole(path, folder) in read):
            (found.files if is_over else found.mentioned).append(name)
            if is_over and not dry_run:
                path.unlink(missing_ok=True)
        elif len(found.unsearched) == n_unsearched and path.exists() and is_packed(path):
            found.unsearched.append(name)


def _whole(path: Path, folder: Path) -> Path:
    """Return a file, or the folder of several that is one export and that it is part of."""
    parts = (p for p in path.parents if p.is_relative_to(folder) and p != folder)
    bundles = [p for p in parts if p.name.lower().endswith(BUNDLE)]
    return bundles[-1] if bundles else path


def _is_read(path: Path, target: _Target) -> bool:
    """Whether an import that brought the customer's contacts read this."""
    try:
        return measure_extent(path).sha256 in target.file_hashes
    except Unreadable:
        return False


def _erase_upload(
    settings: Settings,
    target: _Target,
    path: Path,
    wanted: list[bytes],
    found: Erased,
    *,
    dry_run: bool,
) -> None:
    upload = find_upload(settings.uploads, path.stem)
    name = upload.file_name if upload else path.name
    is_read = upload is not None and upload.batch_id in target.batch_ids
    if is_read or _holds(path, wanted, name, found):
        found.files.append(name)
        found.tokens.append(path.stem)
        if not dry_run:
            path.unlink(missing_ok=True)
            if upload:
                delete_upload(upload)
    elif is_packed(path):
        found.unsearched.append(name)
