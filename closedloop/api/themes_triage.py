"""Triage over the API: what waits, one candidate, and accepting, parking or dismissing it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.change_schemas import DecisionDone
from closedloop.api.themes import figures_out
from closedloop.api.themes_curation import THEME
from closedloop.api.triage_schemas import (
    AcceptIn,
    CandidateOut,
    DismissIn,
    NearOut,
    ParkedOut,
    ParkIn,
    PriorityOut,
    PriorityPartOut,
    TriageQueue,
    WaitingOut,
)
from closedloop.domain.clock import today
from closedloop.domain.errors import Invalid
from closedloop.domain.themes import VALUED_BY
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import find_user_by_email, list_departments
from closedloop.queries.theme_page import find_theme
from closedloop.queries.triage import (
    Candidate,
    Priority,
    get_candidate,
    list_candidates,
    list_parked,
)
from closedloop.services.triage import accept_candidate, dismiss_candidate, park_theme

_REFUSED = {
    404: "There is no such theme.",
    409: "It has been decided already, or an open action stands on it.",
}


@bp.get("/themes/triage")
@bp.doc(summary="What waits for a decision")
@bp.output(TriageQueue)
@needs("triage.view")
def list_triage_view() -> TriageQueue:
    """Give the candidates, the one with the highest priority first, and what is parked."""
    queue = list_candidates(db.session, k=current_settings().privacy_k)
    return TriageQueue(
        items=[
            WaitingOut(
                key=one.key,
                name=one.name,
                waiting_since=one.waiting_since,
                days_waiting=one.days_waiting,
                is_hidden=one.is_small,
            )
            for one in queue
        ],
        parked=[
            ParkedOut(
                key=one.key,
                name=one.name,
                until=one.parked_until,
                reason=one.reason,
                decided_by=one.decided_by,
            )
            for one in list_parked(db.session)
        ],
    )


@bp.get(f"{THEME}/triage")
@bp.doc(summary="What stands beside the decision about a theme", responses={404: _REFUSED[404]})
@bp.output(CandidateOut)
@needs("triage.view")
def get_candidate_view(key: str) -> CandidateOut:
    """Give figures, priority and what is like it; nothing is changed."""
    found = get_candidate(db.session, key, k=current_settings().privacy_k)
    departments = [department.name for department in list_departments(db.session)]
    return _candidate(found, departments)


@bp.post(f"{THEME}/accept")
@bp.doc(summary="Accept a candidate", responses=_REFUSED)
@bp.input(AcceptIn, location="json", arg_name="sent")
@bp.output(DecisionDone)
@needs("triage.decide", WRITE)
def accept_view(key: str, sent: AcceptIn) -> DecisionDone:
    """Agree that it is worth working on, and whose it is."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        customer_values, company_values = VALUED_BY[sent.quadrant]
        department_id, owner_id = _people(session, sent.department, sent.owner)
        decision = accept_candidate(
            session,
            theme_id=theme.id,
            name=theme.name if sent.name is None else sent.name,
            scenario=theme.scenario if sent.scenario is None else sent.scenario,
            demand_type=sent.demand_type,
            customer_values=customer_values,
            company_values=company_values,
            department_id=department_id,
            strategy=sent.strategy,
            owner_id=owner_id,
            by=api_actor(),
        )
        return DecisionDone(decision=decision.id, kind=decision.decision.value, theme=key)


@bp.post(f"{THEME}/park")
@bp.doc(summary="Set a theme aside until a day", responses=_REFUSED)
@bp.input(ParkIn, location="json", arg_name="sent")
@bp.output(DecisionDone)
@needs("triage.decide", WRITE)
def park_view(key: str, sent: ParkIn) -> DecisionDone:
    """Leave it until then; it returns by itself."""
    with db.transaction() as session:
        decision = park_theme(
            session,
            theme_id=find_theme(session, key).id,
            until=sent.until,
            reason=sent.reason,
            today=today(current_settings().reporting_zone),
            by=api_actor(),
        )
        return DecisionDone(decision=decision.id, kind=decision.decision.value, theme=key)


@bp.post(f"{THEME}/dismiss")
@bp.doc(summary="Dismiss a candidate", responses=_REFUSED)
@bp.input(DismissIn, location="json", arg_name="sent")
@bp.output(DecisionDone)
@needs("triage.decide", WRITE)
def dismiss_view(key: str, sent: DismissIn) -> DecisionDone:
    """Say that it is of no interest; it keeps its contacts, so that no run proposes it again."""
    with db.transaction() as session:
        decision = dismiss_candidate(
            session, theme_id=find_theme(session, key).id, reason=sent.reason, by=api_actor()
        )
        return DecisionDone(decision=decision.id, kind=decision.decision.value, theme=key)


def _people(session: Session, department: str, owner: str | None) -> tuple[int, int | None]:
    """Return the ids of a department by name and of an owner by address.

    Raises
    ------
    Invalid
        With a sentence for each that is not there.
    """
    fields = {}
    departments = {one.name: one.id for one in list_departments(session)}
    department_id = departments.get(department.strip())
    if department_id is None:
        there = ", ".join(departments) or "none yet, an administrator makes them"
        fields["department"] = f"There is no department of this name. There are: {there}."
    user = find_user_by_email(session, owner) if owner is not None else None
    if owner is not None and (user is None or not user.is_active):
        fields["owner"] = "Nobody with this address has an active account. Leave the owner out."
    if fields or department_id is None:
        raise Invalid("The theme was not accepted. " + " ".join(fields.values()), fields)
    return department_id, user.id if user else None


def _candidate(found: Candidate, departments: list[str]) -> CandidateOut:
    theme = found.theme
    return CandidateOut(
        key=theme.key,
        name=theme.name,
        status=theme.status,
        scenario=theme.scenario,
        waiting_since=theme.waiting_since,
        found_on=found.run_day,
        figures=figures_out(found.figures),
        is_hidden=found.is_small,
        priority=_priority(found.priority) if found.priority else None,
        near=[
            NearOut(
                key=one.key,
                name=one.name,
                status=one.status,
                likeness=one.likeness,
                customers_in_both=one.customers_in_both,
            )
            for one in found.near
        ],
        departments=departments,
    )


def _priority(found: Priority) -> PriorityOut:
    return PriorityOut(
        points=found.points,
        place=found.place,
        compared=found.compared,
        parts=[
            PriorityPartOut(
                name=part.name,
                value=part.value,
                rank=part.rank,
                weight=part.weight,
                points=part.points,
            )
            for part in found.parts
        ],
    )
