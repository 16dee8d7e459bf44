"""Memory and speed of importing a file of 200 MB through the command, on SQLite.

``python -m benchmarks import_large`` makes two files of equal size: few rows with very long texts,
and many rows as contact centres export them. Each is imported by a process of its own, once anew
and once again; prints a table. ``python -m benchmarks.import_large [--megabytes N] [--shape NAME]
[--json FILE]`` also writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SENTENCE = "My card has not come although I was told it would be here by now. "
SHAPES = {"long texts": 500, "usual texts": 5}
"""Sentences in a text, by the shape of the file."""

_RUN = (
    "import sys; from closedloop.cli import main\n"
    "try: main()\n"
    "finally: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0],"
    " file=sys.stderr)"
)
"""Runs a command and prints its peak in kB; getrusage would give that of whoever started it."""


def write_file(path: Path, n_bytes: int, sentences: int) -> int:
    """Write a CSV of about so many bytes; return its rows."""
    n_rows = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("contact_id,started_at,customer_id,channel,text\n")
        while n_rows % 100 or file.tell() < n_bytes:
            at = f"2026-{n_rows % 6 + 1:02}-{n_rows % 28 + 1:02}T{n_rows % 24:02}:00:00Z"
            file.write(f"{n_rows},{at},customer-{n_rows % 9973},phone,{SENTENCE * sentences}\n")
            n_rows += 1
    return n_rows


def run(*arguments: str) -> tuple[str, int, float]:
    """Run a command; return what it printed, its peak memory in MB and its seconds."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("CLOSEDLOOP_")},
        capture_output=True,
        text=True,
        check=True,
    )
    peak_mb = int(done.stderr.split()[-1]) // 1024
    return done.stdout, peak_mb, time.perf_counter() - began


def measure(shape: str, megabytes: int, folder: Path) -> list[dict[str, Any]]:
    """Import a file of one shape twice; return a row for each time."""
    path, instance = folder / "calls.csv", folder / shape.split()[0]
    n_rows = write_file(path, megabytes * 1024 * 1024, SHAPES[shape])
    run("init", "--instance", str(instance))
    rows = []
    for which in ("first time", "again"):
        printed, peak_mb, seconds = run(
            "import", str(path), "--json", "--no-assign", "--instance", str(instance)
        )
        counts = json.loads(printed)
        assert counts["added" if which == "first time" else "unchanged"] == n_rows
        size_mb = path.stat().st_size / 1024 / 1024
        rows.append(
            {
                "file": shape,
                "import": which,
                "mb": round(size_mb),
                "rows": n_rows,
                "peak_rss_mb": peak_mb,
                "seconds": round(seconds, 1),
                "mb_per_second": round(size_mb / seconds, 1),
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--shape", choices=tuple(SHAPES), action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    rows = []
    for shape in asked.shape or SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(shape, asked.megabytes, Path(folder))
    headings = list(rows[0])
    print("  ".join(f"{name:>13}" for name in headings))
    for row in rows:
        print("  ".join(f"{row[name]!s:>13}" for name in headings))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
