"""One import in a process of its own that can be made to die, starve or be watched from outside.

Run with one JSON argument: `settings`, `path`, `mapping`, and what is to happen to it. The last
line printed is what came of it. Run with `--begin` and the number of a socket, it begins a process
of its own for each import that it is asked for there, without loading everything anew.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from closedloop import extensions
from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import Progress
from closedloop.services import cleaning, contacts, rollup_pool
from closedloop.services.contacts import import_file
from tests.flows.points import Points, begin_watched


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def set_up(wanted: dict[str, Any]) -> Points | None:
    """Make stretches small, chains many transactions, processes beside wanted; count points."""
    cleaning.ROWS_PER_STRETCH = wanted.get("rows_per_stretch", 100)
    contacts.CHAINED_AT_ONCE = 40  # of the customers there are: several transactions
    contacts.EVERYBODY_AT_ONCE = 0
    contacts.STRETCHES_TOGETHER = 3
    extensions.BUSY_TIMEOUT_MS = wanted.get("busy_timeout_ms", extensions.BUSY_TIMEOUT_MS)
    if wanted.get("beside"):
        cleaning.BYTES_WORTH_A_PROCESS = 0
        cleaning.PIECE_CHARACTERS = 8_000
        rollup_pool.DAYS_WORTH_A_PROCESS = rollup_pool.CONTACTS_WORTH_A_PROCESS = 0
        os.cpu_count = lambda: 2  # a machine with one core would not start any
    if "points" not in wanted:
        return None
    asked = {
        "folder": wanted["points"],
        "phase": wanted.get("phase", ""),
        "at": wanted.get("at", 0),
    }
    if wanted.get("victim") == "beside":
        cleaning._begin_cleaning = partial(begin_watched, asked)
        return None  # what happens here does not count then
    asked["victim"] = os.getpid()
    cleaning._begin_cleaning = partial(begin_watched, asked)
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
        points.begin()
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
        sys.settrace(None)
    return {"id": batch.id, "added": batch.added, "points": points.seen() if points else {}}


def begin_imports(asked: socket.socket) -> None:
    """Begin what is asked for, and say how it ended; a message is an import or a `wait`."""
    signal.alarm(1800)  # nobody waits longer
    while True:
        message, handles, _, _ = socket.recv_fds(asked, 65_536, 2)
        if not message:
            return
        told = json.loads(message)
        if "wait" in told:
            found, status = os.waitpid(told["wait"], 0 if told["to_its_end"] else os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if found else None
        else:
            answer = begin(told, handles, asked)
        for handle in handles:
            os.close(handle)
        asked.send(json.dumps(answer).encode())


def begin(wanted: dict[str, Any], handles: list[int], asked: socket.socket) -> int:
    """Import in a process of its own that writes where it is told; return its number."""
    number = os.fork()
    if number:
        return number
    signal.alarm(0)
    status = 1
    try:
        asked.close()
        for handle, place in zip(handles, (1, 2), strict=True):
            os.dup2(handle, place)
            os.close(handle)
        say(json.dumps(run(wanted)))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "--begin":
        with socket.socket(fileno=int(sys.argv[2])) as asked:
            begin_imports(asked)
    else:
        say(json.dumps(run(json.loads(sys.argv[1]))))
