"""What people set in the interface."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Invalid
from closedloop.domain.money import PERSON_MINUTES
from closedloop.models import AuditEvent
from closedloop.queries.site import get_pence_per_minute, get_person_minutes
from closedloop.services.site import set_pence_per_minute, set_person_minutes


def test_the_cost_of_a_minute_takes_the_place_of_the_environments(session, actor):
    assert get_pence_per_minute(session, 62) == 62

    set_pence_per_minute(session, pence=81.5, by=actor)
    set_pence_per_minute(session, pence=0, by=actor)
    session.flush()

    assert get_pence_per_minute(session, 62) == 0
    summaries = session.scalars(sa.select(AuditEvent.summary).order_by(AuditEvent.id)).all()
    assert summaries[0] == "set the cost of an agent minute to 0.815"
    assert len(summaries) == 2


@pytest.mark.parametrize("pence", [-0.01, 100_000.01, float("nan"), float("inf")])
def test_the_cost_of_a_minute_must_make_sense(session, actor, pence):
    with pytest.raises(Invalid, match="between 0 and 1,000"):
        set_pence_per_minute(session, pence=pence, by=actor)


def test_the_working_year_takes_the_place_of_the_usual_one(session, actor):
    assert get_person_minutes(session) == PERSON_MINUTES

    set_person_minutes(session, minutes=90_000, by=actor)
    session.flush()

    assert get_person_minutes(session) == 90_000
    summary = session.scalar(sa.select(AuditEvent.summary))
    assert summary == "set the working year of a full-time person to 1500 hours"


@pytest.mark.parametrize("minutes", [0, 5_999, 180_001, float("nan"), float("inf")])
def test_a_working_year_must_make_sense(session, actor, minutes):
    with pytest.raises(Invalid, match="between 100 and 3,000 hours"):
        set_person_minutes(session, minutes=minutes, by=actor)
