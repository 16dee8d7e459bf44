"""Somebody who does not own an action reads its verdict and stands by it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from closedloop.domain.impact_words import spelt
from closedloop.models import Action, ImpactMeasurement, SignOff
from closedloop.queries.sign_offs import owner_ids
from closedloop.services.askers import require_permission
from closedloop.services.audit import record_event

MOST_NOTE = 500
"""Characters of a note at most."""


def sign_off_measurement(
    session: Session, *, measurement_id: int, note: str = "", by: Actor
) -> SignOff:
    """Put down that somebody other than the owner has read a verdict and stands by it.

    Only the measurement of a look speaks a verdict, so only that can be signed off. The
    measurement itself is not changed; everybody signs once.

    Parameters
    ----------
    note : str, optional
        Why, or under which reserve, at most `MOST_NOTE` characters.
    by : Actor
        A person: jobs and commands stand by nothing.

    Raises
    ------
    NotFound
    NotAllowed
        If the person owns the action, or owned it when it was shipped.
    InvalidTransition
        If the measurement is a running estimate.
    Conflict
        If the person has signed it off before.
    Invalid
        If the note is too long.
    """
    user_id = _check_asker(session, by)
    note = _check_note(note)
    # locked, so that the same person twice at once is two answers and not an error
    measurement = session.get(ImpactMeasurement, measurement_id, with_for_update=True)
    if measurement is None:
        raise NotFound(f"There is no measurement {measurement_id}.")
    action = measurement.intervention.action
    _check_signable(session, measurement, action, user_id)
    signed = SignOff(measurement_id=measurement.id, user_id=user_id, note=note)
    session.add(signed)
    session.flush()  # the event needs its id
    _record(session, signed, measurement, action, by)
    session.flush()
    return signed


def _check_asker(session: Session, by: Actor) -> int:
    require_permission(
        session, by, "impact.sign_off", "Your role does not include signing off; ask a manager."
    )
    if by.user_id is None:
        raise NotAllowed("Only a person who is signed in can stand by a measurement.")
    return by.user_id


def _check_note(note: str) -> str:
    note = note.strip()
    if len(note) > MOST_NOTE:
        sentence = f"The note has {len(note):,} characters; at most {MOST_NOTE} fit."
        raise Invalid(sentence, {"note": sentence})
    if "\x00" in note:
        sentence = "The note holds a character that cannot be stored; type it again."
        raise Invalid(sentence, {"note": sentence})
    return note


def _check_signable(
    session: Session, measurement: ImpactMeasurement, action: Action, user_id: int
) -> None:
    if user_id in owner_ids(measurement.intervention.plan, action.owner_id):
        raise NotAllowed(
            f"You own {action.key}, or owned it when it was shipped. Ask somebody else to read "
            "the measurement and sign it off."
        )
    if measurement.intervention.taken_back_at is not None:
        raise InvalidTransition(
            f"The go-live of {action.key} was taken back, so this verdict counts no longer and "
            "cannot be signed off."
        )
    if not measurement.is_look:
        raise InvalidTransition(
            f"The estimate with data to {spelt(measurement.as_of)} is running and no verdict. "
            "Sign off the measurement of a look."
        )
    before = sa.select(SignOff.id).where(
        SignOff.measurement_id == measurement.id, SignOff.user_id == user_id
    )
    if session.scalar(before) is not None:
        raise Conflict("You have signed this measurement off already.")


def _record(
    session: Session, signed: SignOff, measurement: ImpactMeasurement, action: Action, by: Actor
) -> None:
    record_event(
        session,
        by=by,
        verb="impact.signed_off",
        target_kind="intervention",
        target_id=measurement.intervention_id,
        summary=(
            f"signed off look {measurement.look} of {action.key} "
            f"({measurement.verdict.label.lower()}, data to {spelt(measurement.as_of)})"
        ),
        detail={
            "sign_off_id": signed.id,
            "measurement_id": measurement.id,
            "has_note": bool(signed.note),
        },
    )
