"""Pages: take a go-live back, with what follows shown before it is done."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.errors import Invalid
from closedloop.extensions import db
from closedloop.queries.action_page import find_action
from closedloop.services.taking_back import preview_taking_back, take_back_go_live
from closedloop.web.actions_bp import bp
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor


@bp.get("/<key>/take-back")
@requires("actions.work")
def take_back(key: str) -> str:
    """Show what follows when the go-live is taken back, and ask why."""
    return _page(key)


@bp.post("/<key>/take-back")
@requires("actions.work")
def take_back_submit(key: str) -> str | tuple[str, int] | Response:
    """Take the go-live back."""
    action = find_action(db.session, key)
    reason = request.form.get("reason", "")
    try:
        with db.transaction() as session:
            take_back_go_live(session, action_id=action.id, reason=reason, by=current_actor())
    except Invalid as refusal:
        return _page(key, refusal.fields), 422
    flash(f"The go-live of {key} is taken back. Ship it again once it is live.", "done")
    return see_other(url_for("actions.show", key=key))


def _page(key: str, errors: dict[str, str] | None = None) -> str:
    action = find_action(db.session, key)
    preview = preview_taking_back(db.session, action_id=action.id, by=current_actor())
    return render_template(
        "actions/take_back.html", action=action, preview=preview, errors=errors or {}
    )
