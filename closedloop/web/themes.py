"""Pages: themes."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("themes", __name__, url_prefix="/themes" or None)


@bp.get("/")
@requires("themes.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
