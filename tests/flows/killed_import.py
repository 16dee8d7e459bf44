"""One import in a process of its own that can be made to die, starve or be watched from outside.

Run with one JSON argument: `settings`, `path`, `mapping`, and what is to happen to it. The last
line printed is what came of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from closedloop import extensions
from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import Progress
from closedloop.services import cleaning
from closedloop.services.contacts import import_file

PHASES = {
    "parsing": ("adapters/parse.py", "adapters/cells.py", "adapters/times.py"),
    "redacting": ("services/contact_rows.py", "text/redact.py"),
    "writing": ("services/intake.py", "services/bulk.py", "services/sessions.py"),
    "flagging": ("services/repeats.py", "services/links.py"),
    "rolling up": ("services/rollups.py",),
}
"""By phase, the modules whose calls count as points at which the process may die."""


class Points:
    """Counts calls and returns by phase, and kills this process at one of them."""

    def __init__(self, phase: str = "", at: int = 0) -> None:
        self.phase, self.at = phase, at
        self.seen: Counter[str] = Counter()
        self.phase_of: dict[Any, str] = {}

    def watch(self, frame: FrameType, event: str, _argument: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        phase = self.phase_of.get(code)
        if phase is None:
            name = code.co_filename
            found = (p for p, files in PHASES.items() if name.endswith(files))
            phase = self.phase_of[code] = next(found, "")
        if phase:
            self.seen[phase] += 1
            if phase == self.phase and self.seen[phase] == self.at:
                os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(wanted: dict[str, Any]) -> dict[str, Any]:
    """Import as asked and return what came of it."""
    values = wanted["settings"]
    settings = Settings(**{**values, "instance": Path(values["instance"])})
    cleaning.ROWS_PER_STRETCH = wanted.get("rows_per_stretch", 100)
    extensions.BUSY_TIMEOUT_MS = wanted.get("busy_timeout_ms", extensions.BUSY_TIMEOUT_MS)
    database = extensions.Database().open(settings.url)
    mapping = Mapping.from_dict(wanted["mapping"])
    points = Points(wanted.get("phase", ""), wanted.get("at", 0))
    if limit := wanted.get("file_size_limit"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def report(progress: Progress) -> None:
        say(f"progress {progress.doing}")
        if wanted.get("wait_for"):  # somebody outside has something to do first
            Path(wanted["wait_for"] + ".reached").touch()
            while not Path(wanted["wait_for"]).exists():
                signal.sigtimedwait([], 0.02)

    if wanted.get("counts_points"):
        sys.setprofile(points.watch)
    try:
        batch = import_file(
            database.transaction,
            settings=settings,
            path=Path(wanted["path"]),
            mapping=mapping,
            source=mapping.source,
            file_name=Path(wanted["path"]).name,
            by=COMMAND_LINE,
            report=report,
        )
    except Refusal as refusal:
        return {"refused": refusal.sentence}
    finally:
        sys.setprofile(None)
    return {"id": batch.id, "added": batch.added, "points": dict(points.seen)}


if __name__ == "__main__":
    say(json.dumps(run(json.loads(sys.argv[1]))))
