"""Read Intercom conversations: lines, a list or pages of the API.

The first message of a conversation lives in `source`, the others in `conversation_parts`.
One conversation is one contact until the customer writes again after a rest
(`vendor_rows.session_gap`): that is a new contact which follows the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Layout, Made, Source, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    MAX_HANDLE_SECONDS,
    REDACTED,
    Message,
    Session,
    at,
    extra_columns,
    filled,
    flag_of,
    items_at,
    moment_of,
    number_between,
    number_of,
    own_mapping,
    session_at,
    session_gap,
    session_id,
    split_sessions,
    text_of,
    time_column,
    with_subject,
)
from closedloop.adapters.vendor_text import html_to_text
from closedloop.adapters.vendor_values import (
    address_of,
    identifiers_of,
    mapped_identifiers,
    sort_key,
)

FORMAT = "intercom"

_CUSTOMERS = frozenset({"user", "lead", "contact"})
_SPEAKERS = {**dict.fromkeys(_CUSTOMERS, "customer"), "admin": "agent", "team": "agent"}
_SPEAKERS["bot"] = "bot"
_SENT_PARTS = frozenset({"comment", "quick_reply", "open", "close"})
"""Parts by the company that the customer gets to see; the others are notes and events."""

_CHANNELS = {
    "conversation": "chat",
    "email": "email",
    **dict.fromkeys(("facebook", "instagram", "twitter"), "social"),
    **dict.fromkeys(("phone_call", "phone_switch"), "phone"),
    **dict.fromkeys(("sms", "whatsapp"), "messaging"),
    "push": "push",
}
_STATISTICS = (
    *("time_to_assignment", "time_to_admin_reply", "time_to_first_close", "time_to_last_close"),
    *("count_reopens", "count_assignments", "count_conversation_parts", "handling_time"),
    "adjusted_handling_time",
)


_ID = re.compile(r'"id"\s*:\s*"?([^",}\s]{1,200})')


def recognise(bundle: Bundle) -> FileFacts | None:
    """Return facts if a file of the bundle holds conversations of Intercom."""
    return facts_of(
        bundle,
        _LAYOUT,
        _contacts,
        format=FORMAT,
        kinds={"conversation": "conversations of Intercom"},
        notes=_notes,
    )


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row per contact, a conversation that rested too long in several."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Return what each column is, and the address that the customer can be linked by."""
    return replace(own_mapping(FORMAT), identifiers=mapped_identifiers(facts.header))


def is_conversation(item: Json) -> bool:
    """Whether an object is a conversation and not, say, one part of it."""
    if "part_type" in item:
        return False
    if item.get("type") == "conversation":
        return "id" in item or "source" in item
    is_delivered = at(item, "source", "delivered_as") is not None
    return "id" in item and (is_delivered or "conversation_parts" in item)


def _file(item: Json, source: Source) -> Filed | None:
    key = text_of(item.get("id")) or ""
    if is_conversation(item):
        has_parts = "conversation_parts" in item  # lists of the API leave them out
        version = f"{sort_key(item.get('updated_at'))}{has_parts:d}"
        return Filed("conversation", key, version=version)
    kind = text_of(item.get("type"))
    if kind in ("team", "admin") and key:
        return Filed("name", f"{kind} {key}")
    return None


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    found = _ID.search(raw)
    return Filed("conversation", found[1] if found else "")


_LAYOUT = Layout(frozenset({"conversations", "teams", "admins"}), _file, _file_broken)


def _notes(shelf: Shelf) -> list[str]:
    if any("conversation_parts" in found.value for found in islice(shelf.each("conversation"), 20)):
        return []
    return [
        "They hold the first message only: lists of the API leave out the parts. Retrieve "
        "each conversation to have the rest, and with it contacts after a rest."
    ]


def _contacts(shelf: Shelf) -> Iterator[Made]:
    for found in shelf.each("conversation"):
        yield from _contacts_of(found, shelf)


