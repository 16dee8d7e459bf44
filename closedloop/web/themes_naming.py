"""Accepting the name that a machine suggests for a theme, or dismissing what it wrote."""

from __future__ import annotations

from flask import flash, request, url_for
from werkzeug import Response

from closedloop.extensions import db
from closedloop.queries.theme_page import find_theme
from closedloop.services.naming import (
    accept_suggestion,
    bring_back_suggestion,
    dismiss_suggestion,
)
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp


@bp.post("/<key>/suggestion/accept")
@requires("themes.curate")
def accept_name(key: str) -> Response:
    """Give the theme the name suggested."""
    with db.transaction() as session:
        change = accept_suggestion(
            session,
            theme_id=find_theme(session, key).id,
            name=request.form.get("name", ""),
            by=current_actor(),
        )
        undo_url = url_for("themes.undo", change_id=change.id)
    flash_done("Name accepted.", undo_url)
    return see_other(url_for("themes.show", key=key))


@bp.post("/<key>/suggestion/dismiss")
@requires("themes.curate")
def dismiss_name(key: str) -> Response:
    """Put away what the machine wrote."""
    with db.transaction() as session:
        dismiss_suggestion(session, theme_id=find_theme(session, key).id, by=current_actor())
    flash_done("Suggestion dismissed.", url_for("themes.bring_back_name", key=key))
    return see_other(url_for("themes.show", key=key))


@bp.post("/<key>/suggestion/bring-back")
@requires("themes.curate")
def bring_back_name(key: str) -> Response:
    """Show again what the machine wrote."""
    with db.transaction() as session:
        bring_back_suggestion(session, theme_id=find_theme(session, key).id, by=current_actor())
    flash("The suggestion is back.", "done")
    return see_other(url_for("themes.show", key=key))
