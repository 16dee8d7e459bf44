"""`closedloop report` and `closedloop report repeats`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner

from closedloop.cli import main
from closedloop.domain.impact import Verdict
from tests.factories.contacts import make_contact, make_customer
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.power import make_check
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_intervention, make_theme

FIRST, CUT = date(2025, 11, 10), date(2026, 5, 11)


@pytest.fixture
def run(run_here, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_PENCE_PER_MINUTE", "62")
    return run_here


@pytest.fixture
def site(session):
    """Half a year of contacts, one fix that fell and came back, one that changed nothing."""
    theme = make_theme(session)
    for i in range((CUT - FIRST).days + 1):
        make_rollup(session, theme, FIRST + timedelta(days=i), 100, any_7d=20, same_7d=10)
    customer = make_customer(session)
    for day, previous, following in ((FIRST, None, 86400), (CUT, 86400, None)):
        make_contact(
            session,
            customer=customer,
            started_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            previous_gap_seconds=previous,
            next_gap_seconds=following,
        )
    fell = make_intervention(session)
    make_measurement(session, fell)
    make_comeback(session, fell)
    nothing = make_intervention(session)
    make_measurement(session, nothing, verdict=Verdict.NO_CHANGE, avoided=(-60, 0, 60))
    session.commit()
    return fell


def test_the_report_says_how_often_the_method_cried_wolf(run, site, session):
    assert json.loads(run("report", "--json").stdout)["placebos"] is None
    make_check(session)
    session.commit()

    assert "the method cried wolf 9 times" in run("report").stdout
    assert json.loads(run("report", "--json").stdout)["placebos"]["n_false"] == 9


def test_what_is_inconclusive_is_said_to_be_left_out(run, site, session):
    make_measurement(session, make_intervention(session), verdict=Verdict.INCONCLUSIVE)
    session.commit()

    text = run("report").stdout

    assert text.startswith("282 to 567 contacts avoided")
    assert "Contacts avoided: 1 shipped action is not in it: 1 inconclusive." in text
    assert json.loads(run("report", "--json").stdout)["inconclusive"] == 1


def test_the_report_prints_title_time_rates_and_rows(run, site):
    text = run("report").stdout.replace("\u202f", " ")

    assert text.startswith("282 to 567 contacts avoided; one fix came back\n")
    assert "10 November 2025 to 11 May 2026" in text
    assert (
        # of the one that came back hours are freed, and nobody any more
        "38 to 76 hours, −0.14 to 0.14 full-time people; worth GBP 1,300 to 2,900, capacity" in text
    )
    assert "Full-time people without those of 1 fix whose contacts came back." in text
    assert "any reason 20.0 % and 20.0 %" in text
    assert "310 to 540" in text
    assert "came back on 28 April 2026" in text
    assert "changed nothing that can be shown." in text
    assert "Candidates waiting for a decision: 1." in text


def test_the_row_of_a_fall_says_that_it_moved_or_came_back(run, site, session):
    net = {"low": -50.0, "avoided": 10.0, "high": 70.0}
    detail = {"displacement": "moved", "net": net}
    make_measurement(session, make_intervention(session), detail=detail)
    session.commit()

    rows = [line for line in run("report").stdout.splitlines() if "of 7" in line]

    assert [line for line in rows if site.action.key in line and "came back 2026-04-28" in line]
    (moved,) = [line for line in rows if "Fell, but moved" in line]
    assert "net −50 to 70" in moved
    assert "310" not in moved  # what left its own theme was not avoided


def test_the_report_as_json_holds_ranges_and_verdicts(run, site):
    found = json.loads(run("report", "--json").stdout)

    assert found["avoided"]["middle"] == 420
    assert found["pence"]["middle"] == pytest.approx(420 * 8 * 62)
    assert {row["verdict"] for row in found["shipped"]} == {"fell", "no_change"}
    row = next(row for row in found["shipped"] if row["action"] == site.action.key)
    assert row["came_back_since"] == "2026-04-28"
    assert row["avoided"] == {"low": 310.0, "middle": 420.0, "high": 540.0}


def test_a_period_without_actions_says_so_and_an_empty_one_is_refused(run, site):
    assert "No action went live" in run("report", "--to", "2026-01-31").stdout
    result = run("report", "--from", "2026-05-01", "--to", "2026-04-01", code=1)
    assert "holds no day" in result.output
    assert "Traceback" not in result.output


def test_without_contacts_it_says_what_to_do(run):
    assert "Import some first" in run("report", code=1).output


def test_repeats_as_json_has_the_counts_and_shares(run, site, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_PRIVACY_K", "1")
    found = json.loads(run("report", "repeats", "--window", "7d", "--json").stdout)

    assert found["window"] == "7d"
    assert (found["contacts"], found["identified_contacts"], found["customers"]) == (2, 2, 1)
    assert found["repeat_share_any"] == 0.5
    assert found["repeat_rate_any"] == 1.0  # the second is still maturing
    assert found["repeat_rate_same_theme"] is None  # no contact has a theme
    assert found["customers_repeating_share"] == 1.0
    assert found["unidentified_share"] == 0.0


def test_repeats_of_one_customer_are_not_given_away(run, site):
    found = json.loads(run("report", "repeats", "--window", "7d", "--json").stdout)

    assert [found.pop(key) for key in ("window", "mature_until")] == ["7d", "2026-05-04"]
    assert sorted(found) == [
        *("contacts", "customers", "customers_repeating_share", "identified_contacts"),
        *("repeat_rate_any", "repeat_rate_same_theme", "repeat_share_any", "unidentified_share"),
    ]
    assert set(found.values()) == {None}  # two contacts of one customer


def test_repeats_in_words_and_with_another_window(run, site, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_PRIVACY_K", "1")
    text = run("report", "repeats", "--window", "24h").stdout

    assert "window: 24h" in text
    assert "repeat share any: 50.0%" in text
    run("report", "repeats", "--window", "8d", code=2)


def test_the_instance_may_stand_before_the_subcommand(settings, run, site):
    result = CliRunner().invoke(
        main, ["report", "--instance", str(settings.instance), "repeats", "--json"]
    )
    assert json.loads(result.stdout)["window"] == "7d"
