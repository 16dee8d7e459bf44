"""Pages: contacts."""

from __future__ import annotations

from flask import Blueprint, render_template

from closedloop.web.permissions import requires

bp = Blueprint("contacts", __name__, url_prefix="/contacts" or None)


@bp.get("/")
@requires("contacts.view")
def index() -> str:
    """Show the page."""
    return render_template("base.html")
