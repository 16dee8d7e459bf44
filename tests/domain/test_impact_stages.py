"""Roll-outs in stages: read from lines, checked, turned into a share a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.impact_stages import (
    MOST_STAGED_DAYS,
    Stage,
    read_stages,
    share_reached,
    stages_from_json,
    stages_in_words,
    stages_last,
    stages_problem,
    stages_to_json,
)

DAY = date(2026, 3, 3)
STAGES = [Stage(DAY, 0.25), Stage(DAY + timedelta(days=7), 0.5), Stage(date(2026, 3, 20), 1.0)]


def test_lines_are_read_as_people_write_them():
    found, problem = read_stages("2026-03-03 25 %\n\n 2026-03-10, 50\n2026-03-20;100%\r\n")
    assert problem == ""
    assert found == STAGES
    assert read_stages("2026-03-03: 12,5") == ([Stage(DAY, 0.125)], "")
    assert read_stages(" \n") == ([], "")


@pytest.mark.parametrize(
    "line", ["soon 25", "2026-02-30 25", "2026-03-03", "2026-03-03 -5", "25 %"]
)
def test_a_line_that_cannot_be_read_is_named(line):
    found, problem = read_stages(f"2026-03-01 10\n{line}")
    assert found == []
    assert problem.startswith("Line 2 of the stages")


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([Stage(DAY, 0.0)], "not above 0"),
        ([Stage(DAY, 1.01)], "not above 0"),
        ([Stage(DAY + timedelta(days=1), 0.5)], "first stage begins"),
        ([Stage(DAY, 0.5), Stage(DAY, 1.0)], "does not follow"),
        ([Stage(DAY, 0.5), Stage(DAY + timedelta(days=1), 0.5)], "does not follow"),
        ([Stage(DAY + timedelta(days=n), (n + 1) / 10) for n in range(7)], "at most 6"),
        ([Stage(DAY, 0.5), Stage(DAY + timedelta(days=MOST_STAGED_DAYS + 1), 1.0)], "at most 180"),
    ],
)
def test_stages_that_cannot_be_are_refused(stages, said):
    assert said in stages_problem(stages, DAY)


def test_stages_that_fit_are_taken_and_may_end_short_of_everybody():
    assert stages_problem(STAGES, DAY) == ""
    assert stages_problem(STAGES[:2], DAY) == ""
    assert stages_problem([], DAY) == ""


def test_a_stage_counts_from_its_day_on():
    found = share_reached(STAGES, DAY - timedelta(days=1), 10)
    assert found == [0.0, *[0.25] * 7, 0.5, 0.5]
    assert stages_last(STAGES) == 17
    assert stages_last([]) == 0


def test_stages_are_stored_and_said():
    assert stages_from_json(stages_to_json(STAGES)) == STAGES
    said = stages_in_words(STAGES[:2]).replace("\u202f", " ")
    assert said == "25 % from 3 March 2026, 50 % from 10 March 2026"
