"""Pages: admin."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("admin", __name__, url_prefix="/admin" or None)


@bp.get("/")
@requires("admin.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
