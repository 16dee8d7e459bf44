"""`closedloop impact list` and `closedloop impact measurements`."""

from __future__ import annotations

import json
from datetime import date

import pytest

from closedloop.domain.impact import Verdict
from tests.factories.accounts import make_user
from tests.factories.impact import make_measurement, make_sign_off
from tests.factories.themes import make_intervention

LOOK_1 = date(2026, 3, 16)


@pytest.fixture
def shipped(session):
    """One that fell and is signed off, with a running estimate since; one too early to say."""
    fell, early = make_intervention(session), make_intervention(session)
    look = make_measurement(session, fell, as_of=LOOK_1)
    make_measurement(session, fell, as_of=date(2026, 3, 20), avoided=(600.0, 700.0, 800.0))
    make_measurement(session, early, as_of=date(2026, 3, 10), verdict=Verdict.TOO_EARLY)
    make_sign_off(session, look, make_user(session))
    session.commit()
    return fell, early, look


def test_the_list_has_verdict_range_and_next_look_and_the_total(run_here, shipped):
    fell, early, _ = shipped
    told = run_here("impact", "list").stdout

    line = next(line for line in told.splitlines() if line.startswith(fell.action.key))
    assert line.split()[2:6] == ["fell", "310", "to", "540"]
    assert "2026-03-30" in line
    assert f"{early.action.key}" in told
    assert "not yet known" in told
    assert "Together: 310 to 540 contacts avoided" in told
    assert "1 verdict stands behind it: 1 fell." in told


def test_inconclusive_verdicts_are_listed_and_not_added(run_here, session):
    make_measurement(session, make_intervention(session), verdict=Verdict.INCONCLUSIVE)
    session.commit()

    told = run_here("impact", "list").stdout

    assert "Together" not in told
    assert told.splitlines()[-1] == (
        "No verdict that can be added stands behind it yet. 1 more shipped action is inconclusive "
        "and not in it."
    )


def test_a_fall_that_moved_is_listed_as_one_with_its_net(run_here, session):
    intervention = make_intervention(session)
    net = {"low": -50.0, "avoided": 10.0, "high": 70.0}
    moved = {"displacement": "moved", "net": net}
    make_measurement(session, intervention, as_of=LOOK_1, detail=moved)
    session.commit()

    for command in (("list",), ("measurements", intervention.action.key)):
        told = run_here("impact", *command).stdout
        assert "fell, but moved" in told
        assert "310 to 540 (net −50 to 70)" in told
        (row,) = _rows(json.loads(run_here("impact", *command, "--json").stdout))
        assert row["net"] == {"low": -50.0, "middle": 10.0, "high": 70.0}


def _rows(found):
    """Measurements, or the newest look of each action of a list."""
    return [one["look"] for one in found["shipped"]] if isinstance(found, dict) else found


def test_a_total_of_what_got_worse_is_told_as_more(run_here, session):
    rose = make_intervention(session)
    make_measurement(session, rose, as_of=LOOK_1, verdict=Verdict.ROSE, avoided=(-240, -150, -60))
    session.commit()
    assert "Together: 60 to 240 more contacts came than expected (95 %)." in (
        run_here("impact", "list").stdout
    )


def test_the_list_is_filtered_and_what_runs_is_no_verdict(run_here, shipped):
    fell, early, _ = shipped
    found = json.loads(run_here("impact", "list", "--verdict", "fell", "--json").stdout)

    (row,) = found["shipped"]
    assert row["action"] == fell.action.key
    assert (row["look"]["is_verdict"], row["running"]["is_verdict"]) == (True, False)
    assert found["total"]["actions"] == 1
    early_only = run_here("impact", "list", "--verdict", "too_early", "--json")
    assert [one["action"] for one in json.loads(early_only.stdout)["shipped"]] == [early.action.key]
    assert json.loads(run_here("impact", "list", "--from", "2027-01-01", "--json").stdout) == {
        "shipped": [],
        "total": {
            "actions": 0,
            "without_range": 0,
            "moved": 0,
            "avoided": None,
            "verdicts": dict.fromkeys((one.value for one in Verdict), 0),
        },
    }


def test_the_list_is_filtered_by_department_whose_names_are_told_when_there_is_none(
    run_here, shipped
):
    fell, early, _ = shipped
    name = fell.action.department.name
    assert name != early.action.department.name
    found = json.loads(run_here("impact", "list", "--department", name.upper(), "--json").stdout)

    assert [one["action"] for one in found["shipped"]] == [fell.action.key]
    assert found["total"]["actions"] == 1
    told = run_here("impact", "list", "--department", "Moon", code=1).output
    assert "No department “Moon” has shipped anything." in told
    assert early.action.department.name in told


def test_measurements_are_listed_newest_first_with_the_command_that_makes_one_again(
    run_here, shipped
):
    fell, _, look = shipped
    told = run_here("impact", "measurements", fell.action.key).stdout.splitlines()

    assert "not a verdict" in told[2]
    assert told[3].split()[:5] == [str(look.id), "look", "1", "2026-03-16", "fell"]
    assert told[-1].startswith("closedloop measure --reproduce ")
    found = run_here("impact", "measurements", fell.action.key, "--looks", "--json").stdout
    assert [(one["id"], one["sign_offs"]) for one in json.loads(found)] == [(look.id, 1)]


def test_an_action_that_is_not_shipped_is_named(run_here, session):
    told = run_here("impact", "measurements", "A-999", code=1)

    assert "There is no action A-999" in told.output
