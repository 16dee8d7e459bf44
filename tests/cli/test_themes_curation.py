"""Curating at the command line: shown first, done with --yes, taken back by number."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from closedloop.models import Contact, Theme
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.series import make_definitions
from tests.factories.themes import make_theme


@pytest.fixture
def run(run_on_new):
    """Run `closedloop themes …`; give what it prints."""
    return lambda *arguments, code=0: run_on_new("themes", *arguments, code=code).output


@pytest.fixture
def site(run_on_new):
    """Two themes; the first holds 102 contacts."""
    database = run_on_new.database
    with database.transaction() as session:
        first, second = make_theme(session, key="T-001"), make_theme(session, key="T-002")
        make_definitions(session, [first, second])
        batch = make_batch(session)
        for number in range(102):
            make_contact(
                session,
                theme=first,
                batch=batch,
                cluster=0,
                customer=make_customer(session),
                text=f"card {number}",
            )
    return database


def keys(database) -> dict[str, int]:
    with database.reading() as session:
        return dict(
            session.execute(
                sa.select(sa.func.coalesce(Theme.key, ""), sa.func.count())
                .select_from(Contact)
                .outerjoin(Theme, Theme.id == Contact.theme_id)
                .group_by(Theme.key)
            ).all()
        )


def test_a_move_is_shown_then_made_then_taken_back(run, site):
    said = run("move", "T-001", "1", "2", "--to", "T-002")
    assert "2 contacts of fewer than 5 customers would move from T-001 to T-002." in said
    assert "Nothing was changed" in said
    assert keys(site) == {"T-001": 102}
    said = run("move", "T-001", "1", "2", "--to", "T-002", "--yes")
    assert "themes undo 1 --yes" in said
    assert keys(site) == {"T-001": 100, "T-002": 2}
    assert "move" in run("changes", "T-002")
    said = run("undo", "1")
    assert said.startswith("Change 1: move of T-001 by Command line, 2 contacts.\nNothing was")
    assert json.loads(run("undo", "1", "--json")) == {
        "change": None,
        "theme": "T-001",
        "contacts": 2,
    }
    assert "There is no change 9" in run("undo", "9", code=1)
    assert run("undo", "1", "--yes") == "Taken back: T-001 is as it was.\n"
    assert keys(site) == {"T-001": 102}
    assert "undone already" in run("undo", "1", "--yes", code=1)


def test_many_contacts_need_their_count(run, site):
    assert "--yes --count 102" in run("retire", "T-001")
    assert "Type 102 to retire" in run("retire", "T-001", "--yes", code=1)
    facts = json.loads(run("retire", "T-001", "--yes", "--count", "102", "--json"))
    assert (facts["contacts"], facts["customers"], facts["change"]) == (102, 102, 1)
    assert keys(site) == {"": 102}
    run("restore", "T-001", "--yes", "--count", "102")
    assert keys(site) == {"T-001": 102}
    assert [row["what"] for row in json.loads(run("changes", "T-001", "--json"))] == [
        "restore",
        "retire",
    ]


def test_what_cannot_be_done_is_a_sentence(run, site):
    assert "There is no theme T-9" in run("move", "T-001", "1", "--to", "T-9", code=1)
    assert "not in T-002" in run("move", "T-002", "1", "--to", "T-001", code=1)
    assert "is in use" in run("restore", "T-001", code=1)
    said = run("split", "T-001", "1", "--name", "New", code=1)
    assert "None of the contacts picked holds words that have been read" in said
