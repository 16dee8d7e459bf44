"""Opening files, directories and archives: what is in them, and no bombs."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from closedloop.adapters import bundle as bundles
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.types import UnreadableFile


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def contents(path: Path) -> dict[str, bytes]:
    with open_bundle(path) as bundle:
        return {member.name: member.path.read_bytes() for member in bundle.members}


def test_a_directory_gives_its_files_by_their_paths_and_no_hidden_ones(tmp_path):
    for name in ("b.csv", "deep/a.csv", ".hidden", "__MACOSX/b.csv", "deep/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())

    assert contents(tmp_path) == {"b.csv": b"b.csv", "deep/a.csv": b"deep/a.csv"}


def test_an_archive_is_unpacked_for_as_long_as_it_is_open(tmp_path):
    path = zipped(tmp_path / "a.zip", {"b.csv": b"B", "../../evil.csv": b"E", ".hidden": b"H"})

    with open_bundle(path) as bundle:
        paths = [member.path for member in bundle.members]
        assert {member.name for member in bundle.members} == {"b.csv", "../../evil.csv"}
        assert len({p.parent for p in paths}) == 1  # whatever the archive calls it
    assert not any(p.exists() for p in paths)


def test_a_gzip_is_the_file_in_it(tmp_path):
    path = tmp_path / "contacts.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n"))

    assert contents(path) == {"contacts.csv": b"a,b\n"}


def test_files_packed_one_by_one_are_unpacked_in_a_directory_and_in_an_archive(tmp_path):
    packed = gzip.compress(b"a,b\n")
    directory = tmp_path / "stream"
    (directory / "03").mkdir(parents=True)
    (directory / "03" / "one.json.gz").write_bytes(packed)
    (directory / "two.json").write_bytes(b"{}")
    archive = zipped(tmp_path / "a.zip", {"03/one.json.GZ": packed, "not.gz": b"{}"})

    assert contents(directory) == {"03/one.json": b"a,b\n", "two.json": b"{}"}
    assert contents(archive) == {"03/one.json": b"a,b\n", "not.gz": b"{}"}


def test_a_broken_gzip_among_other_files_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b"a,b\n" * 500)[:-20])

    with pytest.raises(UnreadableFile, match=r"In b\.json\.gz: .* cannot be unpacked"):
        contents(tmp_path)


def test_many_small_bombs_in_one_archive_are_refused_together(tmp_path):
    bomb = gzip.compress(b"0" * 50_000_000)
    path = zipped(tmp_path / "a.zip", {"a.gz": bomb, "b.gz": bomb})

    with pytest.raises(UnreadableFile, match="far more than it should"):
        contents(path)


def test_a_workbook_is_one_file_although_it_is_a_zip(tmp_path):
    path = zipped(tmp_path / "a.xlsx", {"[Content_Types].xml": b"", "xl/workbook.xml": b""})

    assert list(contents(path)) == ["a.xlsx"]


def test_bombs_are_refused_by_what_they_announce(tmp_path):
    path = zipped(tmp_path / "bomb.zip", {"a.csv": b"0" * 90_000_000})
    assert path.stat().st_size < 100_000

    with pytest.raises(UnreadableFile, match="far more than it should"):
        contents(path)


def test_a_gzip_bomb_is_refused_while_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0" * 90_000_000))

    with pytest.raises(UnreadableFile, match="far more than it should"):
        contents(path)


def test_an_archive_that_lies_about_its_sizes_unpacks_to_no_more_than_it_says(tmp_path):
    path = zipped(tmp_path / "lie.zip", {"a.csv": b"0" * 90_000_000})
    lie = path.read_bytes().replace((90_000_000).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    path.write_bytes(lie)

    with pytest.raises(UnreadableFile, match="broken"):
        contents(path)


def test_an_archive_in_an_archive_stays_packed(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 90_000_000)
    path = zipped(tmp_path / "outer.zip", {"inner.zip": inner.getvalue()})

    assert contents(path) == {"inner.zip": inner.getvalue()}


@pytest.mark.parametrize("keep", [10, 60, -5, -30])
def test_a_broken_archive_gets_a_sentence(tmp_path, keep):
    path = zipped(tmp_path / "a.zip", {"a.csv": b"a,b\n" * 50, "b.csv": b"c"})
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(UnreadableFile, match="cannot be unpacked"):
        contents(path)


def test_a_broken_gzip_gets_a_sentence(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 500)[:-20])

    with pytest.raises(UnreadableFile, match="cannot be unpacked"):
        contents(path)


def test_an_empty_archive_and_one_of_too_many_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UnreadableFile, match="holds no files"):
        contents(zipped(tmp_path / "none.zip", {".hidden": b""}))

    monkeypatch.setattr(bundles, "MAX_MEMBERS", 2)
    with pytest.raises(UnreadableFile, match="holds 3 files; at most 2"):
        contents(zipped(tmp_path / "many.zip", {"a": b"", "b": b"", "c": b""}))


def test_an_archive_for_which_there_is_no_room_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "_free_bytes", lambda: 3)

    with pytest.raises(UnreadableFile, match="not enough room"):
        contents(zipped(tmp_path / "a.zip", {"a": b"long"}))


@pytest.fixture
def own_temporary(tmp_path, monkeypatch):
    """A temporary directory of the test's own, for it and for the processes it starts."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_what_a_killed_process_left_unpacked_goes_with_the_next_archive(
    tmp_path, own_temporary, monkeypatch
):
    archive = tmp_path / "export.csv.gz"
    archive.write_bytes(gzip.compress(b"id,text\n1,my card is 4111 1111 1111 1111\n"))
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from closedloop.adapters.bundle import open_bundle\n"
        "with open_bundle(Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(archive)], check=False)
    (left,) = own_temporary.iterdir()
    assert b"4111" in (left / "000000").read_bytes()

    monkeypatch.setattr(bundles, "_SECONDS_TO_LOCK", -1)
    with open_bundle(archive) as bundle:
        assert not left.exists()
        assert bundle.members[0].path.exists()


def test_what_is_being_read_is_left_where_it_is(tmp_path, own_temporary, monkeypatch):
    archive = tmp_path / "export.csv.gz"
    archive.write_bytes(gzip.compress(b"id,text\n"))
    monkeypatch.setattr(bundles, "_SECONDS_TO_LOCK", -1)

    with open_bundle(archive) as bundle:
        assert bundles.delete_left_unpacked() == 0
        assert bundle.members[0].path.exists()


def test_a_directory_that_was_just_made_is_left_until_it_is_held(own_temporary):
    made = own_temporary / "closedloop-unpacked-new"
    made.mkdir()

    assert bundles.delete_left_unpacked() == 0
    assert made.exists()
