"""Pages: jobs."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("jobs", __name__, url_prefix="/jobs" or None)


@bp.get("/")
@requires("jobs.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
