"""Standing by a verdict: by a person, once, and never by the owner."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor, ActorKind
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from closedloop.models import AuditEvent, SignOff
from closedloop.queries.sign_offs import list_sign_offs
from closedloop.services.sign_offs import MOST_NOTE, sign_off_measurement
from tests.factories.accounts import make_user
from tests.factories.impact import make_measurement
from tests.factories.themes import make_action, make_intervention


def acting(user) -> Actor:
    return Actor(user.name, ActorKind.PERSON, user.id)


@pytest.fixture
def owner(session):
    return make_user(session, Role.STAKEHOLDER)


@pytest.fixture
def look(session, owner):
    """The first look of an action that somebody owns."""
    action = make_action(session, owner_id=owner.id)
    return make_measurement(session, make_intervention(session, action))


@pytest.mark.parametrize("role", [Role.EXECUTIVE, Role.CX_MANAGER, Role.STAKEHOLDER])
def test_somebody_else_signs_and_the_event_has_their_name(session, look, role):
    reader = make_user(session, role)

    sign_off_measurement(
        session, measurement_id=look.id, note="  Fits our own count. ", by=acting(reader)
    )

    (signed,) = list_sign_offs(session, look.id)
    assert (signed.user_id, signed.name, signed.note) == (
        reader.id,
        reader.name,
        "Fits our own count.",
    )
    event = session.scalars(sa.select(AuditEvent)).one()
    assert (event.verb, event.user_id) == ("impact.signed_off", reader.id)
    assert event.target_id == look.intervention_id
    assert "Fits our own" not in event.summary  # a note may name people


def test_the_owner_cannot_sign_nor_who_owned_it_when_it_was_shipped(session, look, owner):
    with pytest.raises(NotAllowed, match="Ask somebody else"):
        sign_off_measurement(session, measurement_id=look.id, by=acting(owner))

    then = make_user(session, Role.STAKEHOLDER)
    look.intervention.plan = {"owner": {"id": then.id, "name": then.name}}
    session.flush()
    with pytest.raises(NotAllowed, match="or owned it when it was shipped"):
        sign_off_measurement(session, measurement_id=look.id, by=acting(then))
    assert session.scalar(sa.select(sa.func.count(SignOff.id))) == 0


def test_a_running_estimate_cannot_be_signed(session, look):
    running = make_measurement(session, look.intervention, as_of=date(2026, 3, 20))

    with pytest.raises(InvalidTransition, match="no verdict"):
        sign_off_measurement(
            session, measurement_id=running.id, by=acting(make_user(session, Role.CX_MANAGER))
        )


def test_everybody_signs_once_and_several_may(session, look):
    first, second = make_user(session, Role.CX_MANAGER), make_user(session, Role.EXECUTIVE)
    sign_off_measurement(session, measurement_id=look.id, by=acting(first))
    sign_off_measurement(session, measurement_id=look.id, by=acting(second))

    with pytest.raises(Conflict, match="already"):
        sign_off_measurement(session, measurement_id=look.id, by=acting(first))
    assert [one.user_id for one in list_sign_offs(session, look.id)] == [first.id, second.id]


@pytest.mark.parametrize("by", [COMMAND_LINE, NIGHTLY_ROUND], ids=["command", "job"])
def test_jobs_and_commands_stand_by_nothing(session, look, by):
    with pytest.raises(NotAllowed, match="Only a person"):
        sign_off_measurement(session, measurement_id=look.id, by=by)


def test_a_note_that_does_not_fit_is_refused_with_its_length(session, look):
    by = acting(make_user(session, Role.CX_MANAGER))

    with pytest.raises(Invalid, match="501 characters") as refused:
        sign_off_measurement(session, measurement_id=look.id, note="x" * (MOST_NOTE + 1), by=by)
    assert set(refused.value.fields) == {"note"}
    with pytest.raises(Invalid, match="cannot be stored"):
        sign_off_measurement(session, measurement_id=look.id, note="a\x00b", by=by)
    sign_off_measurement(session, measurement_id=look.id, note="x" * MOST_NOTE, by=by)


def test_what_is_not_there_cannot_be_signed_nor_by_somebody_shut_out(session, look):
    reader = make_user(session, Role.CX_MANAGER)

    with pytest.raises(NotFound, match="no measurement 404"):
        sign_off_measurement(session, measurement_id=404, by=acting(reader))
    reader.is_active = False
    session.flush()
    with pytest.raises(NotAllowed, match="not active"):
        sign_off_measurement(session, measurement_id=look.id, by=acting(reader))
