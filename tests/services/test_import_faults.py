"""Faults of disk and database become sentences; what is none of them stays what it is."""

from __future__ import annotations

import errno
import sqlite3
from concurrent.futures.process import BrokenProcessPool

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from closedloop.domain.errors import Conflict, Unavailable
from closedloop.services.import_faults import as_refusal, faults_in_words, may_pass


def of_database(text: str) -> OperationalError:
    return OperationalError("SELECT 1", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (of_database("database or disk is full"), "no room left on the disk"),
        (of_database("could not extend file: No space left on device"), "no room left"),
        (of_database("disk I/O error"), "cannot be written"),
        (of_database("attempt to write a readonly database"), "cannot be written"),
        (of_database("database is locked"), "kept the database busy"),
        (of_database("canceling statement due to lock timeout"), "kept the database busy"),
        (of_database("server closed the connection unexpectedly"), "cannot be reached"),
        (sqlite3.OperationalError("database or disk is full"), "no room left on the disk"),
        (psycopg.errors.DiskFull("Auf dem Gerät ist kein Speicherplatz mehr"), "no room left"),
        (psycopg.errors.LockNotAvailable("Sperre nicht erhalten"), "kept the database busy"),
        (psycopg.errors.CannotConnectNow("Das System fährt hoch"), "cannot be reached"),
        (psycopg.errors.CrashShutdown("Ein anderer Prozess stürzte ab"), "cannot be reached"),
        (psycopg.OperationalError("consuming input failed"), "cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), "no room left"),
        (BrokenProcessPool("terminated abruptly"), "stopped from outside"),
    ],
)
def test_a_fault_says_what_to_do(fault, sentence) -> None:
    found = as_refusal(fault)

    assert isinstance(found, Unavailable)
    assert sentence in found.sentence
    assert found.sentence.endswith(".")


def test_refusals_and_other_faults_stay_what_they_are() -> None:
    refusal = Conflict("Another one was faster.")
    assert as_refusal(refusal) is refusal
    assert as_refusal(ZeroDivisionError()) is None
    assert as_refusal(OSError(errno.EACCES, "Permission denied")) is None
    assert as_refusal(psycopg.errors.UniqueViolation("twice")) is None
    assert as_refusal(sqlite3.ProgrammingError("closed")) is None
    assert as_refusal(IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE"))) is None
    with pytest.raises(ZeroDivisionError), faults_in_words():
        raise ZeroDivisionError
    with pytest.raises(Unavailable, match="no room left"), faults_in_words():
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (of_database("database is locked"), True),
        (of_database("no such table: contacts"), False),
        (of_database("database or disk is full"), False),
        (psycopg.errors.LockNotAvailable("Sperre nicht erhalten"), True),
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.errors.UndefinedTable("contacts"), False),
        (Conflict("Another one was faster."), False),
        (ZeroDivisionError(), False),
    ],
)
def test_only_a_database_that_is_busy_or_away_may_do_the_same_in_a_minute(fault, passes) -> None:
    assert may_pass(fault) is passes