def _as_today(item: Json) -> Json:
    """Return a conversation of the API of before 2.0 under the names of today."""
    message = item.get("conversation_message")
    if "source" in item or not isinstance(message, dict):
        return item
    people = [item.get("user"), *items_at(item, "customers")]
    kind = text_of(message.get("type"))
    told = message | {"type": "conversation" if kind == "conversation_message" else kind}
    assignee = item.get("assignee")
    named = {
        f"{kind}_assignee_id": at(assignee, "id")
        for kind in ("admin", "team")
        if at(assignee, "type") == kind
    }
    contacts = {"contacts": [person for person in people if at(person, "id")]}
    return named | item | {"source": told, "contacts": contacts}


def _contacts_of(found: Found, shelf: Shelf) -> Iterator[Made]:
    """Yield the contacts of one conversation."""
    item = _as_today(found.value)
    channel = _channel(item)
    sessions = split_sessions(_messages(item), session_gap(channel, shelf.pauses))
    rated = session_at(sessions, moment_of(at(item, "conversation_rating", "created_at")))
    rating = number_between(at(item, "conversation_rating", "rating"), 1, 5)
    handled = number_between(at(item, "statistics", "handling_time"), 0, MAX_HANDLE_SECONDS)
    team = _named("team", item.get("team_assignee_id"), shelf)
    shared = {
        "customer_id": _customer(item),
        "channel": channel,
        "queue": team,
        "team": team,
        "agent": _named("admin", item.get("admin_assignee_id"), shelf),
        **_extras(item),
    }
    for number, session in enumerate(sessions):
        is_last = number == len(sessions) - 1
        fields = {
            **shared,
            "contact_id": session_id(found.key, number),
            "started_at": _started_at(item, session, number),
            "direction": _direction(item, session),
            "turns": session.turns,
            "handle_seconds": handled if len(sessions) == 1 else None,
            "csat": rating if number == rated else None,
            "resolved": _resolved(item) if is_last else None,
            "survey_resolved": _survey_resolved(item) if is_last else None,
            "follows_contact_id": session_id(found.key, number - 1) if number else None,
        }
        yield Made(filled(fields), f"conversation {found.key} in {found.member}")


def _channel(item: Json) -> str | None:
    kind = (text_of(at(item, "source", "type")) or "").lower()
    return _CHANNELS.get(kind, kind or None)


def _customer(item: Json) -> str | None:
    """Return the contact of the conversation, else who wrote first."""
    for contact in items_at(item, "contacts", "contacts"):
        if found := text_of(at(contact, "id")):
            return found
    parts = items_at(item, "conversation_parts", "conversation_parts")
    for author in (at(item, "source", "author"), *(at(part, "author") for part in parts)):
        if _speaker(author) == "customer" and (found := text_of(at(author, "id"))):
            return found
    return None


def _messages(item: Json) -> list[Message]:
    """Return what customer and company said to each other; notes never."""
    source = at(item, "source")
    messages = []
    if first := _source_message(item, source):
        messages.append(first)
    for part in items_at(item, "conversation_parts", "conversation_parts"):
        if message := _part_message(part):
            messages.append(message)
    return messages


def _source_message(item: Json, source: Any) -> Message | None:
    body = html_to_text(text_of(at(source, "body")) or "")
    subject = html_to_text(text_of(at(source, "subject")) or "")
    if flag_of(at(source, "redacted")):
        body = body or REDACTED
    text = with_subject(subject, body)
    speaker = _speaker(at(source, "author"))
    if speaker == "unknown" and _is_by_customer(item):
        speaker = "customer"
    if not text and speaker != "customer":  # a call of a customer has no words and is a contact
        return None
    return Message(moment_of(item.get("created_at")), speaker, text)


def _part_message(part: Any) -> Message | None:
    kind = text_of(at(part, "part_type")) or ""
    speaker = _speaker(at(part, "author"))
    if "note" in kind or (speaker != "customer" and kind not in _SENT_PARTS):
        return None
    body = html_to_text(text_of(at(part, "body")) or "")
    if flag_of(at(part, "redacted")):
        body = body or REDACTED
    is_picture = speaker == "customer" and bool(text_of(at(part, "body")) or _attached(part))
    if not body and not is_picture:
        return None
    return Message(moment_of(at(part, "created_at")), speaker, body)


