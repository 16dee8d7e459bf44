"""An import into a database of its own, run by processes that may die, and what is there after."""

from __future__ import annotations

import csv
import json
import os
import random
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.extensions import Database
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    ContactVersion,
    Customer,
    DailyRollup,
    DailySlice,
    DueDay,
    ImportBatch,
    ImportReject,
    Message,
)
from closedloop.models.imports import BatchState
from closedloop.services.beside import _ANSWERING
from tests.site import ROOT

COLUMNS = ("contact_id", "started_at", "customer_id", "channel", "queue", "handle_seconds", "text")
MAPPING = {
    "source": "crm",
    "columns": {name: name for name in COLUMNS},
    "session_gaps": {"whatsapp": 6 * 3600},
}
LATEST = {**MAPPING, "on_change": "replace"}
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def rows_of(first: int, last: int) -> list[dict[str, str]]:
    """Contacts and messages of a few customers in no order of time, some rows no contacts."""
    chance = random.Random(7)
    made = []
    for number in range(last):
        at = START + timedelta(minutes=chance.randrange(60 * 24 * 60))
        made.append(
            {
                "contact_id": f"c{number}",
                "started_at": "soon" if number % 41 == 0 else at.isoformat(),
                "customer_id": "" if number % 17 == 0 else f"cust-{chance.randrange(40)}",
                "channel": chance.choice(["phone", "whatsapp", "whatsapp", "chat"]),
                "queue": chance.choice(["cards", "loans", ""]),
                "handle_seconds": chance.choice(["", "60", "300"]),
                "text": f"Message {number}, mail me at ann{number}@example.org",
            }
        )
    made[5]["contact_id"] = made[3]["contact_id"]  # one id with other content
    return made[first:]


