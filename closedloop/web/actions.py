"""Pages: actions."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("actions", __name__, url_prefix="/actions" or None)


@bp.get("/")
@requires("actions.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
