"""What a request asks for, kept to what a database can be asked: ids that fit, text without NUL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import flask
from werkzeug.routing import IntegerConverter

from closedloop.domain.errors import Invalid

LARGEST_ID = 2**31 - 1
"""Of the tables with short ids; no other table comes near it either."""


class IdConverter(IntegerConverter):
    """An `<int:…>` in an address: one beyond every table is an address that does not exist."""

    def __init__(self, url_map: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max", LARGEST_ID)
        super().__init__(url_map, *args, **kwargs)


def row_id(text: str) -> int:
    """Return a number from a form or an address that can be looked up: `get(…, type=row_id)`.

    Raises
    ------
    ValueError
        If it is no whole number from 0 to `LARGEST_ID`, which counts as not given.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))):
        raise ValueError("not an id")
    if int(text) > LARGEST_ID:
        raise ValueError("not an id")
    return int(text)


def typed_count() -> int | None:
    """Return the number typed to confirm a change, however its thousands are parted."""
    digits = re.sub(r"\D", "", flask.request.form.get("typed_count", ""))
    return int(digits) if 0 < len(digits) <= len(str(LARGEST_ID)) else None


def refuse_nul(app: flask.Flask) -> None:
    """Refuse text with NUL characters, which PostgreSQL cannot store, before a page runs."""

    @app.before_request
    def check() -> None:
        if any("\x00" in text for text in _texts(flask.request)):
            raise Invalid(
                "The text holds a NUL character, which no text has; it may have come along when "
                "it was pasted. Go back, type the text again and send it. Nothing was changed."
            )


def _texts(request: flask.Request) -> Iterator[str]:
    yield request.path
    for values in (request.args, request.form):
        for name, value in values.items(multi=True):
            yield name
            yield value
