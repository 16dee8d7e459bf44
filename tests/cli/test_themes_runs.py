"""Runs at the command line: listed, shown, decided."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from closedloop.cli import main
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import Database
from closedloop.models import RunPart, Theme
from tests.factories.runs import make_part, make_run
from tests.factories.themes import make_theme
from tests.site import SERVER


@pytest.fixture
def call(tmp_path, monkeypatch, database_url):
    """Run a command on a site of this test's own, and give its database."""
    for name in [name for name in os.environ if name.startswith("CLOSEDLOOP_")]:
        monkeypatch.delenv(name)
    if SERVER:
        monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", database_url)
    instance = tmp_path / "instance"

    def run_command(*arguments: str, ok: bool = True):
        result = CliRunner().invoke(main, [*arguments, "--instance", str(instance)])
        assert (result.exit_code == 0) is ok, result.output + str(result.exception)
        return result

    run_command("init", "--admin-email", "ada@example.com", "--admin-password", "a long password")
    url = database_url if SERVER else f"sqlite:///{next(instance.glob('*.sqlite3'))}"
    run_command.database = Database().open(url)
    yield run_command
    run_command.database.engine.dispose()


@pytest.fixture
def vanished(call):
    """A theme that a run did not find again."""
    with call.database.transaction() as session:
        theme = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
        run = make_run(session)
        part = make_part(session, run, theme, kind=PartKind.VANISHED, score=0.12, would_move=14)
    return run, theme, part


def test_without_a_run_it_says_how_to_start_one(call):
    assert "closedloop themes discover" in call("themes", "runs").output
    assert json.loads(call("themes", "runs", "--json").stdout) == []


def test_runs_and_one_run_are_printed(call, vanished):
    run, theme, part = vanished
    (row,) = json.loads(call("themes", "runs", "--json").stdout)
    assert (row["run"], row["parts"]) == (run.id, {"proposed": 1})
    told = json.loads(call("themes", "run", str(run.id), "--json").stdout)
    assert told["manifest"]["parameters"] == {"resolution": 1.5}
    assert [(one["part"], one["theme"], one["kind"]) for one in told["parts"]] == [
        (part.id, theme.key, "vanished")
    ]
    text = call("themes", "run", str(run.id)).output
    assert "12%" in text
    assert "closedloop themes accept PART" in text


def test_accepting_and_declining_decide(call, vanished):
    run, theme, part = vanished
    done = json.loads(call("themes", "accept", str(part.id), "--json").stdout)
    assert (done["run_id"], done["parts"]) == (run.id, 1)
    with call.database.transaction() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.RETIRED
        other = make_part(session, run, make_theme(session, ThemeStatus.TRIAGED)).id
    assert "Declined 1." in call("themes", "decline", str(other)).output
    with call.database.reading() as session:
        assert session.get_one(RunPart, other).state is PartState.DECLINED


def test_what_cannot_be_done_is_one_sentence(call, vanished):
    _, _, part = vanished
    call("themes", "decline", str(part.id))
    again = call("themes", "accept", str(part.id), ok=False)
    assert "declined already" in again.output
    assert "There is no run 99" in call("themes", "run", "99", ok=False).output
