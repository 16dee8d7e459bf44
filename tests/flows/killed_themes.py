"""Long work on themes in processes that can be made to die: one that stays starts the others.

Reads one JSON object a line: `settings`, the `work` to do, and the point to be killed at. Each is
done by a process of its own, and answered by a line with its exit status and the points it saw.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Conflict
from closedloop.domain.runs import PartState
from closedloop.extensions import Database
from closedloop.models import RunPart, ThemeChange
from closedloop.models.curation import ChangeKind
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.run_parts import accept_parts
from closedloop.services.themes import assign_contacts, discover_themes
from tests.factories.run_sites import maker_of
from tests.flows.points import Points

PHASES = {
    "reading": (
        "services/discovery.py",
        "services/discovery_pool.py",
        "services/constraints.py",
    ),
    "assigning": ("services/assignment.py", "services/labelling.py", "services/encoding.py"),
    "proposing": ("services/proposals.py", "services/run_records.py", "services/definitions.py"),
    "accepting": ("services/run_parts.py", "services/parts_plans.py", "services/parts_trail.py"),
    "taking back": (
        "services/parts_undoing.py",
        "services/parts_ways.py",
        "services/change_checks.py",
    ),
    "counting": ("services/repeats.py", "services/rollups.py", "services/theme_stats.py"),
    "watching": ("services/drift.py", "services/membership.py"),
    "quoting": ("services/evidence.py",),
}
"""By phase, the modules whose calls count as points at which the process may be killed."""

GROUPS = ("CARD+LOST", "PIN", "TOPUP")
"""What the discovery that is disturbed finds."""


def discover(database: Database, settings: Settings) -> None:
    """Look for themes once more, with contacts that are new."""
    discover_themes(
        database.transaction, settings=settings, by=COMMAND_LINE, maker=maker_of(*GROUPS)
    )


def accept(database: Database, settings: Settings) -> None:
    """Accept what waits; all contacts come under new definitions, if they did not before."""
    with database.reading() as session:
        waiting = sa.select(RunPart.id).where(RunPart.state == PartState.PROPOSED)
        parts = session.scalars(waiting).all()
    if parts:
        accept_parts(
            database.transaction,
            settings=settings,
            part_ids=parts,
            by=COMMAND_LINE,
            maker=maker_of(),
        )
    assign_contacts(database.transaction, settings=settings, by=COMMAND_LINE, maker=maker_of())


def take_back(database: Database, settings: Settings) -> None:
    """Take back what was accepted, if that was not done before."""
    with database.reading() as session:
        kind = ThemeChange.kind == ChangeKind.PARTS
        (change,) = session.scalars(sa.select(ThemeChange.id).where(kind))
    try:
        undo_parts(
            database.transaction,
            settings=settings,
            change_id=change,
            by=COMMAND_LINE,
            maker=maker_of(),
        )
    except Conflict as refusal:
        if "undone already" not in refusal.sentence:
            raise
    assign_contacts(database.transaction, settings=settings, by=COMMAND_LINE, maker=maker_of())


WORK: dict[str, Callable[[Database, Settings], None]] = {
    "discover": discover,
    "accept": accept,
    "take back": take_back,
}


def run(wanted: dict[str, Any]) -> None:
    """Do the work, watched."""
    values = wanted["settings"]
    settings = Settings(**{**values, "instance": Path(values["instance"])})
    database = Database().open(settings.url)
    points = Points(**wanted["points"], phases=PHASES)
    points.begin()
    WORK[wanted["work"]](database, settings)


def main() -> None:
    """Do what each line asks for in a process of its own."""
    signal.alarm(900)  # nobody waits longer
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if not child:
            run(wanted)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        folder = Path(wanted["points"]["folder"])
        seen = {path.name: path.stat().st_size for path in folder.iterdir()}
        sys.stdout.write(json.dumps({"status": status, "points": seen}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
