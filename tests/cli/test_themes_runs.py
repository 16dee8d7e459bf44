"""Runs at the command line: listed, shown, decided."""

from __future__ import annotations

import json

import pytest

from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import RunPart, Theme
from tests.factories.runs import make_part, make_run
from tests.factories.themes import make_theme


@pytest.fixture
def vanished(run_on_new):
    """A theme that a run did not find again."""
    with run_on_new.database.transaction() as session:
        theme = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
        run = make_run(session)
        part = make_part(session, run, theme, kind=PartKind.VANISHED, score=0.12, would_move=14)
    return run, theme, part


def test_without_a_run_it_says_how_to_start_one(run_on_new):
    assert "closedloop themes discover" in run_on_new("themes", "runs").output
    assert json.loads(run_on_new("themes", "runs", "--json").stdout) == []


def test_runs_and_one_run_are_printed(run_on_new, vanished):
    run, theme, part = vanished
    (row,) = json.loads(run_on_new("themes", "runs", "--json").stdout)
    assert (row["run"], row["parts"]) == (run.id, {"proposed": 1})
    told = json.loads(run_on_new("themes", "run", str(run.id), "--json").stdout)
    assert told["manifest"]["parameters"] == {"resolution": 1.5}
    assert [(one["part"], one["theme"], one["kind"]) for one in told["parts"]] == [
        (part.id, theme.key, "vanished")
    ]
    text = run_on_new("themes", "run", str(run.id)).output
    assert "12%" in text
    assert "closedloop themes accept PART" in text


def test_accepting_and_declining_decide(run_on_new, vanished):
    run, theme, part = vanished
    done = json.loads(run_on_new("themes", "accept", str(part.id), "--json").stdout)
    assert (done["run_id"], done["parts"]) == (run.id, 1)
    with run_on_new.database.transaction() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.RETIRED
        other = make_part(session, run, make_theme(session, ThemeStatus.TRIAGED)).id
    assert "Declined 1." in run_on_new("themes", "decline", str(other)).output
    with run_on_new.database.reading() as session:
        assert session.get_one(RunPart, other).state is PartState.DECLINED


def test_more_than_a_hundred_contacts_need_their_number(run_on_new, vanished):
    _, theme, part = vanished
    with run_on_new.database.transaction() as session:
        session.get_one(RunPart, part.id).would_move = 101
    for more in ((), ("--count", "100")):
        said = run_on_new("themes", "accept", str(part.id), *more, code=1).output
        assert "Type 101 to accept these parts" in said
    with run_on_new.database.reading() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.TRIAGED

    run_on_new("themes", "accept", str(part.id), "--count", "101")

    with run_on_new.database.reading() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.RETIRED


def test_what_cannot_be_done_is_one_sentence(run_on_new, vanished):
    _, _, part = vanished
    run_on_new("themes", "decline", str(part.id))
    again = run_on_new("themes", "accept", str(part.id), code=1)
    assert "declined already" in again.output
    assert "There is no run 99" in run_on_new("themes", "run", "99", code=1).output
