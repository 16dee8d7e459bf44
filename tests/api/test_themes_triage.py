"""Triage over the API: the queue, a candidate, and the three decisions with their way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import as_if
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import AuditEvent, Theme, TriageDecision
from tests.api.caller import Caller
from tests.factories.accounts import make_department, make_user
from tests.factories.rollups import make_likeness
from tests.factories.themes import make_action, make_stats, make_theme

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
AGREED = {
    "name": "  Card   is late ",
    "scenario": "Customers call because the card does not come.",
    "demand_type": "failure",
    "quadrant": "digitise",
    "department": "Post room",
    "strategy": "inform",
}


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(NOW):
        yield


@pytest.fixture
def room(session):
    return make_department(session, "Post room")


@pytest.fixture
def candidate(session, room):
    theme = make_theme(session, name="card late", waiting_since=NOW - timedelta(days=3, hours=2))
    make_stats(session, theme, priority=40.0)
    return theme


def decide(api, theme, what, body):
    """Return the decision that was taken."""
    done = api.send(f"/themes/{theme.key}/{what}", body)
    assert done["theme"] == theme.key
    return done


def refused(api, theme, what, body, status=422):
    return api.problem(f"/themes/{theme.key}/{what}", status, "POST", json=body)


def test_the_queue_has_the_highest_priority_first_and_what_is_parked(api, session, candidate):
    later = make_theme(session, name="later")
    decide(api, later, "park", {"until": "2026-05-13", "reason": "  A fix\n is on its way. "})
    candidate.stats.unidentified = 300  # a decision counts all themes anew; these have no contacts
    candidate.stats.priority = 40.0
    urgent = make_theme(session, name="urgent", waiting_since=NOW)
    make_stats(session, urgent, priority=90.0)
    small = make_theme(session, name="small", waiting_since=NOW)
    make_stats(session, small, customers=4, priority=10.0)
    make_theme(session, ThemeStatus.TRIAGED)

    found = api.get("/themes/triage")

    assert [(one["key"], one["days_waiting"], one["is_hidden"]) for one in found["items"]] == [
        (urgent.key, 0, False),
        (candidate.key, 3, False),
        (small.key, 0, True),
    ]
    assert found["parked"] == [
        {
            "key": later.key,
            "name": "later",
            "until": "2026-05-13",
            "reason": "A fix is on its way.",
            "decided_by": api.user.name,
        }
    ]


def test_a_candidate_comes_with_what_the_decision_needs(api, session, candidate):
    other = make_theme(session, ThemeStatus.TRIAGED, name="Card lost")
    make_stats(session, other, customers=1000)
    make_likeness(session, candidate, other, 0.6)
    make_department(session, "Closed").is_active = False

    found = api.get(f"/themes/{candidate.key}/triage")

    assert (found["status"], found["scenario"]) == ("candidate", "")
    assert found["figures"]["contacts"] == 486
    assert [(one["key"], one["likeness"]) for one in found["near"]] == [(other.key, 0.6)]
    assert found["departments"] == ["Post room"]
    priority = found["priority"]
    assert (priority["place"], priority["compared"]) == (2, 2)
    assert sum(part["points"] for part in priority["parts"]) == pytest.approx(priority["points"])
    assert sum(part["weight"] for part in priority["parts"]) == pytest.approx(1)


def test_nothing_is_told_of_too_few_customers(api, session, room):
    theme = make_theme(session)
    make_stats(session, theme, customers=4, contacts=9753)

    found = api.get(f"/themes/{theme.key}/triage")

    assert (found["figures"], found["priority"], found["is_hidden"]) == (None, None, True)


def test_accepting_writes_down_what_was_agreed_and_is_taken_back(api, session, candidate, room):
    owner = make_user(session, email="ada@example.com")

    done = decide(api, candidate, "accept", {**AGREED, "owner": " Ada@example.com "})

    theme = session.get_one(Theme, candidate.id)
    assert (theme.status, theme.name) == (ThemeStatus.TRIAGED, "Card is late")
    assert theme.scenario == AGREED["scenario"]
    assert (theme.demand_type, theme.strategy) == (DemandType.FAILURE, Strategy.INFORM)
    assert (theme.customer_values, theme.company_values) == (True, False)
    assert (theme.department_id, theme.owner_id) == (room.id, owner.id)
    event = session.scalars(sa.select(AuditEvent).where(AuditEvent.verb == "themes.accepted")).one()
    assert event.user_id == api.user.id
    assert done["kind"] == "accept"
    history = api.get(f"/themes/{theme.key}/history")["items"]
    assert history[0]["undo_decision"] == done["decision"]

    api.send(f"/themes/decisions/{done['decision']}/undo")

    theme = session.get_one(Theme, candidate.id)
    assert (theme.status, theme.name) == (ThemeStatus.CANDIDATE, "card late")
    assert (theme.scenario, theme.department_id) == ("", None)


def test_what_is_left_out_stays_as_it_is_written(api, session, candidate):
    written = "Customers wait for a card that was sent."
    api.send(f"/themes/{candidate.key}", {"scenario": written}, method="PATCH")
    sent = {name: AGREED[name] for name in AGREED if name not in ("name", "scenario")}

    decide(api, candidate, "accept", sent)

    theme = session.get_one(Theme, candidate.id)
    assert (theme.name, theme.scenario, theme.owner_id) == ("card late", written, None)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": " "}, "name", "Give the theme a name"),
        ({"name": "x" * 161}, "name", "at most 160 characters"),
        ({"scenario": "short"}, "scenario", "what goes wrong for the customer"),
        ({"department": "Mail room"}, "department", "There are: Post room."),
        ({"department": "Closed"}, "department", "There are: Post room."),
        ({"owner": "nobody@example.com"}, "owner", "Nobody with this address"),
        ({"owner": "left@example.com"}, "owner", "Nobody with this address"),
        ({"quadrant": "avoid"}, "quadrant", ""),
        ({"demand_type": None}, "demand_type", ""),
        ({"until": "2026-06-01"}, "until", ""),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(api, session, candidate, change, field, words):
    make_department(session, "Closed").is_active = False
    make_user(session, email="left@example.com", is_active=False)

    problem = refused(api, candidate, "accept", {**AGREED, **change})

    assert set(problem["errors"]) == {field}
    assert words in problem["errors"][field]
    assert session.get_one(Theme, candidate.id).status is ThemeStatus.CANDIDATE
    assert session.scalars(sa.select(TriageDecision)).all() == []


def test_each_answer_that_is_missing_is_named(api, candidate):
    problem = refused(api, candidate, "accept", {"name": "Card"})

    assert set(problem["errors"]) == {"demand_type", "quadrant", "department", "strategy"}


def test_parking_needs_a_reason_and_a_day_to_come(api, session, candidate):
    for body, field in (
        ({"until": "2026-05-12", "reason": "Wait."}, "until"),
        ({"until": "soon", "reason": "Wait."}, "until"),
        ({"until": "2026-05-13", "reason": " "}, "reason"),
    ):
        assert set(refused(api, candidate, "park", body)["errors"]) == {field}
    assert session.get_one(Theme, candidate.id).status is ThemeStatus.CANDIDATE

    done = decide(api, candidate, "park", {"until": "2026-05-13", "reason": "Wait."})

    theme = session.get_one(Theme, candidate.id)
    assert (theme.status, str(theme.parked_until)) == (ThemeStatus.PARKED, "2026-05-13")
    api.send(f"/themes/decisions/{done['decision']}/undo")
    theme = session.get_one(Theme, candidate.id)
    assert (theme.status, theme.parked_until) == (ThemeStatus.CANDIDATE, None)


def test_dismissing_needs_a_reason_and_no_open_action(api, session, candidate):
    assert set(refused(api, candidate, "dismiss", {"reason": ""})["errors"]) == {"reason"}
    agreed = make_theme(session, ThemeStatus.TRIAGED)
    action = make_action(session, agreed, ActionStatus.AGREED)
    problem = refused(api, agreed, "dismiss", {"reason": "Gone."}, status=409)
    assert action.key in problem["detail"]

    done = decide(api, candidate, "dismiss", {"reason": "Two calls on one day."})

    assert session.get_one(Theme, candidate.id).status is ThemeStatus.RETIRED
    decision = session.get_one(TriageDecision, done["decision"])
    assert (decision.reason, decision.decided_by) == ("Two calls on one day.", api.user.name)
    api.send(f"/themes/decisions/{done['decision']}/undo")
    assert session.get_one(Theme, candidate.id).status is ThemeStatus.CANDIDATE


def test_what_was_decided_already_is_refused_with_a_sentence(api, session, candidate):
    decide(api, candidate, "accept", AGREED)

    assert "decided already" in refused(api, candidate, "accept", AGREED, status=409)["detail"]
    held = make_theme(session, ThemeStatus.HELD)
    park = {"until": "2026-05-13", "reason": "Wait."}
    assert "cannot become parked" in refused(api, held, "park", park, status=409)["detail"]
    for what, body in (("accept", AGREED), ("park", park), ("dismiss", {"reason": "Gone."})):
        api.problem(f"/themes/T-404/{what}", 404, "POST", json=body)
    api.problem("/themes/T-404/triage", 404)


def test_who_may_not_decide_may_not_decide_here_either(page, session, candidate):
    stakeholder = Caller(page, session, Role.STAKEHOLDER)
    assert stakeholder.get(f"/themes/{candidate.key}/triage")["key"] == candidate.key
    assert stakeholder.get("/themes/triage")["items"]
    for what, body in (
        ("accept", AGREED),
        ("park", {"until": "2026-05-13", "reason": "Wait."}),
        ("dismiss", {"reason": "Gone."}),
    ):
        stakeholder.problem(f"/themes/{candidate.key}/{what}", 403, "POST", json=body)
    executive = Caller(page, session, Role.EXECUTIVE)
    executive.problem("/themes/triage", 403)
    executive.problem(f"/themes/{candidate.key}/triage", 403)
