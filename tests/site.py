"""The demo contact centre, built once a test run, and a server that shows it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
SERVER = os.environ.get("CLOSEDLOOP_TEST_DATABASE_URL", "")
BUILT = os.environ.get("CLOSEDLOOP_TEST_DEMO", "")
"""An already built demo (its instance, on SQLite) to copy: for quick work on browser tests."""


@dataclass(frozen=True)
class DemoSite:
    """A built demo: where it lives, what it says of itself, who may sign in."""

    instance: Path
    environment: dict[str, str]
    summary: dict[str, Any]

    def account(self, role: str, name: str = "") -> dict[str, str]:
        """Return the sign-in of a role: its first one, or the one of that name."""
        accounts: list[dict[str, str]] = json.loads(
            (self.instance / "demo-accounts.json").read_text(encoding="utf-8")
        )
        return next(a for a in accounts if a["role"] == role and name in a["name"])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `closedloop ARGUMENTS --instance …`."""
        return subprocess.run(
            [
                sys.executable,
                "-c",
                "from closedloop.cli import main; main()",
                *arguments,
                "--instance",
                str(self.instance),
            ],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def demo_database(name: str, copy_of: str = "") -> Iterator[dict[str, str]]:
    """Give the environment of a site: its own SQLite file, or a database on the server.

    The database is empty, or a copy of another one that nobody is connected to.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CLOSEDLOOP_")}
    environment["PYTHONPATH"] = str(ROOT)
    if not SERVER:
        yield environment
        return
    admin = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        template = f" TEMPLATE {copy_of}" if copy_of else ""
        connection.execute(sa.text(f"CREATE DATABASE {name}{template}"))
    url = sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    yield {**environment, "CLOSEDLOOP_DATABASE_URL": url}
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def build(instance: Path, environment: dict[str, str]) -> DemoSite:
    """Build the demo through its command, or take a copy of the one in CLOSEDLOOP_TEST_DEMO."""
    if BUILT and not SERVER:
        shutil.copytree(BUILT, instance)  # the command then finds its work done
    empty = DemoSite(instance, environment, {})
    done = empty.command("demo", "--no-serve", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    return DemoSite(instance, environment, json.loads(done.stdout))


@contextmanager
def served(site: DemoSite) -> Iterator[str]:
    """Serve a site on a free port of this machine; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (site.instance / "serve.log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from closedloop.cli import main; main()",
            *("serve", "--instance", str(site.instance), "--port", str(port)),
        ],
        cwd=ROOT,
        env=site.environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, Path(log.name))
        yield address
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{address}/sign-in", timeout=10):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer: {log.read_text()[-3000:]}")
