"""Reviewing an alarm where its theme is worked on."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Comeback, Intervention, Theme
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.pages import text_of


@pytest.fixture
def theme(session):
    """A theme that an alarm has reopened, with the look from before it."""
    theme = make_theme(session, ThemeStatus.REOPENED)
    intervention = make_intervention(session, make_action(session, theme))
    make_measurement(session, intervention, as_of=date(2026, 3, 30))
    make_comeback(session, intervention, reasons=["Rising <i>again</i>."])
    return theme


def test_the_theme_says_that_it_came_back_and_leads_to_the_case(manager, theme):
    html = manager.get(f"/themes/{theme.key}")
    assert "It came back, since 28 Apr 2026" in text_of(html)
    assert f'href="/themes/{theme.key}/comebacks"' in html


def test_the_alarm_that_waits_is_told_though_a_newer_one_was_explained(manager, session, theme):
    (intervention,) = session.scalars(sa.select(Intervention))
    make_comeback(
        session,
        intervention,
        alarm_on=date(2026, 5, 10),
        since_on=date(2026, 5, 8),
        outcome="explained",
        reviewed_by="Priya",
    )

    text = text_of(manager.get(f"/themes/{theme.key}"))

    assert "It came back, since 28 Apr 2026" in text


def test_the_case_shows_the_old_evidence_and_is_reviewed(manager, session, theme):
    html = manager.get(f"/themes/{theme.key}/comebacks")
    text = text_of(html)
    assert "look 2, data to 30 Mar 2026" in text
    assert "310 to 540 contacts avoided" in text
    assert "Rising &lt;i&gt;again" in html
    assert "Save the review" in text
    alarm = session.query(Comeback).one()
    address = f"/themes/{theme.key}/comebacks/{alarm.id}/review"
    refused = manager.post(address, {"outcome": "explained", "note": ""}, status=422)
    assert "Say what explains the rise" in text_of(refused.text)
    manager.post(address, {"outcome": "explained", "note": "Outage of May."})
    session.expire_all()
    assert session.get_one(Theme, theme.id).status is ThemeStatus.HELD
    after = text_of(manager.get(f"/themes/{theme.key}"))
    assert "Explained by something else" in after
    assert "Outage of May." in after
    assert "Save the review" not in text_of(manager.get(f"/themes/{theme.key}/comebacks"))


def test_others_read_the_case_and_do_not_review_it(sign_in_as, theme):
    page = sign_in_as(Role.STAKEHOLDER)
    text = text_of(page.get(f"/themes/{theme.key}/comebacks"))
    assert "It waits for the review of a CX manager" in text
    assert "Save the review" not in text


def test_a_theme_without_alarms_says_when_one_may_come(manager, session):
    theme = make_theme(session, ThemeStatus.HELD)
    assert "No alarm was raised" in text_of(manager.get(f"/themes/{theme.key}/comebacks"))
    assert "came back" not in text_of(manager.get(f"/themes/{theme.key}"))
