"""Hand 10,000 broken exports to every reader: none may crash it or become half a contact.

``python -m benchmarks.fuzz_readers [--inputs 10000] [--reader zendesk] [--json FILE]``. Inputs
are fixtures of the tests with bytes, values, cells and files broken; each is numbered, and
``--first NUMBER --inputs 1`` tries one again. A reader passes when each input is refused with a
sentence, or read twice alike into whole contacts and reasons; the exit code is 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from closedloop.adapters.registry import READERS, reader_named
from closedloop.adapters.types import ParsedContact, Reject
from tests.adapters import test_parquet, test_xlsx
from tests.adapters.fuzz import Files, break_files, files_of, read_all

FIXTURES = Path(__file__).parents[1] / "tests/adapters/fixtures"
AT_ONCE = 100
SECONDS = 120
"""A reader that takes longer for one small input hangs."""

SHOWN = 5
JSON_LINES = (
    b'{"id": "1", "created_at": "2026-03-01T10:00:00Z", "text": "hi"}\n'
    b'{"id": 2, "created_at": 1772445600, "turns": [["bot", "o"], {"text": "\xc3\xa9"}]}\n'
    b'{"id": "3", "created_at": "2026-03-02", "csat": 4.5, "handle_time": "0:04:05"}\n'
)


@dataclass
class Tried:
    """What became of the broken inputs of one reader."""

    reader: str
    inputs: int = 0
    refused: int = 0
    contacts: int = 0
    rejects: int = 0
    failed: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tried) -> None:
        for name in ("inputs", "refused", "contacts", "rejects", "failed", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults = (self.faults + other.faults)[:SHOWN]


@cache
def sound_files(name: str) -> Files:
    """Return a sound export that a reader knows."""
    if name == "jsonl":
        return {"contacts.jsonl": JSON_LINES}
    if name == "parquet":
        return {"contacts.parquet": test_parquet.parquet()}
    if name == "xlsx":
        return {"contacts.xlsx": test_xlsx.workbook(test_xlsx.ROWS)}
    return files_of(FIXTURES / name)


def broken(name: str, number: int) -> Files:
    """Return a broken export, the same for the same number."""
    dice = random.Random(number)
    if name == "xlsx" and number % 3:  # two in three inside the archive
        parts = test_xlsx._parts()
        return test_xlsx._packed(break_files(parts, dice))
    return break_files(sound_files(name), dice)


def try_inputs(name: str, first: int, n: int) -> Tried:
    """Try some inputs of a reader, in a process of its own."""
    found, reader = Tried(name), reader_named(name)
    signal.signal(signal.SIGALRM, _too_slow)
    began = time.monotonic()
    for number in range(first, first + n):
        found.inputs += 1
        signal.alarm(SECONDS)
        try:
            outcomes = read_all(reader, broken(name, number))
        except Exception:
            found.failed += 1
            found.faults.append(f"input {number}: {traceback.format_exc(limit=-3)}")
            continue
        finally:
            signal.alarm(0)
        if outcomes is None:
            found.refused += 1
            continue
        kinds = Counter(type(outcome) for outcome in outcomes)
        found.contacts += kinds[ParsedContact]
        found.rejects += kinds[Reject]
    found.seconds = time.monotonic() - began
    found.faults = found.faults[:SHOWN]
    return found


def _too_slow(_signal: int, _frame: Any) -> None:
    raise TimeoutError(f"one input took more than {SECONDS} s")


def try_readers(names: Sequence[str], first: int, n: int, processes: int) -> Iterator[Tried]:
    """Try so many inputs of each reader; yield each as it is done."""
    with ProcessPoolExecutor(processes) as pool:
        for name in names:
            starts = range(first, first + n, AT_ONCE)
            parts = [
                pool.submit(try_inputs, name, at, min(AT_ONCE, first + n - at)) for at in starts
            ]
            found = Tried(name)
            for part in parts:
                found.add(part.result())
            yield found


def as_row(found: Tried) -> str:
    return (
        f"{found.reader:<16} {found.inputs:>7} {found.refused:>8} {found.contacts:>9} "
        f"{found.rejects:>9} {found.failed:>7} {found.seconds:>8.0f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    names = [reader.format for reader in READERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each reader; 10,000")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--reader", choices=names, action="append", help="all of them")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    print(
        f"{'reader':<16} {'inputs':>7} {'refused':>8} {'contacts':>9} {'rejected':>9} "
        f"{'FAILED':>7} {'seconds':>8}"
    )
    found = []
    for tried in try_readers(asked.reader or names, asked.first, asked.inputs, asked.processes):
        print(as_row(tried), *tried.faults, sep="\n", flush=True)
        found.append(tried)
    report = json.dumps([asdict(tried) for tried in found], ensure_ascii=False)
    print(report)
    if asked.json:
        asked.json.write_text(report, encoding="utf-8")
    if any(tried.failed for tried in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
