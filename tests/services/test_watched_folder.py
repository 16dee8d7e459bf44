"""The watched folder: read once, moved out of the way, and a sentence for what was not."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.errors import Invalid
from closedloop.models import AuditEvent, Contact, ContactText, ImportBatch
from closedloop.services import watched_folder as service
from closedloop.services.mappings import save_mapping
from closedloop.services.watched_folder import (
    look_at_folder,
    pick_up_files,
    problem_with,
)

FILE = "no,at\n1,2026-03-02 10:00\n2,2026-03-03 10:00\n"
MAPPING = Mapping({"contact_id": "no", "started_at": "at"}, source="desk", zone="UTC")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


@pytest.fixture
def quiet(monkeypatch) -> None:
    """Take every file for one that nobody writes any more."""
    monkeypatch.setattr(service, "QUIET_SECONDS", 0)


@pytest.fixture
def watching(settings: Settings, folder: Path) -> Settings:
    return dataclasses.replace(settings, watched_folder=str(folder))


@pytest.fixture
def pick_up(database, watching, actor):
    return lambda: pick_up_files(database.transaction, settings=watching, by=actor)


@pytest.fixture
def desk(session, actor, folder) -> Path:
    """The folder of a saved mapping."""
    save_mapping(session, name="Desk", format="csv", header=["no", "at"], mapping=MAPPING, by=actor)
    session.commit()
    (folder / "Desk").mkdir()
    return folder / "Desk"


@pytest.mark.usefixtures("quiet")
def test_a_file_is_read_by_the_mapping_its_folder_is_named_after_and_moved(
    desk, folder, pick_up, session
) -> None:
    (desk / "march.csv").write_text(FILE)

    (found,) = pick_up()

    assert (found.outcome, found.mapping_name) == ("done", "Desk")
    assert (folder / "done/Desk/march.csv").read_text() == FILE
    assert list(desk.iterdir()) == []
    batch = session.scalars(sa.select(ImportBatch)).one()
    assert (batch.origin, batch.mapping_name, batch.source) == ("folder", "Desk", "desk")
    assert (batch.added, batch.id) == (2, found.batch_id)
    assert pick_up() == []


@pytest.mark.usefixtures("quiet")
def test_what_is_still_being_sent_waits(desk, folder, pick_up) -> None:
    for name in ("a.csv.part", "b.TMP", ".hidden.csv", "c.crdownload"):
        (desk / name).write_text(FILE)

    assert pick_up() == []
    assert len(list(desk.iterdir())) == 4


def test_a_file_that_changed_a_moment_ago_waits(desk, pick_up, watching, session) -> None:
    (desk / "march.csv").write_text(FILE)

    assert pick_up() == []
    state = look_at_folder(watching)
    assert [(w.path.name, w.is_quiet) for w in state.waiting] == [("march.csv", False)]
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 0


@pytest.mark.usefixtures("quiet")
def test_what_cannot_be_read_moves_aside_with_the_reason_and_the_rest_is_read(
    desk, folder, pick_up, watching, session
) -> None:
    (desk / "1 empty.csv").write_text("")
    (desk / "2 other.csv").write_text("a,b\n1,2\n")
    (folder / "3 top.csv").write_text(FILE)
    (desk / "4 good.csv").write_text(FILE)

    found = {f.file_name: f for f in pick_up()}

    assert [f.outcome for _, f in sorted(found.items())] == ["failed", "failed", "failed", "done"]
    assert "empty" in (folder / "failed/Desk/1 empty.csv.txt").read_text()
    assert "does not have" in (folder / "failed/Desk/2 other.csv.txt").read_text()
    words = (folder / "failed/3 top.csv.txt").read_text()
    assert "save its mapping" in words
    assert "Saved are: Desk." in words
    assert (folder / "failed/3 top.csv").read_text() == FILE
    state = look_at_folder(watching)
    assert (state.n_failed, state.waiting) == (3, [])
    assert [name for name, _ in state.failed] == ["1 empty.csv", "2 other.csv", "3 top.csv"]
    refused = sa.select(sa.func.count()).where(AuditEvent.verb == "contacts.file_refused")
    assert session.scalar(refused) == 3


@pytest.mark.usefixtures("quiet")
def test_a_mapping_that_names_no_source_reads_nothing_that_came_from_one(
    desk, folder, pick_up, session, actor
) -> None:
    (desk / "march.csv").write_text(FILE)
    pick_up()
    nameless = dataclasses.replace(MAPPING, source="file")
    save_mapping(session, name="Any", format="csv", header=["no", "at"], mapping=nameless, by=actor)
    session.commit()
    (folder / "Any").mkdir()
    (folder / "Any" / "march copy.csv").write_text(FILE)

    (found,) = pick_up()

    assert found.outcome == "failed"
    assert "as those of “file” they would count twice" in found.sentence


@pytest.mark.usefixtures("quiet")
def test_a_second_file_of_the_same_name_keeps_the_first(desk, folder, pick_up) -> None:
    for day in ("2026-03-02", "2026-04-02"):
        (desk / "daily.csv").write_text(f"no,at\n{day},{day} 10:00\n")
        assert [f.outcome for f in pick_up()] == ["done"]

    kept = sorted(p.read_text() for p in (folder / "done/Desk").iterdir())
    assert len(kept) == 2
    assert kept[0] != kept[1]


@pytest.mark.usefixtures("quiet")
def test_a_file_of_a_vendor_needs_no_mapping(folder, pick_up, session) -> None:
    from closedloop.adapters.registry import READERS

    if all(reader.mapping is None for reader in READERS):
        pytest.skip("no reader knows its own columns yet")
    source = next(
        path
        for reader in READERS
        if reader.mapping is not None
        for path in sorted(
            (Path(__file__).parents[1] / "adapters/fixtures" / reader.format).glob("*")
        )
        if path.is_file()
    )
    (folder / "anything").mkdir()
    (folder / "anything" / source.name).write_bytes(source.read_bytes())

    (found,) = pick_up()

    assert found.outcome == "done", found.sentence
    assert session.scalars(sa.select(ImportBatch.origin)).one() == "folder"


def test_a_folder_that_is_away_is_named_and_none_is_nothing(settings, database, actor) -> None:
    assert look_at_folder(settings) is None
    assert problem_with(settings) == ""
    assert pick_up_files(database.transaction, settings=settings, by=actor) == []
    away = dataclasses.replace(settings, watched_folder="/nowhere/at/all")
    assert "is no directory" in look_at_folder(away).problem
    with pytest.raises(Invalid, match="CLOSEDLOOP_WATCHED_FOLDER"):
        pick_up_files(database.transaction, settings=away, by=actor)


@pytest.mark.usefixtures("quiet")
def test_a_folder_that_is_shut_is_named_and_keeps_nothing_else_from_being_read(
    desk, folder, pick_up, watching, monkeypatch
) -> None:
    for name in ("shut", "lost+found"):
        (folder / name).mkdir()
        (folder / name / "march.csv").write_text(FILE)
    (desk / "march.csv").write_text(FILE)
    _shut(monkeypatch, "shut", "lost+found")

    assert [(f.file_name, f.mapping_name) for f in pick_up()] == [("march.csv", "Desk")]
    state = look_at_folder(watching)
    assert (state.shut, state.waiting) == (["shut"], [])


def _shut(monkeypatch, *names: str) -> None:
    """Deny folders to this process, be it the system's own or not."""
    is_allowed, entries = os.access, Path.iterdir

    def access(path, mode):
        return Path(path).name not in names and is_allowed(path, mode)

    def iterdir(path):
        if path.name in names:
            raise PermissionError(13, "Permission denied")
        return entries(path)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(Path, "iterdir", iterdir)


