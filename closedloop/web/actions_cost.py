"""Page: what a fix costs."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from flask_login import current_user
from werkzeug import Response

from closedloop.domain.actions import check_may_work_on
from closedloop.domain.errors import ChangedMeanwhile, Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.services.action_edits import edit_cost, last_edit
from closedloop.web.actions_bp import bp
from closedloop.web.actions_form import cost_field, read_cost, what_stands_now
from closedloop.web.asked import row_id
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

FIELDS = ("cost_low", "cost_high")


@bp.get("/<key>/cost")
@requires("actions.work")
def cost(key: str) -> str:
    """Ask what a fix costs."""
    action = find_action(db.session, key)
    check_may_work_on(current_user, action)
    return _page(key, _stored(action), {})


@bp.post("/<key>/cost")
@requires("actions.work")
def update_cost(key: str) -> str | tuple[str, int] | Response:
    """State what a fix costs, or take it back."""
    action = find_action(db.session, key)
    check_may_work_on(current_user, action)
    problems: dict[str, str] = {}
    low, high = (read_cost(request.form, name, problems) for name in FIELDS)
    try:
        if problems:
            raise Invalid("The cost was not saved.", problems)
        with db.transaction() as session:
            edit_cost(
                session,
                action_id=action.id,
                seen=request.form.get("seen", type=row_id),
                cost_low=low,
                cost_high=high,
                by=current_actor(),
            )
    except ChangedMeanwhile as refusal:
        return _overtaken_page(key, refusal), 409
    except Invalid as refusal:
        return _page(key, _typed(), refusal.fields), 422
    flash(f"It is noted what {key} costs.", "done")
    return see_other(url_for("actions.show", key=key))


def _stored(action: Any) -> dict[str, str]:
    costs = {name: cost_field(getattr(action, name)) for name in FIELDS}
    return {**costs, "seen": str(last_edit(db.session, action.id))}


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in (*FIELDS, "seen")}


def _overtaken_page(key: str, refusal: ChangedMeanwhile) -> str:
    """Show what was typed beside what somebody else stated; the next save is a decision."""
    stored = _stored(find_action(db.session, key))
    values = _typed() | {"seen": stored["seen"]}
    errors = what_stands_now(stored, values, {}, refusal.fields)
    return _page(key, values, errors, refusal.sentence)


def _page(key: str, values: dict[str, str], errors: dict[str, str], overtaken: str = "") -> str:
    return render_template(
        "actions/cost.html",
        action=find_action(db.session, key),
        values=values,
        errors=errors,
        overtaken=overtaken,
        currency=current_settings().currency,
    )
