"""Whether a claim rests on a few days that stand out, such as those of an outage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from closedloop.domain.impact import Check, CheckState, Verdict
from closedloop.domain.impact_words import spelt
from ml.impact import ImpactEstimate

NAME = "few_days"
_FEW = 0.25  # of the counted days; what stands out on more of them is no single event


def check_few_days(
    own: ImpactEstimate, since: Sequence[int | None], *, verdict: Verdict, go_live: date
) -> list[Check]:
    """Say that without a few days nothing would be claimed; nothing where that is not so.

    A day stands out if it lies beyond its own band once that is moved to the middle one of the
    days since the change. So a change that is the same each day makes none stand out.

    Parameters
    ----------
    own : ImpactEstimate
    since : sequence of int or None
        Contacts a day from go-live on, None on days that are not counted.
    verdict : Verdict
        Of the measurement.
    go_live : date
    """
    if verdict not in (Verdict.FELL, Verdict.ROSE):
        return []
    side = 1 if verdict is Verdict.ROSE else -1
    at = np.array([day for day, came in enumerate(since) if came is not None])
    came = np.array([count for count in since if count is not None], dtype=np.float64)
    due, low, high = (
        path[-len(since) :][at]
        for path in (own.expected_per_day, own.low_per_day, own.high_per_day)
    )
    usual = float(np.median(came / np.maximum(due, 1e-9)))
    away = side * (came - usual * due)
    out = np.flatnonzero(side * (came - usual * (high if side > 0 else low)) > 0)
    shown = -own.avoided_high if side > 0 else own.avoided_low
    if not 0 < len(out) <= _FEW * len(at) or away[out].sum() < shown:
        return []
    days = f"{len(out)} of the {len(at)} counted days" if len(out) > 1 else "One counted day"
    first = spelt(go_live + timedelta(days=int(at[out[0]])))
    which, what = ("the first on ", "stand") if len(out) > 1 else ("", "stands")
    more, result = ("more", "rise") if side > 0 else ("fewer", "fall")
    sentence = (
        f"{days}, {which}{first}, {what} out: {away[out].sum():,.0f} {more} contacts than would "
        f"fit the other days. Without that no {result} could be shown. Look whether an outage, a "
        "campaign or an import lies behind it before the change is held to have done it."
    )
    return [Check(NAME, CheckState.WARN, sentence)]
