"""The proof of impact: bars beside figures, kept chunks, and figures that mean what they say."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from closedloop.bench.impact import Amounts, as_table, run
from closedloop.bench.impact_figures import (
    accuracy_lines,
    bias,
    hold_back,
    line,
    many_lines,
    mean,
    median,
    rate,
)
from closedloop.bench.impact_speed import (
    Group,
    group_cases,
    groups_of,
    measure_group,
    one_at_a_time,
)
from closedloop.bench.impact_tables import Job, changed_cases, measure_chunk
from closedloop.bench.impact_workers import run_all

TINY = Amounts(1, 1, 1, 1, 1, 1, 1, 1, 1, (1, 2, 3), cases=2)
QUIET = {"with_peers": False, "processes": 1, "amounts": TINY, "seeds": 1}


class StoppedError(Exception):
    """Somebody pressed Ctrl-C."""


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_figures(tmp_path):
    parts = ("peak", "comeback")
    heard = []

    def stop_early(doing):
        heard.append(doing)
        if doing.startswith("peak: 2"):
            raise StoppedError

    with pytest.raises(StoppedError):
        run(parts=parts, keep=tmp_path, tell=stop_early, **QUIET)
    kept = sorted(path.name for path in tmp_path.iterdir())
    resumed = run(parts=parts, keep=tmp_path, tell=heard.append, **QUIET)
    undisturbed = run(parts=parts, tell=heard.append, **QUIET)

    assert kept == ["peak-10-to-100--0.json", "peak-2-to-10--0.json"]
    for report in (resumed, undisturbed):
        del report["seconds"]
    assert resumed == undisturbed
    assert json.loads(json.dumps(resumed)) == resumed


def test_the_table_names_bars_beside_figures_and_says_what_was_left_out():
    report = run(parts=("contaminated", "peers", "real"), tell=lambda _: None, **QUIET)
    table = as_table(report)

    (pooled,) = (x for x in report["parts"]["contaminated"] if "from 2 a day" in x["name"])
    assert pooled["bar"] == "-4 to 4"
    assert pooled["holds"] is (-4 <= pooled["measured"] <= 4)
    assert pooled["error"] > 0
    assert pooled["cases"] == 6
    assert f"{pooled['bar']}" in table
    assert ("met" if pooled["holds"] else "MISSED") in table
    assert "No other method was asked" in table
    assert "No folder of real series" in table


def test_a_chunk_is_the_same_whoever_measures_it_and_differs_from_the_next():
    job = Job("peak", "2 to 10", 0, cases=2)

    assert measure_chunk(job) == measure_chunk(job)
    assert measure_chunk(job) != measure_chunk(Job("peak", "2 to 10", 1, cases=2))


def test_peers_are_asked_about_the_very_cases_that_accuracy_was_measured_on():
    job = Job("accuracy", "10 to 100", 3, cases=2)
    rows = measure_chunk(job)
    cases = list(changed_cases(job))

    assert [row["effect"] for row in rows] == [effect for _, effect, _ in cases]
    assert [(row["truth"], row["due"]) for row in rows] == [(c.avoided, c.due) for *_, c in cases]
    assert len({row["case"] for row in rows}) == 2


def test_a_line_holds_at_its_bounds_and_says_nothing_without_a_figure():
    assert line("x", 0.065, most=0.065)["holds"] is True
    assert line("x", 0.0651, most=0.065)["holds"] is False
    assert line("x", -1.6, least=-1.5, most=1.5)["holds"] is False
    assert line("x", None, least=1.0)["holds"] is None
    assert line("x", 3.0)["holds"] is None
    assert line("x", 3.0)["bar"] == ""


def test_errors_are_those_of_shares_means_and_medians():
    assert rate("x", [True] * 10 + [False] * 90)["error"] == pytest.approx(0.03, abs=0.002)
    assert rate("x", [False] * 100)["error"] > 0
    assert rate("x", [])["measured"] is None
    assert mean("x", [1.0, 3.0])["error"] == pytest.approx(1.0)
    draws = np.random.default_rng(0).normal(size=4_000)
    assert median("x", list(draws))["error"] == pytest.approx(1.2533 / 4_000**0.5, rel=0.1)


def row(effect, verdict, **values):
    return {
        "effect": effect, "verdict": verdict, "p": 0.5, "case": "a", "avoided": 0.0,
        "low": -1.0, "high": 1.0, "truth": 0, "due": 100, "shape": "at once", **values,
    }  # fmt: skip


def test_claims_without_effect_are_false_and_falls_with_one_are_power():
    nothing = [row(0.0, v, case=str(n)) for n, v in enumerate(["fell", "rose", "no_change", "x"])]
    fell = [row(-0.3, v) for v in ("fell", "rose")]
    fell[1]["shape"] = "over 14 days"
    sizes = ("under 2", "2 to 10", "10 to 100", "over 100")

    lines = {one["name"]: one for one in accuracy_lines(dict.fromkeys(sizes, nothing + fell))}

    assert lines["no effect, 2 to 10 a day: claimed"]["measured"] == 0.5
    assert lines["no effect, 2 to 10 a day: claimed"]["bar"] == "at most 0.065"
    assert lines["no effect, under 2 a day: claimed"]["bar"] == ""
    assert lines["no effect, all sizes: claimed"]["bar"] == "at most 0.055"
    power = lines["-30%, over 100 a day: said to have fallen"]
    assert (power["measured"], power["bar"], power["holds"]) == (0.5, "at least 0.78", False)
    by_shape = [
        lines[f"-30%, from 2 a day, {shape}: said to have fallen"]["measured"]
        for shape in ("at once", "over 14 days", "5 days late")
    ]
    assert by_shape == [1.0, 0.0, None]


def test_bias_is_in_percent_of_what_would_have_come_and_positive_when_we_boast():
    assert bias(row(-0.2, "fell", avoided=30.0, truth=20, due=200)) == 5.0


def test_benjamini_and_hochberg_claim_up_to_the_last_p_below_its_line():
    assert hold_back([0.06, 0.01, 0.5, 0.08]) == [False, True, False, False]
    assert hold_back([0.06, 0.01, 0.5, 0.07]) == [True, True, False, True]
    assert hold_back([0.2, 0.9]) == [False, False]


def test_a_rise_of_a_theme_that_fell_is_a_false_claim_and_shaken_centres_claim_nothing():
    claims = {"p": [0.001, 0.002, 0.9, 0.8], "moved": 0.0}
    fell = [True, True, False, False]
    rows = [
        {**claims, "fell": fell, "avoided": [5.0, -5.0, 0.0, 0.0]},
        {**claims, "fell": fell, "avoided": [-5.0, -5.0, 0.0, 0.0], "moved": 0.3},
    ]

    held, plain, found = many_lines(rows)

    assert held["measured"] == plain["measured"] == pytest.approx(0.25)
    assert found["measured"] == pytest.approx(0.5)


def test_a_round_is_cut_into_groups_that_hold_every_theme_once():
    groups = groups_of(20)

    assert sum(group.themes for group in groups) == 20
    assert len({group.number for group in groups}) == len(groups) == 3


def test_a_group_gives_the_same_bits_one_by_one_and_others_for_fewer_days():
    group = Group(0, 2, 90)

    assert measure_group(group).digest == one_at_a_time(group)
    assert measure_group(Group(0, 2, 100)).digest != one_at_a_time(group)
    short, whole = group_cases(group)[1], group_cases(Group(0, 2))[1]
    assert short.n_pre == 90
    assert short.first_day - whole.first_day == timedelta(days=whole.n_pre - 90)
    assert (short.counts == whole.counts[whole.n_pre - 90 :]).all()


def test_what_is_found_keeps_the_order_of_the_tasks():
    heard = []
    assert run_all(None, abs, [-3, 2, -1], heard.append) == [3, 2, 1]
    assert heard == [1, 2, 3]
