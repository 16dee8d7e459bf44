"""Names from a language model at the command line: what would be sent is shown first."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from closedloop.models import AuditEvent, ThemeSuggestion
from tests.factories.contacts import make_contact
from tests.factories.naming import GOOD, serve_endpoint
from tests.factories.rollups import make_evidence
from tests.factories.themes import make_stats, make_theme


@pytest.fixture
def server():
    with serve_endpoint() as running:
        yield running


@pytest.fixture
def run(run_on_new):
    """Run a command on an instance with two themes; give what it prints."""
    with run_on_new.database.transaction() as session:
        for key, people in (("T-001", 80), ("T-002", 4)):
            theme = make_theme(session, key=key, name=f"name of {key}")
            make_stats(session, theme, customers=people)
            contact = make_contact(session, theme=theme, text=f"I am bo.lee@{key.lower()}.org")
            make_evidence(session, theme, contact)
    return lambda *arguments, code=0: run_on_new(*arguments, code=code).output


@pytest.fixture
def on(monkeypatch, server):
    """Switch naming on."""
    monkeypatch.setenv("CLOSEDLOOP_NAMING_URL", server.url)
    monkeypatch.setenv("CLOSEDLOOP_NAMING_MODEL", "small-1")
    monkeypatch.setenv("CLOSEDLOOP_NAMING_KEY", "sk-secret")


def kept(database, what):
    with database.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(what))


def test_off_is_said_and_nothing_happens(run, run_on_new, server):
    for more in ((), ("--yes",)):
        assert "is off" in run("themes", "name", *more, code=1)
    assert not server.asked
    assert kept(run_on_new.database, ThemeSuggestion) == 0


def test_what_would_be_sent_is_shown_and_not_sent(run, run_on_new, on, server):
    before = kept(run_on_new.database, AuditEvent)
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
    assert kept(run_on_new.database, AuditEvent) == before


def test_yes_sends_and_keeps_what_is_suggested(run, run_on_new, on, server):
    said = run("themes", "name", "T-001", "--yes")
    assert f"T-001: {GOOD['name']}" in said
    assert "accept or dismiss" in said
    assert len(server.asked) == 1
    assert "bo.lee" not in json.dumps(server.asked)
    assert kept(run_on_new.database, ThemeSuggestion) == 1
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
    said = run("themes", "name", "--yes", code=1)
    assert "answered 401: check CLOSEDLOOP_NAMING_KEY" in said
    assert "There is no theme T-999" in run("themes", "name", "T-999", "--yes", code=1)
