"""Measurements and comebacks for tests, with the detail that services write."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact import Verdict, look_number, look_on
from closedloop.models import (
    Comeback,
    DefinitionSet,
    ImpactMeasurement,
    Intervention,
    SignOff,
    User,
)

_number = itertools.count(1)
PRE_DAYS = 28
BEFORE, AFTER = 30, 20
"""Contacts a day in the detail, before and since the change."""


def make_definition_set(session: Session) -> DefinitionSet:
    """Return the current definition set, made when there is none."""
    found = session.scalar(sa.select(DefinitionSet).where(DefinitionSet.is_current))
    if found is not None:
        return found
    definitions = DefinitionSet(
        number=12, encoder="test", model=b"", label_themes=[], is_current=True, reason="test"
    )
    session.add(definitions)
    session.flush()
    return definitions


def make_detail(intervention: Intervention, as_of: date, **values: Any) -> dict[str, Any]:
    """Return what a measurement writes beside its columns: 30 contacts a day fall to 20."""
    go_live = intervention.went_live_on
    first_day = go_live - timedelta(days=PRE_DAYS)
    days = [first_day + timedelta(days=i) for i in range((as_of - first_day).days + 1)]
    counted_from = go_live + timedelta(days=intervention.rollout_days or 0)
    running = [max(0, (on - counted_from).days + 1) * (BEFORE - AFTER) for on in days[PRE_DAYS:]]
    return {
        "could_have_seen": 0.12,
        "alpha": 0.015,
        "displacement": "none",
        "net": None,
        "own_history": None,
        "controls": ["T-901", "T-902"],
        "controls_used": 14,
        "controls_tried": 20,
        "share_of_controls_moved": 0.05,
        "gap_days": 0,
        "widened_by": 1.0,
        "path": {
            "days": [on.isoformat() for on in days],
            "observed": [BEFORE if on < go_live else AFTER for on in days],
            "expected": [float(BEFORE)] * len(days),
            "low": [20.0] * len(days),
            "high": [40.0] * len(days),
        },
        "cumulative": {
            "days": [on.isoformat() for on in days[PRE_DAYS:]],
            "avoided": [float(total) for total in running],
            "low": [total * 0.7 for total in running],
            "high": [total * 1.3 for total in running],
        },
        "window": {"first_day": first_day.isoformat()},
        "checks": [
            {"name": "controls", "state": "ok", "sentence": "1 of 20 unaffected themes moved."},
            {"name": "spill", "state": "warn", "sentence": "Contacts came up beside it."},
            {"name": "driver_volume", "state": "off", "sentence": "No driver volume is imported."},
        ],
        "holidays": [],
        "other_fixes": [],
        **values,
    }


def make_measurement(
    session: Session,
    intervention: Intervention,
    *,
    as_of: date | None = None,
    verdict: Verdict = Verdict.FELL,
    avoided: tuple[float, float, float] = (310.0, 420.0, 540.0),
    detail: dict[str, Any] | None = None,
    **values: Any,
) -> ImpactMeasurement:
    """Add a measurement: by default the first look, low, middle and high as given."""
    go_live, rollout = intervention.went_live_on, intervention.rollout_days or 0
    as_of = as_of or go_live + timedelta(days=rollout + 13)
    low, middle, high = avoided
    measurement = ImpactMeasurement(
        **{
            "intervention_id": intervention.id,
            "as_of": as_of,
            "look": look_number(go_live, rollout, as_of),
            "is_look": look_on(go_live, rollout, as_of) is not None,
            "definition_set_id": make_definition_set(session).id,
            "definition_number": 3,
            "method_version": "1.0",
            "n_pre": PRE_DAYS,
            "n_post": (as_of - go_live).days + 1 - rollout,
            "observed": 1640,
            "expected": 2060.0,
            "avoided": middle,
            "avoided_low": low,
            "avoided_high": high,
            "p_value": 0.0004,
            "verdict": verdict,
            "reasons": ["Said by the method."],
            "handle_seconds": 480.0,
            "pence_per_minute": 62.0,
            "detail": make_detail(intervention, as_of) | (detail or {}),
            "inputs": b"",
            "input_sha256": f"{next(_number):064x}",
            **values,
        }
    )
    session.add(measurement)
    session.flush()
    return measurement


def make_comeback(session: Session, intervention: Intervention, **values: Any) -> Comeback:
    """Add an alarm of the comeback watch."""
    comeback = Comeback(
        **{
            "intervention_id": intervention.id,
            "theme_id": intervention.theme_id,
            "alarm_on": date(2026, 5, 6),
            "since_on": date(2026, 4, 28),
            "excess": 87.0,
            "reasons": ["More contacts came than the fix had left."],
            **values,
        }
    )
    session.add(comeback)
    session.flush()
    return comeback


def copy_measurement(
    session: Session, measurement: ImpactMeasurement, **changed: Any
) -> ImpactMeasurement:
    """Add a row like another one but for what is changed, on the day before: rows are frozen."""
    values = {
        column.key: getattr(measurement, column.key)
        for column in ImpactMeasurement.__table__.columns
        if column.key != "id"
    }
    copied = ImpactMeasurement(
        **{**values, "as_of": measurement.as_of - timedelta(days=1), **changed}
    )
    session.add(copied)
    session.flush()
    return copied


def make_sign_off(
    session: Session, measurement: ImpactMeasurement, user: User, note: str = ""
) -> SignOff:
    """Add somebody who stands by a measurement."""
    signed = SignOff(measurement_id=measurement.id, user_id=user.id, note=note)
    session.add(signed)
    session.flush()
    return signed
