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
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.bench.places import Place, has_postgresql, open_place
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import utc_now
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.jobs.work import measure
from closedloop.models import (
    Action,
    DailyRollup,
    DefinitionSet,
    Department,
    Intervention,
    Theme,
    ThemeDefinition,
)
from closedloop.services.long_work import tell_nobody
from closedloop.services.rollups import FIGURES
from tests.factories.contacts import make_contact
from tests.factories.rollups import slice_again

DAYS = 3 * 365
LAST_DAY = date(2026, 5, 11)
OTHERS = 60
NIGHTS = {2: "all that has passed", 1: "what held, again", 0: "an ordinary one"}
"""By days before the last one; what held is measured again the night after its looks."""

LIVE_BEFORE = range(20, 118, 7)
"""Days before the last one on which changes went live, in turn."""

WEEK = np.array([1.3, 1.2, 1.1, 1.05, 1.0, 0.75, 0.6])
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
        themes = [
            Theme(
                key=f"T-{n + 1:04d}",
                name=f"Theme {n + 1}",
                keywords=[],
                status=ThemeStatus.MEASURING if n < n_themes else ThemeStatus.CANDIDATE,
                scenario="Customers call because the card does not come.",
            )
            for n in range(n_themes + OTHERS)
        ]
        session.add_all(themes)
        session.flush()
        _define(session, themes)
        _ship(session, themes[:n_themes])
        for n, theme in enumerate(themes):
            went_live = DAYS - _live_before(n) if n < n_themes else DAYS
            _add_days(session, theme, first_day, _draw(rng, first_day, went_live))
        slice_again(session)
        for day in (first_day, LAST_DAY):  # they say from when to when there is data
            noon = datetime.combine(day, time(12), UTC)
            make_contact(session, started_at=noon, text=None)


def _define(session: Session, themes: Sequence[Theme]) -> None:
    whole = DefinitionSet(
        number=1,
        encoder="none",
        model=b"",
        label_themes=[theme.id for theme in themes],
        is_current=True,
        assigned_at=utc_now(),
        reason="benchmark",
    )
    session.add(whole)
    session.flush()
    session.add_all(
        ThemeDefinition(theme_id=theme.id, number=1, definition_set_id=whole.id, labels=[label])
        for label, theme in enumerate(themes)
    )


def _ship(session: Session, themes: Sequence[Theme]) -> None:
    department = Department(name="Cards")
    session.add(department)
    actions = [
        Action(
            key=f"A-{n + 1:04d}",
            theme_id=theme.id,
            title=f"Fix {n + 1}",
            strategy=Strategy.ELIMINATE,
            department=department,
            due_on=LAST_DAY,
            status=ActionStatus.SHIPPED,
            status_since=utc_now(),
            expected_drop=0.3,
            smallest_drop=0.2,
        )
        for n, theme in enumerate(themes)
    ]
    session.add_all(actions)
    session.flush()
    session.add_all(
        Intervention(
            action_id=action.id,
            theme_id=action.theme_id,
            went_live_on=LAST_DAY - timedelta(days=_live_before(n) - 1),
            plan={},
        )
        for n, action in enumerate(actions)
    )


def _live_before(number: int) -> int:
    return LIVE_BEFORE[number % len(LIVE_BEFORE)]


def _draw(rng: np.random.Generator, first_day: date, went_live: int) -> Sequence[int]:
    weekdays = (first_day.weekday() + np.arange(DAYS)) % 7
    rates = np.exp(rng.uniform(np.log(2), np.log(100))) * WEEK[weekdays]
    rates *= np.exp(np.cumsum(rng.normal(0, 0.003, DAYS)))
    rates[went_live:] *= FALL
    drawn: list[int] = rng.poisson(rates).tolist()
    return drawn


def _add_days(session: Session, theme: Theme, first_day: date, counts: Sequence[int]) -> None:
    session.execute(
        sa.insert(DailyRollup),
        [
            {
                **dict.fromkeys(FIGURES, 0),
                "day": first_day + timedelta(days=n),
                "theme_id": theme.id,
                "channel": "phone",
                "queue": "cards",
                "disposition": "Card enquiry",
                "team": "",
                "language": "",
                "contacts": count,
                "identified": count,
                "themed": count,
                "handled": count,
                "handle_seconds": count * 300,
                "same_7d": count // 5,
                **{f"opening_any_{window.key}": count for window in WINDOWS},
            }
            for n, count in enumerate(counts)
            if count
        ],
    )


if __name__ == "__main__":
    main()
