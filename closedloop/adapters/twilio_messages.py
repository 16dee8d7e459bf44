"""Conversations of Twilio: who wrote which message, and where one contact ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from closedloop.adapters.joined import Made, Refusal, brief
from closedloop.adapters.shelf import Found, Json, Shelf
from closedloop.adapters.vendor_rows import (
    Message,
    Session,
    extra_columns,
    filled,
    moment_of,
    number_of,
    session_gap,
    session_id,
    split_sessions,
    text_of,
)
from closedloop.adapters.vendor_values import (
    address_of,
    decoded_object,
    identifiers_of,
    utc_text,
    with_snake_keys,
)

_ROLES = {
    **dict.fromkeys(("guest", "customer", "client", "visitor", "consumer", "end_user"), "customer"),
    **dict.fromkeys(("agent", "worker", "supervisor", "human_agent"), "agent"),
    **dict.fromkeys(("bot", "virtual_agent", "ai_agent", "assistant", "system"), "bot"),
}
_ROLE_KEYS = ("member_type", "participant_type", "role", "type")
_CHANNELS = {
    **dict.fromkeys(("sms", "mms", "whatsapp", "rcs", "gbm"), "messaging"),
    **dict.fromkeys(("messenger", "instagram"), "social"),
    "email": "email",
}
_EMAIL_SECONDS = 12 * 3600  # mail in a conversation is answered like a chat
_ADDRESS = re.compile(r"(?:(?:whatsapp|messenger|sms|rcs):.+|\+\d{6,15})", re.IGNORECASE)


@dataclass(frozen=True)
class _Person:
    """A participant: what they are, what signs their messages, and over what they came.

    `proxies` are numbers of the company over which they are written to.
    """

    speaker: str
    names: frozenset[str]
    address: str | None
    identity: str | None
    media: str
    proxies: frozenset[str] = frozenset()


def conversation_contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    """Yield the contacts of each conversation, also of one known by its messages only."""
    for conversation in shelf.each("conversation"):
        yield from _of_conversation(conversation.key, conversation, shelf)
    for key in shelf.owners("message"):
        if shelf.newest("conversation", key) is None:
            yield from _of_conversation(key, None, shelf)


def _of_conversation(key: str, found: Found | None, shelf: Shelf) -> Iterator[Made | Refusal]:
    shown = brief(key)
    if broken := shelf.lost_of("message", key) or shelf.lost_of("participant", key):
        reason = f"Conversation {shown} cannot be read whole, because {broken} is broken."
        yield Refusal(f"{reason} Export that file again.", key)
        return
    parts = shelf.parts("message", key)
    if not parts and not shelf.has("message"):
        yield Refusal(
            f"Conversation {shown} has no messages, because none are among the files. Add the "
            "messages of the conversations.",
            key,
        )
        return
    member = found.member if found else parts[0].member
    conversation = with_snake_keys(found.value) if found else {}
    for fields in _rows(key, conversation, [with_snake_keys(p.value) for p in parts], shelf):
        yield Made(filled(fields), f"conversation {shown} in {member}")


def _rows(key: str, conversation: Json, messages: list[Json], shelf: Shelf) -> Iterator[Json]:
    people = _people([p.value for p in shelf.parts("participant", key)])
    messages.sort(key=lambda message: number_of(message.get("index")) or 0)
    authors = [_author(message, people) for message in messages]
    customer = next((author for author in authors if author.speaker == "customer"), None)
    has_customer = customer is not None
    said = [
        Message(
            moment_of(message.get("date_created")),
            # where nobody is known to be the customer, anybody may be
            "customer" if author.speaker == "unknown" and not has_customer else author.speaker,
            text_of(message.get("body")) or "",
        )
        for message, author in zip(messages, authors, strict=True)
    ]
    customer = customer or next((p for p in people if p.speaker == "customer"), None)
    channel = _CHANNELS.get(customer.media, "chat") if customer else "chat"
    pauses = {"email": _EMAIL_SECONDS, **shelf.pauses}
    for number, session in enumerate(split_sessions(said, session_gap(channel, pauses))):
        yield {
            "contact_id": session_id(key, number),
            "started_at": _started_at(session, conversation),
            "customer_id": (customer.address or customer.identity) if customer else None,
            **identifiers_of(customer.address if customer else None),
            "channel": channel,
            "direction": _direction(session),
            "agent": _agent(session, messages, authors),
            "turns": _turns(session, is_known=has_customer) or None,
            "follows_contact_id": session_id(key, number - 1) if number else None,
            "state": text_of(conversation.get("state")),
            **extra_columns("attributes", decoded_object(conversation.get("attributes"))),
        }


def _started_at(session: Session, conversation: Json) -> str | None:
    times = [message.at for message in session.messages if message.at]
    first = session.started_at or min(times, default=None)
    created = conversation.get("date_created")
    return utc_text(first or moment_of(created)) or text_of(created)


def _direction(session: Session) -> str:
    """A contact needs a customer who wrote; what the company sends unanswered is none."""
    if not session.messages:
        return "empty"
    return "inbound" if session.has_customer else "outbound"


def _turns(session: Session, *, is_known: bool) -> list[Json]:
    turns = session.turns
    if is_known:
        return list(turns)
    return [t | {"speaker": "unknown"} if t["speaker"] == "customer" else t for t in turns]


def _agent(session: Session, messages: list[Json], authors: list[_Person]) -> str | None:
    """Return the first agent who wrote in this contact."""
    times = [message.at for message in session.messages if message.at]
    for message, author in zip(messages, authors, strict=True):
        at = moment_of(message.get("date_created"))
        is_inside = at is None or not times or min(times) <= at <= max(times)
        if author.speaker == "agent" and is_inside:
            return author.identity or text_of(message.get("author"))
    return None


def _people(participants: list[Json]) -> list[_Person]:
    """Tell customers by their address or their attributes; beside one, others are agents."""
    fields = [with_snake_keys(participant) for participant in participants]
    speakers = [_said_role(participant) for participant in fields]
    others = "agent" if "customer" in speakers else "unknown"
    return [_person(p, s or others) for p, s in zip(fields, speakers, strict=True)]


def _said_role(participant: Json) -> str | None:
    attributes = with_snake_keys(decoded_object(participant.get("attributes")))
    said = (text_of(attributes.get(key)) for key in _ROLE_KEYS)
    words = (re.sub(r"[\s-]+", "_", word.lower()) for word in said if word)
    role = next((_ROLES[word] for word in words if word in _ROLES), None)
    return role or ("customer" if _binding(participant).get("address") else None)


def _binding(participant: Json) -> Json:
    return with_snake_keys(decoded_object(participant.get("messaging_binding")))


def _person(participant: Json, speaker: str) -> _Person:
    binding = _binding(participant)
    identity = text_of(participant.get("identity"))
    address = text_of(binding.get("address"))
    names = {text_of(participant.get("sid")), identity, address}
    return _Person(
        speaker,
        frozenset(name for name in names if name),
        address_of(address),
        identity,
        (text_of(binding.get("type")) or "").lower(),
        frozenset(
            proxy
            for name in ("proxy_address", "projected_address")
            if (proxy := address_of(binding.get(name)))
        ),
    )


def _author(message: Json, people: list[_Person]) -> _Person:
    """Return who wrote a message: a participant, or what the signature alone tells."""
    sid, author = text_of(message.get("participant_sid")), text_of(message.get("author"))
    for name in (sid, author):
        for person in people:
            if name and name in person.names:
                return person
    if author and any(address_of(author) in person.proxies for person in people):
        return _Person("bot", frozenset(), None, author, "")  # Studio signs with the own number
    if author and _ADDRESS.fullmatch(author):
        media = author.split(":", 1)[0].lower() if ":" in author else "sms"
        return _Person("customer", frozenset(), address_of(author), None, media)
    is_machine = author is None or author.lower() == "system" or "bot" in author.lower()
    return _Person("bot" if is_machine else "unknown", frozenset(), None, author, "")
