"""Read Freshdesk tickets with their conversations and satisfaction ratings.

Tickets, conversations and ratings may lie in one file or many, in any order. A ticket is one
contact until the customer writes again after a rest (`vendor_rows.session_gap`): that is a new
contact which follows the one before. Private notes are for colleagues and never come in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Layout, Made, Refusal, Source, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    Message,
    Session,
    at,
    extra_columns,
    filled,
    flag_of,
    items_at,
    moment_of,
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

FORMAT = "freshdesk"

CSAT = {
    **{"103": 5, "102": 4.5, "101": 4, "100": 3, "-101": 2, "-102": 1.5, "-103": 1},
    **{"1": 5, "2": 3, "3": 1},  # the first kind of survey: happy, neutral, unhappy
}
"""Faces of the survey on a scale of 1 to 5: the happy ones are 4 and more, as satisfied is."""

_CHANNELS = {
    **{"1": "email", "2": "web", "3": "phone", "4": "web", "5": "social", "6": "social"},
    **{"7": "chat", "8": "messaging", "9": "web", "10": "email", "11": "web", "12": "chat"},
    **{"13": "messaging", "email": "email", "portal": "web", "phone": "phone", "chat": "chat"},
    **{"feedback widget": "web", "outbound email": "email", "twitter": "social"},
    **{"facebook": "social", "forum": "web", "bot": "chat", "whatsapp": "messaging"},
}
_PHONE = frozenset({"3", "phone"})
_OUTBOUND = frozenset({"10", "outbound email"})
_RESOLVED = {
    **dict.fromkeys(("4", "5", "resolved", "closed"), True),
    **dict.fromkeys(("2", "3", "6", "7", "open", "pending"), False),
    **dict.fromkeys(("waiting on customer", "waiting on third party"), False),
}
_NO_MESSAGES = frozenset({"6", "8"})
"""Conversations that are a survey's remark or a mail forwarded to somebody else."""

_ASSOCIATIONS = {"2": "child", "child": "child", "3": "tracker", "tracker": "tracker"}
"""Tickets that agents open for their own work on those of customers."""

_TICKET_MARKS = ("requester_id", "responder_id", "fr_due_by", "fr_escalated", "description_text")
_FRESHSERVICE_MARKS = ("urgency", "impact", "department_id", "workspace_id", "planned_start_date")
_MESSAGE_MARKS = ("ticket_id", "incoming", "body_text", "private")
_MERGED = re.compile(r"merged into ticket #?(\d{1,20})", re.IGNORECASE)
_TICKET_ID = re.compile(r'"ticket_id"\s*:\s*"?(\d{1,20})')
_ID = re.compile(r'"id"\s*:\s*"?(\d{1,20})')


def recognise(bundle: Bundle) -> FileFacts | None:
    """Return facts if a file of the bundle holds tickets of Freshdesk."""
    return facts_of(
        bundle,
        _LAYOUT,
        _contacts,
        format=FORMAT,
        kinds={"ticket": "tickets of Freshdesk"},
        notes=_notes,
    )


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row per contact, a ticket that rested too long in several."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Return what each column is, and the addresses that the customer can be linked by."""
    return replace(own_mapping(FORMAT), identifiers=mapped_identifiers(facts.header))


# --- what each record is


def is_ticket(item: Json) -> bool:
    """Whether an object is a ticket of Freshdesk, not of its sister for IT or of another system."""
    if "ticket_id" in item or any(mark in item for mark in _FRESHSERVICE_MARKS):
        return False
    n_marks = sum(mark in item for mark in _TICKET_MARKS)
    return "status" in item and "source" in item and n_marks >= 2


def _file(item: Json, source: Source) -> Filed | None:
    key = text_of(item.get("id")) or ""
    owner = text_of(item.get("ticket_id")) or text_of(source.context.get("ticket_id")) or ""
    version = sort_key(item.get("updated_at") or item.get("created_at"))
    if is_ticket(item):  # lists of the API leave words and conversations out
        n_parts = sum(name in item for name in ("conversations", "description", "stats"))
        return Filed("ticket", key, version=f"{version}{n_parts}")
    if "ratings" in item and owner:
        return Filed("rating", key or owner, owner, version)
    if owner and ("incoming" in item or "private" in item):
        return Filed("conversation", key, owner, version)
    if "agent_ids" in item and key:
        return Filed("name", f"group {key}")
    if "group_ids" in item and "contact" in item and key:
        return Filed("name", f"agent {key}")
    return None


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    """Tell what was lost, from the remains of the record or else from the name of its file."""
    kind = _kind_of_remains(raw, list_name, member.lower())
    owner = (_ID if kind == "ticket" else _TICKET_ID).search(raw)
    key = owner[1] if owner else ""
    return Filed(kind, key if kind == "ticket" else "", key)


