"""What long work is given: transactions of its own, and somebody to tell how far it is.

A service normally gets one session and never commits. Work that takes minutes cannot hold one
transaction: it is handed a way to open short ones, each of which leaves the database in a state
from which a second run can go on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.orm import Session

from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import Progress

Transactions = Callable[[], AbstractContextManager[Session]]
"""`with transactions() as session:` commits at the end; `Database.transaction` is one."""

Report = Callable[[Progress], None]
"""Told about progress a few times a second; raises `Cancelled` when people asked to stop."""


class Cancelled(Refusal):
    """People asked to stop; what was committed stays."""


def tell_nobody(progress: Progress) -> None:
    """Ignore progress: for tests and short work."""
    del progress
