"""Other methods on the same cases: asked fairly, marked fairly, and missed by name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from closedloop.bench.impact_cases import change, make_case
from closedloop.bench.impact_peers import (
    adjusted_hits,
    ask_peer,
    compared_cases,
    peer_lines,
    run_method,
)
from closedloop.bench.impact_tables import Job
from closedloop.bench.peers import PeerNotThere


def plain_cases():
    rng = np.random.default_rng(11)
    case = make_case(rng, "over 100")
    return [case, change(rng, case, -0.5)]


@pytest.mark.parametrize("method", ["conformal ridge", "Welch"])
def test_a_method_sees_a_fall_of_half_in_a_process_of_its_own(method):
    found = run_method(method, Path(sys.executable), plain_cases())

    nothing, half = found["rows"]
    assert half["avoided"] > nothing["avoided"]
    assert half["low"] <= half["avoided"] <= half["high"]
    assert half["p"] < nothing["p"] or half["p"] < 0.05
    assert half["ms"] > 0
    assert found["versions"]


def test_a_method_that_does_not_run_is_named_with_the_reason(tmp_path):
    with pytest.raises(PeerNotThere, match="Welch was not compared"):
        run_method("Welch", tmp_path / "no-python", plain_cases())


def test_peers_get_the_cases_without_effect_and_at_a_fifth_and_are_kept(tmp_path):
    job = Job("accuracy", "10 to 100", 0, cases=2)
    assert [effect for _, effect, _ in compared_cases([job])] == [0.0, -0.2, 0.0, -0.2]
    assert len(compared_cases([job], most=1)) == 2

    found = ask_peer("Welch", Path(sys.executable), [job], keep=tmp_path)
    again = ask_peer("Welch", tmp_path / "no-python", [job], keep=tmp_path)
    assert found == again
    assert [row["effect"] for row in found["rows"]] == [0.0, -0.2, 0.0, -0.2]


def rows(null, fell):
    made = [(0.0, p) for p in null] + [(-0.2, p) for p in fell]
    same = {"avoided": 1.0, "low": 0.0, "high": 2.0, "truth": 1, "due": 10}
    return [
        {"case": str(n % len(null)), "effect": effect, "p": p, **same}
        for n, (effect, p) in enumerate(made)
    ]


def test_power_is_judged_at_the_p_that_one_in_twenty_without_effect_falls_below():
    null = [0.0001, 0.001] + [0.5] * 18  # cries wolf at .0001: one of twenty is allowed
    fell = [0.0005, 0.001, 0.01] + [0.9] * 17

    assert sum(adjusted_hits(rows(null, fell))) == 1
    wrong_way = [{**row, "avoided": -1.0} for row in rows(null, fell)]
    assert sum(adjusted_hits(wrong_way)) == 0


def test_our_lead_is_over_the_cases_that_the_other_method_answered():
    own = rows([0.5] * 20, [0.001] * 20)
    peer = rows([0.5] * 20, [0.9] * 20)
    peer = {"rows": [{**row, "ms": 2.0} for row in peer[:30]], "failed": 10}

    lines = {one["name"]: one for one in peer_lines(own, {"Welch": peer})}

    lead = lines["size-adjusted power at -20%: ours less that of Welch"]
    assert (lead["measured"], lead["cases"], lead["holds"]) == (1.0, 10, True)
    assert lines["Welch: cases without an answer"]["measured"] == 10
    assert lines["Welch: milliseconds of processor time a fit"]["measured"] == 2.0
