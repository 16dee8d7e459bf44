"""One import in a process of its own that can be made to die, starve or be watched from outside.

Run with one JSON argument: `settings`, `path`, `mapping`, and what is to happen to it. The last
line printed is what came of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from closedloop import extensions
from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import Progress
from closedloop.services import cleaning, contacts
from closedloop.services.contacts import import_file

PHASES = {
    "handing over": ("services/cleaning.py",),
    "parsing": ("adapters/parse.py", "adapters/cells.py", "adapters/times.py"),
    "redacting": ("services/contact_rows.py", "text/redact.py"),
    "writing": ("services/intake.py", "services/bulk.py", "services/sessions.py"),
    "flagging": ("services/repeats.py", "services/links.py"),
    "rolling up": ("services/rollups.py",),
}
"""By phase, the modules whose calls count as points at which a process may be killed."""

_BEGIN_WATCHED = (
    "import sys; from tests.flows.killed_import import serve_watched; "
    "serve_watched({!r}, *map(int, sys.argv[1:]))"
)


class Points:
    """Counts calls and returns by phase in all processes of an import, and kills at one of them.

    A point adds a byte to the file of its phase; where that byte came to lie is the point's
    number, which no other process can get, and which stays when everybody is dead.

    Parameters
    ----------
    folder : str
        Where the files are.
    phase, at : str, int
        The point to kill at, the first being 1; without a phase, all are only counted.
    victim : int
        Process to kill; 0 for the one that comes to the point.
    """

    def __init__(self, folder: str, phase: str = "", at: int = 0, victim: int = 0) -> None:
        self.folder, self.at, self.victim = Path(folder), at, victim
        self.folder.mkdir(exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        names = [phase] if phase else list(PHASES)
        self.files = {name: os.open(self.folder / name, flags) for name in names}
        self.file_of: dict[Any, int] = {}

    def watch(self, frame: FrameType, event: str, _argument: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        file = self.file_of.get(code)
        if file is None:
            name = code.co_filename
            found = (self.files.get(p, 0) for p, ends in PHASES.items() if name.endswith(ends))
            file = self.file_of[code] = next(found, 0)
        if file:
            os.write(file, b".")
            if os.lseek(file, 0, os.SEEK_CUR) == self.at:
                os.kill(self.victim or os.getpid(), signal.SIGKILL)

    def seen(self) -> dict[str, int]:
        """Return how many points there were, by phase."""
        return {name: (self.folder / name).stat().st_size for name in self.files}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve_watched(told: str, work_handle: int, answers_handle: int) -> None:
    """Be a process beside whose points are counted, and which leaves its number behind."""
    wanted = json.loads(told)
    points = Points(**wanted)
    (points.folder / f"beside-{os.getpid()}").touch()
    sys.setprofile(points.watch)
    cleaning.serve(work_handle, answers_handle)


def set_up(wanted: dict[str, Any]) -> Points | None:
    """Make stretches small, chains due soon, processes beside wanted; count points if asked."""
    cleaning.ROWS_PER_STRETCH = wanted.get("rows_per_stretch", 100)
    contacts.CHAIN_AFTER = 40  # of the customers there are: some stretches wait, some do not
    extensions.BUSY_TIMEOUT_MS = wanted.get("busy_timeout_ms", extensions.BUSY_TIMEOUT_MS)
    if wanted.get("beside"):
        cleaning.BYTES_WORTH_A_PROCESS = 0
        os.cpu_count = lambda: 2  # a machine with one core would not start any
    if "points" not in wanted:
        return None
    asked = {
        "folder": wanted["points"],
        "phase": wanted.get("phase", ""),
        "at": wanted.get("at", 0),
    }
    if wanted.get("victim") == "beside":
        cleaning._BEGIN = _BEGIN_WATCHED.format(json.dumps(asked))
        return None  # what happens here does not count then
    asked["victim"] = os.getpid()
    cleaning._BEGIN = _BEGIN_WATCHED.format(json.dumps(asked))
    return Points(**asked)


def run(wanted: dict[str, Any]) -> dict[str, Any]:
    """Import as asked and return what came of it."""
    values = wanted["settings"]
    settings = Settings(**{**values, "instance": Path(values["instance"])})
    points = set_up(wanted)
    database = extensions.Database().open(settings.url)
    mapping = Mapping.from_dict(wanted["mapping"])
    if limit := wanted.get("file_size_limit"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def report(progress: Progress) -> None:
        say(f"progress {progress.doing}")
        if wanted.get("wait_for"):  # somebody outside has something to do first
            Path(wanted["wait_for"] + ".reached").touch()
            while not Path(wanted["wait_for"]).exists():
                signal.sigtimedwait([], 0.02)

    if points:
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
    return {"id": batch.id, "added": batch.added, "points": points.seen() if points else {}}


if __name__ == "__main__":
    say(json.dumps(run(json.loads(sys.argv[1]))))
