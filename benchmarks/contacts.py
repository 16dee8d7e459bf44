"""Imports, repeats, roll-ups and pages at millions of contacts; an hour and some ten gigabytes.

``python -m benchmarks contacts``, or ``closedloop bench contacts [--small]``; prints a table and
JSON. One database and one part at a time, the loaded database kept for the next:
``closedloop bench contacts --database sqlite --part pages --keep DIR``.
"""

from __future__ import annotations

import argparse
import json

from closedloop.bench.contacts import as_table, run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="100,000 contacts, minutes")
    report = run(small=parser.parse_args(arguments).small)
    print(as_table(report))
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
