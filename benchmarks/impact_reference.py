"""The model's own word beside the reference code of the study, on generated cases.

``python -m benchmarks.impact_reference FOLDER [--cases 200] [--seed 5] [--write FILE]``; FOLDER
holds the reference code (llb.py, llb_np.py, ctrls.py, gen.py, default_prior_grid.csv), or is the
directory of data beside which `reference/impact` lies. Prints a table and JSON; exits with 1 when
a case deviates by more than the tolerances. ``--write`` keeps the cases and answers, numbers only,
for tests that have to do without the reference code.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import types
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ml.impact import estimate_impact

NEEDS_DATA = True
LEVELS = ("sparse", "small", "medium", "large")
EFFECTS = (0.0, -0.2, -0.3, -0.5, 0.2)
FIGURES = ("expected", "low", "high", "p", "z")
TOLERANCES = {"expected": 0.005, "low": 0.005, "high": 0.005, "p": 0.005, "z": 0.005}
FEW_CONTROLS, CONTROLLED_KEPT = 6, 30  # of the cases that are written for tests


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--write", type=Path, help="npz file to keep cases and answers in")
    options = parser.parse_args(arguments)
    folder = options.folder
    if not (folder / "llb.py").is_file():
        folder = folder.resolve().parent / "reference" / "impact"
    if not (folder / "llb.py").is_file():
        print(f"Skipped: there is no reference code in {options.folder} or beside it.")
        return 0
    reference = Reference(folder)
    cases = [reference.case(number, options.seed) for number in range(options.cases)]
    if options.write:
        write(options.write, reference, cases)
    return report(reference, cases)


class Reference:
    """The study's code, with its compiler replaced by nothing and its fit by the numpy one."""

    def __init__(self, folder: Path) -> None:
        compiler = types.ModuleType("numba")
        compiler.njit = lambda *_, **__: lambda function: function  # type: ignore[attr-defined]
        sys.modules.setdefault("numba", compiler)
        sys.path.insert(0, str(folder))
        import ctrls
        import gen
        import llb
        import llb_np

        with (folder / "default_prior_grid.csv").open(encoding="utf-8") as file:
            prior = np.array([float(row["prior"]) for row in csv.DictReader(file)])
        with np.errstate(divide="ignore"):
            llb.DEFLP = np.log(prior / prior.sum())
        llb.grid_fit = llb_np.grid_fit_np
        self.llb: Callable[..., dict[str, Any]] = llb.llb
        self.control_index: Callable[[dict[str, Any]], Any] = ctrls.medadj
        self.synth_case: Callable[..., dict[str, Any]] = gen.synth_case

    def case(self, number: int, seed: int) -> dict[str, Any]:
        level = LEVELS[number % len(LEVELS)]
        effect = EFFECTS[number // len(LEVELS) % len(EFFECTS)]
        case = self.synth_case(np.random.default_rng([seed, number]), level, effect)
        return {**case, "first_day": first_day(case["dow"], case["doy"])}

    def answer(self, case: dict[str, Any], *, controlled: bool) -> dict[str, float]:
        control = self.control_index(case) if controlled else None
        found = self.llb(case, use_ctrl=controlled, ctrl=control, full=True)
        names = {"expected": "cf", "low": "lo", "high": "hi", "p": "p", "z": "z"}
        return {name: float(found[key]) for name, key in names.items()}


def first_day(day_of_week: Any, day_of_year: Any) -> date:
    """Find the date that a case starts on; the generator draws from six years from 2021."""
    n_days = len(day_of_week)
    for start in range(365 * 6):
        first = date(2021, 1, 1) + timedelta(start)
        if first.weekday() != day_of_week[0] or first.timetuple().tm_yday != day_of_year[0]:
            continue
        last = first + timedelta(n_days - 1)
        if last.weekday() == day_of_week[-1] and last.timetuple().tm_yday == day_of_year[-1]:
            return first
    raise LookupError("No date of the six years fits the case's calendar.")


def ours(case: dict[str, Any], *, controlled: bool) -> dict[str, float]:
    holidays = [case["first_day"] + timedelta(int(day)) for day in np.flatnonzero(case["hol"])]
    found = estimate_impact(
        case["y1"],
        case["n"],
        case["first_day"],
        case["X"] if controlled else None,
        holidays,
        calibrate=False,
    )
    return {
        "expected": found.expected,
        "low": found.avoided_low,
        "high": found.avoided_high,
        "p": found.p_value,
        "z": found.z,
    }


def deviations(found: dict[str, float], wanted: dict[str, float]) -> dict[str, float]:
    """Absolute for p and z, in shares of the expected total for the rest."""
    scale = {"p": 1.0, "z": 1.0}
    return {
        name: abs(found[name] - wanted[name]) / scale.get(name, wanted["expected"])
        for name in FIGURES
    }


def report(reference: Reference, cases: list[dict[str, Any]]) -> int:
    worst: dict[str, dict[str, float]] = {}
    for controlled in (False, True):
        found = [
            deviations(
                ours(case, controlled=controlled), reference.answer(case, controlled=controlled)
            )
            for case in cases
        ]
        kind = "with control" if controlled else "own history"
        worst[kind] = {name: max(one[name] for one in found) for name in FIGURES}
    print(f"Greatest deviations over {len(cases)} cases")
    print(f"{'':14}" + "".join(f"{name:>12}" for name in FIGURES))
    for kind, values in worst.items():
        print(f"{kind:14}" + "".join(f"{values[name]:12.2e}" for name in FIGURES))
    agrees = all(values[name] <= TOLERANCES[name] for values in worst.values() for name in FIGURES)
    print(json.dumps({"cases": len(cases), "agrees": agrees, "greatest_deviation": worst}))
    return 0 if agrees else 1


def write(path: Path, reference: Reference, cases: list[dict[str, Any]]) -> None:
    """Keep own-history cases and answers, and of some the answers with a few controls."""
    few = [{**case, "X": case["X"][:, :FEW_CONTROLS]} for case in cases[:CONTROLLED_KEPT]]

    def answers(kept: list[dict[str, Any]], *, controlled: bool) -> Any:
        found = [reference.answer(case, controlled=controlled) for case in kept]
        return np.array([[one[name] for name in FIGURES] for one in found])

    np.savez_compressed(
        path,
        n_pre=np.array([case["n"] for case in cases], np.int16),
        n_days=np.array([len(case["y1"]) for case in cases], np.int16),
        first_day=np.array([case["first_day"].toordinal() for case in cases], np.int32),
        counts=np.concatenate([case["y1"] for case in cases]).astype(np.int32),
        holiday=np.packbits(np.concatenate([case["hol"] for case in cases]).astype(bool)),
        controls=np.concatenate([case["X"] for case in few]).astype(np.int32),
        own_history=answers(cases, controlled=False),
        with_control=answers(few, controlled=True),
    )


if __name__ == "__main__":
    sys.exit(main())
