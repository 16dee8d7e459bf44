"""Uploads: kept under a name that cannot be guessed, found by nothing else."""

from __future__ import annotations

import io

import pytest

from closedloop.adapters.uploads import delete_upload, find_upload, note, save_upload


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
