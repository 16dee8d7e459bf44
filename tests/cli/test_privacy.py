"""Erasing, expiring, rotating and linking at the command line: exit codes, questions, JSON."""

from __future__ import annotations

import csv
import json

import pytest
from sqlalchemy.exc import OperationalError

from closedloop.config import read_env_file
from closedloop.extensions import Database
from tests.privacy_sites import COLUMNS, row


@pytest.fixture
def run(run_on_made):
    return run_on_made


@pytest.fixture
def filled(run, tmp_path):
    """An instance with three contacts of two customers and one of nobody."""
    path = tmp_path / "contacts.csv"
    rows = [
        row("a", customer="ann@example.org"),
        row("b", customer="+447911123456", hours=30),
        row("c", customer="cust-3", hours=40),
        row("d", customer=""),
    ]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    run("import", str(path), "--no-assign")
    run.file = path
    return run


def known(run, text: str, **values) -> bool:
    dry = run("erase", "--customer", text, "--dry-run", "--json", **values)
    return bool(json.loads(dry.stdout)["erased"])


def test_erase_asks_first_and_does_nothing_on_a_no(filled):
    result = filled("erase", "--customer", "cust-3", typed="n\n", code=1)
    assert "for good?" in result.output
    assert known(filled, "cust-3")
    filled("erase", "--customer", "cust-3", typed="y\n")
    assert not known(filled, "cust-3", code=3)


def test_erase_takes_several_ids_from_standard_input_and_says_who_is_unknown(filled):
    typed = "cust-3\n\ncust-404\nann@example.org\n"
    result = filled("erase", "--customer", "-", "--yes", "--json", typed=typed, code=3)
    told = json.loads(result.stdout)
    assert [erased["contacts"] for erased in told["erased"]] == [1, 1]
    assert told["unknown"] == [2]
    assert "cust-404" not in result.output  # no id is repeated where it may be logged
    assert not known(filled, "ann@example.org", code=3)


def test_erase_from_standard_input_needs_a_yes(filled):
    assert "--yes" in filled("erase", "--customer", "-", typed="cust-3\n", code=1).output


def test_erase_understands_an_identifier_by_its_kind(filled):
    filled("erase", "--customer", "Ann@Example.ORG", "--dry-run", code=3)
    filled("erase", "--customer", "Ann@Example.ORG", "--kind", "email", "--yes", "--vacuum")
    assert not known(filled, "ann@example.org", code=3)


def test_erase_says_when_the_log_of_the_database_could_not_be_emptied(filled, monkeypatch):
    monkeypatch.setattr(Database, "compact", lambda *_given, **_named: False)
    result = filled("erase", "--customer", "cust-3", "--yes", code=1)
    assert "its log still holds what was deleted" in result.output
    assert not known(filled, "cust-3", code=3)


def test_erase_says_when_the_database_could_not_be_rewritten(filled, monkeypatch):
    def full(*_given, **_named):
        raise OperationalError("VACUUM", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Database, "compact", full)
    result = filled("erase", "--customer", "cust-3", "--yes", "--vacuum", code=1)
    assert "could not be rewritten (database or disk is full)" in result.output


def test_texts_expire_says_that_nothing_does_without_a_schedule(filled):
    assert "kept for ever" in filled("texts", "expire").output


def test_texts_expire_by_the_setting(filled, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_TEXT_DAYS", "30")
    monkeypatch.setenv("CLOSEDLOOP_DEMO_TODAY", "2026-06-01")
    assert json.loads(filled("texts", "expire", "--dry-run", "--json").stdout)["texts"] == 4
    assert "4 texts of before 2026-05-02 expired" in filled("texts", "expire").output
    assert json.loads(filled("texts", "expire", "--json").stdout)["texts"] == 0


def test_keys_rotate_and_the_same_file_brings_nothing_new(filled):
    old = read_env_file(filled.instance / "closedloop.env")["CLOSEDLOOP_CUSTOMER_KEY"]
    assert json.loads(filled("keys", "rotate", "--yes", "--json").stdout)["version"] == 2
    values = read_env_file(filled.instance / "closedloop.env")
    assert values["CLOSEDLOOP_CUSTOMER_KEYS_BEFORE"] == old
    again = json.loads(filled("import", str(filled.file), "--no-assign", "--json").stdout)
    assert (again["added"], again["unchanged"]) == (0, 4)
    assert "2 keys, as in the database" in filled("keys", "status").output


def test_keys_status_and_the_doctor_notice_a_key_that_is_not_the_databases(filled, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_CUSTOMER_KEY", "x" * 40)
    assert "would look new" in filled("keys", "status", code=1).output
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json", code=1).stdout)}
    assert checks["customer keys"]["state"] == "bad"
    refused = filled("import", str(filled.file), "--no-assign", code=1)
    assert "would look new" in refused.output


def test_the_doctor_says_which_settings_are_none(filled):
    with (filled.instance / "closedloop.env").open("a") as file:
        file.write("CLOSEDLOOP_TEXTDAYS=180\n")
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json", code=1).stdout)}
    assert checks["settings"]["state"] == "bad"
    assert "Did you mean CLOSEDLOOP_TEXT_DAYS?" in checks["settings"]["found"]


def test_the_doctor_says_when_days_were_made_in_another_time_zone(filled, monkeypatch):
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json").stdout)}
    assert "time zone" not in checks
    monkeypatch.setenv("CLOSEDLOOP_REPORTING_ZONE", "Pacific/Kiritimati")
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json", code=1).stdout)}
    assert checks["time zone"]["state"] == "bad"
    assert "of 4 contacts lie on other days than Pacific/Kiritimati" in checks["time zone"]["found"]


def test_the_doctor_says_what_redaction_looks_for_and_which_rules_are_broken(filled):
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json").stdout)}
    assert checks["redaction"]["state"] == "ok"
    assert "no rules of the site's own" in checks["redaction"]["found"]
    (filled.instance / "redaction.toml").write_text("[extra]\norder = '(a+)+'\n")
    checks = {c["what"]: c for c in json.loads(filled("doctor", "--json", code=1).stdout)}
    assert checks["redaction"]["state"] == "bad"
    assert "redaction.toml" in checks["redaction"]["found"]
    assert "redaction.toml" in filled("import", str(filled.file), "--no-assign", code=1).output


def test_customers_link_dry_then_for_good_then_undone(filled, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text("[link]\nphone = true\nemail = true\n")
    crosswalk = tmp_path / "crosswalk.csv"
    crosswalk.write_text("email,phone\nann@example.org,+44 7911 123456\n")
    link = ("customers", "link", str(rules), "--crosswalk", str(crosswalk), "--json")
    dry = json.loads(filled(*link, "--dry-run").stdout)
    assert (dry["customers_before"], dry["customers_after"], dry["run"]) == (3, 2, None)
    done = json.loads(filled(*link).stdout)
    assert (done["customers_after"], done["contacts_moved"]) == (2, 1)
    (run,) = json.loads(filled("customers", "runs", "--json").stdout)
    assert run["joined"] == 1
    assert "1 customers stand" in filled("customers", "undo", str(done["run"])).output
    assert "undone before" in filled("customers", "undo", str(done["run"]), code=1).output


def test_customers_link_refuses_rules_that_make_no_sense(filled, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text("[link]\nfax = true\n")
    assert "fax" in filled("customers", "link", str(rules), code=1).output
