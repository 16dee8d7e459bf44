"""Jobs: their states, and what the clock asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LEASE_SECONDS = 60
"""How long a worker holds a job, or a process the leadership, without a heartbeat."""

MAX_ATTEMPTS = 3


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobKind(StrEnum):
    """What a worker can run; data once released."""

    IMPORT_CONTACTS = "contacts.import_file"
    TRY_IMPORT = "contacts.try_import"
    ROLL_BACK_IMPORT = "contacts.roll_back"
    PICK_UP_FILES = "contacts.pick_up"
    LINK_CUSTOMERS = "contacts.link_customers"
    DISCOVER_THEMES = "themes.discover"
    ASSIGN_THEMES = "themes.assign"
    MEASURE_IMPACT = "impact.measure_due"
    NIGHTLY_ROUND = "jobs.nightly_round"
    HOUSEKEEPING = "jobs.housekeeping"

    @property
    def label(self) -> str:
        """As shown."""
        return {
            JobKind.IMPORT_CONTACTS: "Import contacts",
            JobKind.TRY_IMPORT: "Try an import out",
            JobKind.ROLL_BACK_IMPORT: "Take an import out",
            JobKind.PICK_UP_FILES: "Pick up files",
            JobKind.LINK_CUSTOMERS: "Link customers",
            JobKind.DISCOVER_THEMES: "Look for themes",
            JobKind.ASSIGN_THEMES: "Assign contacts to themes",
            JobKind.MEASURE_IMPACT: "Measure impact",
            JobKind.NIGHTLY_ROUND: "Nightly round",
            JobKind.HOUSEKEEPING: "Housekeeping",
        }[self]


BY_HAND = (
    JobKind.NIGHTLY_ROUND,
    JobKind.DISCOVER_THEMES,
    JobKind.ASSIGN_THEMES,
    JobKind.MEASURE_IMPACT,
    JobKind.HOUSEKEEPING,
)
"""What people may start without saying more."""


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` steps (total 0 when unknown) and what it is doing."""

    done: int
    total: int
    doing: str
