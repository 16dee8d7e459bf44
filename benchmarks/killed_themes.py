"""Kill discovery, re-assignment and taking back at fifty random points each, and go on.

The suite does the same at three points; ``CLOSEDLOOP_KILLS`` says how many. On PostgreSQL when
``CLOSEDLOOP_TEST_DATABASE_URL`` names one, else on SQLite.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

TESTS = "tests/flows/test_themes_killed.py"


def main(arguments: Sequence[str] | None = None) -> None:
    wanted = list(sys.argv[1:] if arguments is None else arguments)
    environment = {"CLOSEDLOOP_KILLS": "50", **os.environ}
    command = [sys.executable, "-m", "pytest", "-q", TESTS, *wanted]
    status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    main()
