"""Pages: impact."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("impact", __name__, url_prefix="/impact" or None)


@bp.get("/")
@requires("impact.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
