"""Does the impact engine make wrong claims on panels that its own generator does not make?

    python -m benchmarks other_panels --data DIR
    python -m benchmarks.other_panels [DIR] [--worlds 40] [--only WORD] [--seed 1] [--json FILE]

On days on which nothing was changed a change is pretended, and looked at after 14, 28, 56 and 84
days by the way that the service takes; then known falls are drawn from the contacts after it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._panels import Counts, Panel
from benchmarks._panels_made import RECIPES, made_panels
from benchmarks._panels_real import real_panels
from closedloop.domain.impact import (
    CONTROL_LEAST_MEAN,
    FIRST_LOOKS,
    LOOK_ALPHA,
    LOOK_DAYS,
    MOST_CONTROLS,
    WARN_FROM_MOVED,
    CheckState,
    MeasurementWindow,
    measurement_window,
    since_first_contact,
)
from closedloop.domain.impact_judging import CLAIMS, TESTED
from closedloop.services.impact_estimates import Estimates, make_many
from closedloop.services.impact_few_days import check_few_days
from closedloop.services.impact_gaps import find_empty_days
from closedloop.services.impact_packing import MeasurementInputs
from closedloop.services.impact_regression import check_regression
from closedloop.services.impact_trend import check_trend
from ml.impact import METHOD_VERSION
from ml.impact.answer import LEAST_PRE_DAYS
from ml.themes.threads import one_thread_each

TAKES_DATA = True
LOOKS = LOOK_DAYS[:FIRST_LOOKS]
FALLS = (0.0, 0.2, 0.3, 0.5)
EVERY = 14  # days from one date to the next in a real panel
MOST_THEMES = 16
FEWEST = 0.5  # contacts a day before the date; sparser themes cannot be judged

Row = dict[str, Any]


def rows_of(panel: Panel, falls: Sequence[float] = FALLS) -> Iterator[Row]:
    """Yield what is made of each theme, date, look and fall."""
    n_days = len(panel.counts)
    for day in panel.days or range(LEAST_PRE_DAYS, n_days - LOOKS[0] + 1, EVERY):
        for look in LOOKS:
            if day + look <= n_days:
                yield from _look(panel, day, look, falls)


def _look(panel: Panel, day: int, look: int, falls: Sequence[float]) -> Iterator[Row]:
    counts = panel.counts[: day + look]
    means = counts[:day].mean(0)
    themes = panel.themes or tuple(np.argsort(-means, kind="stable")[:MOST_THEMES])
    rng = np.random.default_rng([panel.world, day, look])
    asked, truths = [], []
    for theme in (int(one) for one in themes if means[one] >= FEWEST):
        for fall in falls:
            came, read = counts[:, theme].copy(), counts.copy()
            came[day:] -= rng.binomial(came[day:], fall)
            read[:, theme] = came
            for back, share in enumerate(reversed(panel.arrived), start=1):
                read[-back] = rng.binomial(read[-back], share)
            asked.append(_inputs(panel, read, theme, day))
            truths.append((theme, fall, came))
    began = time.process_time()
    found = make_many(asked)
    took = (time.process_time() - began) / max(1, len(asked))
    for (theme, fall, came), one, inputs in zip(truths, found, asked, strict=True):
        skipped = np.isin(np.arange(-inputs.n_pre, look), np.array(inputs.skip) - inputs.n_pre)
        counted = ~skipped[inputs.n_pre :]
        due = int(counts[day:, theme][counted].sum())
        truth = due - int(came[day:][counted].sum())
        row = {"panel": panel.name, "world": panel.world, "day": day, "theme": theme}
        row |= {"look": look, "fall": fall, "truth": truth, "due": due, "seconds": took}
        yield row | _said(one, inputs)


def _inputs(panel: Panel, counts: Counts, theme: int, day: int) -> MeasurementInputs:
    """Lay the days out as a measurement of the service reads them."""
    last = panel.first_day + timedelta(days=len(counts) - 1)
    go_live = panel.first_day + timedelta(days=day)
    born = int(np.argmax(counts[:, theme] > 0))
    window = since_first_contact(
        measurement_window(go_live, 0, panel.first_day, last),
        panel.first_day + timedelta(days=born),
    )
    first = (window.first_day - panel.first_day).days
    read = counts[first:].astype(np.int32)
    controls = _controls(read[: window.n_pre], theme)
    return MeasurementInputs(
        counts=read[:, theme],
        controls=read[:, controls],
        control_ids=tuple(controls),
        siblings=read[:, :0],
        sibling_ids=(),
        first_day=window.first_day,
        n_pre=window.n_pre,
        skip=_lacking(read, window),
        holidays=(),
        alpha=LOOK_ALPHA,
        definition_set_id=1,
        method_version=METHOD_VERSION,
    )


def _controls(before: Counts, theme: int) -> list[int]:
    means = before.mean(0)
    others = [at for at in range(len(means)) if at != theme and means[at] >= CONTROL_LEAST_MEAN]
    return sorted(sorted(others, key=lambda at: -means[at])[:MOST_CONTROLS])


def _lacking(read: Counts, window: MeasurementWindow) -> tuple[int, ...]:
    days = [window.first_day + timedelta(days=day) for day in range(len(read))]
    series = {theme: read[:, theme] for theme in range(read.shape[1])}
    empty = find_empty_days(days, series, window, ())
    return tuple((day - window.first_day).days for day in empty.lacking)


def _said(one: Estimates, inputs: MeasurementInputs) -> Row:
    own = one.own
    before = [int(count) for count in inputs.counts[: inputs.n_pre]]
    missing = [day for day in inputs.skip if day < inputs.n_pre]
    checks = [
        check_trend(before, avoided=own.avoided, missing=missing),
        check_regression(
            before,
            gap_days=own.gap_days,
            gap_is_low=own.low_stayed is not None,
            avoided=own.avoided,
            missing=missing,
        ),
    ]
    go_live = inputs.first_day + timedelta(days=inputs.n_pre)
    checks += check_few_days(own, inputs.since, verdict=one.verdict, go_live=go_live)
    warned = [check.name for check in checks if check.state is CheckState.WARN]
    if own.own_history is not None and own.own_history.verdict is not own.verdict:
        warned.append("own_history")
    moved = own.share_of_controls_moved or 0.0
    if moved > WARN_FROM_MOVED:
        warned.append("controls")
    return {
        "verdict": one.verdict.value,
        "spoke": one.verdict in TESTED,
        "p": own.p_value,
        "z": own.z,
        "low": own.avoided_low,
        "middle": own.avoided,
        "high": own.avoided_high,
        "expected": own.expected,
        "observed": own.observed,
        "n_pre": own.n_pre,
        "n_post": own.n_post,
        "gap": own.gap_days,
        "widened": own.widened_by,
        "used": own.controls_used,
        "moved": moved,
        "warned": warned,
    }


def rate(rows: Sequence[Row], hits: Sequence[bool]) -> tuple[float, float]:
    """Return a share and its Monte Carlo error; looks at overlapping days are one case.

    The error is the larger of those over companies (of one company: blocks of 84 days), and over
    themes; half a case is added, since no share is so sure that its error is 0.
    """
    values = np.array(hits, float)
    share = float(values.mean())
    errors = []
    for key in ("stretch", "theme"):
        groups: dict[Any, list[float]] = defaultdict(list)
        for row, value in zip(rows, values, strict=True):
            groups[_group(row, key)].append(value - share)
        n = len(groups)
        if n > 1:
            squares = sum(sum(of) ** 2 for of in groups.values())
            errors.append(np.sqrt(squares * n / (n - 1)) / len(values))
        floor = (share * n + 0.5) / (n + 1)
        errors.append(np.sqrt(floor * (1 - floor) / len(values)))
    return share, float(max(errors))


def _group(row: Row, key: str) -> Any:
    if key == "theme":
        return row["world"], row["theme"]
    return row["world"], row["day"] // LOOKS[-1]


def stretches(rows: Sequence[Row]) -> int:
    """Return how many companies, or of one company stretches of 84 days, stand behind rows."""
    return len({_group(row, "stretch") for row in rows})


def summary(rows: Sequence[Row]) -> Row:
    """Return the figures of one panel, over its looks that could speak."""
    spoke = [row for row in rows if row["spoke"]]
    still = [row for row in spoke if not row["fall"]]
    found: Row = {"looks": len(still), "stretches": stretches(still)}
    found["seconds"] = max((row["seconds"] for row in rows), default=0.0)
    found["odd"] = sum(_is_odd(row) for row in rows)
    if not still:
        return found
    found["z_sd"] = float(np.std([row["z"] for row in still]))
    found["p < .05"] = rate(still, [row["p"] < 0.05 for row in still])
    for word in ("fell", "rose"):
        found[word] = rate(still, [row["verdict"] == word for row in still])
    claimed = [row["verdict"] in CLAIMS for row in still]
    found["claimed"] = rate(still, claimed)
    found["unwarned"] = rate(
        still, [hit and not row["warned"] for hit, row in zip(claimed, still, strict=True)]
    )
    found["ever"] = _ever(still)
    found["covered"] = rate(still, [_is_covered(row) for row in still])
    found["bias"] = float(np.median([_bias(row) for row in still]))
    found["width"] = float(np.median([(r["high"] - r["low"]) / max(r["due"], 1) for r in still]))
    for fall in sorted({row["fall"] for row in spoke} - {0.0}):
        fell = [row for row in spoke if row["fall"] == fall]
        found[f"power {fall:.0%}"] = rate(fell, [row["verdict"] == "fell" for row in fell])
        found[f"covered {fall:.0%}"] = rate(fell, [_is_covered(row) for row in fell])
    return found


def _ever(still: Sequence[Row]) -> tuple[float, float]:
    """Return how often any of a date's looks claimed something."""
    dates: dict[Any, list[Row]] = defaultdict(list)
    for row in still:
        dates[row["world"], row["day"], row["theme"]].append(row)
    firsts = [of[0] for of in dates.values()]
    return rate(firsts, [any(row["verdict"] in CLAIMS for row in of) for of in dates.values()])


