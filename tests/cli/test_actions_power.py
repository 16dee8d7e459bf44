"""`closedloop actions power`."""

from __future__ import annotations

import json

import pytest

from tests.factories.power import make_site


@pytest.fixture
def action(session):
    made = make_site(session)
    session.commit()
    return made


def test_power_says_the_answer_and_prints_a_row_for_each_look(run_here, action):
    said = run_here("actions", "power", action.key).stdout

    assert said.startswith("If it works as planned")
    assert [line[:10] for line in said.splitlines() if line.startswith("2026")] == [
        "2026-03-05",
        "2026-03-19",
        "2026-04-16",
        "2026-05-14",
    ]


def test_power_as_json_takes_another_day(run_here, action):
    arguments = ("--live-on", "2026-01-12", "--rollout-days", "3", "--json")
    found = json.loads(run_here("actions", "power", action.key, *arguments).stdout)

    assert (found["data_to"], found["proven_by"]) == ("2026-01-11", found["looks"][0]["day"])
    assert found["looks"][0]["chance"] > 0.8


def test_power_of_nothing_is_refused_in_a_sentence(run_here, action):
    assert "There is no action A-404" in run_here("actions", "power", "A-404", code=1).stderr
