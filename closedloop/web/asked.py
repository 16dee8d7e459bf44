"""What a request asks for, kept to what a database can be asked: ids that fit, text without NUL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, TypeVar

import flask
from werkzeug.routing import IntegerConverter

from closedloop.domain.curation import must_type_count
from closedloop.domain.errors import Invalid

Row = TypeVar("Row")
LARGEST_ID = 2**31 - 1
"""Of the tables with short ids; no other table comes near it either."""

LIST_CHANGED = (
    "The list changed since it was shown: another number of contacts would move by now. Nothing "
    "was changed. Look at the list again, then confirm."
)
_DAY_CURSOR = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{1,9})")


class IdConverter(IntegerConverter):
    """An `<int:…>` in an address: one beyond every table is an address that does not exist."""

    def __init__(self, url_map: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max", LARGEST_ID)
        super().__init__(url_map, *args, **kwargs)


def older_page(
    read: Callable[..., Sequence[Row]], rows: int, number_of: Callable[[Row], int]
) -> dict[str, Any]:
    """Return a page of what is listed newest first, and where it goes on.

    Where nothing is older than the number in the address, the newest are given.

    Parameters
    ----------
    read : callable
        Takes `before_id`, the number in the address that all have to be older than, and `limit`.
    rows : int
        Of a page.
    number_of : callable
        Of a row, what it is ordered by.

    Returns
    -------
    dict
        The `rows`, `older`, the number to go on before, None at the end, and `is_first`.
    """
    before = flask.request.args.get("before", type=row_id)
    found = read(before_id=before, limit=rows + 1)
    if before is not None and not found:
        before, found = None, read(before_id=None, limit=rows + 1)
    page = found[:rows]
    older = number_of(page[-1]) if len(found) > rows else None
    return {"rows": page, "older": older, "is_first": before is None}


def read_day_cursor(text: str) -> tuple[date, int] | None:
    """Return day and id below which a list goes on; None at its start, or where they are none."""
    found = _DAY_CURSOR.fullmatch(text)
    if found is None:
        return None
    try:
        return date.fromisoformat(found[1]), int(found[2])
    except ValueError:
        return None


def write_day_cursor(day: date, last_id: int) -> str:
    """Return what makes a list go on below a row, as addresses have it."""
    return f"{day.isoformat()}.{last_id}"


def short_number(text: str) -> int | None:
    """Return a whole number of up to nine digits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


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
    """Return the number typed to confirm a change, however its thousands are parted.

    Where few enough move that none is asked for, it is the number the page showed.
    """
    typed = _number("typed_count")
    return _seen_count() if typed is None else typed


def refused_fields(refusal: Invalid, field: str) -> tuple[dict[str, str], int]:
    """Return what a page says of a change that was refused, by field, and the status it has.

    Parameters
    ----------
    refusal : Invalid
    field : str
        Whose sentence it is where the refusal names no field, or the list that was shown changed.
    """
    is_typed = _number("typed_count") is not None
    if "typed_count" in refusal.fields and not is_typed and _seen_count() is not None:
        return {field: LIST_CHANGED}, 409
    return refusal.fields or {field: refusal.sentence}, 422


def _seen_count() -> int | None:
    seen = _number("seen_count")
    return None if seen is None or must_type_count(seen) else seen


def _number(name: str) -> int | None:
    digits = re.sub(r"\D", "", flask.request.form.get(name, ""))
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
