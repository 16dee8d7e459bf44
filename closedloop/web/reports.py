"""Pages: reports."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("reports", __name__, url_prefix="/reports" or None)


@bp.get("/")
@requires("reports.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
