"""Say in a sentence what stopped an import that nobody refused: disk, database, a lock."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from closedloop.domain.errors import Refusal, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM = "There is no room left on the disk. Make room and start it again."
_WORDS = (
    (("disk is full", "no space left", "could not extend file"), _NO_ROOM),
    (
        ("disk i/o error", "readonly database", "read-only"),
        "The disk of the database cannot be written: it is full, read-only or broken. Look at it "
        "and start it again.",
    ),
    (
        ("database is locked", "lock timeout", "lock_not_available", "deadlock"),
        "Somebody else kept the database busy for too long. Start it again when they are done.",
    ),
)
_STOPPED = (
    "A process that checks the rows was stopped from outside, perhaps for want of memory. Start it "
    "again."
)
_AWAY = "The database cannot be reached, or it was stopped. Start it again once it is back."


def as_refusal(error: Exception) -> Refusal | None:
    """Return the refusal that tells people about a fault of the site; None for other faults."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return Unavailable(_NO_ROOM)
    if isinstance(error, BrokenExecutor):
        return Unavailable(_STOPPED)
    if not isinstance(error, DBAPIError):
        return None
    said = str(error.orig).lower()
    for signs, sentence in _WORDS:
        if any(sign in said for sign in signs):
            return Unavailable(sentence)
    kind = type(error.orig).__name__
    if error.connection_invalidated or kind in ("OperationalError", "AdminShutdown"):
        return Unavailable(_AWAY)
    return None


@contextmanager
def faults_in_words() -> Iterator[None]:
    """Raise faults of disk and database as refusals that say what to do; others as they are."""
    try:
        yield
    except Exception as error:
        refusal = as_refusal(error)
        if refusal is None or refusal is error:
            raise
        raise refusal from error
