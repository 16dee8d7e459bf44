"""Write a measurement down, once: what was read, what it says, what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotFound, NotMeasurable
from closedloop.domain.impact import Displacement, Verdict
from closedloop.domain.impact_judging import TESTED, LookBeside, p_values_of_others
from closedloop.domain.impact_words import spelt
from closedloop.models import ImpactMeasurement, Intervention
from closedloop.queries.go_lives import stands
from closedloop.queries.site import get_pence_per_minute
from closedloop.services.audit import record_event
from closedloop.services.impact_estimates import Estimates, make_estimates
from closedloop.services.impact_money import money_facts
from closedloop.services.impact_packing import MeasurementInputs, fingerprint, pack_inputs
from closedloop.services.impact_readings import Reading
from closedloop.services.impact_rows import describe_measurement
from closedloop.services.impact_verdicts import speak_look


def lock_intervention(session: Session, intervention_id: int) -> Intervention:
    """Return the intervention, locked: two measurements at once would be two looks.

    Raises
    ------
    NotFound
    NotMeasurable
        If the go-live was taken back.
    """
    intervention = session.scalar(
        sa.select(Intervention)
        .where(Intervention.id == intervention_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if intervention is None:
        raise NotFound(f"There is no intervention {intervention_id}.")
    if intervention.taken_back_at is not None:
        raise NotMeasurable(
            f"The go-live of {intervention.action.key} on {spelt(intervention.went_live_on)} was "
            "taken back, so it is no longer measured. Ship the action again once it is live."
        )
    return intervention


@dataclass(frozen=True, eq=False)
class Prepared:
    """What was read for one measurement, packed without other looks, and its fingerprint."""

    reading: Reading
    packed: bytes
    read_sha256: str


def prepare(reading: Reading) -> Prepared:
    """Take the fingerprint of what was read, without the looks that it will be judged with."""
    packed = pack_inputs(replace(reading.inputs, others=None))
    return Prepared(reading, packed, fingerprint(packed))


def find_measurement(
    session: Session, intervention_id: int, prepared: Prepared
) -> ImpactMeasurement | None:
    """Return the row that stands for what was read, None when it was not measured yet."""
    window = prepared.reading.window
    return session.scalar(
        sa.select(ImpactMeasurement)
        .where(
            ImpactMeasurement.intervention_id == intervention_id,
            ImpactMeasurement.as_of == window.as_of,
            ImpactMeasurement.definition_set_id == prepared.reading.inputs.definition_set_id,
            ImpactMeasurement.detail["read_sha256"].as_string() == prepared.read_sha256,
        )
        .order_by(ImpactMeasurement.id)
        .limit(1)
    )


def has_spoken(session: Session, intervention_id: int, look: int) -> bool:
    """Return whether a look of that number stands: each is spoken once."""
    m = ImpactMeasurement
    spoken = sa.exists().where(m.intervention_id == intervention_id, m.is_look, m.look == look)
    return bool(session.scalar(sa.select(spoken)))


def judged_inputs(reading: Reading, others: Sequence[float]) -> MeasurementInputs:
    """Return what a measurement keeps: a look with the p-values that it is judged among."""
    return (
        replace(reading.inputs, others=tuple(sorted(others))) if reading.is_look else reading.inputs
    )


def measured_as_one(intervention_id: int, reading: Reading) -> frozenset[int]:
    """Return the interventions whose one change was read, that of the reading among them."""
    overlap = reading.around.overlap
    return frozenset({intervention_id, *(one.id for one in (overlap.members if overlap else ()))})


def list_looks_beside(session: Session, intervention_id: int, as_of: date) -> list[LookBeside]:
    """Return looks of other interventions with data to the same day.

    That is what a look which is measured by itself is judged with. Of a look that was measured
    several times the newest row counts, and only what was tested.
    """
    m = ImpactMeasurement
    rows = session.execute(
        sa.select(m.intervention_id, m.p_value, m.verdict, m.detail["joint"])
        .join(Intervention, Intervention.id == m.intervention_id)
        .where(m.is_look, m.as_of == as_of, m.intervention_id != intervention_id, stands())
        .order_by(m.id)
    )
    newest = {row[0]: row for row in rows}
    return [
        LookBeside(frozenset({one, *(other["id"] for other in joint or ())}), as_of, p_value)
        for one, p_value, verdict, joint in newest.values()
        if verdict in TESTED
    ]


def find_held_on(session: Session, intervention_id: int, as_of: date) -> date | None:
    """Return the data day of the look since which all have said, up to `as_of`, that it fell.

    None when the newest look before `as_of` says otherwise, or that the contacts only moved.
    """
    m = ImpactMeasurement
    rows = session.execute(
        sa.select(m.as_of, m.verdict, m.detail["displacement"].as_string())
        .where(m.intervention_id == intervention_id, m.is_look, m.as_of < as_of)
        .order_by(m.as_of.desc(), m.id.desc())
    )
    held_on = None
    for day, verdict, displacement in rows:
        if verdict is not Verdict.FELL or displacement == Displacement.MOVED:
            break
        held_on = day
    return held_on


def write_measurement(
    session: Session,
    intervention: Intervention,
    prepared: Prepared,
    inputs: MeasurementInputs,
    estimates: Estimates,
    *,
    settings: Settings,
    by: Actor,
) -> ImpactMeasurement:
    """Add the row, its event, and at a look what follows for the action and its theme.

    Parameters
    ----------
    inputs : MeasurementInputs
        As `judged_inputs` returns them: what `estimates` were made from.
    settings : Settings
        Cost of a minute until finance sets it.
    """
    pence = get_pence_per_minute(session, settings.pence_per_minute)
    measurement = describe_measurement(
        prepared.reading,
        estimates,
        pence=pence,
        read_sha256=prepared.read_sha256,
        held_on=find_held_on(session, intervention.id, prepared.reading.window.as_of),
    )
    measurement.detail["money"] = money_facts(
        session,
        theme_ids=[theme.id for theme in prepared.reading.around.touched],
        window=prepared.reading.window,
        first_counted=prepared.reading.around.counted_from,
        site_pence=pence,
        k=settings.privacy_k,
    )
    measurement.intervention = intervention
    measurement.inputs = prepared.packed if inputs.others is None else pack_inputs(inputs)
    measurement.input_sha256 = fingerprint(measurement.inputs)
    session.add(measurement)
    session.flush()  # the event needs its id
    _record_measured(session, measurement, by)
    if measurement.is_look:
        speak_look(session, measurement, estimates.displacement, by)
        session.flush()
    return measurement


def measure_alone(
    session: Session, settings: Settings, intervention: Intervention, reading: Reading, by: Actor
) -> ImpactMeasurement:
    """Estimate and write what was read, a look judged with those of its day that are there.

    Where that look was spoken already, with data that were others then, it is measured again and
    speaks no verdict.
    """
    prepared = prepare(reading)
    if existing := find_measurement(session, intervention.id, prepared):
        return existing
    if reading.is_look and has_spoken(session, intervention.id, reading.look):
        reading = replace(reading, is_look=False)
        prepared = replace(prepared, reading=reading)
    beside = list_looks_beside(session, intervention.id, reading.window.as_of)
    mine = measured_as_one(intervention.id, reading)
    inputs = judged_inputs(reading, p_values_of_others(mine, beside))
    return write_measurement(
        session, intervention, prepared, inputs, make_estimates(inputs), settings=settings, by=by
    )


def _record_measured(session: Session, measurement: ImpactMeasurement, by: Actor) -> None:
    what = f"look {measurement.look}" if measurement.is_look else "running"
    if after := measurement.detail.get("remeasured_after"):
        what = f"{after} days after it held"
    record_event(
        session,
        by=by,
        verb="impact.measured",
        target_kind="intervention",
        target_id=measurement.intervention_id,
        summary=(
            f"measured to {spelt(measurement.as_of)} ({what}): {measurement.verdict.label.lower()}"
        ),
        detail={
            "measurement_id": measurement.id,
            "look": measurement.look,
            "is_look": measurement.is_look,
            "verdict": measurement.verdict.value,
        },
    )
