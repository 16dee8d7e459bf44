"""From rows to lines: a figure, its Monte Carlo error, the bar asked, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any

import numpy as np

from closedloop.bench.impact_cases import SHAPES
from closedloop.bench.impact_tables import (
    ALL_SIZES,
    ALPHA,
    BACK_FOR,
    EFFECTS,
    FROM_TWO,
    SHIPPED_EFFECTS,
)
from closedloop.domain.chance import false_discovery_rates
from closedloop.domain.impact import LOOK_Q
from ml.impact.answer import MOST_CONTROLS_MOVED

Row = dict[str, Any]
Line = dict[str, Any]
BySize = dict[str, list[Row]]

CLAIMS = ("fell", "rose")
HIT = -0.3
BIAS_ASKED = {"least": -1.5, "most": 1.5}
POWER_ASKED = {
    (-0.3, "2 to 10"): 0.45,
    (-0.3, "10 to 100"): 0.75,
    (-0.3, "over 100"): 0.78,
    (-0.2, "over 100"): 0.50,
}


def line(
    name: str,
    measured: float | None,
    error: float | None = None,
    cases: int = 0,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Line:
    """Return one line; both bounds are inclusive, without any it has no bar.

    Parameters
    ----------
    measured : float or None
        None where it was not measured.
    error : float or None
        Monte Carlo standard error; None where chance plays no part.
    cases : int
        Independent cases behind it.
    """
    holds = None
    if measured is not None and (least is not None or most is not None):
        holds = (least is None or measured >= least) and (most is None or measured <= most)
    return {
        "name": name,
        "measured": measured,
        "error": error,
        "cases": cases,
        "bar": _bar(least, most),
        "holds": holds,
    }


def _bar(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    if least is not None:
        return f"at least {least:g}"
    return "" if most is None else f"at most {most:g}"


def rate(name: str, hits: Sequence[bool], **bounds: Any) -> Line:
    """Return a line about how often something was so."""
    n = len(hits)
    if not n:
        return line(name, None, **bounds)
    # half a case on either side: no rate is so sure that its error is 0
    likely = (sum(hits) + 0.5) / (n + 1)
    return line(name, sum(hits) / n, sqrt(likely * (1 - likely) / n), n, **bounds)


def mean(name: str, values: Sequence[float], **bounds: Any) -> Line:
    """Return a line about a mean of independent cases."""
    if not values:
        return line(name, None, **bounds)
    error = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else None
    return line(name, float(np.mean(values)), error, len(values), **bounds)


def median(name: str, values: Sequence[float], **bounds: Any) -> Line:
    """Return a line about a median; its error is that of a normal sample's."""
    if not values:
        return line(name, None, **bounds)
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(np.array(values) - middle)))
    return line(name, middle, 1.2533 * spread / sqrt(len(values)), len(values), **bounds)


def is_claim(row: Row) -> bool:
    """Whether the product says that something changed."""
    return row["verdict"] in CLAIMS


def is_covered(row: Row) -> bool:
    """Whether the range holds the truth."""
    return bool(row["low"] <= row["truth"] <= row["high"])


def bias(row: Row) -> float:
    """Return how far the middle is from the truth, in percent of what would have come."""
    return float(100 * (row["avoided"] - row["truth"]) / max(1, row["due"]))


def _of(rows: Iterable[Row], effect: float) -> list[Row]:
    return [row for row in rows if row["effect"] == effect]


def _pooled(by_size: BySize, sizes: Sequence[str] = ALL_SIZES) -> list[Row]:
    return [row for size in sizes for row in by_size[size]]


def accuracy_lines(by_size: BySize) -> list[Line]:
    """Return false positives, coverage, power and bias of cases of every size.

    Coverage and bias are those of the cases without effect: the model sees nothing of the days
    after the date, so that what it expects, and how far that is off, is the same at every effect.
    """
    return [
        *_false_positives(by_size),
        *_coverage(by_size),
        *_power(by_size),
        *_by_shape(by_size),
        *_bias(by_size),
    ]


def rollout_lines(by_size: BySize) -> list[Line]:
    """Return the same of changes of which is stated how long their roll-out takes."""
    found = [
        *_false_positives(by_size),
        *_coverage(by_size),
        *_power(by_size, SHIPPED_EFFECTS),
        *_by_shape(by_size),
    ]
    return [{**one, "name": f"stated, {one['name']}"} for one in found]


def _by_shape(by_size: BySize) -> list[Line]:
    """Return how power rests on the way a change sets in."""
    rows = _of(_pooled(by_size, FROM_TWO), HIT)
    return [
        rate(
            f"{HIT:.0%}, from 2 a day, {shape}: said to have fallen",
            [row["verdict"] == "fell" for row in rows if row["shape"] == shape],
        )
        for shape in SHAPES
    ]


def _false_positives(by_size: BySize) -> list[Line]:
    found = []
    for size in ALL_SIZES:
        rows = _of(by_size[size], 0.0)
        bounds = {"most": 0.065} if size in FROM_TWO else {}
        found.append(rate(f"no effect, {size} a day: p < .05", _surprising(rows), **bounds))
        found.append(rate(f"no effect, {size} a day: claimed", _claims(rows), **bounds))
    rows = _of(_pooled(by_size), 0.0)
    found.append(rate("no effect, all sizes: p < .05", _surprising(rows), most=0.055))
    found.append(rate("no effect, all sizes: claimed", _claims(rows), most=0.055))
    return found


def _surprising(rows: Iterable[Row]) -> list[bool]:
    return [row["p"] < ALPHA for row in rows]


def _claims(rows: Iterable[Row]) -> list[bool]:
    return [is_claim(row) for row in rows]


