"""Pages: how well the method does on this site, and what measurements start from."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, url_for
from werkzeug import Response

from closedloop.domain.errors import Conflict, NotMeasurable
from closedloop.domain.placebos import PlaceboFigures, alarm, reservation, told
from closedloop.extensions import current_settings, db
from closedloop.queries.impact_site import find_newest_check, find_prior, list_checks
from closedloop.queries.site import get_data_span
from closedloop.services.impact_priors import (
    HISTORY_DAYS,
    LEAST_THEMES,
    count_themes_to_learn_from,
    queue_learning,
    return_to_delivered,
)
from closedloop.services.placebo_checks import queue_placebos
from closedloop.web.htmx import see_other
from closedloop.web.impact_bp import bp
from closedloop.web.permissions import requires, user_may
from closedloop.web.session import current_actor

RULES = {
    "false": "Dates on which any of the four looks said “fell” or “rose” although nothing had "
    "been changed.",
    "rate": "With the 95 % interval by Wilson. The method promises 5 % for all four looks "
    "together.",
    "sd": "1 when the ranges are as wide as they say; above 1.15 they are too narrow.",
    "held": "Share of 95 % ranges that held what came.",
}


@bp.context_processor
def words() -> dict[str, Any]:
    """Give the pages of impact the newest placebo check, read only where it is shown."""
    return {
        "newest_check": lambda: find_newest_check(db.session),
        "placebos_told": told,
        "placebos_alarm": alarm,
        "placebos_reservation": reservation,
    }


@bp.get("/settings")
@requires("impact.view")
def settings() -> str:
    """Show the placebo checks and the prior in force."""
    checks: list[PlaceboFigures] = list_checks(db.session)
    cut = get_data_span(db.session).cut(current_settings().reporting_zone)
    return render_template(
        "impact/settings.html",
        checks=checks,
        prior=find_prior(db.session),
        themes=count_themes_to_learn_from(db.session, as_of=cut),
        least_themes=LEAST_THEMES,
        history_days=HISTORY_DAYS,
        may_choose=user_may("impact.measure"),
        rules=RULES,
    )


@bp.post("/settings/placebos")
@requires("impact.measure")
def check_now() -> Response:
    """Queue a placebo check."""
    with db.transaction() as session:
        job_id = queue_placebos(session, by=current_actor()).id
    return see_other(url_for("jobs.show", job_id=job_id))


@bp.post("/settings/prior/learn")
@requires("impact.measure")
def learn() -> Response:
    """Queue the learning of the site's own prior."""
    try:
        with db.transaction() as session:
            job_id = queue_learning(session, settings=current_settings(), by=current_actor()).id
    except NotMeasurable as refusal:
        flash(refusal.sentence, "warn")
        return see_other(url_for("impact.settings"))
    return see_other(url_for("jobs.show", job_id=job_id))


@bp.post("/settings/prior/delivered")
@requires("impact.measure")
def deliver() -> Response:
    """Go back to the delivered prior."""
    try:
        with db.transaction() as session:
            return_to_delivered(session, settings=current_settings(), by=current_actor())
    except Conflict as refusal:
        flash(refusal.sentence, "warn")
    else:
        flash("The delivered prior is in force; measurements made before stay as they are.", "done")
    return see_other(url_for("impact.settings"))