@pytest.mark.usefixtures("quiet")
def test_a_file_that_cannot_be_moved_away_is_said_to_stay_and_the_rest_is_read(
    desk, pick_up, monkeypatch
) -> None:
    for name in ("1 bad.csv", "2 good.csv"):
        (desk / name).write_text(FILE if "good" in name else "a,b\n1,2\n")

    def shut(*_given, **_named):
        raise PermissionError(13, "Permission denied")

    for where, name in ((shutil, "move"), (Path, "replace")):
        monkeypatch.setattr(where, name, shut)

    found = pick_up()

    assert [f.outcome for f in found] == ["failed", "done"]
    assert all("move it yourself" in f.sentence for f in found)


@pytest.mark.usefixtures("quiet")
def test_read_files_may_be_kept_on_another_disk(desk, folder, pick_up, monkeypatch) -> None:
    def another_disk(*_given, **_named):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", another_disk)
    monkeypatch.setattr(Path, "replace", another_disk)
    (desk / "march.csv").write_text(FILE)

    (found,) = pick_up()

    assert "move it yourself" not in found.sentence
    assert [p.name for p in (folder / "done/Desk").iterdir()] == ["march.csv"]
    assert list(desk.iterdir()) == []


ZENDESK = Path(__file__).parents[1] / "adapters/fixtures/zendesk"


@pytest.mark.usefixtures("quiet")
def test_a_folder_that_is_one_export_is_read_as_one(folder, pick_up, session) -> None:
    shutil.copytree(ZENDESK, folder / "March.export")
    shutil.copytree(ZENDESK, folder / "anything/May.EXPORT")
    (folder / "empty.export").mkdir()

    found = pick_up()

    assert [f.outcome for f in found] == ["done", "done"]
    first, second = session.scalars(sa.select(ImportBatch).order_by(ImportBatch.id))
    assert (first.format, first.file_name, first.origin) == ("zendesk", "March.export", "folder")
    assert (first.added, second.added, second.unchanged) == (5, 0, 5)
    assert (folder / "done/March.export/tickets_1.json").is_file()
    assert (folder / "done/anything/May.EXPORT/users.json").is_file()
    assert sorted(p.name for p in folder.iterdir()) == ["anything", "done", "empty.export"]
    said = [text for turns in session.scalars(sa.select(ContactText.turns)) for _, text in turns]
    assert any("His flatmate here" in text for text in said), "words of events, not of tickets"


def test_a_folder_that_is_one_export_waits_for_all_its_files(
    folder, pick_up, watching, monkeypatch
) -> None:
    export = folder / "March.export"
    shutil.copytree(ZENDESK, export)
    long_ago = time.time() - 3_600
    monkeypatch.setattr(service, "_times_of", lambda path: (long_ago, long_ago))
    (export / "tickets_3.json.part").write_text("{")
    assert [w.is_quiet for w in look_at_folder(watching).waiting] == [False]
    (export / "tickets_3.json.part").unlink()
    assert [w.is_quiet for w in look_at_folder(watching).waiting] == [True]

    monkeypatch.undo()
    _, last_change = service._times_of(export)
    assert last_change >= max(p.stat().st_ctime for p in export.iterdir()) > long_ago
    assert pick_up() == []


@pytest.mark.usefixtures("quiet")
def test_an_export_that_cannot_be_read_moves_aside_whole(folder, pick_up, watching) -> None:
    (folder / "odd.export").mkdir()
    (folder / "odd.export/a.txt").write_text("no table")

    (found,) = pick_up()

    assert found.outcome == "failed"
    assert (folder / "failed/odd.export/a.txt").read_text() == "no table"
    state = look_at_folder(watching)
    assert (state.n_failed, [name for name, _ in state.failed]) == (1, ["odd.export"])
