"""Pages: the board and the list of actions, and moving one through its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from flask import flash, render_template, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug import Response

from closedloop.domain.actions import (
    ACTION_MOVES,
    MOST_ROLLOUT_DAYS,
    OPEN_ACTIONS,
    ActionStatus,
    check_can_change,
    check_may_work_on,
    go_live_doubts,
    go_live_problem,
    may_work_on,
)
from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid
from closedloop.domain.impact import counted_from, looks
from closedloop.domain.impact_overlap import LEAST_BASELINE_DAYS
from closedloop.domain.impact_stages import (
    Stage,
    read_stages,
    stages_in_words,
    stages_last,
    stages_problem,
)
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import (
    ActionPage,
    find_action,
    get_action_page,
    list_themes_to_act_on,
)
from closedloop.queries.actions import (
    ActionFilter,
    count_actions,
    get_board,
    list_actions,
)
from closedloop.queries.series import find_first_contact_day
from closedloop.services.action_edits import edit_action, last_edit
from closedloop.services.action_scope import state_scope
from closedloop.services.actions import (
    agree_action,
    cancel_action,
    hand_back_action,
    propose_action,
    reopen_action,
    ship_action,
    start_action,
)
from closedloop.web import actions_cost, actions_power, actions_taking_back
from closedloop.web.actions_asked import (
    action_cells,
    filter_choices,
    linker,
    more_url,
    read_filter,
    this_day,
)
from closedloop.web.actions_bp import bp
from closedloop.web.actions_form import (
    form_choices,
    read_count,
    read_day,
    read_form,
    stored_values,
    typed,
    what_stands_now,
)
from closedloop.web.actions_scope import read_scope, scope_choices, scope_values, typed_scope
from closedloop.web.asked import read_day_cursor, row_id
from closedloop.web.csv_files import csv_response
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

__all__ = [
    "actions_cost",
    "actions_power",
    "actions_taking_back",
    "bp",
]  # its pages belong to the blueprint

Page = str | tuple[str, int] | Response
PAGE_ROWS = 50
EXPORT_ROWS = 5_000


@bp.get("/", strict_slashes=False)
@requires("actions.view")
def index() -> str:
    """Show the board, or the list with `view=list`."""
    asked = read_filter()
    day = this_day()
    everything = ActionFilter(department_id=asked.wanted.department_id)
    shared: dict[str, Any] = {
        "asked": asked,
        "today": day,
        "link": linker(asked),
        "counts": count_actions(db.session, everything, user_id=current_user.id, today=day),
        "choices": filter_choices(),
    }
    if not asked.is_list:
        return render_template(
            "actions/index.html", board=get_board(db.session, asked.wanted), **shared
        )
    after = read_day_cursor(request.args.get("after", ""))
    rows = list_actions(db.session, asked.wanted, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    return render_template(
        "actions/list.html",
        rows=shown,
        more_url=more_url(asked, shown[-1]) if len(rows) > PAGE_ROWS else "",
        first_url=url_for("actions.index", **asked.values) if after else "",
        **shared,
    )


@bp.get("/actions.csv")
@requires("actions.view")
def export() -> Response:
    """Send the list as CSV."""
    asked = read_filter()
    rows = list_actions(db.session, asked.wanted, limit=EXPORT_ROWS)
    headings = (
        *("Action", "Title", "Status", "Theme", "Theme name", "Strategy", "Department", "Owner"),
        *("Due", "Overdue", "Expected drop, share", "Live since", "Verdict"),
        *("Avoided, low (95 %)", "Avoided, high (95 %)", "Handed back because"),
    )
    return csv_response("actions.csv", headings, [action_cells(row) for row in rows])


@bp.get("/new")
@requires("actions.create")
def new() -> str:
    """Show an empty form; `theme=T-014` chooses the theme."""
    themes = {theme.key: theme for theme in list_themes_to_act_on(db.session)}
    theme = themes.get(request.args.get("theme", ""))
    values = {
        "theme_id": theme.id if theme else "",
        "department_id": theme.department_id if theme else "",
        "strategy": theme.strategy.value if theme and theme.strategy else "",
        "smallest_drop": "10",
    }
    return _form_page("actions/new.html", values, {}, has_themes=bool(themes))


@bp.post("/new")
@requires("actions.create")
def create() -> Page:
    """Propose an action."""
    try:
        read = read_form(request.form, with_theme=True)
        if read.problems:
            raise Invalid("The action was not saved.", read.problems)
        with db.transaction() as session:
            action = propose_action(
                session, by=current_actor(), settings=current_settings(), **read.arguments
            )
            _state_scope(session, action.id)
            key = action.key
    except Invalid as refusal:
        errors = _errors(refusal, "title")
        return _form_page("actions/new.html", _typed(), errors, has_themes=True), 422
    flash(f"{key} was proposed. Agree to it when its owner has said yes.", "done")
    return see_other(url_for("actions.show", key=key))


@bp.get("/<key>")
@requires("actions.view")
def show(key: str) -> str:
    """Show one action."""
    return _action_page(key)


@bp.get("/<key>/edit")
@requires("actions.work")
def edit(key: str) -> str:
    """Show the form of an open action."""
    action = find_action(db.session, key)
    check_may_work_on(current_user, action)
    check_can_change(key, action.status)
    return _form_page("actions/edit.html", _stored(action), {}, action=action)


@bp.post("/<key>/edit")
@requires("actions.work")
def update(key: str) -> Page:
    """Change an open action."""
    action = find_action(db.session, key)
    check_may_work_on(current_user, action)
    try:
        read = read_form(request.form, with_theme=False)
        if read.problems:
            raise Invalid("The action was not saved.", read.problems)
        with db.transaction() as session:
            edit_action(
                session,
                action_id=action.id,
                seen=request.form.get("seen", type=row_id),
                terms=read.arguments,
                scope=read_scope(request.form),
                by=current_actor(),
                settings=current_settings(),
            )
    except ChangedMeanwhile as refusal:
        return _overtaken_page(key, refusal), 409
    except Invalid as refusal:
        errors = _errors(refusal, "title")
        return _form_page("actions/edit.html", _typed(), errors, action=action), 422
    flash(f"{key} was changed.", "done")
    return see_other(url_for("actions.show", key=key))


@bp.post("/<key>/agree")
@requires("actions.work")
def agree(key: str) -> Page:
    """Agree to a proposal."""
    try:
        _move(key, agree_action)
    except Invalid as refusal:
        return _action_page(key, errors=_errors(refusal, "owner_id")), 422
    flash(f"{key} is agreed.", "done")
    return see_other(url_for("actions.show", key=key))


@bp.post("/<key>/start")
@requires("actions.work")
def start(key: str) -> Page:
    """Say that work has begun."""
    _move(key, start_action)
    flash_done(f"{key} is in progress.", url_for("actions.agree", key=key))
    return see_other(url_for("actions.show", key=key))


@bp.post("/<key>/reopen")
@requires("actions.work")
def reopen(key: str) -> Page:
    """Propose a cancelled action, or one that was handed back, again."""
    _move(key, reopen_action)
    flash(f"{key} is proposed again.", "done")
    return see_other(url_for("actions.show", key=key))


@bp.post("/<key>/hand-back")
@requires("actions.work")
def hand_back(key: str) -> Page:
    """Hand an action back to the working group, with a reason."""
    return _with_reason(key, hand_back_action, "hand_back_reason", f"{key} was handed back.")


@bp.post("/<key>/cancel")
@requires("actions.work")
def cancel(key: str) -> Page:
    """Give an action up, with a reason."""
    return _with_reason(key, cancel_action, "cancel_reason", f"{key} was cancelled.")


@bp.get("/<key>/ship")
@requires("actions.work")
def ship(key: str) -> str:
    """Ask when the change went live, and show what shipping will freeze and measure."""
    return _ship_page(key, request.args.to_dict(), asked="went_live_on" in request.args)


@bp.post("/<key>/ship")
@requires("actions.work")
def ship_submit(key: str) -> Page:
    """Ship: freeze the plan and date the change."""
    action = find_action(db.session, key)
    try:
        went_live_on, rollout_days, stages = _read_go_live(request.form.to_dict())
        with db.transaction() as session:
            ship_action(
                session,
                action_id=action.id,
                went_live_on=went_live_on,
                rollout_days=rollout_days,
                stages=stages,
                by=current_actor(),
                settings=current_settings(),
            )
    except Invalid as refusal:
        typed_values = request.form.to_dict()
        return _ship_page(key, typed_values, errors=_errors(refusal, "went_live_on")), 422
    flash(f"{key} is shipped. Its plan is frozen and it is measured from now on.", "done")
    return see_other(url_for("impact.show", key=key))


def _action_page(key: str, *, errors: dict[str, str] | None = None, not_done: str = "") -> str:
    page = get_action_page(db.session, key, k=current_settings().privacy_k)
    action = page.action
    return render_template(
        "actions/show.html",
        page=page,
        action=action,
        errors=errors or {},
        not_done=not_done,
        typed=request.form,
        today=this_day(),
        moves=_moves(page) if may_work_on(current_user, action) else frozenset(),
        may_work=may_work_on(current_user, action),
        is_open=action.status in OPEN_ACTIONS,
    )


def _moves(page: ActionPage) -> frozenset[ActionStatus]:
    return ACTION_MOVES[page.action.status]


def _ship_page(
    key: str, values: dict[str, str], *, asked: bool = False, errors: dict[str, str] | None = None
) -> str:
    action = find_action(db.session, key)
    check_may_work_on(current_user, action)
    problems = dict(errors or {})
    preview: dict[str, Any] | None = None
    if asked:
        try:
            went_live_on, rollout_days, stages = _read_go_live(values)
            problems |= _go_live_problems(action, went_live_on, rollout_days, stages)
        except Invalid as refusal:
            problems = refusal.fields
        else:
            if not problems:
                preview = _preview(went_live_on, rollout_days, stages)
                preview["doubts"] = _doubts(action, went_live_on, preview["looks"])
    return render_template(
        "actions/ship.html",
        action=action,
        values=values,
        errors=problems,
        preview=preview,
        today=this_day(),
        can_ship=ActionStatus.SHIPPED in ACTION_MOVES[action.status],
    )


def _read_go_live(values: dict[str, str]) -> tuple[date, int, list[Stage]]:
    problems: dict[str, str] = {}
    what = "Write the first day on which customers met the change, as 2026-03-31."
    went_live_on = read_day(values, "went_live_on", what, problems)
    rollout_days = read_count(values, "rollout_days", "the days of the roll-out", problems)
    if went_live_on is None and "went_live_on" not in problems:
        problems["went_live_on"] = "Say on which day customers first met the change."
    stages, unread = read_stages(values.get("stages", ""))
    if unread:
        problems["stages"] = unread
    if problems or went_live_on is None:
        raise Invalid("The action was not shipped.", problems)
    return went_live_on, rollout_days, stages


def _go_live_problems(
    action: Any, went_live_on: date, rollout_days: int, stages: list[Stage]
) -> dict[str, str]:
    problem = go_live_problem(
        went_live_on,
        theme_key=action.theme.key,
        first_contact_on=find_first_contact_day(db.session, action.theme_id),
        today=this_day(),
    )
    problems = {"went_live_on": problem} if problem else {}
    if rollout_days > MOST_ROLLOUT_DAYS:
        problems["rollout_days"] = f"The roll-out takes 0 to {MOST_ROLLOUT_DAYS} days."
    if stages and (problem := stages_problem(stages, went_live_on)):
        problems["stages"] = problem
    return problems


def _doubts(action: Any, went_live_on: date, days_of_looks: Sequence[date]) -> list[str]:
    touched = [action.theme_id, *(one.theme_id for one in action.also)]
    return go_live_doubts(
        went_live_on,
        theme_key=action.theme.key,
        first_contact_on=find_first_contact_day(db.session, touched),
        due_on=action.due_on,
        needed=LEAST_BASELINE_DAYS,
        looks_over=sum(day < this_day() for day in days_of_looks),
    )


def _preview(went_live_on: date, rollout_days: int, stages: list[Stage]) -> dict[str, Any]:
    until_all = stages_last(stages) if stages else rollout_days
    return {
        "went_live_on": went_live_on,
        "rollout_days": rollout_days,
        "rolled_out_by": went_live_on + timedelta(days=rollout_days - 1) if rollout_days else None,
        "counted_from": went_live_on if stages else counted_from(went_live_on, rollout_days),
        "looks": looks(went_live_on, until_all),
        "stages": stages_in_words(stages),
    }


def _form_page(template: str, values: dict[str, Any], errors: dict[str, str], **more: Any) -> str:
    action = more.get("action")
    choices = form_choices(
        db.session,
        values,
        with_theme=template == "actions/new.html",
        owner=action.owner if action else None,
    )
    choices |= scope_choices(db.session, own_theme_id=action.theme_id if action else None)
    return render_template(template, errors=errors, choices=choices, values=values, **more)


def _stored(action: Any) -> dict[str, Any]:
    seen = {"seen": last_edit(db.session, action.id)}
    return {**stored_values(action), **scope_values(db.session, action.id), **seen}


def _typed() -> dict[str, Any]:
    seen = {"seen": request.form.get("seen", "")}
    return {**typed(request.form), **typed_scope(request.form), **seen}


def _overtaken_page(key: str, refusal: ChangedMeanwhile) -> str:
    """Show what was typed beside what somebody else saved; the next save is a decision."""
    action = find_action(db.session, key)
    stored = _stored(action)
    values = _typed() | {"seen": stored["seen"]}
    choices = form_choices(db.session, values, with_theme=False, owner=action.owner)
    choices |= scope_choices(db.session)
    errors = what_stands_now(stored, values, choices, refusal.fields)
    overtaken = refusal.sentence
    return _form_page("actions/edit.html", values, errors, action=action, overtaken=overtaken)


def _state_scope(session: Session, action_id: int) -> None:
    """Put down what the form says that the action touches, where it asked."""
    if (scope := read_scope(request.form)) is not None:
        state_scope(session, action_id=action_id, by=current_actor(), **scope)


def _move(key: str, verb: Callable[..., Any]) -> None:
    action = find_action(db.session, key)
    with db.transaction() as session:
        verb(session, action_id=action.id, by=current_actor())


def _with_reason(key: str, verb: Callable[..., Any], field: str, done: str) -> Page:
    action = find_action(db.session, key)
    reason = request.form.get("reason", "")
    try:
        with db.transaction() as session:
            verb(session, action_id=action.id, reason=reason, by=current_actor())
    except Conflict as refusal:
        return _action_page(key, not_done=refusal.sentence), 409
    except Invalid as refusal:
        return _action_page(key, errors={field: refusal.sentence}), 422
    flash_done(done, url_for("actions.reopen", key=key), "Propose it again")
    return see_other(url_for("actions.show", key=key))


def _errors(refusal: Invalid, field: str) -> dict[str, str]:
    return refusal.fields or {field: refusal.sentence}
