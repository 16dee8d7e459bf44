"""Peak memory of importing small and big files: it should not grow with the file.

``python -m benchmarks.big_file [SIZE …] [--database sqlite|postgresql] [--wide N] [--json FILE]``,
sizes as 5MB or 5GB; by default 5 MB and 500 MB, as behind ``make bench``. Each file is generated
and imported into a fresh database by processes of their own; of their memory, what several hold in
common counts once. Needs some four times the biggest size on the disk of the temporary directory.

Exports of real systems have many columns that nothing is asked of: ``--wide N`` adds a dozen with
N characters together, so that a file of gigabytes holds no more contacts than there is time for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from closedloop.bench.imports import run_import, write_file
from closedloop.bench.places import has_postgresql, open_place

UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
OTHER_COLUMNS = 12
SAMPLE = 10_000
"""Contacts of a file that tells how many bytes one takes."""


def size_of(text: str) -> int:
    """Return the bytes that a size in words means."""
    number, unit = text[:-2], text[-2:].upper()
    try:
        return int(float(number) * UNITS[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; write it like 5MB or 5GB."
        ) from None


def write_big_file(path: Path, n_bytes: int, *, wide: int = 0) -> int:
    """Write a CSV of contacts of about so many bytes; return how many there are.

    Parameters
    ----------
    path : Path
    n_bytes : int
    wide : int
        Characters of columns beside those of a contact, in each row.
    """
    write_file(path, SAMPLE, with_text=True)
    n = max(1, round(n_bytes * SAMPLE / (path.stat().st_size + SAMPLE * wide)))
    write_file(path, n, with_text=True)
    if wide:
        _widen(path, wide)
    return n


def _widen(path: Path, characters: int) -> None:
    names = ",".join(f"other_{number}" for number in range(OTHER_COLUMNS))
    each = ("status ok; reference 0815; " * characters)[: max(1, characters // OTHER_COLUMNS - 1)]
    others = ",".join([each] * OTHER_COLUMNS)
    narrow = path.rename(path.with_suffix(".narrow"))
    with narrow.open(encoding="utf-8") as rows, path.open("w", encoding="utf-8") as wide:
        wide.write(f"{next(rows).rstrip()},{names}\n")
        for row in rows:
            wide.write(f"{row.rstrip()},{others}\n")
    narrow.unlink()


def measure(database: str, n_bytes: int, *, wide: int = 0) -> dict[str, Any]:
    """Import a file of about so many bytes into a fresh database; memory in MB of 1,024² bytes."""
    with open_place(database) as place:
        path = place.settings.instance / "contacts.csv"
        n = write_big_file(path, n_bytes, wide=wide)
        seconds, peak = run_import(place, path)
        return {
            "database": database,
            "file MB": round(path.stat().st_size / UNITS["MB"], 1),
            "contacts": n,
            "peak MB": peak,
            "seconds": round(seconds, 1),
            "contacts a second": round(n / seconds),
        }


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measurements as a table for people, each compared with the smallest file."""
    smallest = min(rows, key=lambda row: row["file MB"])["peak MB"]
    lines = ["  ".join(f"{name:>17}" for name in (*rows[0], "times smallest"))]
    for row in rows:
        times = f"{row['peak MB'] / smallest:.2f}"
        lines.append("  ".join(f"{value!s:>17}" for value in (*row.values(), times)))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=size_of, metavar="SIZE", help="5MB, 5GB")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--wide", type=int, default=0, metavar="N", help="characters beside")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.database == "postgresql" and not has_postgresql():
        parser.error("No PostgreSQL can be started here; install the development dependencies.")
    sizes = asked.sizes or [5 * UNITS["MB"], 500 * UNITS["MB"]]
    rows = [measure(asked.database, n_bytes, wide=asked.wide) for n_bytes in sizes]
    print(as_table(rows))
    print(json.dumps(rows, ensure_ascii=False))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
