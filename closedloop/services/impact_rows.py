"""What a measurement writes down, and making it again from what it wrote."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from closedloop import __version__
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.domain.impact_judging import remeasure_days
from closedloop.domain.impact_stages import stages_to_json
from closedloop.models import ImpactMeasurement
from closedloop.services.impact_checks import list_checks, list_reasons
from closedloop.services.impact_estimates import (
    Estimates,
    list_columns,
    list_figures,
    make_estimates,
)
from closedloop.services.impact_inputs import Comparison, LeftOut, ThemeName
from closedloop.services.impact_packing import fingerprint, unpack_inputs
from closedloop.services.impact_readings import Reading
from ml.impact import METHOD_VERSION, ImpactEstimate

_MOVED = "moved on the same date, and apart from the others"
_TOO_FEW = "too few unaffected themes have contacts enough for a comparison"


def describe_measurement(
    reading: Reading, estimates: Estimates, *, pence: float, read_sha256: str, held_on: date | None
) -> ImpactMeasurement:
    """Return the row of a measurement, all but its intervention and its inputs.

    Parameters
    ----------
    pence : float
        Cost of an agent minute in force, in minor units.
    read_sha256 : str
        Fingerprint of what was read, without the other looks that it is judged with.
    held_on : date or None
        Last data day of the look that said that the theme held; None while none has.
    """
    window = reading.window
    detail = _detail(reading, estimates) | {
        "read_sha256": read_sha256,
        "versions": dict(_versions_here()),
        "remeasured_after": remeasure_days(held_on).get(window.as_of) if held_on else None,
    }
    return ImpactMeasurement(
        as_of=window.as_of,
        look=reading.look,
        is_look=reading.is_look,
        definition_set_id=reading.inputs.definition_set_id,
        definition_number=reading.definition_number,
        method_version=METHOD_VERSION,
        reasons=list_reasons(estimates, reading.around),
        handle_seconds=reading.handle_seconds,
        pence_per_minute=pence,
        detail=detail,
        measured_at=utc_now(),
        **list_columns(estimates),
    )


def _detail(reading: Reading, estimates: Estimates) -> dict[str, Any]:
    """Return what the page needs beside the columns; days ISO, counts in contacts."""
    window, around, beside = reading.window, reading.around, reading.comparison
    compared, strayed = _compared(beside, estimates.own)
    figures = list_figures(estimates, reading.inputs)
    days = [
        (window.first_day + timedelta(days=n)).isoformat()
        for n in range(len(reading.inputs.counts))
    ]
    return {
        **figures,
        "path": {"days": days, **figures["path"]},
        "cumulative": {"days": days[window.n_pre :], **figures["cumulative"]},
        "not_counted": [days[n] for n in reading.inputs.days_not_counted],
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
        "parts": [
            {"id": theme.id, "key": theme.key, "name": theme.name, **figure}
            for theme, figure in zip(around.touched, figures["part_figures"], strict=False)
        ],
        "joint": [
            {"id": one.id, "key": one.key, "title": one.title, "day": one.went_live_on.isoformat()}
            for one in (around.overlap.members if around.overlap else ())
            if around.overlap and around.overlap.is_joint
        ],
        "driver": asdict(around.driver) if around.driver else None,
        "stages": stages_to_json(around.stages),
        "controls": [control.key for control in compared],
        "left_out": [
            {"key": out.theme.key, "name": out.theme.name, "reason": out.reason}
            for out in (*beside.left_out, *strayed)
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


def _compared(beside: Comparison, own: ImpactEstimate) -> tuple[list[ThemeName], list[LeftOut]]:
    """Return the themes that it was compared with, and those that only the estimate left out."""
    if own.own_history is None:
        return [], [LeftOut(one, _TOO_FEW) for one in beside.controls]
    moved = set(own.controls_left_out)
    compared = [one for n, one in enumerate(beside.controls) if n not in moved]
    return compared, [LeftOut(beside.controls[n], _MOVED) for n in sorted(moved)]


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
    same = not differences
    return Reproduction(same, () if same else (*differences, *_other_versions(measurement)))


@cache
def _versions_here() -> Mapping[str, str]:
    """Return the versions that the last bit of a number may depend on."""
    return {
        "closedloop": __version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }


def _other_versions(measurement: ImpactMeasurement) -> Iterator[str]:
    """Say with which other versions it was computed, as far as it wrote them down."""
    here, then = _versions_here(), measurement.detail.get("versions") or {}
    other = [name for name in here if then.get(name, here[name]) != here[name]]
    if other:
        was, now = (", ".join(f"{name} {which[name]}" for name in other) for which in (then, here))
        yield f"It was computed with {was}; here with {now}."


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
        if name == "own_history" and stored and value:
            stored = {"widened_by": value["widened_by"], **stored}  # the first rows do not say it
        if stored != value:
            yield f"{name} comes out otherwise."
