"""Whether htmx asked, and what it understands."""

from __future__ import annotations

from flask import Response, make_response, redirect, request
from werkzeug import Response as BaseResponse


def is_htmx() -> bool:
    """Return whether a fragment was asked for (history restores want the whole page)."""
    headers = request.headers
    return "HX-Request" in headers and "HX-History-Restore-Request" not in headers


def see_other(url: str) -> BaseResponse:
    """Send the browser on after a change: 303, or htmx's own header."""
    if is_htmx():
        response: Response = make_response("", 204)
        response.headers["HX-Redirect"] = url
        return response
    return redirect(url, code=303)
