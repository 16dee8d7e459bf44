"""Whether the demo's four planted fixes come out as planted, at every look and for many seeds.

The demo simulates its contacts before it tells them, so that the days of each intent are at hand
without a database. Each fix is looked at as the service does it: the same looks and significance,
the roll-out left out, a family as the bank would declare it (the fix's intents, and the one that
contacts move to), and the intents that no fix of those weeks touches to compare with. What the
database adds, themes that are found instead of known, is not measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from closedloop.bench.impact_figures import Line, line, rate
from closedloop.bench.impact_tables import engine_digest
from closedloop.bench.theme_kept import Kept
from closedloop.demo.calendar import FIRST_DAY, LAST_DAY, N_DAYS, bank_holidays, day_number
from closedloop.demo.centre import DemoCentre, generate
from closedloop.demo.intents import INTENTS
from closedloop.demo.scenario import FIXES, Fix
from closedloop.demo.truth import EFFECTS
from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import (
    LOOK_DAYS,
    PRE_DAYS_MAX,
    RECENT_DAYS,
    Verdict,
    action_status_after_look,
    counted_from,
    judge_displacement,
    verdict_beside,
)
from closedloop.domain.impact_judging import look_alpha
from closedloop.services.impact_estimates import as_beside
from ml.impact import ImpactCase, ImpactEstimate, estimate_many, watch_for_comeback
from ml.themes.threads import one_thread_each

AS_PLANTED, OPEN, WRONG = "as planted", "open", "wrong"
COMEBACK = "comeback"
SEEDS = 20  # demo years that are called, unless more are asked for
STORIES = {
    "card_notices": "works",
    "top_up_faq": "does nothing",
    "pending_label": "only moves contacts",
    "refund_date": "works, then wears off",
}
_NO_ANSWER = (Verdict.INCONCLUSIVE, Verdict.NOT_ENOUGH_DATA, Verdict.TOO_EARLY)

Row = dict[str, Any]


def call_seed(seed: int, keep: Path | None = None) -> list[Row]:
    """Return a row for each look at each fix, and one for the comeback watch."""
    alphas = [look_alpha(number, has_claimed=False) for number in range(1, len(LOOK_DAYS) + 1)]
    basis = {"engine": engine_digest(), "looks": list(LOOK_DAYS), "alphas": alphas}
    rows: list[Row] = Kept(keep).measure("demo", str(seed), basis, partial(_call_seed, seed))[
        "rows"
    ]
    return rows


@one_thread_each
def _call_seed(seed: int) -> Row:
    centre = generate(seed)
    return {"rows": [{"seed": seed, **row} for fix in FIXES for row in _call_fix(centre, fix)]}


def _call_fix(centre: DemoCentre, fix: Fix) -> Iterator[Row]:
    starts = counted_from(fix.shipped_on, fix.roll_out_days)
    for number, days in enumerate(LOOK_DAYS, start=1):
        as_of = starts + timedelta(days=days - 1)
        if as_of > LAST_DAY:
            break
        verdict, status = _look(centre, fix, as_of, number)
        call = call_look(fix.key, verdict, status)
        yield {"fix": fix.key, "look": number, "verdict": verdict.value, "call": call}
    if EFFECTS[fix.key].lasts_until < LAST_DAY:
        alarms = _watch(centre, fix)
        call = call_watch(alarms, EFFECTS[fix.key].lasts_until)
        told = [day.isoformat() for day in alarms]
        yield {"fix": fix.key, "look": COMEBACK, "alarms": told, "call": call}


def call_look(key: str, verdict: Verdict, status: ActionStatus) -> str:
    """Say whether a look is as planted, leaves it open, or says something wrong."""
    story = STORIES[key]
    if story == "does nothing":
        return WRONG if verdict in (Verdict.FELL, Verdict.ROSE) else AS_PLANTED
    if story == "only moves contacts":
        return WRONG if status is ActionStatus.EFFECTIVE else AS_PLANTED
    if status is ActionStatus.EFFECTIVE:
        return AS_PLANTED
    return OPEN if verdict in _NO_ANSWER else WRONG


def call_watch(alarms: Sequence[date], lasted_until: date) -> str:
    """Say whether the watch was silent while the fix worked, and loud once it had worn off."""
    if any(day <= lasted_until for day in alarms):
        return WRONG
    return AS_PLANTED if alarms else OPEN


def _look(centre: DemoCentre, fix: Fix, as_of: date, look: int) -> tuple[Verdict, ActionStatus]:
    own, *others = _estimate(centre, fix, as_of, look)
    alone = Verdict(own.verdict.value)
    displacement = judge_displacement(
        alone,
        own.avoided,
        as_beside(others[-1]) if others else None,
        [as_beside(one) for one in others[:-1]],
    )
    verdict = verdict_beside(alone, displacement)
    return verdict, action_status_after_look(verdict, displacement)


def _estimate(centre: DemoCentre, fix: Fix, as_of: date, look: int) -> list[ImpactEstimate]:
    """Estimate the theme, each of its siblings, and where there are some all of them together."""
    first = max(0, day_number(fix.shipped_on) - PRE_DAYS_MAX)
    days = slice(first, day_number(as_of) + 1)
    n_pre = day_number(fix.shipped_on) - first
    series = [centre.per_day(key)[days] for key in _family(fix)]
    if len(series) > 1:
        series.append(np.sum(series, axis=0))
    beside = np.column_stack([centre.per_day(key)[days] for key in _unaffected(fix, as_of)])
    return estimate_many(
        [
            ImpactCase(
                counts,
                n_pre,
                FIRST_DAY + timedelta(days=first),
                controls=beside,
                holidays=sorted(bank_holidays()),
                skip=range(n_pre, n_pre + fix.roll_out_days),
                alpha=look_alpha(look, has_claimed=False),
            )
            for counts in series
        ]
    )


def _family(fix: Fix) -> list[str]:
    """Return the fix's intents, the theme's first, and the one that its contacts move to."""
    moves_to = EFFECTS[fix.key].moves_to
    return [*fix.intents, *([moves_to] if moves_to else [])]


def _unaffected(fix: Fix, as_of: date) -> list[str]:
    earliest = fix.shipped_on - timedelta(days=RECENT_DAYS)
    fixed = {
        key
        for other in FIXES
        if other.shipped_on <= as_of
        and counted_from(other.shipped_on, other.roll_out_days) >= earliest
        for key in other.intents
    }
    return [i.key for i in INTENTS if i.key not in fixed | set(_family(fix))]


def _watch(centre: DemoCentre, fix: Fix) -> list[date]:
    """Return the days of alarms to the end of the demo year."""
    n_pre = day_number(fix.shipped_on)
    controls = np.column_stack([centre.per_day(key) for key in _unaffected(fix, LAST_DAY)])
    watch = watch_for_comeback(
        centre.per_day(fix.intents[0]),
        n_pre,
        FIRST_DAY,
        sorted(bank_holidays()),
        controls,
        skip=range(n_pre, min(n_pre + fix.roll_out_days, N_DAYS)),
    )
    return [FIRST_DAY + timedelta(days=day) for day in watch.alarm_days]


def demo_lines(rows: Sequence[Row]) -> list[Line]:
    """Return how often each story came out as planted, and the share of wrong calls."""
    found = []
    for key, story in STORIES.items():
        mine = [row for row in rows if row["fix"] == key]
        for look in dict.fromkeys(row["look"] for row in mine):
            calls = [row["call"] for row in mine if row["look"] == look]
            found.append(_calls_line(f"{story}: {_look_name(look)} as planted", calls))
    seeds = len({row["seed"] for row in rows})
    wrong = sum(row["call"] == WRONG for row in rows) / max(1, len(rows))
    left = sum(row["call"] == OPEN for row in rows) / max(1, len(rows))
    return [
        *found,
        line(f"share of wrong calls, {len(rows)} calls", wrong, None, seeds, most=0.0),
        line(f"share of calls left open, {len(rows)} calls", left, None, seeds),
    ]


def name_misses(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each call that was wrong or left open."""
    return [
        f"Demo year of seed {row['seed']}, the fix that {STORIES[row['fix']]}, "
        f"{_look_name(row['look'])}: {row['call']}, {_said(row)}."
        for row in rows
        if row["call"] != AS_PLANTED
    ]


def _said(row: Row) -> str:
    if "verdict" in row:
        return f"it was called {row['verdict'].replace('_', ' ')}"
    return f"alarms on {', '.join(row['alarms'])}" if row["alarms"] else "no alarm was raised"


def _calls_line(name: str, calls: Sequence[str]) -> Line:
    return rate(name, [call == AS_PLANTED for call in calls], least=1.0)


def _look_name(look: int | str) -> str:
    return "comeback alarm" if look == COMEBACK else f"look on day {LOOK_DAYS[int(look) - 1]}"
