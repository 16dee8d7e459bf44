"""Recall, precision, false marks and speed of redaction, against presidio's patterns.

``python -m benchmarks redaction``, or ``python -m benchmarks.redaction [--small]
[--narratives DIR]``; prints a table and JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from closedloop.bench.redaction import as_table, run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a twentieth of the set")
    parser.add_argument("--narratives", type=Path, help="directory with CSV files of complaints")
    options = parser.parse_args(arguments)
    report = run(options.small, narratives=options.narratives)
    print(as_table(report))
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
