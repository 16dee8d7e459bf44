"""The description of the API (OpenAPI 3.1), made from what validates."""

from __future__ import annotations

from typing import Any

import flask
from apiflask import APIFlask

from closedloop import __version__
from closedloop.api.auth import PUBLIC, needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import Problem

METHODS = ("get", "post", "put", "patch", "delete")
_CACHE = "closedloop_openapi"
_EVERYWHERE = {
    "401": "No token, or one that does not count.",
    "403": "The token's scope or its user's role does not include this.",
    "429": "The token asks too often; `Retry-After` says when to ask again.",
}
DESCRIPTION = (
    "Read contacts, repeat rates, themes, actions and measured impact, and bring in contacts. "
    "A token acts with the role of the user who made it on their profile. Lists give `items` and "
    "`next`; send `next` back as `after` until it is null. Errors are problem documents (RFC "
    "9457). Days are reporting days, both ends inclusive; rates lie between 0 and 1; ranges are "
    "95 % intervals."
)


def init_openapi(app: APIFlask) -> None:
    """Set what the document says of the whole API."""
    app.title, app.version, app.description = "closedloop", __version__, DESCRIPTION
    app.servers = [{"url": "/"}]
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=True,
        AUTO_SERVERS=False,
        SECURITY_SCHEMES={"token": {"type": "http", "scheme": "bearer"}},
    )
    app.spec_processor(_finish)


def _finish(spec: dict[Any, Any] | str) -> dict[Any, Any] | str:
    """Give every operation its errors as problem documents, and the token it needs."""
    if isinstance(spec, str):
        raise TypeError("The document is made as JSON, not as text.")
    schemas = spec["components"]["schemas"]
    for name in ("HTTPError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for path, operations in spec["paths"].items():
        is_public = path.endswith("/openapi.json")
        for method, operation in operations.items():
            if method in METHODS:
                _finish_operation(operation, schemas, is_public=is_public)
    return spec


def _finish_operation(
    operation: dict[str, Any], schemas: dict[str, Any], *, is_public: bool
) -> None:
    responses = operation["responses"]
    operation["security"] = [] if is_public else [{"token": []}]
    if not is_public:
        for status, words in _EVERYWHERE.items():
            responses.setdefault(status, {"description": words})
    if "requestBody" in operation:
        operation["requestBody"]["required"] = _is_needed(operation["requestBody"], schemas)
        responses.setdefault("413", {"description": "Larger than this site accepts."})
    for status, response in responses.items():
        if status[0] in "45":
            schema = {"$ref": "#/components/schemas/Problem"}
            response["content"] = {"application/problem+json": {"schema": schema}}


def _is_needed(body: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Return whether a body has to be sent: it need not where none of its fields must be."""
    names = [str(one["schema"].get("$ref", "")).split("/")[-1] for one in body["content"].values()]
    return any(name not in schemas or bool(schemas[name].get("required")) for name in names)


@bp.get("/openapi.json")
@bp.doc(summary="This document")
@needs(PUBLIC)
def openapi() -> flask.Response:
    """Give the description of the API; it holds no data, so it needs no token."""
    app: Any = flask.current_app
    if _CACHE not in app.extensions:
        app.extensions[_CACHE] = app.spec
    return flask.jsonify(app.extensions[_CACHE])
