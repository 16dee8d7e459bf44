"""The shell door: every command explains itself, works unattended, and refuses in a sentence."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from closedloop.cli import COMMANDS, main
from closedloop.cli.options import OutFile
from closedloop.config import read_env_file


@pytest.fixture
def run(run_on_nothing):
    return run_on_nothing


@pytest.fixture
def ready(run_on_made):
    return run_on_made


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
    assert len(result.output.splitlines()) > 4


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(command):
    found = main.get_command(click.Context(main), command)
    assert found.get_short_help_str(limit=200) == COMMANDS[command][2]


def test_the_list_of_commands_loads_none_of_them():
    script = (
        "import sys; from closedloop.cli import main; main(['--help'], standalone_mode=False); "
    )
    script += "print(sorted(name for name in sys.modules if name.startswith('closedloop.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['closedloop.cli']"


def test_init_works_unattended_and_keeps_keys_and_people_when_run_again(run):
    made = json.loads(run("init", "--admin-email", "ada@example.com", "--json").stdout)
    keys = read_env_file(run.instance / "closedloop.env")
    again = json.loads(run("init", "--admin-email", "eve@example.com", "--json").stdout)

    assert len(made["password"]) >= 10
    assert again["password"] is None
    assert read_env_file(run.instance / "closedloop.env") == keys
    people = json.loads(run("users", "list", "--json").stdout)
    assert [person["email"] for person in people] == ["ada@example.com"]


def test_the_keys_are_readable_by_their_owner_only(ready):
    mode = (ready.instance / "closedloop.env").stat().st_mode
    assert not mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_init_writes_settings_down(run):
    run("init", "--set", "REPORTING_ZONE=Europe/London", "--set", "privacy_k=7")
    values = read_env_file(run.instance / "closedloop.env")
    assert values["CLOSEDLOOP_REPORTING_ZONE"] == "Europe/London"
    assert values["CLOSEDLOOP_PRIVACY_K"] == "7"


def test_init_says_what_it_did_not_set_as_the_instance_has_another_value(run):
    run("init", "--set", "CURRENCY=GBP")
    again = ("init", "--set", "currency=EUR", "--set", "PRIVACY_K=7")

    said = run(*again).stdout

    file = run.instance / "closedloop.env"
    assert "Not set, as this instance has another value already: CLOSEDLOOP_CURRENCY." in said
    assert f"write it in {file} and start closedloop again." in said
    values = read_env_file(file)
    assert (values["CLOSEDLOOP_CURRENCY"], values["CLOSEDLOOP_PRIVACY_K"]) == ("GBP", "7")
    assert json.loads(run(*again, "--json").stdout)["not_set"] == ["CLOSEDLOOP_CURRENCY"]
    assert "Not set" not in run("init", "--set", "CURRENCY=GBP").stdout


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("REPORTING_ZON=Europe/London", "Did you mean CLOSEDLOOP_REPORTING_ZONE?"),
        ("closedloop_sitename=x", "Did you mean CLOSEDLOOP_SITE_NAME?"),
        ("zzzzz=1", "There is no setting CLOSEDLOOP_ZZZZZ. .env.example lists all."),
        ("INSTANCE=elsewhere", "There is no setting CLOSEDLOOP_INSTANCE."),
        ("REPORTING_ZONE=Nowhere", "is no time zone"),
        ("REPORTING_ZONE", "Write --set NAME=VALUE."),
    ],
)
def test_init_refuses_what_is_no_setting_and_writes_nothing(run, pair, words):
    assert words in run("init", "--set", pair, code=1).output
    assert not run.instance.exists()


def _commands(command, path=()):
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from _commands(command.get_command(context, name), (*path, name))


PARAMETERS = [
    pytest.param(param.type, id=f"{' '.join(path)} {param.name}")
    for path, command in _commands(main)
    for param in command.params
]


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_command_takes_no_number_the_database_cannot_hold_nor_a_file_in_no_folder(kind):
    assert kind is not click.INT
    assert not isinstance(kind, click.IntRange) or kind.max is not None
    is_written = isinstance(kind, click.Path) and kind.file_okay and not kind.exists
    assert not is_written or isinstance(kind, OutFile)


@pytest.mark.parametrize(
    "command",
    [
        ("imports", "show", "99999999999999999999"),
        ("imports", "show", "1", "--rejects", "-1"),
        ("imports", "list", "--limit", "-1"),
        ("imports", "list", "--limit", "4294967296"),
        ("customers", "undo", "99999999999999999999"),
        ("jobs", "cancel", "0"),
        ("themes", "discover", "--seed", "-1"),
        ("serve", "--port", "99999"),
    ],
)
def test_a_number_out_of_range_is_refused_with_what_may_be_written(run, command):
    assert "Write a number from" in run(*command, code=2).output


def test_a_file_in_a_folder_that_is_not_there_is_refused_before_any_work(run, tmp_path):
    out = str(tmp_path / "none" / "x.json")
    assert (
        "none does not exist. Make it first." in run("mappings", "export", "m", out, code=2).output
    )
    assert "Make it first." in run("imports", "rejects", "2", out, code=2).output
    assert "is a directory" in run("mappings", "export", "m", str(tmp_path), code=2).output


def test_what_is_no_utf_8_is_refused_and_no_key_is_lost(ready):
    before = (ready.instance / "closedloop.env").read_text()
    assert "no UTF-8" in ready("init", "--set", "SITE_NAME=a\udce9", code=1).output
    assert "no UTF-8" in ready("mappings", "show", "a\udce9", code=1).output
    assert (ready.instance / "closedloop.env").read_text() == before


def test_a_session_gap_too_long_to_be_counted_is_refused(ready, tmp_path):
    path = tmp_path / "desk.csv"
    path.write_text("contact_id,started_at\n1,2026-03-01 10:00\n")
    gap = ("--session-gap-hours", "1e308")
    assert "Write the session gap as hours" in ready("import", str(path), *gap, code=1).output
    assert "is no pause" in ready("import", str(path), "--pause", "email=1e308", code=1).output


def test_a_command_without_an_instance_says_what_to_run(run):
    result = run("users", "list", code=1)
    assert "closedloop init" in result.output
    assert "Traceback" not in result.output


def test_the_doctor_says_what_is_there_and_what_is_not(ready):
    checks = {check["what"]: check for check in json.loads(ready("doctor", "--json").stdout)}
    assert checks["tables"]["state"] == "ok"
    assert checks["encoder"]["state"] == "ok"
    assert checks["contacts"] == {"state": "note", "what": "contacts", "found": "none yet"}


def test_the_doctor_minds_keys_that_others_can_read(ready):
    (ready.instance / "closedloop.env").chmod(0o644)
    result = ready("doctor", code=1)
    assert "chmod 600" in result.output


def test_users_are_added_and_deactivated(ready):
    ready(
        "users",
        "add",
        "tom@example.com",
        "--name",
        "Tom",
        "--role",
        "stakeholder",
        "--department",
        "Payments",
    )
    ready("users", "deactivate", "tom@example.com")
    people = {p["email"]: p for p in json.loads(ready("users", "list", "--json").stdout)}
    assert people["tom@example.com"]["department"] == "Payments"
    assert people["tom@example.com"]["active"] is False


def test_the_last_administrator_cannot_be_deactivated(ready):
    result = ready("users", "deactivate", "ada@example.com", code=1)
    assert "only administrator" in result.output


FILE = """contact_id;started_at;customer_id;channel;text
1;2026-03-02T10:00:00+00:00;4711;phone;My card has not arrived.
2;2026-03-04T10:00:00+00:00;4711;phone;Still no card.
3;yesterday;4712;phone;Where is my card?
"""


def test_a_file_is_tried_dry_then_imported_then_imported_again(ready, tmp_path):
    file = tmp_path / "calls.csv"
    file.write_text(FILE)
    dry = json.loads(ready("import", str(file), "--dry-run", "--json").stdout)
    assert (dry["would_add"], dry["rejected"]) == (2, 1)
    assert dry["rejects"][0]["rows"] == 1
    assert "4" in dry["rejects"][0]["example"]

    first = json.loads(ready("import", str(file), "--json").stdout)
    assert (first["added"], first["rejected"], first["unidentified"]) == (2, 1, 0)
    second = json.loads(ready("import", str(file), "--json").stdout)
    assert (second["added"], second["unchanged"]) == (0, 2)


def test_an_import_says_whose_contacts_came_and_how_many_came_again(ready, tmp_path):
    file = tmp_path / "calls.csv"
    file.write_text(FILE + "4;2026-03-05T10:00:00+00:00;;phone;And mine?\n")

    said = ready("import", str(file), "--no-assign").stdout

    assert "New: 3 contacts of 1 known customer, 1 of them without a customer" in said
    assert "came again" not in said  # a share of one customer tells who


def test_the_share_that_came_again_is_told_from_the_fewest_customers_on(ready, tmp_path):
    file = tmp_path / "calls.csv"
    rows = (f"{n};2026-03-0{n % 2 + 2}T10:00:00+00:00;{n // 2 + 1};phone;Hm\n" for n in range(10))
    file.write_text(FILE.splitlines(keepends=True)[0] + "".join(rows))

    said = ready("import", str(file), "--no-assign").stdout

    assert "100.0% of the customers came again within 7 days." in said
    assert "if each message" not in said


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(ready, tmp_path):
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00" * 50)
    result = ready("import", str(file), code=1)
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_schedule_says_when_and_why(ready):
    lines = json.loads(ready("jobs", "schedule", "--json").stdout)
    assert [line["job"] for line in lines] == ["jobs.nightly_round", "jobs.housekeeping"]
    assert all(line["why"] and line["next"] for line in lines)


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("contacts.import_file", "closedloop import FILE"),
        ("contacts.roll_back", "closedloop imports roll-back"),
        ("contacts.link_customers", "closedloop customers link"),
    ],
)
def test_a_job_that_needs_more_than_its_kind_says_what_to_use(ready, kind, instead):
    assert instead in ready("jobs", "run", kind, code=2).output


def test_the_nightly_round_runs_on_an_empty_site(ready):
    result = json.loads(ready("jobs", "run", "jobs.nightly_round", "--json").stdout)
    assert result["measured"] == 0


def test_the_instance_is_closed_to_other_users_of_the_machine(ready):
    instance = ready.instance
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (instance, instance / "uploads")]
    assert modes == [0o700, 0o700]
    for mode in (0o755, 0o750):  # a group of people is others, too
        instance.chmod(mode)
        assert "chmod 700 it" in ready("doctor", code=1).stdout


@pytest.fixture
def newer(run_on_new):
    """A site whose database a newer version made; on a server other tests get it back as it was."""
    stand = sa.text("UPDATE alembic_version SET version_num = :stand")
    with run_on_new.database.transaction() as session:
        before = session.scalar(sa.text("SELECT version_num FROM alembic_version"))
        session.execute(stand, {"stand": "9999"})
    yield run_on_new
    with run_on_new.database.transaction() as session:
        session.execute(stand, {"stand": before})


@pytest.mark.parametrize("command", [("init",), ("users", "list"), ("doctor",), ("worker",)])
def test_a_database_of_a_newer_version_is_left_alone_in_a_sentence(newer, command):
    said = newer(*command, code=1).stderr

    assert said.startswith("The database stands at 9999, which this version does not know")
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [("init",), ("users", "list"), ("doctor",)])
def test_a_database_that_is_away_is_told_in_a_sentence(ready, monkeypatch, command):
    away = "postgresql+psycopg://ada:a-secret@127.0.0.1:1/none"
    monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", away)

    said = ready(*command, code=1).stderr

    assert said.startswith("The database postgresql+psycopg://ada:***@127.0.0.1:1/none cannot be")
    assert "a-secret" not in said


@pytest.mark.parametrize("url", ["nonsense", "mysql://ada:a-secret@host/x", "foo://a-secret"])
def test_an_address_of_no_database_is_told_in_a_sentence(ready, monkeypatch, url):
    monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", url)

    said = ready("users", "list", code=1).stderr

    assert said.startswith("CLOSEDLOOP_DATABASE_URL is no address of a database")
    assert "a-secret" not in said


def test_a_file_that_is_no_database_is_told_in_a_sentence(ready, monkeypatch):
    monkeypatch.delenv("CLOSEDLOOP_DATABASE_URL", raising=False)
    (ready.instance / "closedloop.sqlite3").write_text("no database at all, but a letter")

    assert "file is not a database" in ready("users", "list", code=1).stderr
