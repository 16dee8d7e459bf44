"""Points at which work may be killed, in its own process and in those beside it.

What a process beside needs to start, and no more, so that it starts fast.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from closedloop.services import cleaning

PHASES = {
    "parsing": ("adapters/parse.py", "adapters/cells.py", "adapters/times.py"),
    "redacting": ("services/contact_rows.py", "text/redact.py"),
    "writing": (
        *("services/intake.py", "services/bulk.py", "services/sessions.py"),
        "services/renewal.py",
    ),
    "flagging": ("services/repeats.py", "services/links.py"),
    "rolling up": ("services/rollups.py",),
    "handing over": ("services/cleaning.py", "services/beside.py"),
}
"""By phase, the modules whose calls count as points at which a process may be killed."""

TraceFunction = Callable[[FrameType, str, Any], Any]


class Points:
    """Counts calls and returns by phase in all processes of some work, and kills at one of them.

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
    phases : dict of str to tuple of str, optional
        By default those of an import.
    """

    def __init__(
        self,
        folder: str,
        phase: str = "",
        at: int = 0,
        victim: int = 0,
        phases: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.folder, self.at, self.victim = Path(folder), at, victim
        self.phases = phases or PHASES
        self.folder.mkdir(exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        names = [phase] if phase else list(self.phases)
        self.files = {name: os.open(self.folder / name, flags) for name in names}
        self.file_of: dict[Any, int] = {}

    def begin(self) -> None:
        """Count from here on, in this thread; a trace hears of no call of a C function."""
        sys.settrace(self._called)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        code = frame.f_code
        file = self.file_of.get(code)
        if file is None:
            name = code.co_filename
            found = (self.files.get(p, 0) for p, ends in self.phases.items() if name.endswith(ends))
            file = self.file_of[code] = next(found, 0)
        if not file:
            return None
        self._reach(file)
        frame.f_trace_lines = False
        return self._in_it

    def _in_it(self, frame: FrameType, event: str, _argument: object) -> TraceFunction:
        if event == "return":
            self._reach(self.file_of[frame.f_code])
        return self._in_it

    def _reach(self, file: int) -> None:
        os.write(file, b".")
        if self.at and os.lseek(file, 0, os.SEEK_CUR) == self.at:
            os.kill(self.victim or os.getpid(), signal.SIGKILL)

    def seen(self) -> dict[str, int]:
        """Return how many points there were, by phase."""
        return {name: (self.folder / name).stat().st_size for name in self.files}


def begin_watched(wanted: dict[str, Any], how: cleaning.Cleaning) -> Callable[[Any], Any]:
    """Clean in a process beside whose points are counted, and which leaves its number behind."""
    points = Points(**wanted)
    (points.folder / f"beside-{os.getpid()}").touch()
    points.begin()
    return cleaning._begin_cleaning(how)
