"""Page: take what emerges as a candidate, after seeing every contact that would join it."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from closedloop.domain.errors import Conflict, Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.leftovers import EmergingRow, get_emerging
from closedloop.services.emerging_taking import preview_taking, queue_taking
from closedloop.web.asked import refused_fields, typed_count
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp
from closedloop.web.themes_curation import preview_values

Page = str | Response | tuple[str, int]


@bp.get("/emerging/<int:emerging_id>/take")
@requires("triage.decide")
def take_emerging(emerging_id: int) -> Page:
    """Show which contacts would join."""
    return _page(emerging_id, request.args, {})


@bp.post("/emerging/<int:emerging_id>/take")
@requires("triage.decide")
def take_emerging_submit(emerging_id: int) -> Page:
    """Queue the making of a candidate out of an emerging theme and show its progress."""
    try:
        with db.transaction() as session:
            job_id = queue_taking(
                session,
                settings=current_settings(),
                emerging_id=emerging_id,
                typed_count=typed_count(),
                by=current_actor(),
            ).id
    except Invalid as refusal:
        errors, status = refused_fields(refusal, "contacts")
        return _page(emerging_id, request.form, errors), status
    except Conflict as refusal:
        return _page(emerging_id, request.form, {"contacts": refusal.sentence}), 409
    return see_other(url_for("jobs.show", job_id=job_id))


def _page(emerging_id: int, asked: Any, errors: dict[str, str]) -> str:
    k = current_settings().privacy_k
    row: EmergingRow = get_emerging(db.session, emerging_id, k=k)
    preview = None
    try:
        preview = preview_taking(db.session, emerging_id=emerging_id, k=k)
    except Conflict as refusal:
        errors = {"contacts": refusal.sentence, **errors}
    back_url = url_for("themes.unassigned", _anchor="emerging")
    return render_template(
        "themes/take.html", row=row, **preview_values(preview, asked, errors, back_url)
    )
