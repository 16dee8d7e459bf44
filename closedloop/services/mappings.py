"""Save mappings by name, rename and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.models import ImportBatch, SavedMapping
from closedloop.queries.mappings import columns_hash
from closedloop.services.audit import record_event
from closedloop.services.contact_files import refuse_misfit

MAX_NAME_CHARS = 80
RESERVED = ("done", "failed")
"""Folders of their own inside a watched folder, where the others are named after mappings."""

BUNDLE = ".export"
"""How folders end that are one export of several files; see `watched_folder`."""


def save_mapping(
    session: Session,
    *,
    name: str,
    format: str,
    header: Sequence[str],
    mapping: Mapping,
    by: Actor,
    replace: bool = False,
) -> SavedMapping:
    """Keep a mapping under a name, for the next file of the same shape.

    Parameters
    ----------
    session : Session
    name : str
        At most 80 characters; may be the name of a folder.
    format : str
        Of the reader.
    header : sequence of str
        Columns of the file it was made on.
    mapping : Mapping
    by : Actor
    replace : bool
        Whether an other mapping of this name is given up for it.

    Raises
    ------
    Invalid
        If the name cannot be used, or the file could not be imported with the mapping.
    Conflict
        If the name is taken by an other mapping and `replace` is false.
    """
    name = checked_name(name)
    refuse_misfit(mapping, header)
    settings, digest = mapping.to_dict(), columns_hash(header)
    saved = session.scalar(sa.select(SavedMapping).where(SavedMapping.name == name))
    if saved is None:
        saved = SavedMapping(
            name=name,
            format=format,
            columns_hash=digest,
            mapping=settings,
            saved_by=by.name[:120],
        )
        session.add(saved)
        session.flush()  # the event needs the id
        _record(session, by, "contacts.mapping_saved", saved, f"saved the mapping {name}")
        return saved
    if (saved.format, saved.columns_hash, saved.mapping) == (format, digest, settings):
        return saved
    if not replace:
        sentence = f"There is another mapping called “{name}”. Choose another name, or delete it."
        raise Conflict(sentence)
    saved.format, saved.columns_hash, saved.mapping = format, digest, settings
    saved.saved_by, saved.saved_at = by.name[:120], utc_now()
    _record(session, by, "contacts.mapping_replaced", saved, f"changed the mapping {name}")
    return saved


def rename_mapping(session: Session, *, name: str, new_name: str, by: Actor) -> SavedMapping:
    """Give a mapping another name; imports that used it are known under the new one.

    Raises
    ------
    NotFound, Invalid, Conflict
    """
    saved = _get(session, name)
    new_name = checked_name(new_name)
    if new_name == name:
        return saved
    if session.scalar(sa.select(SavedMapping.id).where(SavedMapping.name == new_name)):
        raise Conflict(f"There is another mapping called “{new_name}”. Choose another name.")
    saved.name = new_name
    session.execute(
        sa.update(ImportBatch).where(ImportBatch.mapping_name == name).values(mapping_name=new_name)
    )
    _record(
        session, by, "contacts.mapping_renamed", saved, f"renamed the mapping {name} {new_name}"
    )
    return saved


def delete_mapping(session: Session, *, name: str, by: Actor) -> None:
    """Delete a mapping; imports made with it keep theirs.

    Raises
    ------
    NotFound
    """
    saved = _get(session, name)
    _record(session, by, "contacts.mapping_deleted", saved, f"deleted the mapping {name}")
    session.delete(saved)


def checked_name(name: str) -> str:
    """Return a name without needless spaces.

    Raises
    ------
    Invalid
        If it is empty, too long, or could not be the name of a folder.
    """
    name = " ".join(name.split())
    sentence = ""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        sentence = f"Give the mapping a name of at most {MAX_NAME_CHARS} characters."
    elif any(c in '/\\:*?"<>|' or not c.isprintable() for c in name) or name.startswith("."):
        sentence = 'A name has none of / \\ : * ? " < > | and no dot in front.'
    elif name.lower() in RESERVED:
        sentence = f"“{name}” is the name of a folder for files that were read. Choose another."
    elif name.lower().endswith(BUNDLE):
        sentence = f"Names of folders that end in {BUNDLE} mark whole exports. Choose another."
    if sentence:
        raise Invalid(sentence, {"name": sentence})
    return name


def _get(session: Session, name: str) -> SavedMapping:
    saved = session.scalar(sa.select(SavedMapping).where(SavedMapping.name == name))
    if saved is None:
        raise NotFound(f"There is no saved mapping “{name[:MAX_NAME_CHARS]}”.")
    return saved


def _record(session: Session, by: Actor, verb: str, saved: SavedMapping, summary: str) -> None:
    record_event(
        session,
        by=by,
        verb=verb,
        target_kind="mapping",
        target_id=saved.id,
        summary=summary,
        detail={"name": saved.name, "format": saved.format},
    )
