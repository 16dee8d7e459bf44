"""Settings as people write them; those that would send words where others read stop the start."""

from __future__ import annotations

import os

import pytest

from closedloop import config
from closedloop.adapters.naming import open_namer
from closedloop.config import (
    Settings,
    SettingsError,
    find_unknown,
    make_instance,
    read_env_file,
    write_private,
)


def read(tmp_path, **values):
    keys = {"CLOSEDLOOP_SECRET_KEY": "s" * 40, "CLOSEDLOOP_CUSTOMER_KEY": "c" * 40}
    given = {f"CLOSEDLOOP_NAMING_{name.upper()}": value for name, value in values.items()}
    return Settings.from_env(tmp_path, {**keys, **given})


def test_no_machine_is_asked_for_names_unless_somebody_says_so(tmp_path):
    assert open_namer(read(tmp_path)) is None
    assert open_namer(read(tmp_path, model="small", key="k")) is None


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://models.example.org/v1", "models.example.org"),
        ("https://models.example.org:8443", "models.example.org"),
        ("http://localhost:11434/v1", "localhost"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("http://[::1]:8080/v1", "::1"),
    ],
)
def test_an_endpoint_is_https_or_on_this_machine(tmp_path, url, where):
    assert open_namer(read(tmp_path, url=url, model="small")).where == where


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example.org/v1",
        "http://localhost.example.org/v1",
        "http://localhost@example.org/v1",
        "https://user:secret@models.example.org/v1",
        "https://models.example.org/v1?key=secret",
        "https://models.example.org/#v1",
        "https://models.example.org:port/v1",
        "https://",
        "file:///etc/passwd",
        "models.example.org",
        "https://models.example.org/v 1",
    ],
)
def test_any_other_address_stops_the_start(tmp_path, url):
    with pytest.raises(SettingsError, match="CLOSEDLOOP_NAMING_URL") as refusal:
        read(tmp_path, url=url, model="small")
    assert "secret" not in str(refusal.value)


def test_half_set_and_twice_set_ways_stop_the_start(tmp_path):
    with pytest.raises(SettingsError, match="CLOSEDLOOP_NAMING_MODEL"):
        read(tmp_path, url="https://models.example.org/v1")
    with pytest.raises(SettingsError, match="keep one"):
        read(tmp_path, url="https://models.example.org/v1", model="m", command="llm")
    with pytest.raises(SettingsError, match="CLOSEDLOOP_NAMING_COMMAND"):
        read(tmp_path, command="llm 'unclosed")
    with pytest.raises(SettingsError, match="names no program"):
        read(tmp_path, command="'' --fast")
    with pytest.raises(SettingsError, match="CLOSEDLOOP_NAMING_KEY"):
        read(tmp_path, url="https://models.example.org/v1", model="m", key="kä")


def test_the_key_is_not_in_what_settings_print(tmp_path):
    assert "sk-12345" not in repr(
        read(tmp_path, url="https://models.example.org/v1", model="m", key="sk-12345")
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('CLOSEDLOOP_SITE_NAME="My bank"', "My bank"),
        ("CLOSEDLOOP_SITE_NAME = 'My bank'", "My bank"),
        ("export CLOSEDLOOP_SITE_NAME=My bank", "My bank"),
        ("\ufeffCLOSEDLOOP_SITE_NAME=My bank\r", "My bank"),
        ('CLOSEDLOOP_SITE_NAME=My "own" bank', 'My "own" bank'),
        ("CLOSEDLOOP_SITE_NAME='a' or 'b'", "'a' or 'b'"),
        ('CLOSEDLOOP_SITE_NAME="', '"'),
        ('CLOSEDLOOP_SITE_NAME=""', ""),
    ],
)
def test_a_line_of_the_settings_file_is_read_as_a_shell_reads_it(tmp_path, line, value):
    file = tmp_path / "closedloop.env"
    file.write_text(f"{line}\n", "utf-8")
    assert read_env_file(file) == {"CLOSEDLOOP_SITE_NAME": value}


def test_a_customer_key_in_quotes_stays_the_key_that_customers_were_hashed_with(tmp_path):
    file = tmp_path / "closedloop.env"
    file.write_text('CLOSEDLOOP_CUSTOMER_KEY="abc"\n')
    assert read_env_file(file) == {"CLOSEDLOOP_CUSTOMER_KEY": '"abc"'}


def test_a_settings_file_that_cannot_be_read_is_said_to_be_so(tmp_path):
    (tmp_path / "closedloop.env").write_bytes("CLOSEDLOOP_SITE_NAME=Zoë".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"closedloop\.env is no UTF-8 text"):
        Settings.from_env(tmp_path, {})
    (tmp_path / "other" / "closedloop.env").mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        Settings.from_env(tmp_path / "other", {})


def test_what_is_set_in_vain_is_found_with_what_was_meant(tmp_path):
    (tmp_path / "closedloop.env").write_text("CLOSEDLOOP_TEXTDAYS=180\nCLOSEDLOOP_PRIVACY_K=7\n")
    around = {
        "CLOSEDLOOP_INSTANCE": "x",
        "CLOSEDLOOP_PASSWORD": "x",
        "HOME": "/",
        "CLOSEDLOOP_X": "",
    }
    assert find_unknown(tmp_path, around) == [
        "There is no setting CLOSEDLOOP_TEXTDAYS. Did you mean CLOSEDLOOP_TEXT_DAYS?",
        "There is no setting CLOSEDLOOP_X. .env.example lists all.",
    ]


def test_an_instance_that_is_made_again_keeps_its_file_as_people_wrote_it(tmp_path):
    file = make_instance(tmp_path, {})
    written = f"{file.read_text()}# why: the auditors asked\nCLOSEDLOOP_PRIVACY_K=7\n"
    file.write_text(written)
    make_instance(tmp_path, {})
    assert file.read_text() == written
    make_instance(tmp_path, {"CLOSEDLOOP_CURRENCY": "EUR"})
    assert file.read_text() == f"{written}CLOSEDLOOP_CURRENCY=EUR\n"


def test_a_full_disk_costs_no_key(tmp_path, monkeypatch):
    file = make_instance(tmp_path, {})
    written = file.read_text()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_instance(tmp_path, {"CLOSEDLOOP_CURRENCY": "EUR"})
    assert file.read_text() == written


def test_a_file_that_is_written_anew_stays_whose_it_was(tmp_path):
    if os.getuid() != 0:
        pytest.skip("Only root gives files away.")
    file = tmp_path / "closedloop.env"
    file.write_text("old")
    os.chown(file, 65534, 65534)
    link = tmp_path / "link"
    link.symlink_to(file)
    write_private(link, "new")
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65534, 0o600)
    assert (link.is_symlink(), file.read_text()) == (True, "new")
