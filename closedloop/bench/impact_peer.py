"""Ask one method how many contacts a change avoided; run by the Python that has the method.

``python -P impact_peer.py JOB`` reads JOB/job.json and JOB/cases.npz and writes JOB/found.json.
Nothing of closedloop is imported. Each method is asked as its own documents show, gets the days,
the other themes added up into one control, weekdays and holidays, and answers for the days after
the date together: contacts avoided, a 95 % range, and a two-sided p.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from math import erfc, sqrt
from pathlib import Path
from typing import Any

import numpy as np

SIMULATIONS = 300
HAC_DAYS = 14
RIDGE = 1.0
TAIL = 0.025
Z = 1.959964


class Case:
    """One theme around a date; arrays of shape (n_days,) but controls (n_days, n_others)."""

    def __init__(self, arrays: Any, number: int) -> None:
        self.counts = arrays[f"counts{number}"].astype(float)
        self.controls = arrays[f"controls{number}"].astype(float)
        self.holiday = arrays[f"holiday{number}"].astype(float)
        self.weekday = arrays[f"weekday{number}"]
        self.n_pre = int(arrays[f"n_pre{number}"])

    @property
    def came(self) -> float:
        """Contacts that came after the date."""
        return float(self.counts[self.n_pre :].sum())

    def columns(self) -> Any:
        """Return six weekdays, the holidays where there are some, and the log of the control."""
        days = [(self.weekday == day).astype(float) for day in range(1, 7)]
        closed = [self.holiday] if self.holiday[: self.n_pre].any() else []
        control = np.log(self.controls.sum(1) + 1)
        return np.column_stack([*days, *closed, control - control[: self.n_pre].mean()])


def answer(case: Case, expected: float, low: float, high: float, p: float) -> dict[str, float]:
    """Return contacts avoided with their range from the range of those expected."""
    return {
        "avoided": expected - case.came,
        "low": low - case.came,
        "high": high - case.came,
        "p": p,
    }


def ask_components(case: Case) -> dict[str, float]:
    """Local level and regression on log counts, by maximum likelihood; 300 simulated futures."""
    from statsmodels.tsa.statespace.structural import (  # type: ignore[import-not-found]
        UnobservedComponents,
    )

    columns, n_pre = case.columns(), case.n_pre
    n_post = len(case.counts) - n_pre
    logs = np.log(case.counts[:n_pre] + 0.5)
    model = UnobservedComponents(logs, level="local level", exog=columns[:n_pre])
    fitted = model.fit(disp=False)
    futures = fitted.simulate(
        n_post,
        repetitions=SIMULATIONS,
        anchor="end",
        exog=columns[n_pre:],
        random_state=np.random.RandomState(0),
    )
    totals = np.maximum(np.exp(np.asarray(futures).reshape(n_post, -1)) - 0.5, 0).sum(0)
    low, middle, high = np.quantile(totals, [TAIL, 0.5, 1 - TAIL])
    # 300 futures tell a p of .002 from one of .0001 only by the shape of their totals
    spread = np.log(totals + 0.5)
    z = (np.log(case.came + 0.5) - spread.mean()) / max(float(spread.std()), 1e-9)
    return answer(case, middle, low, high, erfc(abs(float(z)) / sqrt(2)))


def ask_time_series(case: Case) -> dict[str, float]:
    """Negative-binomial interrupted time series with trend and step, HAC errors."""
    import statsmodels.api as sm  # type: ignore[import-not-found]

    day = np.arange(len(case.counts))
    after = (day >= case.n_pre).astype(float)
    design = np.column_stack([np.ones(len(day)), after, day / 365.0, case.columns()])
    first = sm.GLM(case.counts, design, family=sm.families.Poisson()).fit()
    mu = np.maximum(first.fittedvalues, 1e-3)
    spread = max(1e-3, float((((case.counts - mu) ** 2 - mu) / mu**2).mean()))
    family = sm.families.NegativeBinomial(alpha=spread)
    fitted = sm.GLM(case.counts, design, family=family).fit(
        cov_type="HAC", cov_kwds={"maxlags": HAC_DAYS}
    )
    step, error = float(fitted.params[1]), float(fitted.bse[1])
    without = float((fitted.fittedvalues / np.exp(step))[case.n_pre :].sum())
    middle, low, high = (without * (1 - np.exp(step + k * error)) for k in (0, Z, -Z))
    return {"avoided": middle, "low": low, "high": high, "p": float(fitted.pvalues[1])}


def ask_conformal(case: Case) -> dict[str, float]:
    """Chernozhukov, Wüthrich, Zhu: ridge under each supposed effect, cyclic shifts of residuals."""
    n_days, n_pre = len(case.counts), case.n_pre
    each = np.log(case.controls + 1)
    each = (each - each.mean(0)) / (each.std(0) + 1e-9)
    design = np.column_stack([np.ones(n_days), case.columns()[:, :-1], each])
    penalty = RIDGE * np.eye(design.shape[1]) * n_days / 10
    penalty[0, 0] = 0.0
    hat = design @ np.linalg.solve(design.T @ design + penalty, design.T)
    logs = np.log(case.counts + 0.5)
    after = (np.arange(n_days) >= n_pre).astype(float)
    plain, slope = logs - hat @ logs, after - hat @ after

    def p_of(effect: float) -> float:
        residuals = plain - effect * slope
        total = np.concatenate(([0.0], np.cumsum(np.concatenate([residuals, residuals]))))
        n_post = n_days - n_pre
        shifted = np.abs(total[n_post : n_post + n_days] - total[:n_days])
        return float((shifted >= shifted[n_pre] - 1e-12).mean())

    middle = float(plain[n_pre:].sum() / slope[n_pre:].sum())
    grid = middle + np.linspace(-1.5, 1.5, 301)
    inside = [effect for effect in grid if p_of(effect) > 2 * TAIL] or [middle]
    expected, low, high = (case.came / np.exp(k) for k in (middle, max(inside), min(inside)))
    return answer(case, expected, low, high, p_of(0.0))


def ask_welch(case: Case) -> dict[str, float]:
    """Welch's t-test of the days before and after."""
    from scipy.stats import t

    before, after = case.counts[: case.n_pre], case.counts[case.n_pre :]
    n, m = len(before), len(after)
    parts = before.var(ddof=1) / n, after.var(ddof=1) / m
    error = float(np.sqrt(sum(parts))) or 1e-9
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1) + 1e-30)
    fall = float(before.mean() - after.mean())
    reach = float(t.ppf(1 - TAIL, max(freedom, 1.0))) * error
    p = float(2 * t.sf(abs(fall) / error, max(freedom, 1.0)))
    return {"avoided": m * fall, "low": m * (fall - reach), "high": m * (fall + reach), "p": p}


