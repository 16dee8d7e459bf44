"""Uploads: kept under a name that cannot be guessed, found by nothing else."""

from __future__ import annotations

import errno
import io
import os
import time

import pytest

from closedloop.adapters.uploads import (
    copy_upload,
    delete_old_files,
    delete_upload,
    find_upload,
    find_upload_of,
    note,
    save_upload,
)


def save(directory, data=b"a,b\n1,2\n", name="export.csv"):
    return save_upload(directory, io.BytesIO(data), file_name=name)


def test_an_upload_is_found_again_with_what_was_noted(tmp_path):
    upload = note(save(tmp_path), mapping={"source": "desk"}, job_id=7)

    found = find_upload(tmp_path, upload.token)

    assert found == upload
    assert (found.size, found.mapping, found.job_id) == (8, {"source": "desk"}, 7)
    assert found.path.read_bytes() == b"a,b\n1,2\n"


def test_tokens_are_random_and_the_name_of_the_file_is_not_used(tmp_path):
    one, two = save(tmp_path, name="../../evil.csv"), save(tmp_path, name="../../evil.csv")

    assert one.token != two.token
    assert len(one.token) == 32
    assert one.path.parent == tmp_path
    assert one.file_name == "evil.csv"


@pytest.mark.parametrize("token", ["", "..", "../secret", "A" * 32, "0" * 31, "0" * 32])
def test_nothing_else_is_a_token(tmp_path, token):
    inside = tmp_path / "uploads"
    for suffix in ("json", "upload"):  # a sound upload outside the directory
        made = save(inside).path.with_suffix(f".{suffix}")
        (tmp_path / f"secret.{suffix}").write_bytes(made.read_bytes())

    assert find_upload(inside, token) is None


def test_a_deleted_upload_leaves_nothing(tmp_path):
    upload = save(tmp_path)
    delete_upload(upload)

    assert find_upload(tmp_path, upload.token) is None
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_anything_to_show_gets_one(tmp_path):
    assert save(tmp_path, name="\n\t").file_name == "unnamed file"
    assert save(tmp_path, name="C:\\temp\\Mai.csv").file_name == "Mai.csv"


class FullDisk(io.BytesIO):
    """A stream behind which no room is left."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_no_half_of_an_upload(tmp_path) -> None:
    with pytest.raises(OSError, match="No space left"):
        save_upload(tmp_path, FullDisk(), file_name="calls.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_copy_outlives_the_upload_and_an_upload_is_found_by_its_import(tmp_path) -> None:
    first = note(save_upload(tmp_path, io.BytesIO(b"a,b\n"), file_name="calls.csv"), batch_id=7)
    copy = copy_upload(first)

    assert find_upload_of(tmp_path, 7).token == first.token
    assert (copy.file_name, copy.batch_id, copy.mapping) == ("calls.csv", None, None)
    delete_upload(first)
    assert copy.path.read_bytes() == b"a,b\n"
    assert find_upload_of(tmp_path, 7) is None
    assert find_upload_of(tmp_path / "nowhere", 7) is None


def test_what_has_lain_for_more_than_its_days_is_removed_and_the_rest_stays(tmp_path) -> None:
    old, young = save(tmp_path, name="old.csv"), save(tmp_path, name="young.csv")
    for path, days in ((old.path, 7.1), (young.path, 6.9)):
        at = time.time() - days * 86_400
        os.utime(path, (at, at))
    (tmp_path / "directory").mkdir()

    assert delete_old_files(tmp_path, days=7) == 1

    assert not old.path.exists()
    assert young.path.exists()
    assert delete_old_files(tmp_path / "nowhere", days=7) == 0
