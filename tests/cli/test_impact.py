"""`closedloop measure`."""

from __future__ import annotations

import json
from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ImpactMeasurement
from tests.factories.contacts import make_contact
from tests.factories.impact import copy_measurement
from tests.factories.series import add_days, draw_counts, make_controls, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LIVE = date(2025, 6, 2), date(2026, 3, 3)
LOOK_1, LOOK_2, CUT = date(2026, 3, 16), date(2026, 3, 30), date(2026, 4, 2)


@pytest.fixture
def run(run_here):
    return run_here


@pytest.fixture
def shipped(session):
    """An action whose theme fell by 45 %, with data to three days after the second look."""
    n_pre, n_days = (LIVE - FIRST).days, (CUT - FIRST).days + 1
    theme = make_theme(session, ThemeStatus.MEASURING)
    counts = draw_counts(1, mean=20.0, change=-0.45, n_pre=n_pre, first_day=FIRST, n_days=n_days)
    add_days(session, theme, FIRST, counts)
    make_controls(session, number=6, first_day=FIRST, n_days=n_days)
    make_definitions(session, [theme])
    for day in (FIRST, CUT):
        make_contact(session, local_day=day, cluster=-1)
    action = make_action(session, theme, ActionStatus.SHIPPED)
    make_intervention(session, action, went_live_on=LIVE)
    session.commit()
    return action


def days(session):
    found = list(session.scalars(sa.select(ImpactMeasurement.as_of).order_by(ImpactMeasurement.id)))
    session.rollback()  # commands write through connections of their own
    return found


def test_measuring_everything_speaks_the_looks_and_runs_on(run, session, shipped):
    found = json.loads(run("measure", "--json").stdout)

    assert (found["interventions"], found["measured"], found["looks"]) == (1, 3, 2)
    assert found["as_of"] == CUT.isoformat()
    assert days(session) == [LOOK_1, LOOK_2, CUT]
    assert json.loads(run("measure", "--json").stdout)["measured"] == 0


def test_measuring_one_action_prints_the_answer_and_what_it_is(run, session, shipped):
    running = run("measure", shipped.key).stdout
    look = run("measure", shipped.key, "--as-of", LOOK_1.isoformat()).stdout

    assert "running, not yet a verdict" in running
    assert "contacts avoided since 3 March 2026" in running
    assert "Agent time: " in running
    assert "Paid back: Nobody has said what the fix cost." in running
    assert "fell (look 1 of 7)" in look
    assert days(session) == [LOOK_1, LOOK_2, CUT]


def test_what_questions_a_claim_stands_beside_it_here_too(run, session, shipped):
    second = make_action(session, shipped.theme, ActionStatus.SHIPPED)
    make_intervention(session, second, went_live_on=date(2026, 3, 10))
    session.commit()

    told = run("measure", shipped.key, "--as-of", LOOK_2.isoformat())
    found = run("measure", shipped.key, "--as-of", LOOK_2.isoformat(), "--json")

    assert "But it was measured together with other changes" in told.stdout
    assert "together" in json.loads(found.stdout)["failed_checks"]


def test_one_of_each_is_told_as_one(run, shipped):
    told = run("measure", "--as-of", LOOK_1.isoformat()).stdout
    assert told.startswith(
        "1 shipped action with data to 2026-03-16: 1 measurement added, 1 look among them; "
    )


def test_looks_that_were_read_stay_when_the_last_day_is_refused(run, session, shipped):
    for _ in range(60):  # one in a hundred is too many
        make_contact(session, local_day=CUT, cluster=None)
    session.commit()

    told = run("measure", shipped.key, code=1).output

    assert "have not been assigned to themes yet" in told
    assert "What was measured with data to 30 March 2026 is kept." in told
    assert days(session) == [LOOK_1, LOOK_2]


def test_one_action_as_json_has_range_and_verdict(run, shipped):
    found = json.loads(run("measure", shipped.key, "--as-of", LOOK_2.isoformat(), "--json").stdout)

    assert (found["verdict"], found["look"], found["is_look"]) == ("fell", 2, True)
    assert 0 < found["low"] < found["avoided"] < found["high"]
    minutes = found["agent_minutes"]
    assert 0 < minutes["low"] < minutes["middle"] < minutes["high"]
    assert (found["currency"], found["payback"]["state"]) == ("GBP", "no_cost")


def test_a_day_past_the_data_is_read_as_the_last_day(run, session, shipped):
    found = json.loads(run("measure", shipped.key, "--as-of", "2026-04-30", "--json").stdout)

    assert found["as_of"] == CUT.isoformat()


def test_reproducing_says_same_or_what_differs(run, session, shipped):
    run("measure")
    row = session.scalars(
        sa.select(ImpactMeasurement).options(undefer(ImpactMeasurement.inputs))
    ).first()
    forged = copy_measurement(session, row, observed=row.observed + 1)
    session.commit()

    assert "digit for digit" in run("measure", "--reproduce", str(row.id)).stdout
    result = run("measure", "--reproduce", str(forged.id), "--json", code=1)
    found = json.loads(result.stdout)
    assert found["same"] is False
    assert "observed was" in found["differences"][0]


def test_what_cannot_be_measured_is_refused_in_a_sentence(run, session, shipped):
    proposed = make_action(session, status=ActionStatus.PROPOSED)
    session.commit()

    assert "has not been shipped" in run("measure", proposed.key, code=1).output
    assert "There is no action A-999" in run("measure", "A-999", code=1).output
    assert "There is no measurement 404" in run("measure", "--reproduce", "404", code=1).output


def test_without_contacts_it_says_what_to_do(run):
    assert "Import some first" in run("measure", code=1).output
