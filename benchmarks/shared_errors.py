"""How much of the error of an estimate the themes of one contact centre have in common.

``python -m benchmarks.shared_errors [--centres 240] [--themes 6] [--seed 20260501]``. Each centre
is made up, some themes of it are judged on one date against the same others, and nothing was
changed: whatever is found is error. Each error is divided by its own standard error, which its
95 % range tells; their correlation is the mean product of two themes of a centre over the mean
square. Centres are independent, so its standard error comes from leaving out one at a time.
Prints a table and JSON. `SHARED` of closedloop.domain.money_totals is held against it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from closedloop.bench.impact_cases import (
    ANY_SIZE,
    MOST_PRE,
    N_OTHERS,
    POST_DAYS,
    Case,
    make_world,
    place,
)
from closedloop.bench.impact_tables import ask
from closedloop.domain.means import Z_95
from closedloop.domain.money_totals import SHARED
from ml.impact import METHOD_VERSION, ImpactEstimate
from ml.themes.threads import one_thread_each

SEED = 20260501
LEAST_PRE = 120
MOST_ERRORS = 3.0

Errors = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--centres", type=int, default=240)
    parser.add_argument("--themes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    started = time.process_time()
    report = measure(options.centres, options.themes, options.seed)
    report["processor_seconds"] = round(time.process_time() - started, 1)
    print(as_table(report))
    print(json.dumps(report, indent=2))
    return 0


def measure(centres: int, themes: int, seed: int) -> dict[str, Any]:
    """Judge every centre, then correlate."""
    found = [judge(seed, number, themes) for number in range(centres)]
    beside = np.array([[error_of(one) for one in centre] for centre in found])
    alone = np.array([[error_of(one.own_history or one) for one in centre] for centre in found])
    rows = {}
    for name, errors in (("beside other themes", beside), ("own history alone", alone)):
        rows[name] = errors
        rows[f"{name}, at most {MOST_ERRORS:g}"] = np.clip(errors, -MOST_ERRORS, MOST_ERRORS)
    return {
        "method": METHOD_VERSION,
        "seed": seed,
        "centres": centres,
        "themes": themes,
        "shared": SHARED,
        "correlations": [row_of(name, errors) for name, errors in rows.items()],
    }


@one_thread_each
def judge(seed: int, number: int, themes: int) -> list[ImpactEstimate]:
    """Return what is said of each theme of a centre; nothing was changed."""
    return ask(make_centre(np.random.default_rng([seed, number]), themes))


def make_centre(rng: np.random.Generator, themes: int) -> list[Case]:
    """Make themes of one centre up, with one date and the same others beside each."""
    n_pre, n_post = int(rng.integers(LEAST_PRE, MOST_PRE + 1)), int(rng.choice(POST_DAYS))
    world = make_world(rng, ANY_SIZE, n_pre + n_post, themes - 1 + N_OTHERS)
    others = list(range(themes, themes + N_OTHERS))
    return [
        place(rng, replace(world, counts=world.counts[:, [column, *others]]), n_pre)
        for column in range(themes)
    ]


def error_of(estimate: Any) -> float:
    """Return what was found where nothing was, in its own standard errors."""
    half_width = (estimate.avoided_high - estimate.avoided_low) / 2
    return float(estimate.avoided / (half_width / Z_95))


def row_of(name: str, errors: Errors) -> dict[str, Any]:
    """Return the correlation with its standard error, and how far errors scatter."""
    return {
        "name": name,
        "correlation": round(correlation(errors), 4),
        "error": round(jackknife(correlation, errors), 4),
        "spread": round(float(np.sqrt(np.mean(errors**2))), 4),
    }


def correlation(errors: Errors) -> float:
    """Return the correlation of two themes of a centre; errors have shape (centres, themes)."""
    themes = errors.shape[1]
    squares = errors**2
    products = (errors.sum(axis=1) ** 2 - squares.sum(axis=1)) / (themes * (themes - 1))
    return float(products.mean() / squares.mean())


def jackknife(of: Callable[[Errors], float], errors: Errors) -> float:
    """Return the standard error of a figure, centres being independent."""
    n = len(errors)
    each = np.array([of(np.delete(errors, centre, axis=0)) for centre in range(n)])
    return float(np.sqrt((n - 1) / n * ((each - each.mean()) ** 2).sum()))


def as_table(report: dict[str, Any]) -> str:
    """Return the report as lines."""
    lines = [
        f"{report['centres']} centres, {report['themes']} themes each on one date, method "
        f"{report['method']}, seed {report['seed']}, {report['processor_seconds']} s of processor",
        "| errors | correlated by | ± error | spread |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['name']} | {row['correlation']:.3f} | {row['error']:.3f} | {row['spread']:.2f} |"
        for row in report["correlations"]
    ]
    return "\n".join([*lines, f"The total takes {report['shared']:.2f} to be in common."])


if __name__ == "__main__":
    sys.exit(main())
