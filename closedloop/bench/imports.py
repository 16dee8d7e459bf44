"""How fast files come in, against redaction alone and against a bare bulk insert."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from closedloop.bench.history import COLUMNS, contact_rows, load_rows, make_history
from closedloop.bench.places import Place
from closedloop.bench.redaction_set import make_texts
from closedloop.models import Contact, Customer, ImportBatch
from closedloop.services.cleaning import MOST_HELPERS, is_worth_processes
from ml.text.redact import Redactor

HEADER = "contact_id,started_at,customer_id,channel,queue,agent,disposition,handle_seconds,text"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
REDACTED_ALONE = 40_000
TEXTS = 10_000

Report = dict[str, Any]


def write_file(path: Path, n: int, *, with_text: bool, seed: int = 7) -> None:
    """Write a CSV of `n` contacts over 90 days, in the order of start."""
    rng = Random(seed)  # noqa: S311 - to be the same each time, not to be secret
    texts = make_texts(TEXTS, seed=seed) if with_text else [""]
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for i in range(n):
            at = FIRST + timedelta(seconds=i * 90 * 86_400 // n)
            text = f'"{texts[i % len(texts)]}"'.replace("\n", " ")
            file.write(
                f"c{i},{at:%Y-%m-%dT%H:%M:%S}Z,u{rng.randrange(n // 3 + 1)},"
                f"{rng.choice(('phone', 'chat', 'email'))},q{rng.randrange(10)},"
                f"a{rng.randrange(200)},d{rng.randrange(40)},{rng.randrange(60, 900)},{text}\n"
            )


def measure_import(place: Place, n: int, *, with_text: bool) -> Report:
    """Import a file of `n` contacts by a process of its own; rates in contacts a second.

    Redaction alone is one process, on one core; the import has as many beside as are said.
    """
    path = place.settings.instance / "contacts.csv"
    write_file(path, n, with_text=with_text)
    # before and after, as a machine is not as fast in one minute as in the next
    alone = [_redact_alone()] if with_text else []
    seconds, peak = run_import(place, path)
    found: Report = {"contacts": n, "import": round(n / seconds), "peak MB": peak}
    if with_text:
        alone.append(_redact_alone())
        found["redaction alone"] = round(len(alone) * REDACTED_ALONE / sum(alone))
        found["processes of redaction alone"] = 1
    cores = os.cpu_count() or 1
    beside = min(cores, MOST_HELPERS) if is_worth_processes(path.stat().st_size) else 0
    found["processes of the import"] = 1 + beside
    found["cores"] = cores
    path.unlink()
    return found


def _redact_alone() -> float:
    """Return the seconds that `REDACTED_ALONE` texts take."""
    texts = make_texts(TEXTS, seed=8)
    redactor = Redactor()
    list(redactor.redact_many(texts[:1000]))  # tables and patterns are made at the first use
    began = time.perf_counter()
    for _ in range(REDACTED_ALONE // TEXTS):
        list(redactor.redact_many(texts))
    return time.perf_counter() - began


def measure_bare_insert(place: Place, n: int) -> int:
    """Return the rate of writing as many rows with nothing but the driver, indexes kept."""
    history = make_history(n, days=90)
    with place.database.transaction() as session:
        batch = ImportBatch(
            source="bench", file_name="x", file_sha256="0" * 64, mapping={}, redactions={},
            started_by="bench",
        )  # fmt: skip
        session.add(batch)
        session.flush()
        customers = ((i, f"{i:064x}", 1) for i in range(1, int(history.customers.max()) + 1))
        columns = [c for c in COLUMNS if c != "theme_id"]
        rows = [row[:-1] for row in contact_rows(history, batch.id)]
        began = time.perf_counter()
        connection = session.connection()
        load_rows(connection, Customer.__table__, ("id", "key_hash", "key_version"), customers)
        load_rows(connection, Contact.__table__, tuple(columns), iter(rows))
        session.execute(sa.text("SELECT 1"))
        seconds = time.perf_counter() - began
    return round(n / seconds)


def run_import(place: Place, path: Path) -> tuple[float, int]:
    """Import a file by the command, in processes of its own; return seconds and peak in MB."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CLOSEDLOOP_")},
        "CLOSEDLOOP_INSTANCE": str(place.settings.instance),
        "CLOSEDLOOP_SECRET_KEY": place.settings.secret_key,
        "CLOSEDLOOP_CUSTOMER_KEY": place.settings.customer_key,
        "CLOSEDLOOP_DATABASE_URL": place.settings.database_url,
    }
    command = "from closedloop.cli import main; main()"
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - this Python, words of ours
        [
            sys.executable,
            "-c",
            command,
            "import",
            str(path),
            "--source",
            "bench",
            "--yes",
            "--no-assign",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    watch = _MemoryWatch(process.pid)
    if process.wait() != 0:
        raise RuntimeError(f"The import ended with {process.returncode}.")
    return time.perf_counter() - began, watch.peak_mb


class _MemoryWatch:
    """Looks ten times a second how much memory a process and its children hold."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_mb = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while Path(f"/proc/{self._pid}").exists():
            held = sum(_resident_kb(pid) for pid in self._family())
            self.peak_mb = max(self.peak_mb, held // 1024)
            time.sleep(0.1)

    def _family(self) -> list[int]:
        try:
            children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text()
        except OSError:
            children = ""
        return [self._pid, *map(int, children.split())]


def _resident_kb(pid: int) -> int:
    """Return the memory a process holds, its share of what several hold in common."""
    try:
        maps = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(s.split()[1]) for s in maps.splitlines() if s.startswith("Pss:")), 0)
