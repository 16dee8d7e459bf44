"""Say in a sentence what stopped work that nobody refused: disk, database, a lock."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from closedloop.domain.errors import Refusal, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM = "There is no room left on the disk. Make room and start it again."
_UNWRITABLE = (
    "The disk of the database cannot be written: it is full, read-only or broken. Look at it "
    "and start it again."
)
_BUSY = "Somebody else kept the database busy for too long. Start it again when they are done."
_AWAY = "The database cannot be reached, or it was stopped. Start it again once it is back."
_STOPPED = (
    "A process that checks the rows was stopped from outside, perhaps for want of memory. Start it "
    "again."
)
_STATES = {
    "53100": _NO_ROOM,
    "25006": _UNWRITABLE,
    "58030": _UNWRITABLE,
    "40P01": _BUSY,
    "55P03": _BUSY,
    "57P01": _AWAY,
    "57P02": _AWAY,
    "57P03": _AWAY,
}
"""By SQLSTATE of a server, whose words are in the language it was set up in."""
_WORDS = (
    (("disk is full", "no space left", "could not extend file"), _NO_ROOM),
    (("disk i/o error", "readonly database", "read-only"), _UNWRITABLE),
    (("database is locked", "lock timeout", "lock_not_available", "deadlock"), _BUSY),
)
_DRIVERS = ("sqlite3", "psycopg")


def as_refusal(error: Exception) -> Refusal | None:
    """Return the refusal that tells people about a fault of the site; None for other faults."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return Unavailable(_NO_ROOM)
    if isinstance(error, BrokenExecutor):
        return Unavailable(_STOPPED)
    if isinstance(error, DBAPIError):
        sentence = _AWAY if error.connection_invalidated else ""
        return _of_database(error.orig, sentence)
    if type(error).__module__.partition(".")[0] in _DRIVERS:  # many rows go past SQLAlchemy
        return _of_database(error)
    return None


def may_pass(error: Exception) -> bool:
    """Return whether the database is only busy or away, so that the same may work in a minute."""
    refusal = as_refusal(error)
    if refusal is None or refusal.sentence not in (_BUSY, _AWAY):
        return False
    fault = error.orig if isinstance(error, DBAPIError) else error
    # a file is never away: what SQLite says beside being busy is a mistake in a statement
    return refusal.sentence == _BUSY or not type(fault).__module__.startswith("sqlite3")


def _of_database(fault: BaseException | None, otherwise: str = "") -> Refusal | None:
    """Return what a fault that a driver raised means to people, if it is one of the site."""
    if sentence := _STATES.get(getattr(fault, "sqlstate", None) or ""):
        return Unavailable(sentence)
    said = str(fault).lower()
    for signs, sentence in _WORDS:
        if any(sign in said for sign in signs):
            return Unavailable(sentence)
    if type(fault).__name__ == "OperationalError":
        otherwise = _AWAY
    return Unavailable(otherwise) if otherwise else None


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
