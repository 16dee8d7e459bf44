"""Imports as people follow them: which files came in, what of them could not be read."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.models import ImportBatch, ImportReject


def list_batches(
    session: Session, *, limit: int = 20, before_id: int | None = None
) -> Sequence[ImportBatch]:
    """Return imports, newest first, below `before_id` when given."""
    statement = sa.select(ImportBatch).order_by(ImportBatch.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(ImportBatch.id < before_id)
    return session.scalars(statement).all()


def get_batch(session: Session, batch_id: int) -> ImportBatch:
    """Return one import.

    Raises
    ------
    NotFound
    """
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import {batch_id}.")
    return batch


def find_batch(session: Session, batch_id: int) -> ImportBatch | None:
    """Return one import, None when there is no such."""
    return session.get(ImportBatch, batch_id)


def list_rejects(
    session: Session, *, batch_id: int, after_line: int = 0, limit: int = 50
) -> Sequence[ImportReject]:
    """Return rows that could not be read, in file order, below line `after_line`."""
    return session.scalars(
        sa.select(ImportReject)
        .where(ImportReject.batch_id == batch_id, ImportReject.line > after_line)
        .order_by(ImportReject.line)
        .limit(limit)
    ).all()
