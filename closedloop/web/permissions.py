"""Which permission each page needs. A route without one does not start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import flask
from flask_login import current_user
from werkzeug import Response

from closedloop.domain.accounts import PERMISSIONS, Role, may
from closedloop.domain.errors import NotAllowed
from closedloop.web.htmx import see_other

View = TypeVar("View", bound=Callable[..., Any])
PUBLIC = "public"


def requires(permission: str) -> Callable[[View], View]:
    """Mark a view with the permission it needs; `PUBLIC` is open to everybody.

    Put it nearest to the function, below the route decorators.
    """
    if permission != PUBLIC and permission not in PERMISSIONS:
        raise KeyError(permission)

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def permission_of(app: flask.Flask, endpoint: str) -> str | None:
    """Return the permission of an endpoint, None when nobody thought of one."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return PUBLIC
    permission: str | None = getattr(app.view_functions[endpoint], "permission", None)
    return permission


def user_may(permission: str) -> bool:
    """Return whether the signed-in user has a permission."""
    return bool(current_user.is_authenticated) and may(Role(current_user.role), permission)


def guard_pages(app: flask.Flask) -> None:
    """Check the permission of every page before it runs."""

    @app.before_request
    def check() -> Response | None:
        endpoint = flask.request.endpoint
        if endpoint is None or flask.request.path.startswith("/api/"):
            return None  # 404 and 405 speak for themselves; the API has tokens and scopes
        permission = permission_of(app, endpoint)
        if permission == PUBLIC:
            return None
        if not current_user.is_authenticated:
            return _to_sign_in()
        if permission is None or not user_may(permission):
            raise NotAllowed(
                "Your role does not include this. Ask an administrator if your work needs it."
            )
        return None


def _to_sign_in() -> Response:
    """Ask who it is, and lead back to the page: that of the form, where one was sent."""
    if flask.request.method in {"GET", "HEAD"}:
        target = flask.request.full_path.rstrip("?")
    else:
        target = _page_of_the_form()
        if flask.request.endpoint != "accounts.sign_out":
            flask.flash("You were signed out; what you typed was not saved.", "warn")
    return see_other(flask.url_for("accounts.sign_in", next=target or None))


def _page_of_the_form() -> str:
    """Return the path of this site from which a form was sent; empty when that shows no page."""
    came_from = urlsplit(flask.request.referrer or "")
    if f"{came_from.scheme}://{came_from.netloc}/" != flask.request.host_url:
        return ""
    adapter = flask.current_app.create_url_adapter(flask.request)
    if adapter is None or not adapter.test(came_from.path, method="GET"):
        return ""
    return f"{came_from.path}?{came_from.query}".rstrip("?")


def refuse_unmarked_routes(app: flask.Flask) -> None:
    """Stop the start when a page has no permission."""
    unmarked = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith("/api/") and permission_of(app, rule.endpoint) is None
    ]
    if unmarked:
        raise RuntimeError(f"Routes without a permission: {', '.join(sorted(set(unmarked)))}")
