"""Triage: accept, merge, dismiss and park candidates, and take a decision back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.actions import OPEN_ACTIONS
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.curation import check_typed_count
from closedloop.domain.errors import (
    ChangedMeanwhile,
    Conflict,
    Invalid,
    InvalidTransition,
    NotFound,
)
from closedloop.domain.themes import (
    NAME_LENGTH,
    DemandType,
    Strategy,
    ThemeStatus,
    check_theme_move,
)
from closedloop.domain.triage import Decision, check_reason, check_scenario
from closedloop.models import Action, Contact, Department, Theme, TriageDecision, User
from closedloop.services.audit import record_on_theme, record_on_themes
from closedloop.services.decisions import (
    DONE,
    check_nothing_built_on,
    restore,
    snapshot,
    status_in_words,
    theme_ids,
)
from closedloop.services.definitions import get_theme_to_change
from closedloop.services.describing import written_since
from closedloop.services.membership import hold_corrections
from closedloop.services.merging import check_merge, merge_labels, part_labels
from closedloop.services.repeats import take_turn
from closedloop.services.theme_stats import renew_stats_of_last_day


def accept_candidate(
    session: Session,
    *,
    theme_id: int,
    name: str,
    scenario: str,
    demand_type: DemandType | None,
    customer_values: bool | None,
    company_values: bool | None,
    department_id: int | None,
    strategy: Strategy | None,
    owner_id: int | None = None,
    seen: Mapping[str, str] | None = None,
    by: Actor,
) -> TriageDecision:
    """Agree that a candidate is a failure worth working on, and whose it is.

    Parameters
    ----------
    seen : mapping, optional
        Name and scenario as they stood in the form; nothing is held against who does not say.

    Raises
    ------
    ChangedMeanwhile
        If somebody has written another name or scenario since that these would replace.
    NotFound
    InvalidTransition
        If it is not waiting for a decision (any more).
    Invalid
        With a sentence for each answer that is missing.
    """
    theme = get_theme_to_change(session, theme_id)
    if theme.status not in (ThemeStatus.CANDIDATE, ThemeStatus.PARKED):
        raise InvalidTransition(
            f"{theme.key} has been decided already: it is {status_in_words(theme.status)}."
        )
    _check_not_rewritten(theme, {"name": name, "scenario": scenario}, seen or {})
    values = _check_acceptance(
        session,
        name=name,
        scenario=scenario,
        demand_type=demand_type,
        customer_values=customer_values,
        company_values=company_values,
        department_id=department_id,
        strategy=strategy,
        owner_id=owner_id,
    )
    before = snapshot(theme)
    values["is_named_by_person"] = theme.is_named_by_person or values["name"] != theme.name
    _change(theme, ThemeStatus.TRIAGED, **values, parked_until=None, triaged_at=utc_now())
    decision = _decide(session, theme, Decision.ACCEPT, "", before, by)
    record_on_theme(session, by, theme, "themes.accepted", f"accepted {theme.key} {theme.name}")
    renew_stats_of_last_day(session)
    return decision


def _check_not_rewritten(theme: Theme, given: dict[str, str], seen: Mapping[str, str]) -> None:
    fields = {
        field: sentence
        for field, text in given.items()
        if (sentence := written_since(theme, field, seen=seen.get(field), text=text))
    }
    if fields:
        raise ChangedMeanwhile(" ".join(fields.values()), fields)


def merge_themes(
    session: Session,
    *,
    settings: Settings,
    theme_id: int,
    into_id: int,
    reason: str,
    by: Actor,
) -> TriageDecision:
    """Make one theme part of another: contacts now, and those that come later.

    Its open actions move along. Chains, roll-up and figures are renewed in the same transaction.

    Parameters
    ----------
    settings : Settings
    theme_id : int
        The theme that ceases to stand alone.
    into_id : int
        The theme that its contacts are counted under from now on.
    reason : str
    by : Actor

    Raises
    ------
    NotFound
    Invalid
        If there is no reason, or the two are one.
    InvalidTransition
        If either cannot take part in a merge.
    Conflict
        If an action of the theme has been shipped: its effect is measured on these contacts.
    """
    reason = check_reason(reason, what="a merge")
    take_turn(session)
    theme, into = _get_both(session, theme_id, into_id)
    check_merge(session, theme, into)
    before = snapshot(theme)
    detail = merge_labels(session, settings=settings, theme=theme, into=into, by=by)
    _change(theme, ThemeStatus.MERGED, merged_into_id=into.id, parked_until=None)
    hold_corrections(session, settings=settings)
    decision = _decide(session, theme, Decision.MERGE, reason, before, by, detail)
    summary = f"merged {theme.key} {theme.name} into {into.key} {into.name}"
    for one in (theme, into):
        record_on_theme(session, by, one, "themes.merged", summary, {"into": into.id, **detail})
    renew_stats_of_last_day(session)
    return decision


def confirm_merge(
    session: Session,
    *,
    settings: Settings,
    theme_id: int,
    into_id: int,
    reason: str,
    typed_count: int | None,
    by: Actor,
) -> TriageDecision:
    """Merge two themes as `merge_themes`, once somebody has seen how many contacts move.

    Parameters
    ----------
    settings, theme_id, into_id, reason, by
        As for `merge_themes`.
    typed_count : int or None
        Contacts that will move; asked for above `COUNT_TO_TYPE_ABOVE`.

    Raises
    ------
    NotFound, InvalidTransition, Conflict
    Invalid
        Also if the number is asked for and another one was typed.
    """
    take_turn(session)
    held = sa.select(sa.func.count(Contact.id)).where(Contact.theme_id == theme_id)
    check_typed_count(session.scalar(held) or 0, typed_count, to_do="merge")
    return merge_themes(
        session, settings=settings, theme_id=theme_id, into_id=into_id, reason=reason, by=by
    )


def check_dismissal(session: Session, theme: Theme) -> None:
    """Refuse to dismiss a theme that is out of use, being measured, or still acted on.

    Raises
    ------
    InvalidTransition
    Conflict
        If it has open actions.
    """
    if theme.status is ThemeStatus.RETIRED:
        raise InvalidTransition(f"{theme.key} has been dismissed already.")
    check_theme_move(theme.status, ThemeStatus.RETIRED)
    open_actions = session.scalars(
        sa.select(Action.key)
        .where(Action.theme_id == theme.id, Action.status.in_(OPEN_ACTIONS))
        .order_by(Action.id)
    ).all()
    if open_actions:
        raise Conflict(
            f"{theme.key} still has {', '.join(open_actions)} open. "
            "Finish or cancel that first, then dismiss the theme."
        )


def dismiss_candidate(session: Session, *, theme_id: int, reason: str, by: Actor) -> TriageDecision:
    """Decide that a theme is of no interest. It keeps its contacts, so no run proposes it again.

    Raises
    ------
    NotFound
    Invalid
        If there is no reason.
    InvalidTransition
    Conflict
        If it has open actions.
    """
    reason = check_reason(reason, what="a dismissal")
    theme = get_theme_to_change(session, theme_id)
    check_dismissal(session, theme)
    before = snapshot(theme)
    _change(theme, ThemeStatus.RETIRED, parked_until=None)
    decision = _decide(session, theme, Decision.DISMISS, reason, before, by)
    record_on_theme(session, by, theme, "themes.dismissed", f"dismissed {theme.key} {theme.name}")
    renew_stats_of_last_day(session)
    return decision


def park_theme(
    session: Session, *, theme_id: int, until: date, reason: str, today: date, by: Actor
) -> TriageDecision:
    """Put a theme aside until a day, the first on which it is looked at again.

    Parameters
    ----------
    theme_id : int
    until : date
    reason : str
    today : date
        The reporting day that is running.
    by : Actor

    Raises
    ------
    NotFound
    Invalid
        If there is no reason, or the day is not in the future.
    InvalidTransition
    """
    reason = check_reason(reason, what="parking")
    if until <= today:
        sentence = "Choose a day after today on which the theme returns."
        raise Invalid(sentence, {"until": sentence})
    theme = get_theme_to_change(session, theme_id)
    check_theme_move(theme.status, ThemeStatus.PARKED)
    before = snapshot(theme)
    _change(theme, ThemeStatus.PARKED, parked_until=until)
    decision = _decide(session, theme, Decision.PARK, reason, before, by)
    summary = f"parked {theme.key} {theme.name} until {until:%-d %B %Y}"
    record_on_theme(session, by, theme, "themes.parked", summary, {"until": until.isoformat()})
    renew_stats_of_last_day(session)
    return decision


def return_parked(session: Session, *, today: date, by: Actor) -> int:
    """Bring back the themes whose day has come; running it twice brings nothing back twice.

    Returns
    -------
    int
        Themes brought back: to triage what was never accepted, else to the agreed ones.
    """
    due = session.scalars(
        sa.select(Theme)
        .where(Theme.status == ThemeStatus.PARKED, Theme.parked_until <= today)
        .order_by(Theme.id)
        .with_for_update()
    ).all()
    for theme in due:
        is_agreed = theme.triaged_at is not None
        wanted = ThemeStatus.TRIAGED if is_agreed else ThemeStatus.CANDIDATE
        _change(theme, wanted, parked_until=None, waiting_since=utc_now())
        summary = f"brought {theme.key} {theme.name} back: it was parked until today"
        record_on_theme(session, by, theme, "themes.returned", summary)
    if due:
        renew_stats_of_last_day(session)
    return len(due)


def undo_decision(
    session: Session, *, settings: Settings, decision_id: int, by: Actor
) -> TriageDecision:
    """Take a decision back: fields, labels and contacts are as they were.

    Parameters
    ----------
    settings : Settings
    decision_id : int
    by : Actor

    Raises
    ------
    NotFound
    Conflict
        If it was undone before, or something was built on it since; the sentence says what.
    """
    take_turn(session)
    decision = session.get(
        TriageDecision, decision_id, with_for_update=True, populate_existing=True
    )
    if decision is None:
        raise NotFound("There is no such decision.")
    if decision.undone_at is not None:
        raise Conflict("This decision has been undone already.")
    theme = get_theme_to_change(session, decision.theme_id)
    check_nothing_built_on(session, decision, theme)
    if decision.decision is Decision.MERGE:
        part_labels(session, settings=settings, theme=theme, detail=decision.detail, by=by)
    restore(session, theme, decision)
    decision.undone_at = utc_now()
    if decision.decision is Decision.MERGE:
        hold_corrections(session, settings=settings)
    summary = f"took back: {DONE[decision.decision]} {theme.key} {theme.name}"
    record_on_themes(
        session,
        by,
        theme_ids(decision),
        "themes.decision_undone",
        summary,
        {"decision": decision.id},
    )
    renew_stats_of_last_day(session)
    session.flush()
    return decision


def _get_both(session: Session, theme_id: int, into_id: int) -> tuple[Theme, Theme]:
    """Lock two themes, the lower id first, so that two merges cannot wait for each other."""
    found = {one: get_theme_to_change(session, one) for one in sorted({theme_id, into_id})}
    return found[theme_id], found[into_id]


def _check_acceptance(session: Session, **values: Any) -> dict[str, Any]:
    fields = {}
    values["name"] = " ".join(values["name"].split())
    if not 0 < len(values["name"]) <= NAME_LENGTH:
        fields["name"] = f"Give the theme a name of at most {NAME_LENGTH} characters."
    try:
        values["scenario"] = check_scenario(values["scenario"])
    except Invalid as problem:
        fields |= problem.fields
    if values["demand_type"] is None:
        fields["demand_type"] = "Say what kind of demand this is."
    if values["customer_values"] is None or values["company_values"] is None:
        fields["quadrant"] = "Say who values this contact."
    if values["strategy"] is None:
        fields["strategy"] = "Choose what to try first."
    fields |= _check_people(session, values["department_id"], values["owner_id"])
    if fields:
        raise Invalid("The theme was not accepted. " + " ".join(fields.values()), fields)
    return values


def _check_people(
    session: Session, department_id: int | None, owner_id: int | None
) -> dict[str, str]:
    fields = {}
    department = session.get(Department, department_id) if department_id is not None else None
    if department is None or not department.is_active:
        fields["department_id"] = "Choose the department in which the cause lies."
    owner = session.get(User, owner_id) if owner_id is not None else None
    if owner_id is not None and (owner is None or not owner.is_active):
        fields["owner_id"] = "This owner has no active account. Choose another one."
    return fields


def _change(theme: Theme, status: ThemeStatus, **values: Any) -> None:
    check_theme_move(theme.status, status)
    theme.status = status
    for name, value in values.items():
        setattr(theme, name, value)


def _decide(
    session: Session,
    theme: Theme,
    decision: Decision,
    reason: str,
    before: dict[str, Any],
    by: Actor,
    detail: dict[str, Any] | None = None,
) -> TriageDecision:
    last_action = session.scalar(sa.select(sa.func.max(Action.id))) or 0
    made = TriageDecision(
        theme_id=theme.id,
        decision=decision,
        reason=reason,
        before=before,
        detail={"after": snapshot(theme), "last_action": last_action, **(detail or {})},
        decided_by=by.name,
    )
    session.add(made)
    session.flush()  # the caller shows its id for the undo
    return made
