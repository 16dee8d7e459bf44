"""Which status each refusal gets, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import flask
from apiflask import APIFlask, HTTPError
from werkzeug.exceptions import HTTPException

from closedloop.api.auth import TokenRefused
from closedloop.api.pace import TooFast
from closedloop.domain.errors import (
    ChangedMeanwhile,
    Conflict,
    Invalid,
    InvalidTransition,
    NotAllowed,
    NotFound,
    NotMeasurable,
    PartNotFound,
    Refusal,
    TooLarge,
    TooManyAttempts,
    Unavailable,
    Unreadable,
)
from closedloop.jobs.steps import PartlyDone
from closedloop.services.import_faults import may_pass
from closedloop.services.import_holds import TakenOver
from closedloop.services.long_work import Cancelled

logger = logging.getLogger(__name__)

STATUS: dict[type[Refusal], int] = {
    TokenRefused: 401,
    NotAllowed: 403,
    NotFound: 404,
    PartNotFound: 404,
    Conflict: 409,
    ChangedMeanwhile: 409,
    InvalidTransition: 409,
    NotMeasurable: 409,
    Cancelled: 409,
    TakenOver: 409,
    TooLarge: 413,
    Invalid: 422,
    Unreadable: 422,
    TooManyAttempts: 429,
    TooFast: 429,
    Unavailable: 503,
    PartlyDone: 503,
}
UNEXPECTED = "Something went wrong on our side. It was written to the log; nothing was half-saved."
NOT_NOW = (
    "The database is busy with something long, or cannot be reached. Nothing was changed; try "
    "again in a minute."
)
TYPED, EXPECTED = "typed_count", "expected_count"
"""The number that confirms a change of many: what services call it, and what the API does."""

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Location")
Handler = Callable[[Any], Any]


def init_errors(app: APIFlask) -> None:
    """Let every error under /api/ answer with a problem document.

    The pages' handlers stay in force everywhere else: an address that does not exist belongs to
    no blueprint, so the path decides.
    """
    pages = app.error_handler_spec[None][None]
    for kind, problem in (
        (Refusal, _refusal),
        (HTTPException, _http),
        (HTTPError, _validation),
        (Exception, _unexpected),
    ):
        app.register_error_handler(kind, _by_path(problem, pages[kind]))


def _by_path(problem: Handler, page: Handler) -> Handler:
    def handle(error: Any) -> Any:
        return (problem if flask.request.path.startswith("/api/") else page)(error)

    return handle


def problem_response(
    status: int,
    detail: str | None = None,
    *,
    errors: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> flask.Response:
    """Return the one shape that every error of the API has."""
    response = flask.jsonify(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=dict(errors) if errors else None,
    )
    response.status_code, response.mimetype = status, "application/problem+json"
    response.headers.update(headers or {})
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _refusal(error: Refusal) -> flask.Response:
    fields = dict(error.fields) if isinstance(error, Invalid) else {}
    sentence = error.sentence
    if TYPED in fields:  # people type the number, programs send it
        sentence = f"{sentence} Send that number as `{EXPECTED}`."
        fields[EXPECTED] = f"{fields.pop(TYPED)} Send that number."
    return problem_response(
        STATUS[type(error)], sentence, errors=fields, headers=_headers_of(error)
    )


def _headers_of(error: Refusal) -> dict[str, str]:
    if isinstance(error, TokenRefused):
        return {"WWW-Authenticate": 'Bearer realm="closedloop"'}
    return {"Retry-After": str(error.seconds)} if isinstance(error, TooFast) else {}


def _http(error: HTTPException) -> flask.Response:
    if error.response is not None or (error.code or 500) < 400:
        return error.get_response()  # type: ignore[return-value]
    kept = {name: value for name, value in error.get_headers() if name in _KEPT_HEADERS}
    return problem_response(error.code or 500, error.description, headers=kept)


def _validation(error: HTTPError) -> flask.Response:
    """Say which parameter or field does not fit."""
    errors = {
        field: " ".join(messages)
        for fields in (error.detail or {}).values()
        for field, messages in fields.items()
    }
    said = "; ".join(f"{field}: {message}" for field, message in errors.items())
    return problem_response(error.status_code, said or error.message, errors=errors)


def _unexpected(error: Exception) -> flask.Response:
    logger.error("unexpected error at %s", flask.request.endpoint, exc_info=error)
    return problem_response(503, NOT_NOW) if may_pass(error) else problem_response(500, UNEXPECTED)