def _coverage(by_size: BySize) -> list[Line]:
    parts = {f"{size} a day": by_size[size] for size in ALL_SIZES}
    parts["all sizes"] = _pooled(by_size)
    return [
        rate(
            f"truth in the 95 % range, {name}",
            [is_covered(row) for row in _of(rows, 0.0)],
            least=0.93,
            most=0.98,
        )
        for name, rows in parts.items()
    ]


def _power(by_size: BySize, effects: Sequence[float] = EFFECTS) -> list[Line]:
    found = []
    for effect in effects:
        for size in ALL_SIZES:
            rows, asked = _of(by_size[size], effect), POWER_ASKED.get((effect, size))
            bounds = {} if asked is None else {"least": asked}
            said = [row["verdict"] == "fell" for row in rows]
            found.append(rate(f"{effect:.0%}, {size} a day: said to have fallen", said, **bounds))
            seen = [row["p"] < ALPHA and row["avoided"] > 0 for row in rows]
            found.append(rate(f"{effect:.0%}, {size} a day: p < .05", seen, **bounds))
    return found


def _bias(by_size: BySize) -> list[Line]:
    parts: dict[str, tuple[list[Row], dict[str, float]]] = {
        f"{size} a day": (by_size[size], BIAS_ASKED if size in FROM_TWO else {})
        for size in ALL_SIZES
    }
    parts["from 2 a day"] = _pooled(by_size, FROM_TWO), BIAS_ASKED
    return [
        median(f"median bias in points, {name}", [bias(row) for row in _of(rows, 0.0)], **bounds)
        for name, (rows, bounds) in parts.items()
    ]


def peak_lines(by_size: BySize) -> list[Line]:
    """Return how often a date set after the worst fortnight is said to have brought a fall."""
    found = [_false_falls(f"{size} a day", by_size[size]) for size in FROM_TWO]
    return [*found, _false_falls("from 2 a day", _pooled(by_size, FROM_TWO), most=0.05)]


def _false_falls(name: str, rows: Sequence[Row], **bounds: Any) -> Line:
    said = [row["verdict"] == "fell" for row in rows]
    return rate(f"after the worst fortnight, {name}: false falls", said, **bounds)


def contaminated_lines(by_size: BySize) -> list[Line]:
    """Return the bias when half the volume of the others was hit as well."""
    found = [_contamination(f"{size} a day", by_size[size]) for size in FROM_TWO]
    pooled = _pooled(by_size, FROM_TWO)
    return [*found, _contamination("from 2 a day", pooled, least=-4.0, most=4.0)]


def _contamination(name: str, rows: Sequence[Row], **bounds: Any) -> Line:
    values = [bias(row) for row in rows]
    return median(f"half the volume hit too, {name}: median bias in points", values, **bounds)


def displaced_lines(by_size: BySize) -> list[Line]:
    """Return how often the family's range holds the net truth."""
    rows = _pooled(by_size, FROM_TWO)
    net, own = ([is_covered(row[part]) for row in rows] for part in ("net", "own"))
    return [
        rate("half moved to a sibling: net in the family's range", net, least=0.90),
        rate("half moved to a sibling: the theme's own fall in its range", own),
    ]


def hold_back(p_values: Sequence[float]) -> list[bool]:
    """Say which of many looks the product lets claim something."""
    return [q <= LOOK_Q for q in false_discovery_rates(p_values)]


def many_lines(rows: Sequence[Row]) -> list[Line]:
    """Return the share of false claims over the themes of one look."""
    held = [_false_share(row, hold_back(row["p"])) for row in rows]
    plain = [_false_share(row, [p < ALPHA for p in row["p"]]) for row in rows]
    found = [_found_share(row) for row in rows]
    return [
        mean("20 themes a look, 2 to 4 fell: false share of claims", held, most=0.12),
        mean("the same without Benjamini-Hochberg, p < .05", plain),
        mean("share of true falls claimed with it", found),
    ]


def _false_share(row: Row, claimed: Sequence[bool]) -> float:
    """Return false claims by all claims, 0 without any; a rise of a theme that fell is false."""
    if row["moved"] > MOST_CONTROLS_MOVED or not any(claimed):
        return 0.0
    true = sum(
        c and fell and avoided > 0
        for c, fell, avoided in zip(claimed, row["fell"], row["avoided"], strict=True)
    )
    return float(1 - true / sum(claimed))


def _found_share(row: Row) -> float:
    claimed = hold_back(row["p"])
    if row["moved"] > MOST_CONTROLS_MOVED:
        return 0.0
    hits = sum(c and fell for c, fell in zip(claimed, row["fell"], strict=True))
    return float(hits / sum(row["fell"]))


def comeback_lines(by_size: BySize) -> list[Line]:
    """Return false alarms a theme and year, and how soon a full return is seen."""
    found = [_alarms(f"{size} a day", by_size[size]) for size in FROM_TWO]
    found.append(_alarms("from 2 a day", _pooled(by_size, FROM_TWO)))
    for size in FROM_TWO:
        after = [row["seen_after"] for row in by_size[size]]
        within = {days: [a is not None and a < days for a in after] for days in (14, BACK_FOR)}
        bounds = {"least": 0.65} if size == "10 to 100" else {}
        name = f"full return, {size} a day: seen within"
        found.append(rate(f"{name} 14 days", within[14], **bounds))
        found.append(rate(f"{name} {BACK_FOR} days", within[BACK_FOR]))
    return found


def _alarms(name: str, rows: Sequence[Row]) -> Line:
    days = sum(row["days"] for row in rows)
    if not days:
        return line(f"false alarms a theme-year, {name}", None, most=1.2)
    a_year = 365 / (days / len(rows))
    return mean(
        f"false alarms a theme-year, {name}", [row["false"] * a_year for row in rows], most=1.2
    )
