"""Reviewing an alarm: who may, once, and what follows."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict, NotAllowed, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent
from closedloop.queries.comebacks import list_comeback_cases
from closedloop.services.comeback_reviews import review_comeback
from tests.factories.accounts import make_user
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.themes import make_action, make_intervention, make_theme

BY = Actor("Priya Nair")


@pytest.fixture
def reopened(session):
    """A theme that an alarm has reopened."""
    theme = make_theme(session, ThemeStatus.REOPENED)
    intervention = make_intervention(session, make_action(session, theme))
    return theme, intervention, make_comeback(session, intervention)


def test_a_real_comeback_leaves_the_theme_open(session, reopened):
    theme, _, comeback = reopened
    found = review_comeback(session, comeback_id=comeback.id, outcome="real", by=BY)
    assert (found.outcome, found.reviewed_by) == ("real", "Priya Nair")
    assert found.reviewed_at is not None
    assert theme.status is ThemeStatus.REOPENED
    event = session.scalars(sa.select(AuditEvent)).one()
    assert (event.verb, event.detail["outcome"]) == ("impact.comeback_reviewed", "real")


@pytest.mark.parametrize("outcome", ["explained", "no_matter"])
def test_what_is_explained_or_does_not_matter_lets_the_theme_hold_again(session, reopened, outcome):
    theme, _, comeback = reopened
    review_comeback(session, comeback_id=comeback.id, outcome=outcome, note="Outage.", by=BY)
    assert theme.status is ThemeStatus.HELD
    said = session.scalars(sa.select(AuditEvent.summary).order_by(AuditEvent.id)).all()
    assert "Outage." in said[0]
    assert "was reviewed" in said[-1]


def test_while_another_alarm_waits_the_theme_stays_open(session, reopened):
    theme, intervention, comeback = reopened
    other = make_comeback(session, intervention, alarm_on=date(2026, 6, 1))
    review_comeback(session, comeback_id=comeback.id, outcome="no_matter", by=BY)
    assert theme.status is ThemeStatus.REOPENED
    review_comeback(session, comeback_id=other.id, outcome="no_matter", by=BY)
    assert theme.status is ThemeStatus.HELD


def test_a_theme_that_people_act_on_again_stays_where_it_is(session, reopened):
    theme, _, comeback = reopened
    theme.status = ThemeStatus.ACTING
    review_comeback(session, comeback_id=comeback.id, outcome="no_matter", by=BY)
    assert theme.status is ThemeStatus.ACTING


def test_a_review_stands_and_only_managers_write_it(session, reopened):
    _, _, comeback = reopened
    stakeholder = make_user(session, Role.STAKEHOLDER)
    with pytest.raises(NotAllowed):
        review_comeback(
            session,
            comeback_id=comeback.id,
            outcome="real",
            by=Actor(stakeholder.name, user_id=stakeholder.id),
        )
    with pytest.raises(NotFound):
        review_comeback(session, comeback_id=404, outcome="real", by=BY)
    review_comeback(session, comeback_id=comeback.id, outcome="real", by=BY)
    with pytest.raises(Conflict, match="reviewed by Priya Nair"):
        review_comeback(session, comeback_id=comeback.id, outcome="no_matter", by=BY)


def test_a_case_shows_what_was_believed_before_the_alarm(session, reopened):
    theme, intervention, comeback = reopened
    believed = make_measurement(session, intervention, as_of=date(2026, 3, 30))
    make_measurement(session, intervention, as_of=date(2026, 5, 25))  # a look after the alarm
    make_measurement(session, intervention, as_of=date(2026, 4, 2))  # no look
    make_comeback(session, make_intervention(session))
    (case,) = list_comeback_cases(session, theme.id)
    assert (case.id, case.excess, case.outcome) == (comeback.id, 87.0, None)
    assert case.evidence is not None
    assert case.evidence.id == believed.id
