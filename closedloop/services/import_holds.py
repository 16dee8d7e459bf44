"""Who reads a file right now: a run writes its name into the import, and when it last wrote.

A process that was killed says nothing any more. On the same machine that is seen at once, from
elsewhere after two minutes of silence.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.orm import Session

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict
from closedloop.models import ImportBatch
from closedloop.models.imports import BatchState

SILENCE = timedelta(minutes=2)
_running: set[str] = set()
"""Runs of this process that have not ended."""


class TakenOver(Conflict):
    """Another run reads the file for the same import by now."""


@contextmanager
def new_holder() -> Iterator[str]:
    """Give a name for one run: host:pid:random; it counts as running until the block ends."""
    name = f"{socket.gethostname()[:80]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    _running.add(name)
    try:
        yield name
    finally:
        _running.discard(name)


def hold_import(batch: ImportBatch, holder: str) -> None:
    """Write down that `holder` reads the file."""
    batch.held_by, batch.beat_at = holder, utc_now()


def keep_hold(session: Session, batch_id: int, holder: str) -> None:
    """Renew the hold in the transaction of a stretch.

    Raises
    ------
    TakenOver
        If another run holds the import: what it wrote must not be counted on top of ours.
    """
    batch = session.get_one(ImportBatch, batch_id, populate_existing=True)
    if batch.held_by != holder:
        raise TakenOver(
            "Another process has begun to read this file for the same import and goes on with it."
        )
    hold_import(batch, holder)


def is_being_read(batch: ImportBatch) -> bool:
    """Whether a run reads the file, as far as can be told from here."""
    if batch.state is not BatchState.RUNNING or batch.beat_at is None:
        return False
    host, _, rest = batch.held_by.partition(":")
    pid = rest.partition(":")[0]
    if host == socket.gethostname()[:80] and not _lives(pid, batch.held_by):
        return False
    return utc_now() - batch.beat_at < SILENCE


def _lives(pid: str, holder: str) -> bool:
    if pid == str(os.getpid()):
        return holder in _running
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True
