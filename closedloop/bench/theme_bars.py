"""What themes have to reach on the public sets, and whether they did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from closedloop.bench.theme_peers import DEFAULTS, OWN

Report = dict[str, Any]

LEAST: tuple[tuple[str, str, str, float], ...] = (
    ("clinc150", "ami", "AMI", 0.90),
    ("clinc150", "ari", "ARI", 0.70),
    ("banking77_train", "ami", "AMI", 0.80),
    ("dstc11_development", "accuracy", "one-to-one accuracy", 0.56),
)
LEAST_STABILITY = 0.85
MOST_FACTOR = 1.5
TIMES_WARM, TIMES_COLD = 2.5, 8.0


def bar(name: str, measured: float | None, least: float | None, most: float | None) -> Report:
    """Return one bar: both bounds are inclusive, a value of None was not measured."""
    holds = None
    if measured is not None:
        holds = (least is None or measured >= least) and (most is None or measured <= most)
    bound = f"at least {least:g}" if least is not None else f"at most {most:g}"
    return {"name": name, "measured": measured, "bar": bound, "holds": holds}


def set_bars(sets: dict[str, Report]) -> list[Report]:
    """Return the bars of every set that was measured."""
    found: list[Report] = []
    for name, report in sets.items():
        own = _find(report, OWN)
        if own is None:
            continue
        found += [
            bar(f"{name}: {words}", own[key], least, None)
            for of, key, words, least in LEAST
            if of == name
        ]
        found.append(bar(f"{name}: stability", own["stability"], LEAST_STABILITY, None))
        found.append(bar(f"{name}: themes, times off", _factor(own), None, MOST_FACTOR))
        found += _against_bertopic(name, report, own)
    return found


def _factor(own: Report) -> float:
    """Return how many times too many or too few themes were found."""
    share = max(1, own["themes"]) / own["intents"]
    return float(max(share, 1 / share))


def _against_bertopic(name: str, report: Report, own: Report) -> Iterator[Report]:
    best = report.get("bertopic_at_best")
    ahead = None if best is None else own["ami"] - best["ami"]
    yield bar(f"{name}: AMI above BERTopic at its best", ahead, 0.0, None)
    peer = _find(report, DEFAULTS)
    for words, key, least in (
        ("warm", "warm_seconds", TIMES_WARM),
        ("cold", "cold_seconds", TIMES_COLD),
    ):
        times = None if peer is None else peer[key] / max(own[key], 1e-3)
        yield bar(f"{name}: times faster than BERTopic, {words}", times, least, None)


def _find(report: Report, method: str) -> Report | None:
    return next((row for row in report["rows"] if row["method"] == method), None)
