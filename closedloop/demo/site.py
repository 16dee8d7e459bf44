"""The demo while it is built: what every step of it needs, and the day it happens on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from closedloop.config import Settings
from closedloop.demo.calendar import ZONE
from closedloop.demo.centre import DemoCentre
from closedloop.domain.audit import Actor
from closedloop.domain.clock import as_if
from closedloop.services.long_work import Report, Transactions


@dataclass
class Site:
    """What every step needs."""

    transactions: Transactions
    settings: Settings
    report: Report
    centre: DemoCentre
    people: dict[str, Actor] = field(default_factory=dict)
    departments: dict[str, int] = field(default_factory=dict)
    themes: dict[str, int] = field(default_factory=dict)

    @property
    def manager(self) -> Actor:
        """Who runs the working group."""
        return self.people["Priya Nair"]


@contextmanager
def on(day: date, hour: int = 10) -> Iterator[None]:
    """Let it be that day, twenty minutes past the hour in the bank's zone, inside the block."""
    local = datetime(day.year, day.month, day.day, hour, 20, tzinfo=ZONE)
    with as_if(local.astimezone(UTC)):
        yield
