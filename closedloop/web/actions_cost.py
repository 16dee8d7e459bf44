"""Page: what a fix costs."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from flask_login import current_user
from werkzeug import Response

from closedloop.domain.actions import check_may_work_on
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.services.actions import state_cost
from closedloop.web.action_form import cost_field, read_cost
from closedloop.web.actions_bp import bp
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
    return _page(key, {name: cost_field(getattr(action, name)) for name in FIELDS}, {})


@bp.post("/<key>/cost")
@requires("actions.work")
def update_cost(key: str) -> str | tuple[str, int] | Response:
    """State what a fix costs, or take it back."""
    action = find_action(db.session, key)
    problems: dict[str, str] = {}
    low, high = (read_cost(request.form, name, problems) for name in FIELDS)
    try:
        if problems:
            raise Invalid("The cost was not saved.", problems)
        with db.transaction() as session:
            state_cost(
                session, action_id=action.id, cost_low=low, cost_high=high, by=current_actor()
            )
    except Invalid as refusal:
        typed = {name: request.form.get(name, "") for name in FIELDS}
        return _page(key, typed, refusal.fields), 422
    flash(f"It is noted what {key} costs.", "done")
    return see_other(url_for("actions.show", key=key))


def _page(key: str, values: dict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "actions/cost.html",
        action=find_action(db.session, key),
        values=values,
        errors=errors,
        currency=current_settings().currency,
    )
