"""Run the slow proofs: `make bench`, or `python -m benchmarks [NAME …] [--data DIR]`.

Each module of this package has a `main(arguments)` that prints a table, and prints or writes JSON.
Those that need real data sets look for them in the directory given, and say so when it is missing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

PROOFS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROOFS)}")
    parser.add_argument("--data", type=Path, help="directory of the real data sets")
    arguments = parser.parse_args()
    for name in arguments.names or PROOFS:
        if name not in PROOFS:
            parser.error(f"There is no benchmark {name}; there are {', '.join(PROOFS)}.")
        print(f"\n== {name}")
        module = importlib.import_module(f"benchmarks.{name}")
        needs_data = getattr(module, "NEEDS_DATA", False)
        if needs_data and not arguments.data:
            print("Skipped: it needs real data sets; name their directory with --data.")
            continue
        takes_data = needs_data or getattr(module, "TAKES_DATA", False)
        module.main([str(arguments.data)] if takes_data and arguments.data else [])
    return 0


sys.exit(main())
