"""How long a site's night takes that measures a thousand shipped actions.

``python -m benchmarks impact_round`` makes a site of 1,000 themes with a shipped action each, and
60 others to compare with, over three years of days, and lets the job measure and watch as it does
at night: read from the database, estimate, judge, write. The first night finds every look due that
has passed, the second measures again what held, the third is an ordinary one. ``python -m
benchmarks.impact_round [--themes N] [--database NAME] [--json FILE]``; prints a table, and JSON.
`closedloop bench impact --part speed` measures the estimates of such a night alone.
"""

from __future__ import annotations

import argparse
import json
import time as clock
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from closedloop.bench.places import Place, has_postgresql, open_place
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.themes import ThemeStatus
from closedloop.jobs.work import measure
from closedloop.services.long_work import tell_nobody
from tests.factories.accounts import make_department
from tests.factories.contacts import make_contact
from tests.factories.rollups import slice_again
from tests.factories.series import WEEK, add_days, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme

DAYS = 3 * 365
LAST_DAY = date(2026, 5, 11)
OTHERS = 60
NIGHTS = {2: "all that has passed", 1: "what held, again", 0: "an ordinary one"}
"""By days before the last one; what held is measured again the night after its looks."""

LIVE_BEFORE = range(20, 118, 7)
"""Days before the last one on which changes went live, in turn."""

FALL = 0.7


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--themes", type=int, default=1_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    wanted = options.database or ["sqlite", *(["postgresql"] if has_postgresql() else [])]
    rows = [row for name in wanted for row in _measure(name, options.themes)]
    print(f"{'':<12}{'night':<20}{'actions':>8}{'measured':>10}{'seconds':>9}{'processor':>11}")
    for row in rows:
        print(
            f"{row['database']:<12}{row['night']:<20}{row['actions']:>8,}{row['measured']:>10,}"
            f"{row['seconds']:>9.1f}{row['processor_seconds']:>11.1f}"
        )
    text = json.dumps(rows, indent=2)
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    else:
        print(text)


def _measure(name: str, n_themes: int) -> list[dict[str, Any]]:
    with open_place(name) as place:
        _fill(place, n_themes)
        return [
            {
                "database": name,
                "night": night,
                "actions": n_themes,
                **_night(place, LAST_DAY - timedelta(days=days_ago)),
            }
            for days_ago, night in NIGHTS.items()
        ]


def _night(place: Place, as_of: date) -> dict[str, Any]:
    began, spent = clock.perf_counter(), clock.process_time()
    found = measure(
        place.database, place.settings, {"as_of": as_of.isoformat()}, NIGHTLY_ROUND, tell_nobody
    )
    return {
        "measured": found["measured"],
        "came_back": found["came_back"],
        "seconds": round(clock.perf_counter() - began, 1),
        "processor_seconds": round(clock.process_time() - spent, 1),  # of this process alone
    }


def _fill(place: Place, n_themes: int) -> None:
    rng = np.random.default_rng(20260501)
    first_day = LAST_DAY - timedelta(days=DAYS - 1)
    with place.database.transaction() as session:
        fixed = [make_theme(session, ThemeStatus.MEASURING) for _ in range(n_themes)]
        themes = [*fixed, *(make_theme(session) for _ in range(OTHERS))]
        make_definitions(session, themes)
        department = make_department(session)
        for n, theme in enumerate(themes):
            days_ago = _live_before(n) if n < n_themes else 0
            counts = _draw(rng, first_day, DAYS - days_ago)
            add_days(session, theme, first_day, counts, is_sliced=False)
            if days_ago:
                action = make_action(session, theme, ActionStatus.SHIPPED, department=department)
                live = LAST_DAY - timedelta(days=days_ago - 1)
                make_intervention(session, action, went_live_on=live)
        slice_again(session)
        for day in (first_day, LAST_DAY):  # they say from when to when there is data
            noon = datetime.combine(day, time(12), UTC)
            make_contact(session, started_at=noon, text=None)


def _live_before(number: int) -> int:
    return LIVE_BEFORE[number % len(LIVE_BEFORE)]


def _draw(rng: np.random.Generator, first_day: date, went_live: int) -> Sequence[int]:
    weekdays = (first_day.weekday() + np.arange(DAYS)) % 7
    rates = np.exp(rng.uniform(np.log(2), np.log(100))) * np.array(WEEK)[weekdays]
    rates *= np.exp(np.cumsum(rng.normal(0, 0.003, DAYS)))
    rates[went_live:] *= FALL
    drawn: list[int] = rng.poisson(rates).tolist()
    return drawn


if __name__ == "__main__":
    main()
