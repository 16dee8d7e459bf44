"""Who asks: a bearer token, its scopes, and the role of the user it acts for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import flask
from apiflask import APIBlueprint
from werkzeug.exceptions import LengthRequired

from closedloop.api.pace import Pace
from closedloop.domain.accounts import PERMISSIONS, may
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Invalid, NotAllowed, Refusal, TooLarge
from closedloop.extensions import db
from closedloop.queries.tokens import find_token
from closedloop.services.tokens import note_token_use

View = TypeVar("View", bound=Callable[..., Any])
MOST_JSON_BYTES = 1024 * 1024
"""Of a question in JSON; files come as forms and have a limit of their own."""

PACE = "closedloop_api_pace"
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
PUBLIC = "public"
READ, WRITE = "read", "write"
_NOTED_EVERY = timedelta(minutes=1)


class TokenRefused(Refusal):
    """No token, or one that does not count."""


def needs(permission: str, scope: str = READ) -> Callable[[View], View]:
    """Mark a view with the permission of the user and the scope of the token that it needs.

    Put it nearest to the function. `PUBLIC` is open to everybody.
    """
    if permission != PUBLIC and permission not in PERMISSIONS:
        raise KeyError(permission)

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def guard_api(bp: APIBlueprint) -> None:
    """Check token, scope and role before every view, and keep answers out of caches."""

    @bp.before_request
    def check() -> None:
        view: Any = flask.current_app.view_functions[flask.request.endpoint or ""]
        if view.permission != PUBLIC:
            _check_token(view.permission, view.scope)
        _check_body()

    @bp.after_request
    def keep_private(response: flask.Response) -> flask.Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _check_token(permission: str, scope: str) -> None:
    token = find_token(db.session, _bearer())
    if token is None:
        raise TokenRefused("This token does not count: it is unknown, expired or revoked.")
    if scope not in token.scopes:
        raise NotAllowed(f"This token may not {scope}. Make one that may, on your profile.")
    if not may(token.user.role, permission):
        raise NotAllowed(f"The role of {token.user.name} does not include this ({permission}).")
    pace: Pace = flask.current_app.extensions[PACE]
    pace.keep(token.token_hash)
    flask.g.api_actor = Actor(token.user.name, ActorKind.PERSON, token.user_id)
    if token.last_used_at is None or utc_now() - token.last_used_at > _NOTED_EVERY:
        with db.transaction() as session:
            note_token_use(session, token_id=token.id)


def _check_body() -> None:
    """Keep JSON to what a question needs, and refuse what no parser can follow.

    What is no form is read as JSON, whatever it says it is.
    """
    request = flask.request
    if request.mimetype in _FORMS:
        return
    if request.headers.get("Transfer-Encoding"):
        raise LengthRequired("Say how long the JSON is: send it with a Content-Length.")
    if (request.content_length or 0) > MOST_JSON_BYTES:
        raise TooLarge("Send at most 1 MiB of JSON in one question; send fewer contacts at once.")
    try:
        request.get_json(force=True, silent=True)
    except RecursionError:
        raise Invalid("The JSON is nested too deep. Send one object with plain values.") from None


def _bearer() -> str:
    scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused(
            "Send a token: “Authorization: Bearer …”. Everybody makes their own on their profile."
        )
    return token.strip()


def api_actor() -> Actor:
    """Return whoever the changes of this request are put down to."""
    actor: Actor = flask.g.api_actor
    return actor


def refuse_unmarked_views(app: flask.Flask) -> None:
    """Stop the start when a view of the API says not what it needs."""
    unmarked = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and not hasattr(app.view_functions[rule.endpoint], "scope")
    ]
    if unmarked:
        raise RuntimeError(f"API views without a permission: {', '.join(sorted(unmarked))}")
