"""Runs at the command line: listed, shown, decided."""

from __future__ import annotations

import json

import pytest

from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import RunPart, Theme
from tests.factories.contacts import make_contact
from tests.factories.run_sites import Site
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
        merged = session.get_one(RunPart, part.id)
        into = make_theme(session, ThemeStatus.TRIAGED, name="PIN and card")
        merged.kind, merged.detail = PartKind.MERGED, {**merged.detail, "into": into.id}
        for _ in range(101):
            make_contact(session, theme_id=theme.id)
    for more in ((), ("--count", "100")):
        said = run_on_new("themes", "accept", str(part.id), *more, code=1).output
        assert "Type 101 to accept these parts" in said
    with run_on_new.database.reading() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.TRIAGED

    run_on_new("themes", "accept", str(part.id), "--count", "101")

    with run_on_new.database.reading() as session:
        assert session.get_one(Theme, theme.id).status is ThemeStatus.MERGED


def test_what_would_move_is_looked_at_and_accepted_by_its_number(run_on_new, settings):
    site = Site(run_on_new.database, settings, COMMAND_LINE)
    site.add(CARD=9, LOST=6)
    site.discover("CARD", "LOST")
    site.keep("Card", "Lost")
    site.discover("CARD+LOST")
    (part,) = (str(one.id) for one in site.parts(kind=PartKind.MERGED))

    seen = json.loads(run_on_new("themes", "accept", part, "--look", "--json").stdout)
    told = run_on_new("themes", "accept", part, "--look").stdout
    wrong = run_on_new("themes", "accept", part, "--exact", "11", code=1).output

    assert (seen["contacts"], seen["customers"], len(set(seen["ids"]))) == (12, 6, 12)
    assert "12 contacts of 6 customers would change their theme." in told
    assert f"closedloop themes accept {part} --exact 12" in told
    assert "12 contacts would move by now, and 11 were agreed to" in wrong
    assert "Accepted 1" in run_on_new("themes", "accept", part, "--exact", "12").stdout
    assert "There is no part 404" in run_on_new("themes", "accept", "404", "--look", code=1).output


def test_what_cannot_be_done_is_one_sentence(run_on_new, vanished):
    _, _, part = vanished
    run_on_new("themes", "decline", str(part.id))
    again = run_on_new("themes", "accept", str(part.id), code=1)
    assert "has decided about one of these parts" in again.output
    assert "There is no run 99" in run_on_new("themes", "run", "99", code=1).output
