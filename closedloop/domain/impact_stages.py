"""Roll-outs in stages: from which day on which share of customers meets a change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

MOST_STAGES = 6
MOST_STAGED_DAYS = 180
"""Days from the first stage to the last."""

_LINE = re.compile(r"(\d{4}-\d\d-\d\d)[\s,;:]+(\d{1,3}(?:[.,]\d+)?)\s*%?")


@dataclass(frozen=True)
class Stage:
    """From a day on, that day included, a share of customers, 0 to 1, meets the change."""

    day: date
    share: float


def read_stages(text: str) -> tuple[list[Stage], str]:
    """Read lines such as "2026-03-03 25 %"; return the stages and what is wrong, or nothing.

    Empty lines are passed over. The second value is a sentence, empty when every line was read.
    """
    stages = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        try:
            day = date.fromisoformat(found[1]) if found else None
        except ValueError:
            day = None
        if found is None or day is None:
            return [], (
                f"Line {number} of the stages, “{line.strip()[:40]}”, is not a day and a share. "
                "Write each stage on a line of its own, such as 2026-03-03 25 %."
            )
        stages.append(Stage(day, float(found[2].replace(",", ".")) / 100))
    return stages, ""


def stages_problem(stages: Sequence[Stage], went_live_on: date) -> str:
    """Return what is wrong with the stages of a roll-out, an empty string when nothing is."""
    if not stages:
        return ""
    if len(stages) > MOST_STAGES:
        return f"A roll-out has at most {MOST_STAGES} stages, these are {len(stages)}."
    for stage in stages:
        if not 0 < stage.share <= 1:
            return f"The share of the stage of {stage.day.isoformat()} is not above 0 to 100 %."
    if stages[0].day != went_live_on:
        return (
            f"The first stage begins on {stages[0].day.isoformat()}, but the change went live on "
            f"{went_live_on.isoformat()}. Both are the first day on which any customer met it."
        )
    for before, after in pairwise(stages):
        if after.day <= before.day or after.share <= before.share:
            return (
                f"The stage of {after.day.isoformat()} does not follow the one of "
                f"{before.day.isoformat()}: each stage begins later and reaches more customers."
            )
    if (stages[-1].day - stages[0].day).days > MOST_STAGED_DAYS:
        return f"From the first stage to the last it takes at most {MOST_STAGED_DAYS} days."
    return ""


def stages_last(stages: Sequence[Stage]) -> int:
    """Return the days from the first stage to the last, 0 without stages."""
    return (stages[-1].day - stages[0].day).days if stages else 0


def share_reached(stages: Sequence[Stage], first_day: date, n_days: int) -> list[float]:
    """Return the share of customers, 0 to 1, that the change had reached on each day.

    Parameters
    ----------
    stages : sequence of Stage
        In order of day.
    first_day : date
        The day of the first share.
    n_days : int
    """
    shares = []
    for number in range(n_days):
        day = first_day + timedelta(days=number)
        reached = [stage.share for stage in stages if stage.day <= day]
        shares.append(reached[-1] if reached else 0.0)
    return shares


def stages_to_json(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Return the stages as they are stored."""
    return [{"day": stage.day.isoformat(), "share": stage.share} for stage in stages]


def stages_from_json(stored: Sequence[dict[str, Any]]) -> list[Stage]:
    """Return the stages that `stages_to_json` stored."""
    return [Stage(date.fromisoformat(one["day"]), float(one["share"])) for one in stored]


def stages_in_words(stages: Sequence[Stage]) -> str:
    """Write the stages: "25 % from 3 March 2026, 100 % from 17 March 2026"."""
    return ", ".join(
        f"{stage.share * 100:.4g}\N{NARROW NO-BREAK SPACE}% from {stage.day.day} {stage.day:%B %Y}"
        for stage in stages
    )
