"""Which status and page each refusal gets; no stack trace reaches a person."""

from __future__ import annotations

import logging
from typing import Any

import flask
from flask import render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

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
from closedloop.web.permissions import permission_of, user_may

logger = logging.getLogger(__name__)

STATUS: dict[type[Refusal], int] = {
    NotFound: 404,
    PartNotFound: 404,
    NotAllowed: 403,
    Invalid: 422,
    InvalidTransition: 409,
    Conflict: 409,
    ChangedMeanwhile: 409,
    NotMeasurable: 409,
    Cancelled: 409,
    TakenOver: 409,
    Unreadable: 422,
    TooLarge: 413,
    TooManyAttempts: 429,
    Unavailable: 503,
    PartlyDone: 503,
}
CAUSES: dict[type[Refusal], str] = {ChangedMeanwhile: "changed", PartNotFound: "part"}
SENTENCES = {
    400: "The form could not be read. Go back, reload the page and try again.",
    403: "Your role does not include this.",
    404: "There is no such page. It may have been moved, or the address is not quite right.",
    405: "This address does not take that kind of request.",
    413: "The file is larger than this site accepts.",
    429: "Too many tries. Wait a little and try again.",
    500: "Something went wrong on our side. It was written to the log; nothing was half-saved.",
    503: "The database is busy with something long, or cannot be reached. Nothing was changed.",
}

THINGS = (
    ("themes.show", "key", "T-", "See"),
    ("actions.show", "key", "A-", "See"),
    ("jobs.show", "job_id", "", "See job"),
    ("contacts.import_show", "batch_id", "", "See import"),
)
"""What an address can name: its page, the argument, how its value begins, what to say."""


def init_errors(app: flask.Flask) -> None:
    """Give every refusal and every HTTP error a page that says what to do."""
    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _page(status: int, sentence: str, **more: Any) -> tuple[str, int]:
    return render_template("errors/error.html", status=status, message=sentence, **more), status


def _refusal(error: Refusal) -> tuple[str, int]:
    status = STATUS[type(error)]
    cause = CAUSES.get(type(error), "")
    thing = _thing() if cause == "part" or status in (403, 409) else None
    return _page(status, error.sentence, cause=cause, thing=thing)


def _thing() -> tuple[str, str] | None:
    """Return the page of what the address of this request names, unless it is this one."""
    named = flask.request.view_args or {}
    for endpoint, argument, prefix, words in THINGS:
        value = str(named.get(argument, ""))
        if not value.startswith(prefix) or not value or endpoint == flask.request.endpoint:
            continue
        permission = permission_of(flask.current_app, endpoint)
        if permission and user_may(permission):
            return flask.url_for(endpoint, **{argument: named[argument]}), f"{words} {value}"
    return None


def _csrf(error: CSRFError) -> tuple[str, int]:
    del error
    return _page(400, "This form had expired. Go back, reload the page and send it again.")


def _http(error: HTTPException) -> flask.Response | tuple[str, int]:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]
    return _page(status, SENTENCES.get(status, SENTENCES[400]))


def _unexpected(error: Exception) -> tuple[str, int]:
    logger.error("unexpected error at %s", flask.request.endpoint, exc_info=error)
    flask.g.is_broken = True  # the page must not ask a database that may be what broke
    status = 503 if may_pass(error) else 500
    return _page(status, SENTENCES[status])
