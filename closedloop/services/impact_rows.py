"""What a measurement writes down, and making it again from what it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import look_number, look_on
from closedloop.models import ImpactMeasurement
from closedloop.services.impact_checks import first_reasons, list_checks
from closedloop.services.impact_estimates import (
    Estimates,
    list_columns,
    list_figures,
    make_estimates,
)
from closedloop.services.impact_inputs import fingerprint, unpack_inputs
from closedloop.services.impact_readings import Reading
from ml.impact import METHOD_VERSION


def describe_measurement(reading: Reading, estimates: Estimates, pence: float) -> ImpactMeasurement:
    """Return the row of a measurement, all but its intervention and its inputs.

    Parameters
    ----------
    pence : float
        Cost of an agent minute in force, in minor units.
    """
    window = reading.window
    look = look_on(window.go_live, window.rollout_days, window.as_of)
    around = reading.around
    return ImpactMeasurement(
        as_of=window.as_of,
        look=look_number(window.go_live, window.rollout_days, window.as_of),
        is_look=look is not None,
        definition_set_id=reading.inputs.definition_set_id,
        definition_number=reading.definition_number,
        method_version=METHOD_VERSION,
        reasons=[*first_reasons(estimates, around), *estimates.own.reasons],
        handle_seconds=reading.handle_seconds,
        pence_per_minute=pence,
        detail=_detail(reading, estimates),
        measured_at=utc_now(),
        **list_columns(estimates),
    )


def _detail(reading: Reading, estimates: Estimates) -> dict[str, Any]:
    """Return what the page needs beside the columns; days ISO, counts in contacts."""
    window, around, beside = reading.window, reading.around, reading.comparison
    figures = list_figures(estimates, reading.inputs)
    days = [
        (window.first_day + timedelta(days=n)).isoformat()
        for n in range(len(reading.inputs.counts))
    ]
    return {
        **figures,
        "path": {"days": days, **figures["path"]},
        "cumulative": {"days": days[window.n_pre :], **figures["cumulative"]},
        "window": {
            "first_day": window.first_day.isoformat(),
            "go_live": window.go_live.isoformat(),
            "rollout_days": window.rollout_days,
            "counted_from": around.counted_from.isoformat(),
            "as_of": window.as_of.isoformat(),
        },
        "checks": [
            {"name": check.name, "state": check.state.value, "sentence": check.sentence}
            for check in list_checks(estimates, around)
        ],
        "siblings": [
            {"id": theme.id, "key": theme.key, "name": theme.name, **figure}
            for theme, figure in zip(around.siblings, figures["sibling_figures"], strict=True)
        ],
        "controls": [control.key for control in beside.controls],
        "left_out": [
            {"key": out.theme.key, "name": out.theme.name, "reason": out.reason}
            for out in beside.left_out
        ],
        "other_fixes": [
            {"theme_id": fix.theme_id, "title": fix.title, "day": fix.went_live_on.isoformat()}
            for fix in beside.other_fixes
        ],
        "holidays": [{"day": day.isoformat(), "name": name} for day, name in around.holidays or ()],
        "repeats": {
            when: {"identified": found.identified, "repeats": found.repeats}
            for when, found in (
                ("before", around.repeats_before),
                ("after", around.repeats_after),
            )
        },
    }


@dataclass(frozen=True)
class Reproduction:
    """Whether a measurement comes out the same from its stored inputs.

    Attributes
    ----------
    same : bool
        Every number, bit for bit.
    differences : tuple of str
        Sentences, one for each figure that came out otherwise.
    """

    same: bool
    differences: tuple[str, ...]


def reproduce_measurement(session: Session, *, measurement_id: int) -> Reproduction:
    """Recompute a measurement from its stored inputs and compare; nothing is written.

    Raises
    ------
    NotFound
    """
    measurement = session.scalar(
        sa.select(ImpactMeasurement)
        .where(ImpactMeasurement.id == measurement_id)
        .options(undefer(ImpactMeasurement.inputs))
    )
    if measurement is None:
        raise NotFound(f"There is no measurement {measurement_id}.")
    differences = tuple(_differences(measurement))
    return Reproduction(not differences, differences)


def _differences(measurement: ImpactMeasurement) -> Iterator[str]:
    if fingerprint(measurement.inputs) != measurement.input_sha256:
        yield "The stored inputs are not those that were measured."
    if measurement.method_version != METHOD_VERSION:
        yield f"It was made with method {measurement.method_version}, this is {METHOD_VERSION}."
    inputs = unpack_inputs(measurement.inputs)
    estimates = make_estimates(inputs)
    for name, value in list_columns(estimates).items():
        if getattr(measurement, name) != value:
            yield f"{name} was {getattr(measurement, name)} and comes out as {value}."
    for name, value in list_figures(estimates, inputs).items():
        stored = measurement.detail.get(name)
        if name in ("path", "cumulative") and stored:
            stored = {part: stored[part] for part in stored if part != "days"}
        if stored != value:
            yield f"{name} comes out otherwise."