def _kind_of_remains(raw: str, list_name: str, member: str) -> str:
    if '"ratings"' in raw or list_name == "satisfaction_ratings":
        return "rating"
    if list_name in ("tickets", "results") or any(f'"{mark}"' in raw for mark in _TICKET_MARKS):
        return "ticket"
    if list_name == "conversations" or any(f'"{mark}"' in raw for mark in _MESSAGE_MARKS):
        return "conversation"
    for kind, words in (
        ("conversation", "conversation"),
        ("rating", "rating"),
        ("rating", "survey"),
    ):
        if words in member:
            return kind
    return "ticket"


_LAYOUT = Layout(
    frozenset({"tickets", "results", "conversations", "satisfaction_ratings", "groups", "agents"}),
    _file,
    _file_broken,
)


def _notes(shelf: Shelf) -> list[str]:
    has_nested = any(found.value.get("conversations") for found in shelf.each("ticket"))
    if has_nested or shelf.has("conversation"):
        return []
    return [
        "There are no conversations: each ticket is its first message only, and a customer "
        "who writes again in a ticket is not seen. Export the conversations, too."
    ]


# --- contacts


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    for found in shelf.each("ticket"):
        lost = shelf.lost_of("conversation", found.key)
        if lost:
            yield Refusal(
                f"Ticket {found.key} in {found.member} is set aside: messages of it in {lost} are "
                "broken or missing. Export that file again."
            )
        else:
            yield from _contacts_of(found, shelf)


def _contacts_of(found: Found, shelf: Shelf) -> Iterator[Made]:
    ticket = found.value
    parts = _parts(ticket, shelf.parts("conversation", found.key))
    channel = _channel(ticket)
    sessions = split_sessions(_messages(ticket, parts), session_gap(channel, shelf.pauses))
    csat, rated = _rating(sessions, shelf.parts("rating", found.key))
    group = _named("group", ticket.get("group_id"), shelf)
    target = _merged_into(parts)
    shared = {
        "customer_id": _customer(ticket),
        "channel": channel,
        "queue": group,
        "team": group,
        "agent": _named("agent", ticket.get("responder_id"), shelf),
        "disposition": text_of(ticket.get("type")),
        **_extras(ticket),
    }
    for number, session in enumerate(sessions):
        is_last = number == len(sessions) - 1
        fields = {
            **shared,
            "contact_id": session_id(found.key, number),
            "started_at": _started_at(ticket, session, number),
            "direction": _direction(ticket, session),
            "turns": session.turns,
            "csat": csat if number == rated else None,
            "resolved": _resolved(ticket) if is_last and target is None else None,
            "follows_contact_id": session_id(found.key, number - 1) if number else target,
        }
        yield Made(filled(fields), f"ticket {found.key} in {found.member}")


def _parts(ticket: Json, apart: list[Found]) -> list[Json]:
    """Return the conversations of a ticket, those in it and those beside it, each once."""
    parts: dict[str, Json] = {}
    for number, part in enumerate(items_at(ticket, "conversations")):
        if isinstance(part, dict):
            parts[text_of(part.get("id")) or f"nested {number}"] = part
    for found in apart:
        parts[found.key] = found.value
    return list(parts.values())


def _messages(ticket: Json, parts: list[Json]) -> list[Message]:
    """Return what customer and company said to each other; private notes never."""
    return [*_first_messages(ticket), *(m for part in parts if (m := _message(part)))]


def _first_messages(ticket: Json) -> list[Message]:
    """Return the ticket's own text; of a call it is what the agent wrote down."""
    created_at = moment_of(ticket.get("created_at"))
    text = with_subject(text_of(ticket.get("subject")), _body(ticket, "description"))
    source = _source(ticket)
    if source in _OUTBOUND:
        return [Message(created_at, "agent", text)]
    if source in _PHONE:
        return [Message(created_at, "customer", ""), Message(created_at, "agent", text)]
    return [Message(created_at, "customer", text)]


