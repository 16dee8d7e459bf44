"""Tickets of Zendesk that hold people, group and comments, as the account's JSON export does."""

from __future__ import annotations

from dataclasses import replace

from closedloop.adapters.shelf import Found, Json, Shelf
from closedloop.adapters.vendor_rows import at, text_of
from closedloop.adapters.vendor_values import objects_of
from closedloop.adapters.zendesk_comments import Told

_PEOPLE = ("requester", "submitter", "assignee")
_HELD = (*_PEOPLE, "group", "organization")


def is_whole(value: Json) -> bool:
    """Whether a ticket holds its requester instead of the id."""
    return isinstance(value.get("requester"), dict) and "raw_subject" in value


def with_ids(ticket: Found) -> Found:
    """Return a ticket with the ids of what it holds, as the API names them."""
    ids = {f"{name}_id": at(ticket.value, name, "id") for name in _HELD}
    return replace(ticket, value={key: i for key, i in ids.items() if i} | ticket.value)


def found_of(kind: str, key: str | None, ticket: Json, shelf: Shelf) -> Json:
    """Return a user or group: from a list of them, or else as the ticket holds it."""
    listed = shelf.newest(kind, key) if key else None
    if listed is not None or key is None:
        return listed.value if listed else {}
    held = (ticket.get(name) for name in (_PEOPLE if kind == "user" else ("group",)))
    return next((one for one in objects_of(list(held)) if text_of(one.get("id")) == key), {})


def comments_within(ticket: Json) -> list[Told]:
    """Return the comments a ticket holds, as its events would tell them, in their order."""
    found = objects_of(ticket.get("comments"))
    return [(one, one) for one in found if text_of(one.get("type")) in (None, "Comment")]