def ask_causal_impact(case: Case) -> dict[str, float]:
    """pycausalimpact as it comes, with the control."""
    import pandas as pd
    from causalimpact import CausalImpact  # type: ignore[import-not-found]

    frame = pd.DataFrame({"y": case.counts, "control": case.controls.sum(1)})
    last = len(case.counts) - 1
    found = CausalImpact(frame, [0, case.n_pre - 1], [case.n_pre, last])
    summary = found.summary_data["cumulative"]
    return answer(
        case,
        float(summary["predicted"]),
        float(summary["predicted_lower"]),
        float(summary["predicted_upper"]),
        float(found.p_value),
    )


METHODS: dict[str, tuple[Callable[[Case], dict[str, float]], tuple[str, ...]]] = {
    "UnobservedComponents": (ask_components, ("statsmodels",)),
    "negative-binomial ITS, HAC": (ask_time_series, ("statsmodels",)),
    "conformal ridge": (ask_conformal, ("numpy",)),
    "Welch": (ask_welch, ("scipy",)),
    "pycausalimpact": (ask_causal_impact, ("pycausalimpact", "statsmodels")),
}


def main(job: Path) -> None:
    """Ask the method about every case of the job."""
    wanted = json.loads((job / "job.json").read_text(encoding="utf-8"))
    ask, packages = METHODS[wanted["method"]]
    rows = []
    with np.load(job / "cases.npz") as arrays:
        cases = [Case(arrays, number) for number in range(wanted["cases"])]
    if cases:
        _try(ask, cases[0])  # imports and caches are not the method's time
    for case in cases:
        started = time.process_time()
        row = _try(ask, case)
        rows.append(row and {**row, "ms": 1000 * (time.process_time() - started)})
    report = {"rows": rows, "versions": {name: version(name) for name in packages}}
    (job / "found.json").write_text(json.dumps(report), encoding="utf-8")


def _try(ask: Callable[[Case], dict[str, float]], case: Case) -> dict[str, float] | None:
    """Return the answer, None where the method fails or answers with no number."""
    try:
        row = {name: float(value) for name, value in ask(case).items()}
    except Exception:  # whatever a method breaks on, it is counted and the others go on
        return None
    return row if np.isfinite(list(row.values())).all() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
