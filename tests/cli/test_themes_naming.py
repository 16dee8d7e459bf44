"""Names from a language model at the command line: what would be sent is shown first."""

from __future__ import annotations

import json
import os

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from closedloop.cli import main
from closedloop.extensions import Database
from closedloop.models import AuditEvent, ThemeSuggestion
from tests.factories.contacts import make_contact
from tests.factories.naming import GOOD, serve_endpoint
from tests.factories.rollups import make_evidence
from tests.factories.themes import make_stats, make_theme
from tests.site import SERVER


@pytest.fixture
def server():
    with serve_endpoint() as running:
        yield running


@pytest.fixture
def run(tmp_path, monkeypatch, database_url):
    """Run `closedloop themes name …` on an instance of this test's own, with two themes."""
    for name in [name for name in os.environ if name.startswith("CLOSEDLOOP_")]:
        monkeypatch.delenv(name)
    if SERVER:
        monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", database_url)
    instance = tmp_path / "instance"

    def run_command(*arguments: str, ok: bool = True) -> str:
        result = CliRunner().invoke(main, [*arguments, "--instance", str(instance)])
        assert (result.exit_code == 0) is ok, result.output + str(result.exception)
        return result.output

    run_command("init")
    url = database_url if SERVER else f"sqlite:///{next(instance.rglob('*.sqlite3'))}"
    run_command.database = Database().open(url)
    with run_command.database.transaction() as session:
        for key, people in (("T-001", 80), ("T-002", 4)):
            theme = make_theme(session, key=key, name=f"name of {key}")
            make_stats(session, theme, customers=people)
            contact = make_contact(session, theme=theme, text=f"I am bo.lee@{key.lower()}.org")
            make_evidence(session, theme, contact)
    yield run_command
    run_command.database.engine.dispose()


@pytest.fixture
def on(monkeypatch, server):
    """Switch naming on."""
    monkeypatch.setenv("CLOSEDLOOP_NAMING_URL", server.url)
    monkeypatch.setenv("CLOSEDLOOP_NAMING_MODEL", "small-1")
    monkeypatch.setenv("CLOSEDLOOP_NAMING_KEY", "sk-secret")


def kept(database, what):
    with database.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(what))


def test_off_is_said_and_nothing_happens(run, server):
    for more in ((), ("--yes",)):
        assert "is off" in run("themes", "name", *more, ok=False)
    assert not server.asked
    assert kept(run.database, ThemeSuggestion) == 0


def test_what_would_be_sent_is_shown_and_not_sent(run, on, server):
    before = kept(run.database, AuditEvent)
    said = run("themes", "name")
    assert "Would be sent to 127.0.0.1 (small-1)" in said
    assert "name of T-001" in said
    assert "[EMAIL]" in said
    assert "bo.lee" not in said
    assert "T-002: nothing is sent, it has fewer than 5 customers." in said
    assert "name of T-002" not in said
    assert "Repeat with --yes" in said
    assert "sk-secret" not in said
    assert not server.asked
    assert kept(run.database, AuditEvent) == before


def test_yes_sends_and_keeps_what_is_suggested(run, on, server):
    said = run("themes", "name", "T-001", "--yes")
    assert f"T-001: {GOOD['name']}" in said
    assert "accept or dismiss" in said
    assert len(server.asked) == 1
    assert "bo.lee" not in json.dumps(server.asked)
    assert kept(run.database, ThemeSuggestion) == 1
    assert "There is no theme to ask about" in run("themes", "name")


def test_json_is_for_programs(run, on, server):
    plan = json.loads(run("themes", "name", "--json"))
    assert plan["sent"] is False
    assert [q["key"] for q in plan["questions"]] == ["T-001"]
    server.content = "<html>"
    result = run("themes", "name", "T-001", "--json", "--yes")
    found = json.loads(result[result.index("{") :])  # behind the progress
    assert found["refused"] == [["T-001", "the answer is no JSON"]]
    assert found["suggested"] == []


def test_a_refusal_and_an_unknown_key_are_said(run, on, server):
    server.content = "no"
    said = run("themes", "name", "--yes")
    assert "T-001: refused, the answer is no JSON. The theme keeps the name it has." in said
    server.status = 401
    said = run("themes", "name", "--yes", ok=False)
    assert "answered 401: check CLOSEDLOOP_NAMING_KEY" in said
    assert "There is no theme T-999" in run("themes", "name", "T-999", "--yes", ok=False)