def went_on(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same rows as a later export has them: some say more, some are somebody else's."""
    return [
        {**row, "customer_id": f"cust-{n % 40}", "text": f"{row['text']} It came."}
        if n % 3 == 0
        else row
        for n, row in enumerate(rows)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Begun:
    """An import that a beginner began, asked like a process that was started."""

    def __init__(self, beginner: Beginner, number: int, out: int, error: int) -> None:
        self.beginner, self.number, self.handles = beginner, number, (out, error)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.beginner.ask({"wait": self.number, "to_its_end": False})
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it and all that it started said until the last of them ended."""
        deadline = time.monotonic() + (timeout or 0)
        said = dict.fromkeys(self.handles, b"")
        left = set(self.handles)
        while left:
            ready = select.select(list(left), [], [], 1)[0]
            assert ready or not timeout or time.monotonic() < deadline, "somebody lives on"
            for handle in ready:
                piece = os.read(handle, 65_536)
                said[handle] += piece
                if not piece:
                    os.close(handle)
                    left.remove(handle)
        if self.returncode is None:
            self.returncode = self.beginner.ask({"wait": self.number, "to_its_end": True})
        out, error = (said[handle].decode() for handle in self.handles)
        return out, error


class Beginner:
    """A process that has loaded what an import needs, and begins them faster than new ones."""

    def __init__(self) -> None:
        self.asking, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.flows.killed_import", "--begin", str(there.fileno())],
                cwd=ROOT,
                pass_fds=[there.fileno()],
            )

    def ask(self, told: dict[str, Any]) -> Any:
        self.asking.send(json.dumps(told).encode())
        return json.loads(self.asking.recv(100))

    def start(self, wanted: str) -> Begun:
        out, out_there = os.pipe()
        error, error_there = os.pipe()
        socket.send_fds(self.asking, [wanted.encode()], [out_there, error_there])
        os.close(out_there)
        os.close(error_there)
        return Begun(self, json.loads(self.asking.recv(100)), out, error)

    def close(self) -> None:
        self.asking.close()
        self.process.wait(60)


Process = subprocess.Popen[str] | Begun


class Site:
    """A database of this test's own, and imports into it in processes of their own."""

    def __init__(
        self, settings: Settings, tmp_path: Path, beginner: Beginner | None = None
    ) -> None:
        self.settings = settings
        self.beginner = beginner
        self.tmp_path = tmp_path
        settings.instance.mkdir(exist_ok=True)
        self.database = Database().open(settings.url)

    def wanted(self, path: Path, **values: Any) -> str:
        names = ("secret_key", "customer_key", "database_url", "reporting_zone")
        kept = {name: getattr(self.settings, name) for name in names}
        kept["instance"] = str(self.settings.instance)
        return json.dumps({"settings": kept, "path": str(path), "mapping": MAPPING, **values})

    def start(self, path: Path, **values: Any) -> Process:
        wanted = self.wanted(path, **values)
        if self.beginner:
            return self.beginner.start(wanted)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.flows.killed_import", wanted],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, path: Path, **values: Any) -> tuple[int, dict[str, Any]]:
        """Import and return exit status and what came of it."""
        return ended(self.start(path, **values))

    def picture(self) -> dict[str, list[str]]:
        """Everything there is, by what it is called outside the database."""
        with self.database.reading() as session:
            keys = dict(session.execute(sa.select(Customer.id, Customer.key_hash)).all())
            ids = dict(session.execute(sa.select(Contact.id, Contact.source_contact_id)).all())

            def rows(table: Any, *left_out: str, **named: dict[Any, Any]) -> list[str]:
                columns = [c for c in table.__table__.c if c.key not in ("id", *left_out)]
                found = session.execute(sa.select(*columns)).mappings()
                return sorted(
                    str({k: named[k].get(v) if k in named else v for k, v in row.items()})
                    for row in found
                )

            told = ("held_by", "beat_at", "started_at", "finished_at", "file_sha256", "file_name")
            return {
                "contacts": rows(Contact, "batch_id", customer_id=keys),
                "links": rows(ContactLink, contact_id=ids, chain_id=ids),
                "texts": rows(ContactText, contact_id=ids),
                "versions": rows(ContactVersion, "batch_id", contact_id=ids, customer_id=keys),
                "messages": rows(Message, "batch_id", contact_id=ids),
                "customers": sorted(keys.values()),
                "rollups": rows(DailyRollup),
                "slices": rows(DailySlice),
                "due": rows(DueDay),
                "rejects": rows(ImportReject, "batch_id"),
                "imports": rows(ImportBatch, *told),
                "events": list(
                    session.scalars(sa.select(AuditEvent.summary).order_by(AuditEvent.id))
                ),
            }

    def differences(self, wanted: dict[str, list[str]], *left_out: str) -> list[Any]:
        """Return what is there other than wanted: name, what is missing, what is too much."""
        found = {name: rows for name, rows in self.picture().items() if name not in left_out}
        return [
            (name, _without(wanted[name], rows), _without(rows, wanted[name]))
            for name, rows in found.items()
            if rows != wanted[name]
        ]

    def state(self) -> tuple[BatchState, int]:
        with self.database.reading() as session:
            batch = session.scalars(sa.select(ImportBatch)).one()
            return batch.state, batch.rows_done


def _without(some: list[str], others: list[str]) -> list[str]:
    return list((Counter(some) - Counter(others)).elements())


def ended(process: Process) -> tuple[int, dict[str, Any]]:
    """Wait for a process and all that it started; return its exit status and its last words."""
    out, err = process.communicate(timeout=300)  # whoever lives on holds these pipes open
    assert "Traceback" not in err, err[-3000:]
    lines = out.strip().splitlines()
    last = lines[-1] if lines else ""
    return process.returncode, json.loads(last) if last.startswith("{") else {}


def left_behind(folder: Path) -> list[int]:
    """Return the processes beside that still run, of those that noted themselves in a folder."""
    numbers = [int(path.name.partition("-")[2]) for path in folder.glob("beside-*")]
    deadline = time.monotonic() + 30
    while (living := [n for n in numbers if _lives(n)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living


def _lives(number: int) -> bool:
    try:  # of one that ended and that nobody took notice of, this is empty
        return _ANSWERING.encode() in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


def wait_for_file(path: Path, process: Process) -> None:
    """Wait until a running process has made a file."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
