"""Themes on texts with known intents, against BERTopic, EVoC and UMAP with hdbscan.

``python -m benchmarks themes --data DIR``, or ``closedloop bench themes [--data DIR] [--small]
[--only NAME] [--without-peers] [--scale]``; prints a table and JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from closedloop.bench.themes import as_table, run

NEEDS_DATA = True


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder with the public sets")
    parser.add_argument("--small", action="store_true", help="only samples of 1,000 texts")
    parser.add_argument("--only", action="append", default=[], help="a set by name")
    parser.add_argument("--without-peers", action="store_true", help="install no peers")
    parser.add_argument("--scale", action="store_true", help="also a million made-up contacts")
    options = parser.parse_args(arguments)
    if options.data is not None and not options.data.is_dir():
        sys.exit(f"There is no folder {options.data}; name the one with the data sets.")
    report = run(
        data=options.data,
        small=options.small,
        only=options.only,
        with_peers=not options.without_peers,
        scale=options.scale,
        tell=lambda doing: print(doing, file=sys.stderr),
    )
    print(as_table(report))
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
