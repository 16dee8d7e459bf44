"""Mappings saved by name: which there are, which fits a file, when each was last used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.models import ImportBatch, SavedMapping


@dataclass(frozen=True)
class KnownMapping:
    """A saved mapping.

    Attributes
    ----------
    id : int
    name : str
    format : str
        Of the reader it was made for.
    mapping : mapping
        As `Mapping.to_dict` gives it.
    saved_by : str
    saved_at : datetime
    last_used_at : datetime or None
        When an import last began with it.
    """

    id: int
    name: str
    format: str
    mapping: MappingOf[str, Any]
    saved_by: str
    saved_at: datetime
    last_used_at: datetime | None


def columns_hash(header: Sequence[str]) -> str:
    """Return the SHA-256 of the sorted column names, hex: their order does not matter."""
    return hashlib.sha256("\0".join(sorted(header)).encode("utf-8", "replace")).hexdigest()


def list_mappings(session: Session) -> list[KnownMapping]:
    """Return all saved mappings by name."""
    return _read(session, sa.true())


def find_mappings_for(
    session: Session, *, format: str, header: Sequence[str]
) -> list[KnownMapping]:
    """Return the mappings made on the same columns of the same format, last used first."""
    found = _read(
        session,
        sa.and_(SavedMapping.format == format, SavedMapping.columns_hash == columns_hash(header)),
    )
    return sorted(found, key=lambda m: m.last_used_at or m.saved_at, reverse=True)


def find_mapping(session: Session, name: str) -> KnownMapping | None:
    """Return the mapping of a name, None when there is none."""
    found = _read(session, SavedMapping.name == name)
    return found[0] if found else None


def get_mapping(session: Session, name: str) -> KnownMapping:
    """Return the mapping of a name.

    Raises
    ------
    NotFound
        Naming those there are.
    """
    if found := find_mapping(session, name):
        return found
    names = [known.name for known in list_mappings(session)]
    there = f"Saved are: {', '.join(names[:12])}." if names else "None has been saved yet."
    raise NotFound(f"There is no saved mapping “{name[:80]}”. {there}")


def _read(session: Session, condition: sa.ColumnElement[bool]) -> list[KnownMapping]:
    used = (
        sa.select(
            ImportBatch.mapping_name.label("name"), sa.func.max(ImportBatch.started_at).label("at")
        )
        .where(ImportBatch.mapping_name != "")
        .group_by(ImportBatch.mapping_name)
        .subquery()
    )
    statement = (
        sa.select(SavedMapping, used.c.at)
        .outerjoin(used, used.c.name == SavedMapping.name)
        .where(condition)
        .order_by(SavedMapping.name)
    )
    return [
        KnownMapping(m.id, m.name, m.format, m.mapping, m.saved_by, m.saved_at, at)
        for m, at in session.execute(statement)
    ]
