"""Pages: triage."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("triage", __name__, url_prefix="/triage" or None)


@bp.get("/")
@requires("triage.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