def _attached(part: Any) -> list[Any]:
    """Return what came with a part; a customer who sends a picture only has written."""
    return items_at(part, "attachments")


def _speaker(author: Any) -> str:
    if flag_of(at(author, "from_ai_agent")) or flag_of(at(author, "is_ai_answer")):
        return "bot"
    return _SPEAKERS.get(text_of(at(author, "type")) or "", "unknown")


def _is_by_customer(item: Json) -> bool:
    """Whether the customer began the conversation, as far as the source says."""
    return text_of(at(item, "source", "delivered_as")) == "customer_initiated"


def _direction(item: Json, session: Session) -> str:
    """Return inbound once the customer has written: an answer to a campaign is a contact."""
    is_inbound = session.has_customer or _is_by_customer(item)
    if not is_inbound and at(item, "source", "delivered_as") is None:
        is_inbound = not session.messages  # nothing says that the company began it
    return "inbound" if is_inbound else "outbound"


def _started_at(item: Json, session: Session, number: int) -> Any:
    if session.started_at:
        return time_column(session.started_at, None)
    raw = item.get("created_at")
    return time_column(moment_of(raw), raw) if number == 0 else None


def _resolved(item: Json) -> bool | None:
    """Return whether a person closed the conversation; closing in silence says nothing."""
    state = text_of(item.get("state"))
    if state in ("open", "snoozed"):
        return False
    if state != "closed":
        return None
    for part in reversed(items_at(item, "conversation_parts", "conversation_parts")):
        if at(part, "part_type") == "close":
            return True if _speaker(at(part, "author")) == "agent" else None
    return None


def _survey_resolved(item: Json) -> bool | None:
    """Return what the customer told the AI agent; its own assumption is no answer."""
    state = text_of(at(item, "ai_agent", "resolution_state"))
    return {"confirmed_resolution": True, "negative_feedback": False}.get(state or "")


def _named(kind: str, value: Any, shelf: Shelf) -> str | None:
    key = text_of(value)
    if key is None or key == "0":
        return None
    found = shelf.newest("name", f"{kind} {key}")
    return (text_of(found.value.get("name")) if found else None) or key


def _customer_email(item: Json) -> str | None:
    """Return the address of who wrote first, where that is the customer of the conversation."""
    author = at(item, "source", "author")
    is_customer = _speaker(author) == "customer" and text_of(at(author, "id")) == _customer(item)
    return address_of(at(author, "email")) if is_customer else None


def _extras(item: Json) -> Json:
    """Return what people may map instead: tags, custom attributes, statistics."""
    tags = [text_of(at(tag, "name")) for tag in items_at(item, "tags", "tags")]
    statistics = {key: at(item, "statistics", key) for key in _STATISTICS}
    contact = next(iter(items_at(item, "contacts", "contacts")), None)
    return {
        "tags": ", ".join(tag for tag in tags if tag) or None,
        "title": html_to_text(text_of(item.get("title")) or "") or None,
        "state": text_of(item.get("state")),
        "priority": text_of(item.get("priority")),
        "customer_external_id": text_of(at(contact, "external_id")),
        **identifiers_of(_customer_email(item)),
        "delivered_as": text_of(at(item, "source", "delivered_as")),
        "ai_agent.resolution_state": text_of(at(item, "ai_agent", "resolution_state")),
        "ai_agent.rating": number_of(at(item, "ai_agent", "rating")),
        **extra_columns("statistics", statistics),
        **extra_columns("custom_attributes", item.get("custom_attributes")),
    }


READER = Reader(
    format=FORMAT,
    title="Intercom conversations",
    guide="intercom",
    recognise=recognise,
    read_rows=read_rows,
    mapping=mapping,
    cuts=True,
)
