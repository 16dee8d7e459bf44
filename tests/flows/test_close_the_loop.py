"""The demo is the acceptance test: one turn of the loop, marked against the planted truth."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


def by_title(site, words):
    return next(action for action in site.summary["actions"] if words in action["title"])


def test_the_demo_is_as_large_as_a_year_of_a_bank(demo_site):
    assert demo_site.summary["contacts"] >= 40_000
    assert demo_site.summary["customers"] >= 15_000
    assert 0.10 < demo_site.summary["repeat_rate_7d"] < 0.30
    assert 10 <= demo_site.summary["themes"] <= 60


def test_the_fix_that_works_fell_and_its_range_holds_the_truth(demo_site):
    action = by_title(demo_site, "new card is posted")
    assert action["verdict"] == "fell"
    assert action["low"] <= action["truth"] <= action["high"]
    assert action["low"] > 0
    assert (action["status"], action["theme_status"]) == ("effective", "held")


def test_the_fix_that_does_nothing_is_not_called_a_fall(demo_site):
    action = by_title(demo_site, "pending top-ups")
    assert action["truth"] == 0
    assert action["verdict"] in {"no_change", "inconclusive"}
    assert action["low"] <= 0 <= action["high"]


def test_the_fix_whose_contacts_moved_is_not_praised(demo_site):
    action = by_title(demo_site, "label off card payments")
    assert action["status"] == "cannot_tell"
    assert action["theme_status"] == "not_held"


def test_the_fix_that_wore_off_reopens_its_theme(demo_site):
    action = by_title(demo_site, "date of a refund")
    assert action["theme_status"] == "reopened"


def test_the_net_repeat_rate_stands_on_a_list_fixed_in_advance(demo_site):
    found = json.loads(demo_site.command("report", "metrics", "--json").stdout)
    rates = {metric["key"]: metric for metric in found["metrics"]}
    net, gross = rates["repeat_rate_net"], rates["repeat_rate_any"]

    assert 0.05 < net["cell"]["value"] < 0.30
    assert net["cell"]["n"] < gross["cell"]["n"]  # codes are left out


def test_a_second_run_changes_nothing(demo_site):
    before = demo_site.command("jobs", "list", "--json").stdout
    again = demo_site.command("demo", "--no-serve", "--json")
    assert again.returncode == 0, again.stderr[-2000:]
    summary = json.loads(again.stdout)
    for name in ("contacts", "customers", "repeat_rate_7d", "themes", "actions"):
        assert summary[name] == demo_site.summary[name], name
    assert demo_site.command("jobs", "list", "--json").stdout == before


def test_the_nightly_round_on_a_measured_day_adds_no_measurement_twice(demo_site):
    first = demo_site.command("jobs", "run", "impact.measure_due", "--json")
    second = demo_site.command("jobs", "run", "impact.measure_due", "--json")
    assert first.returncode == second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["measured"] == 0


def test_the_doctor_finds_nothing_wrong(demo_site):
    done = demo_site.command("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert {check["state"] for check in json.loads(done.stdout)} <= {"ok", "note"}
