"""Pages: accounts."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug import Response

from closedloop.web.htmx import see_other
from closedloop.web.permissions import PUBLIC, requires

bp = Blueprint("accounts", __name__)


@bp.get("/sign-in")
@requires(PUBLIC)
def sign_in() -> str:
    """Show the page."""
    return render_template("layouts/bare.html")


@bp.post("/sign-out")
@requires("accounts.self")
def sign_out() -> Response:
    """Sign out."""
    return see_other("/sign-in")


@bp.get("/profile")
@requires("accounts.self")
def profile() -> str:
    """Show the page."""
    return render_template("base.html")
