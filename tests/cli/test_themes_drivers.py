"""Contact drivers at the command line: shown first, done with --yes, taken back by number."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from closedloop.models import ContactDriver, Theme
from tests.factories.themes import make_driver, make_stats, make_theme


@pytest.fixture
def run(run_here):
    """Run `closedloop themes drivers …`; give what it prints."""
    return lambda *arguments, code=0: run_here("themes", "drivers", *arguments, code=code).output


@pytest.fixture
def site(session):
    money, parcels = (make_driver(session, key=f"D-00{n}", name=n * "M") for n in (1, 2))
    make_stats(session, make_theme(session, key="T-001", driver_id=money.id), contacts=300)
    make_stats(session, make_theme(session, key="T-002", driver_id=parcels.id), contacts=100)
    make_stats(session, make_theme(session, key="T-003", driver_id=parcels.id), customers=3)
    make_theme(session, key="T-004")
    session.commit()
    return session


def driver_of(session, key):
    query = sa.select(ContactDriver.key).join(Theme, Theme.driver_id == ContactDriver.id)
    found = session.scalar(query.where(Theme.key == key))
    session.rollback()  # what runs next waits for nobody
    return found


def test_drivers_are_printed_with_their_share(run, site):
    said = run()
    assert "D-001" in said
    assert "75%" in said
    assert "1 theme has no contact driver" in said
    facts = json.loads(run("--json"))
    assert [(row["key"], row["contacts"]) for row in facts["drivers"]] == [
        ("D-001", 300),
        ("D-002", 100),
    ]
    assert facts["themes_without"] == ["T-004"]


def test_a_move_is_shown_then_made_then_taken_back(run, site):
    said = run("move", "T-001", "T-004", "--to", "D-002")
    assert "2 themes would move to D-002. Nothing was changed." in said
    assert "D-001 M would be left without themes" in said
    assert driver_of(site, "T-001") == "D-001"
    said = run("move", "T-001", "T-004", "--to", "D-002", "--yes")
    number = said.split("undo ")[1].strip()
    assert driver_of(site, "T-004") == "D-002"
    run("undo", number)
    assert (driver_of(site, "T-001"), driver_of(site, "T-004")) == ("D-001", None)


def test_drivers_are_made_named_merged_and_retired(run, site):
    assert "Made D-003" in run("create", "Own")
    assert "D-003 is called Better." in run("rename", "D-003", "Better")
    assert "Retired D-003" in run("retire", "D-003")
    said = run("restore", "D-003")
    assert "Restored D-003" in said
    assert "is not retired" in run("restore", "D-003", code=1)
    run("undo", said.split("undo ")[1].strip())
    assert "still holds" in run("retire", "D-001", code=1)
    run("merge", "D-001", "--into", "D-002", "--yes")
    assert driver_of(site, "T-001") == "D-002"
    said = run("changes")
    assert [line.split()[1] for line in said.splitlines()[2:7]] == [
        "merge",
        "restore",
        "retire",
        "rename",
        "create",
    ]
    older = run("changes", "--before", said.splitlines()[4].split()[0])
    assert [line.split()[1] for line in older.splitlines()[2:]] == ["rename", "create"]


def test_proposing_says_what_came_of_it(run, site):
    assert "0 themes placed, 0 new contact drivers; 1 themes still have none" in run("propose")
