"""Pages: the queue of candidates, and deciding on them one at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.clock import today
from closedloop.domain.curation import must_type_count
from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, InvalidTransition
from closedloop.domain.themes import PRIORITY_RULE, VALUED_BY, DemandType, Quadrant, Strategy
from closedloop.domain.triage import check_scenario
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import get_department, list_departments, list_users
from closedloop.queries.curation import list_picked
from closedloop.queries.home import count_themes
from closedloop.queries.theme_page import find_theme
from closedloop.queries.triage import (
    MergePreview,
    QueuedCandidate,
    get_candidate,
    list_candidates,
    list_merge_targets,
    list_merging,
    list_parked,
    preview_merge,
)
from closedloop.services.describing import say_rewritten
from closedloop.services.triage import (
    accept_candidate,
    confirm_merge,
    dismiss_candidate,
    park_theme,
    undo_decision,
)
from closedloop.web.asked import refused_fields, row_id, typed_count
from closedloop.web.contacts_bp import redacted
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes import RULES

bp = Blueprint("triage", __name__, url_prefix="/triage")

Choice = TypeVar("Choice", bound=StrEnum)
Page = str | tuple[str, int] | Response
SHOWN_IN_QUEUE = 6
PAGE_ROWS = 50

_FIELD_NAMES = {"into_id": "into"}
PARK_DAYS = 28
"""Suggested time to park, in days."""


@bp.get("/", strict_slashes=False)
@requires("triage.view")
def index() -> str:
    """Show the first candidate, or what to do when none waits."""
    queue = list_candidates(db.session, k=current_settings().privacy_k)
    if queue:
        return _decide_page(queue[0].key, queue)
    has_themes = bool(count_themes(db.session).by_status)
    return render_template(
        "triage/empty.html", parked=list_parked(db.session), has_themes=has_themes
    )


@bp.get("/<key>")
@requires("triage.view")
def show(key: str) -> Page:
    """Show one candidate; whoever comes too late is sent to the theme it became."""
    queue = list_candidates(db.session, k=current_settings().privacy_k)
    if key not in {candidate.key for candidate in queue}:
        find_theme(db.session, key)
        return see_other(url_for("themes.show", key=key))
    return _decide_page(key, queue)


@bp.post("/<key>/accept")
@requires("triage.decide")
def accept(key: str) -> Page:
    """Accept a candidate as a theme with a name, a scenario and a department."""
    queue = list_candidates(db.session, k=current_settings().privacy_k)
    following = _following(key, queue)
    try:
        answers = _read_answers()
        with db.transaction() as session:
            theme = find_theme(session, key)
            decision = accept_candidate(
                session, theme_id=theme.id, seen=_seen(), by=current_actor(), **answers
            )
            owner = get_department(session, answers["department_id"]).name
            decision_id = decision.id
    except ChangedMeanwhile as refusal:
        theme = find_theme(db.session, key)
        errors = {field: say_rewritten(getattr(theme, field)) for field in refusal.fields}
        return _decide_page(key, queue, typed=request.form.to_dict(), errors=errors), 409
    except Invalid as refusal:
        if key not in {candidate.key for candidate in queue}:
            raise
        errors = refusal.fields or {"name": refusal.sentence}
        return _decide_page(key, queue, typed=request.form.to_dict(), errors=errors), 422
    _say(f"{key} accepted, owned by {owner}.", decision_id)
    return see_other(following)


@bp.get("/<key>/merge")
@requires("triage.decide")
def merge(key: str) -> str:
    """Choose what to merge into, and see what that would do."""
    return _merge_page(key, request.args.get("into", ""))


@bp.post("/<key>/merge")
@requires("triage.decide")
def merge_submit(key: str) -> Page:
    """Merge a theme into another."""
    into_key = request.form.get("into", "")
    following = _after_decision(key)
    try:
        with db.transaction() as session:
            theme_id, into_id = _pair(session, key, into_key)
            decision = confirm_merge(
                session,
                settings=current_settings(),
                theme_id=theme_id,
                into_id=into_id,
                reason=request.form.get("reason", ""),
                typed_count=typed_count(),
                by=current_actor(),
            )
            decision_id = decision.id
    except Invalid as refusal:
        fields, status = refused_fields(refusal, "into")
        errors = {_FIELD_NAMES.get(name, name): text for name, text in fields.items()}
        return _merge_page(key, into_key, errors=errors), status
    except (Conflict, InvalidTransition) as refusal:
        return _merge_page(key, into_key, errors={"into": refusal.sentence}), 409
    _say(f"{key} merged into {into_key}.", decision_id)
    return see_other(following)


@bp.get("/<key>/park")
@requires("triage.decide")
def park(key: str) -> str:
    """Ask until when and why."""
    return _aside_page("triage/park.html", key)


@bp.post("/<key>/park")
@requires("triage.decide")
def park_submit(key: str) -> Page:
    """Set a theme aside until a day."""
    return _set_aside(
        key,
        "triage/park.html",
        lambda session, theme_id: park_theme(
            session,
            theme_id=theme_id,
            until=_read_day("until"),
            reason=request.form.get("reason", ""),
            today=today(current_settings().reporting_zone),
            by=current_actor(),
        ),
        f"{key} parked.",
    )


@bp.get("/<key>/dismiss")
@requires("triage.decide")
def dismiss(key: str) -> str:
    """Ask why."""
    return _aside_page("triage/dismiss.html", key)


@bp.post("/<key>/dismiss")
@requires("triage.decide")
def dismiss_submit(key: str) -> Page:
    """Dismiss a candidate."""
    return _set_aside(
        key,
        "triage/dismiss.html",
        lambda session, theme_id: dismiss_candidate(
            session,
            theme_id=theme_id,
            reason=request.form.get("reason", ""),
            by=current_actor(),
        ),
        f"{key} dismissed.",
    )


@bp.post("/decisions/<int:decision_id>/undo")
@requires("triage.decide")
def undo(decision_id: int) -> Response:
    """Take a decision back."""
    with db.transaction() as session:
        decision = undo_decision(
            session, settings=current_settings(), decision_id=decision_id, by=current_actor()
        )
        key = decision.theme.key
    flash(f"Taken back: {key} is as it was.", "done")
    return see_other(url_for("triage.show", key=key))


def _set_aside(key: str, template: str, change: Callable[[Any, int], Any], done: str) -> Page:
    following = _after_decision(key)
    try:
        with db.transaction() as session:
            decision_id = change(session, find_theme(session, key).id).id
    except Invalid as refusal:
        errors = refusal.fields or {"reason": refusal.sentence}
        return _aside_page(template, key, errors=errors), 422
    _say(done, decision_id)
    return see_other(following)


def _say(text: str, decision_id: int) -> None:
    flash_done(text, url_for("triage.undo", decision_id=decision_id))


def _following(key: str, queue: list[QueuedCandidate]) -> str:
    """Return the address of the candidate after `key`; of the one before it at the end."""
    keys = [candidate.key for candidate in queue]
    if key not in keys:
        return url_for("themes.show", key=key)
    place = keys.index(key)
    left = keys[place + 1 :] or keys[:place][-1:]
    return url_for("triage.show", key=left[0]) if left else url_for("triage.index")


def _after_decision(key: str) -> str:
    return _following(key, list_candidates(db.session, k=current_settings().privacy_k))


def _decide_page(
    key: str,
    queue: list[QueuedCandidate],
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> str:
    settings = current_settings()
    place = next(i for i, candidate in enumerate(queue) if candidate.key == key)
    start = max(0, min(place - 1, len(queue) - SHOWN_IN_QUEUE))
    candidate = get_candidate(db.session, key, k=settings.privacy_k)
    before = {"name": candidate.theme.name, "scenario": candidate.theme.scenario}
    return render_template(
        "triage/show.html",
        candidate=candidate,
        theme=candidate.theme,
        queue=queue[start : start + SHOWN_IN_QUEUE],
        place=place + 1,
        waiting=len(queue),
        oldest=max(c.days_waiting for c in queue),
        previous=queue[place - 1].key if place else None,
        following=queue[place + 1].key if place + 1 < len(queue) else None,
        departments=list_departments(db.session),
        owners=list_users(db.session, active_only=True),
        strategies=tuple(Strategy),
        parked=list_parked(db.session),
        typed=typed or before,
        before=before,
        errors=errors or {},
        k=settings.privacy_k,
        rules=RULES,
        priority_rule=PRIORITY_RULE,
    )


def _merge_page(key: str, into_key: str, errors: dict[str, str] | None = None) -> str:
    settings = current_settings()
    candidate = get_candidate(db.session, key, k=settings.privacy_k)
    targets = list_merge_targets(db.session, candidate.theme)
    preview = None
    if into_key:
        try:
            preview = _preview(db.session, key, into_key)
        except Invalid as refusal:
            errors = {**refusal.fields, **(errors or {})}
    return render_template(
        "triage/merge.html",
        theme=candidate.theme,
        near=[other for other in candidate.near if other.key in dict(targets)],
        targets=targets,
        into_key=into_key,
        preview=preview,
        asks_count=preview is not None and must_type_count(preview.moves),
        **_moving(candidate.theme, preview),
        back_url=_back_url(key),
        typed=request.form,
        errors=errors or {},
        k=settings.privacy_k,
    )


def _moving(theme: Any, preview: MergePreview | None) -> dict[str, Any]:
    """Return a page of the contacts that a merge would move."""
    after = request.args.get("after", type=row_id)
    ids: list[int] = []
    if preview is not None:
        ids = list_merging(db.session, theme.id, after=after, limit=PAGE_ROWS + 1)
    shown = ids[:PAGE_ROWS]
    into = preview.into.key if preview else None
    here = partial(url_for, "triage.merge", key=theme.key, into=into)
    return {
        "contacts": list_picked(db.session, shown),
        "more_url": here(after=shown[-1]) if len(ids) > PAGE_ROWS else "",
        "first_url": here() if after is not None else "",
        "redacted": redacted,
    }


def _aside_page(template: str, key: str, errors: dict[str, str] | None = None) -> str:
    now = today(current_settings().reporting_zone)
    return render_template(
        template,
        theme=find_theme(db.session, key),
        today=now,
        suggested=(now + timedelta(days=PARK_DAYS)).isoformat(),
        back_url=_back_url(key),
        typed=request.form,
        errors=errors or {},
    )


def _back_url(key: str) -> str:
    return url_for("triage.show", key=key)


def _pair(session: Any, key: str, into_key: str) -> tuple[int, int]:
    """Return the theme that goes and the one that stays."""
    if not into_key:
        sentence = "Choose the theme to merge into."
        raise Invalid(sentence, {"into": sentence})
    return find_theme(session, key).id, find_theme(session, into_key).id


def _preview(session: Any, key: str, into_key: str) -> MergePreview:
    theme_id, into_id = _pair(session, key, into_key)
    return preview_merge(session, theme_id, into_id, k=current_settings().privacy_k)


def _read_day(name: str) -> date:
    try:
        return date.fromisoformat(request.form.get(name, "").strip())
    except ValueError:
        sentence = "Choose the day on which it comes back to triage."
        raise Invalid(sentence, {name: sentence}) from None


def _choice(kind: type[Choice], name: str, sentence: str, errors: dict[str, str]) -> Choice | None:
    value = request.form.get(name, "")
    if value in set(kind):
        return kind(value)
    errors[name] = sentence
    return None


def _seen() -> dict[str, str]:
    """Return the name and the scenario that the form was opened with, where it says so."""
    asked = {field: request.form.get(f"seen_{field}") for field in ("name", "scenario")}
    return {field: text for field, text in asked.items() if text is not None}


def _read_answers() -> dict[str, Any]:
    """Read the decision from the form.

    Raises
    ------
    Invalid
        Naming every answer that is missing.
    """
    errors: dict[str, str] = {}
    name = " ".join(request.form.get("name", "").split())
    if not name:
        errors["name"] = "Give the theme a name that people will say."
    scenario = request.form.get("scenario", "")
    try:
        check_scenario(scenario)
    except Invalid as refusal:
        errors.update(refusal.fields)
    demand_type = _choice(DemandType, "demand_type", "Say what kind of demand it is.", errors)
    quadrant = _choice(Quadrant, "quadrant", "Say who values this contact.", errors)
    department_id = request.form.get("department_id", type=row_id)
    if department_id is None:
        errors["department_id"] = "Choose the department that can act at the source."
    strategy = _choice(Strategy, "strategy", "Choose the first lever.", errors)
    if errors or quadrant is None:
        raise Invalid("Some answers are missing.", errors)
    customer_values, company_values = VALUED_BY[quadrant]
    return {
        "name": name,
        "scenario": scenario,
        "demand_type": demand_type,
        "customer_values": customer_values,
        "company_values": company_values,
        "department_id": department_id,
        "strategy": strategy,
        "owner_id": request.form.get("owner_id", type=row_id),
    }
