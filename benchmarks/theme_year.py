"""A year of monthly runs: ``closedloop bench themes-year`` by ``make bench``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from closedloop.cli import main as closedloop


def main(arguments: Sequence[str] | None = None) -> None:
    wanted = list(sys.argv[1:] if arguments is None else arguments)
    closedloop(["bench", "themes-year", *wanted], standalone_mode=False)


if __name__ == "__main__":
    main()
