"""Files, archives and directories: recognised, measured, taken in whatever the format."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from closedloop.adapters import bundle, registry
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.types import FileFacts, RawRow
from closedloop.domain.errors import Invalid, Unreadable
from closedloop.domain.jobs import Progress
from closedloop.models import Contact
from closedloop.models.imports import BatchState
from closedloop.services import cleaning
from closedloop.services.contact_files import (
    Extent,
    check_mapping,
    measure_extent,
    open_contacts,
    recognise_file,
    with_rows,
)
from closedloop.services.contacts import import_file

FIXTURES = Path(__file__).parents[1] / "adapters/fixtures"
ZENDESK = FIXTURES / "zendesk"
ROWS = "contact_id,started_at,customer_id\na,2026-03-02T10:00:00Z,c1\nb,2026-03-03T10:00:00Z,c1\n"


@pytest.fixture
def take_in(database, settings, actor):
    def take(path: Path, **values):
        return import_file(
            database.transaction,
            settings=settings,
            path=path,
            mapping=recognise_file(path).mapping,
            source="crm",
            file_name=path.name,
            by=actor,
            **values,
        )

    return take


def as_directory(path: Path) -> Path:
    (path / "in").mkdir(parents=True)
    (path / "in/march.csv").write_text(ROWS)
    return path


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("march.csv", ROWS)
    return path


def as_gzip(path: Path) -> Path:
    path.write_bytes(gzip.compress(ROWS.encode()))
    return path


def as_workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    for line in ROWS.splitlines():
        book.active.append(line.split(","))
    book.save(path)
    return path


def as_json(path: Path) -> Path:
    header, *rows = (line.split(",") for line in ROWS.splitlines())
    records = [str(dict(zip(header, row, strict=True))).replace("'", '"') for row in rows]
    path.write_text(f"[{', '.join(records)}]")
    return path


@pytest.mark.parametrize("make", [as_directory, as_zip, as_gzip, as_workbook, as_json])
def test_the_same_contacts_come_out_of_whatever_they_are_brought_in(
    take_in, database, tmp_path, make
):
    batch = take_in(make(tmp_path / "export"))

    assert (batch.state, batch.rows_read, batch.added) == (BatchState.DONE, 2, 2)
    with database.reading() as session:
        ids = sa.select(Contact.source_contact_id).order_by(Contact.id)
        assert session.scalars(ids).all() == ["a", "b"]


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_every_kind_of_export_is_taken_in_and_a_second_time_changes_nothing(take_in, name):
    first = take_in(FIXTURES / name)
    again = take_in(FIXTURES / name)

    assert first.added > 0
    assert (again.added, again.unchanged) == (0, first.added)
    assert again.file_sha256 == first.file_sha256


def test_an_archive_leaves_nothing_unpacked_behind(take_in, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    take_in(as_zip(tmp_path / "export.zip"))

    assert list((tmp_path / "temporary").iterdir()) == []


def toy_reader() -> Reader:
    def recognise(bundle):
        if bundle.only is None or not bundle.only.read_bytes().startswith(b"PIGEON"):
            return None
        return FileFacts("pigeon", "utf-8", "", False, ["contact_id", "started_at"], [], ["Coo."])

    def read_rows(bundle, facts):
        for number, line in enumerate(bundle.only.read_text().splitlines()[1:], start=1):
            fields = dict(zip(facts.header, line.split("@"), strict=True))
            yield RawRow(number, fields, where=f"leg {number}")

    def mapping(facts):
        return Mapping({name: name for name in facts.header}, source="pigeon")

    return Reader("pigeon", "Pigeon post", "pigeon", recognise, read_rows, mapping)


def test_a_registered_reader_is_all_that_an_import_needs(take_in, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "READERS", (toy_reader(), *registry.READERS))
    path = tmp_path / "post"
    path.write_text("PIGEON\np-1@2026-03-02T10:00:00Z\np-2@never\n")

    batch = take_in(path)

    assert (batch.added, batch.rejected) == (1, 1)


def test_recognise_file_says_what_it_is_and_where_to_read_on():
    found = recognise_file(FIXTURES / "zendesk")

    assert (found.title, found.guide) == ("Zendesk tickets", "zendesk")
    assert found.mapping.source == "zendesk"


def test_a_mapping_that_does_not_fit_names_the_columns_there_are(tmp_path):
    path = as_json(tmp_path / "export")

    with pytest.raises(Invalid, match=r"“when”, which the file does not have.*“started_at”"):
        check_mapping(path, Mapping({"contact_id": "contact_id", "started_at": "when"}))


def test_what_nobody_can_read_is_unreadable_with_a_sentence(tmp_path):
    with pytest.raises(Unreadable, match="cannot be opened"):
        recognise_file(tmp_path / "absent.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreadable, match="holds no files"):
        recognise_file(tmp_path / "empty")


def test_a_fault_while_a_file_is_open_is_not_put_down_to_the_file(tmp_path):
    with (
        pytest.raises(OSError, match="the disk of the database"),
        open_contacts(as_zip(tmp_path / "export.zip")),
    ):
        raise OSError("the disk of the database")


def test_the_fingerprint_of_a_directory_holds_names_and_contents(tmp_path):
    path = as_directory(tmp_path / "export")
    first = measure_extent(path).sha256
    copy = shutil.copytree(path, tmp_path / "copy")

    assert measure_extent(copy).sha256 == first
    (copy / "in/march.csv").rename(copy / "in/april.csv")
    assert measure_extent(copy).sha256 != first
    (path / "in/march.csv").write_text(ROWS.replace("c1", "c2", 1))
    assert measure_extent(path).sha256 != first


@pytest.mark.parametrize(
    ("make", "n_lines"),
    [(as_directory, 3), (as_zip, 3), (as_gzip, 3), (as_workbook, 3), (as_json, 0)],
)
def test_how_much_there_is_to_read_is_known_where_it_can_be(tmp_path, make, n_lines):
    path = make(tmp_path / "export")
    with open_contacts(path) as opened:
        extent = with_rows(measure_extent(path), opened)

    assert extent.n_lines == n_lines
    assert extent.total == (extent.n_bytes if n_lines else 0)


def test_bytes_up_to_a_line_are_a_share_and_nothing_is_claimed_where_nobody_knows():
    assert Extent("", 1000, 10).bytes_up_to(5) == 500
    assert Extent("", 1000, 10).bytes_up_to(99) == 1000
    assert Extent("", 1000, 0).bytes_up_to(5) == 0


def test_progress_of_a_list_goes_by_the_bytes_that_were_read(take_in, tmp_path):
    seen: list[Progress] = []
    path = as_json(tmp_path / "export")

    take_in(path, report=seen.append)

    size = path.stat().st_size
    looking, read = (progress for progress in seen if "rows read" in progress.doing)
    assert looking.doing == "no rows read yet · 0.0 of 0.0 MB looked through"
    assert read.doing.startswith("2 rows read")
    assert (read.done, read.total) == (size, size)


def test_progress_of_an_export_goes_by_what_is_looked_through_and_then_made(take_in, monkeypatch):
    monkeypatch.setattr(bundle, "_SECONDS_BETWEEN", 0)
    monkeypatch.setattr(cleaning, "ROWS_PER_STRETCH", 2)
    seen: list[Progress] = []

    take_in(ZENDESK, report=seen.append)

    rows = [p for p in seen if "rows read" in p.doing]
    (total,) = {p.total for p in rows}
    assert total == sum(p.stat().st_size for p in ZENDESK.iterdir())
    shares = [p.done / total for p in rows]
    looked = [s for s, p in zip(shares, rows, strict=True) if "looked through" in p.doing]
    assert shares == sorted(shares)
    assert 0 < looked[0] < 0.3
    assert 0.3 <= looked[-1] < 1
    made = shares[len(looked) :]
    assert len(set(made)) > 2
    assert made[-1] == 1


def test_nothing_is_heard_of_a_pass_that_makes_no_contacts():
    watch = bundle.Watch()
    members = [bundle.Member(p.name, p) for p in sorted(ZENDESK.iterdir())]
    for _ in watch.over(members, shelves=True):
        pass
    watch.made(9, 10)
    assert watch.share == pytest.approx(0.3)
    watch.is_making = True
    watch.made(5, 10)
    watch.made(1, 10)  # what is left over, once all is made
    assert watch.share == pytest.approx(0.65)