def _is_covered(row: Row) -> bool:
    return bool(row["low"] <= row["truth"] <= row["high"])


def _bias(row: Row) -> float:
    return float(100 * (row["middle"] - row["truth"]) / max(row["due"], 1))


def _is_odd(row: Row) -> bool:
    numbers = (row["p"], row["z"], row["low"], row["middle"], row["high"], row["expected"])
    return not np.isfinite(numbers).all() or not row["low"] <= row["middle"] <= row["high"]


COLUMNS = ("p < .05", "claimed", "unwarned", "ever", "covered", "power 30%", "covered 30%")
REST = (("bias", "+.1f"), ("width", ".0%"), ("z_sd", ".2f"), ("odd", "d"), ("seconds", ".2f"))


def head() -> str:
    names = ("panel", "looks", "stretches", *COLUMNS, *(name for name, _ in REST))
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def table_row(panel: Panel, of: Row) -> str:
    """Return a line of the table; a star marks panels in which something did happen."""
    name = panel.name if panel.is_still else f"{panel.name} *"
    shares = [f"{of[at][0]:.3f} ± {of[at][1]:.3f}" if at in of else "–" for at in COLUMNS]
    rest = [f"{of[at]:{how}}" if at in of else "–" for at, how in REST]
    return f"| {' | '.join([name, str(of['looks']), str(of['stretches']), *shares, *rest])} |"


def panels(data: Path | None, worlds: int, seed: int, only: str) -> Iterator[list[Panel]]:
    """Yield the panels of each name."""
    for recipe in RECIPES:
        if worlds and only in recipe.name:
            yield made_panels(recipe, worlds, seed)
    if data is not None:
        for panel in real_panels(data):
            if only in panel.name:
                yield [panel]


@one_thread_each
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_panels", description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="directory of the real data sets")
    parser.add_argument("--worlds", type=int, default=40, help="companies made up for each trait")
    parser.add_argument("--only", default="", help="panels whose name holds this word")
    parser.add_argument("--falls", type=float, nargs="+", default=FALLS, help="shares taken away")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to keep every look")
    asked = parser.parse_args(arguments)
    kept: list[Row] = []
    print(head())
    for group in panels(asked.data, asked.worlds, asked.seed, asked.only):
        rows = [row for panel in group for row in rows_of(panel, asked.falls)]
        print(table_row(group[0], summary(rows)), flush=True)
        kept += rows
        if asked.json:
            asked.json.write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
