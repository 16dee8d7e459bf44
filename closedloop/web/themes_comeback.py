"""Review an alarm of the comeback watch where its theme is worked on."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.comebacks import ComebackOutcome
from closedloop.domain.errors import Invalid
from closedloop.extensions import db
from closedloop.queries.comebacks import list_comeback_cases
from closedloop.queries.theme_page import find_theme
from closedloop.services.comeback_reviews import review_comeback
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp


@bp.get("/<key>/comebacks")
@requires("themes.view")
def comebacks(key: str) -> str:
    """Show every alarm of a theme with the evidence from before it."""
    return _page(key, {}, 0)


@bp.post("/<key>/comebacks/<int:comeback_id>/review")
@requires("impact.review")
def review(key: str, comeback_id: int) -> str | Response | tuple[str, int]:
    """Put down what was found behind an alarm."""
    try:
        with db.transaction() as session:
            review_comeback(
                session,
                comeback_id=comeback_id,
                outcome=request.form.get("outcome", ""),
                note=request.form.get("note", ""),
                by=current_actor(),
            )
    except Invalid as refusal:
        return _page(key, refusal.fields, comeback_id), 422
    flash("The review is put down beside the alarm.", "done")
    return see_other(url_for("themes.show", key=key))


def _page(key: str, errors: dict[str, str], comeback_id: int) -> str:
    theme = find_theme(db.session, key)
    return render_template(
        "themes/comebacks.html",
        theme=theme,
        cases=list_comeback_cases(db.session, theme.id),
        errors=errors,
        wrong_id=comeback_id,
        typed=request.form,
        **review_choices(),
    )


def review_choices() -> dict[str, Any]:
    """Return what the form of a review offers."""
    return {"outcomes": list(ComebackOutcome)}
