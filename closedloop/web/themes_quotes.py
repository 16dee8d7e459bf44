"""Rejecting a quote on a theme's page, and taking that back."""

from __future__ import annotations

from flask import flash, url_for
from werkzeug import Response

from closedloop.extensions import db
from closedloop.queries.theme_page import find_theme
from closedloop.services.quotes import reject_quote as reject
from closedloop.services.quotes import take_back_rejection
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp


@bp.post("/<key>/quotes/<int:contact_id>/reject")
@requires("themes.curate")
def reject_quote(key: str, contact_id: int) -> Response:
    """Take a quote out of the evidence; the next best takes its place."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        reject(session, theme_id=theme.id, contact_id=contact_id, by=current_actor())
    undo_url = url_for("themes.take_back_quote", key=key, contact_id=contact_id)
    text = "Quote rejected. The next best stands in its place, if there is one."
    flash_done(text, undo_url)
    return _evidence(key)


@bp.post("/<key>/quotes/<int:contact_id>/take-back")
@requires("themes.curate")
def take_back_quote(key: str, contact_id: int) -> Response:
    """Let a rejected quote count as evidence again."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        take_back_rejection(session, theme_id=theme.id, contact_id=contact_id, by=current_actor())
    flash("The quote counts as evidence again.", "done")
    return _evidence(key)


def _evidence(key: str) -> Response:
    return see_other(url_for("themes.show", key=key, _anchor="evidence"))
