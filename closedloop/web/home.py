"""Pages: home."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("home", __name__, url_prefix="" or None)


@bp.get("/")
@requires("home.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
