"""Whether the impact numbers are honest: ``closedloop bench impact`` by ``make bench``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from closedloop.cli import main as closedloop

TAKES_DATA = True


def main(arguments: Sequence[str] | None = None) -> None:
    wanted = list(sys.argv[1:] if arguments is None else arguments)
    if not wanted or not wanted[0].startswith("-"):
        # as ``python -m benchmarks`` calls it: with the folder of real series, or with nothing
        wanted = ["--size", "full", *(["--data", wanted[0]] if wanted else [])]
    closedloop(["bench", "impact", *wanted], standalone_mode=False)


if __name__ == "__main__":
    main()