def _message(part: Json) -> Message | None:
    is_incoming = flag_of(part.get("incoming"))
    is_private = flag_of(part.get("private"))
    if is_private or (is_private is None and not is_incoming):  # what is not said to be public
        return None
    if text_of(part.get("source")) in _NO_MESSAGES:
        return None
    body = _body(part, "body")
    speaker = "customer" if is_incoming else "agent"
    if not body and not is_incoming:  # a customer who sends a picture only has written
        return None
    return Message(moment_of(part.get("created_at")), speaker, body)


def _body(item: Json, name: str) -> str:
    plain = text_of(item.get(f"{name}_text"))
    return html_to_text(plain or text_of(item.get(name)) or "")


def _source(ticket: Json) -> str:
    return (text_of(ticket.get("source")) or "").lower()


def _channel(ticket: Json) -> str | None:
    source = _source(ticket)
    return _CHANNELS.get(source, f"source {source}" if source else None)


def _customer(ticket: Json) -> str | None:
    keys = ("requester_id", "email", "phone")
    return next((found for key in keys if (found := text_of(ticket.get(key)))), None)


def _direction(ticket: Json, session: Session) -> str:
    """Return inbound for a contact of a customer, else why it is none."""
    for flag in ("spam", "deleted"):
        if flag_of(ticket.get(flag)):
            return flag
    kind = _ASSOCIATIONS.get((text_of(ticket.get("association_type")) or "").lower())
    return kind or ("inbound" if session.has_customer else "outbound")


def _started_at(ticket: Json, session: Session, number: int) -> Any:
    if session.started_at:
        return time_column(session.started_at, None)
    raw = ticket.get("created_at")
    return time_column(moment_of(raw), raw) if number == 0 else None


def _resolved(ticket: Json) -> bool | None:
    return _RESOLVED.get((text_of(ticket.get("status")) or "").lower())


def _rating(sessions: list[Session], ratings: list[Found]) -> tuple[float | None, int]:
    """Return the last rating on our scale, and the contact it belongs to."""
    known = [
        (sort_key(rating.value.get("created_at")), rating.value)
        for rating in ratings
        if _csat(rating.value) is not None
    ]
    if not known:
        return None, 0
    _, last = max(known, key=lambda pair: pair[0])
    return _csat(last), session_at(sessions, moment_of(last.get("created_at")))


def _csat(rating: Json) -> float | None:
    said = at(rating, "ratings", "default_question")
    return CSAT.get(text_of(said if said is not None else rating.get("ratings")) or "")


def _merged_into(parts: list[Json]) -> str | None:
    """Return the ticket that this one was merged into, told by the note Freshdesk leaves."""
    for part in parts:
        if not flag_of(part.get("incoming")) and (found := _MERGED.search(_body(part, "body"))):
            return found[1]
    return None


def _named(kind: str, value: Any, shelf: Shelf) -> str | None:
    key = text_of(value)
    if key is None:
        return None
    found = shelf.newest("name", f"{kind} {key}")
    record = found.value if found else {}
    return text_of(record.get("name")) or text_of(at(record, "contact", "name")) or key


def _addresses(ticket: Json) -> list[str | None]:
    """Return where the requester can be reached, as ticket and requester say it."""
    names = ("email", "phone", "mobile")
    holders = (ticket, ticket.get("requester"))
    return [address_of(at(holder, name)) for holder in holders for name in names]


def _extras(ticket: Json) -> Json:
    """Return what people may map instead: tags, custom fields, times of the ticket."""
    tags = [tag for item in items_at(ticket, "tags") if (tag := text_of(item))]
    names = ("priority", "status", "product_id", "company_id", "is_escalated", "fr_escalated")
    return {
        "tags": ", ".join(tags) or None,
        **{
            name: ticket.get(name)
            for name in names
            if not isinstance(ticket.get(name), dict | list)
        },
        **identifiers_of(*_addresses(ticket)),
        **extra_columns("stats", ticket.get("stats")),
        **extra_columns("custom_fields", ticket.get("custom_fields")),
    }


READER = Reader(
    format=FORMAT,
    title="Freshdesk tickets",
    guide="freshdesk",
    recognise=recognise,
    read_rows=read_rows,
    mapping=mapping,
    cuts=True,
)
