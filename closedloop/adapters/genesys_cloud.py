"""Genesys Cloud: conversation details joined with transcripts; a conversation is a contact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.genesys_sessions import (
    Session,
    abandoned_of,
    customer_sessions,
    handle_seconds_of,
    sessions_of,
    transfers_of,
    wait_seconds_of,
)
from closedloop.adapters.joined import Layout, Made, Refusal, Source, brief, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    extra_columns,
    filled,
    moment_of,
    number_between,
    number_of,
    own_mapping,
    text_of,
)
from closedloop.adapters.vendor_values import (
    address_of,
    identifiers_of,
    language_of,
    mapped_identifiers,
    objects_of,
    sort_key,
    utc_text,
)

FORMAT = "genesys_cloud"

_CHANNELS = {"voice": "phone", "callback": "phone", "chat": "chat", "email": "email"}
_MESSAGES = {
    "webmessaging": "chat",
    **dict.fromkeys(("facebook", "twitter", "instagram", "x", "line"), "social"),
}
_COMPANY = frozenset({"internal", "agent", "user"})
_MACHINE = frozenset({"ivr", "bot", "botflow", "acd", "workflow", "voicemail"})
_CUSTOMER = frozenset({"external", "customer"})
_NO_CHOICE = "ININ-WRAP-UP-"
_ID = re.compile(r'"conversationId"\s*:\s*"([^"]{1,200})"')


# --- what each record is


def _file(value: Json, source: Source) -> Filed | None:
    key = text_of(value.get("conversationId")) or ""
    if "transcripts" in value and "conversationId" in value:
        parts = [text_of(value.get(name)) or "" for name in ("communicationId", "recordingId")]
        return Filed("transcript", "/".join(parts)[:150] or "1", owner=key)
    if "conversationId" in value and ("participants" in value or "conversationStart" in value):
        return Filed("conversation", key, version=sort_key(value.get("conversationEnd")))
    name, identity = (text_of(_any(value, word)) for word in ("name", "id"))
    if name and identity and source.list_name in ("entities", "table"):
        return Filed("name", identity)
    return None


def _any(value: Json, name: str) -> Any:
    """Return a value whose key is spelled with or without capitals (tables are made by hand)."""
    return value.get(name, value.get(name.capitalize(), value.get(name.upper())))


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    found = _ID.search(raw)
    key = found[1] if found else ""
    if '"transcripts"' in raw or '"recordingId"' in raw or '"communicationId"' in raw[:400]:
        return Filed("transcript", key, owner=key)
    return Filed("conversation", key) if key or list_name == "conversations" else None


_LAYOUT = Layout(
    frozenset({"conversations", "entities"}),
    _file,
    _file_broken,
    has_tables=True,
    lone_kinds=frozenset({"transcript"}),
)


# --- contacts


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    for conversation in shelf.each("conversation"):
        yield _contact(conversation, shelf)
    for key in shelf.owners("transcript"):
        if shelf.newest("conversation", key) is None:
            member = shelf.parts("transcript", key)[0].member
            yield Refusal(
                f"The transcript {member} belongs to conversation {brief(key)}, whose details are "
                "not among the files: they say when it was and whose. Add the details of "
                f"conversation {brief(key)}.",
                key,
            )


def _contact(conversation: Found, shelf: Shelf) -> Made | Refusal:
    key = conversation.key
    if broken := shelf.lost_of("transcript", key):
        return Refusal(
            f"Conversation {brief(key)} cannot be read whole, because {broken} is broken. "
            "Export that file again.",
            key,
        )
    where = f"conversation {brief(key)} in {conversation.member}"
    return Made(_fields(conversation, shelf), where)


def _fields(conversation: Found, shelf: Shelf) -> Json:
    value = conversation.value
    sessions = sessions_of(value)
    transcripts = [part.value for part in shelf.parts("transcript", conversation.key)]
    transcripts.sort(key=lambda transcript: sort_key(transcript.get("startTime")))
    agents = [session for session in sessions if session.is_answer]
    customer = customer_sessions(sessions)
    queue = next((s.queue_id for s in sessions if s.is_queue and s.queue_id), None)
    fields = {
        "contact_id": conversation.key,
        "started_at": utc_text(moment_of(value.get("conversationStart")))
        or text_of(value.get("conversationStart")),
        "customer_id": _customer_id(value, customer),
        **identifiers_of(*_addresses(customer)),
        "channel": _channel(customer or sessions),
        "direction": _direction(value, sessions),
        "queue": shelf.name_of(queue or next((s.queue_id for s in agents if s.queue_id), None)),
        "agent": shelf.name_of(next((s.user_id for s in agents if s.user_id), None)),
        "team": shelf.name_of(next((s.team_id for s in agents if s.team_id), None)),
        "disposition": _disposition(sessions, shelf),
        "turns": _turns(transcripts, agents) or None,
        "handle_seconds": handle_seconds_of(sessions),
        "wait_seconds": wait_seconds_of(sessions),
        "abandoned": abandoned_of(sessions),
        "transfers": transfers_of(sessions),
        "nps": _nps(value),
        "language": _language(transcripts),
        **extra_columns("attributes", _attributes(value)),
        "external_tag": text_of(value.get("externalTag")),
    }
    return filled(fields)


def _customer_id(value: Json, customer: list[Session]) -> str | None:
    """Return the external contact, or else the address the customer came from."""
    people = [p for p in objects_of(value.get("participants")) if _purpose(p) in _CUSTOMER]
    people.sort(key=lambda person: _purpose(person) != "customer")
    external = next((i for p in people if (i := text_of(p.get("externalContactId")))), None)
    return external or next((address for address in _addresses(customer) if address), None)


def _addresses(customer: list[Session]) -> list[str | None]:
    return [address_of(address) for session in customer for address in session.addresses]


def _purpose(participant: Json) -> str:
    return (text_of(participant.get("purpose")) or "").lower()


def _channel(sessions: list[Session]) -> str | None:
    first = next((session for session in sessions if session.media), None)
    if first is None:
        return None
    if first.media == "message":
        return _MESSAGES.get(first.message_type, "messaging")
    return _CHANNELS.get(first.media, first.media)


def _direction(value: Json, sessions: list[Session]) -> str:
    """Inbound unless the company began it; internal where no customer took part."""
    if sessions and not any(session.is_customer for session in sessions):
        return "internal"
    said = (text_of(value.get("originatingDirection")) or "").lower()
    if said in ("inbound", "outbound"):
        return said
    first = next((session for session in sessions if session.is_customer), None)
    return "outbound" if first is not None and first.direction == "outbound" else "inbound"


def _disposition(sessions: list[Session], shelf: Shelf) -> str | None:
    """Return the last wrap-up that somebody chose."""
    chosen = [
        code
        for session in sessions
        for code in session.wrap_ups
        if not code.upper().startswith(_NO_CHOICE)
    ]
    return shelf.name_of(chosen[-1]) if chosen else None


def _nps(value: Json) -> float | None:
    scores = (
        number_between(survey.get("surveyPromoterScore"), 0, 10)
        for survey in objects_of(value.get("surveys"))
    )
    return next((score for score in scores if score is not None), None)


def _attributes(value: Json) -> Json:
    """Return participants' attributes; where they differ the last participant's count."""
    found: Json = {}
    for participant in objects_of(value.get("participants")):
        attributes = participant.get("attributes")
        found |= attributes if isinstance(attributes, dict) else {}
    return found


# --- transcripts


def _language(transcripts: list[Json]) -> str | None:
    parts = (part for t in transcripts for part in objects_of(t.get("transcripts")))
    return next((code for part in parts if (code := language_of(part.get("language")))), None)


def _turns(transcripts: list[Json], agents: list[Session]) -> list[Json]:
    """Return phrases in order of time; what the company's side says before an agent is a bot's."""
    answered = min((s.answered_at for s in agents if s.answered_at), default=None)
    phrases = [
        (number_of(phrase.get("startTimeMs")), phrase)
        for transcript in transcripts
        for part in objects_of(transcript.get("transcripts"))
        for phrase in objects_of(part.get("phrases"))
    ]
    if all(start is not None for start, _ in phrases):
        phrases.sort(key=lambda pair: pair[0] or 0)
    turns = []
    for _, phrase in phrases:
        text = text_of(phrase.get("decoratedText")) or text_of(phrase.get("text"))
        if text:
            turns.append({"speaker": _speaker(phrase, answered, bool(agents)), "text": text})
    return turns


def _speaker(phrase: Json, answered: datetime | None, has_agent: bool) -> str:
    purpose = (text_of(phrase.get("participantPurpose")) or "").lower()
    if purpose in _CUSTOMER:
        return "customer"
    if purpose in _MACHINE:
        return "bot"
    if purpose not in _COMPANY:
        return "unknown"
    said_at = moment_of(phrase.get("startTimeMs"))
    if not has_agent or (purpose == "internal" and answered and said_at and said_at < answered):
        return "bot"
    return "agent"


# --- the reader


def _notes(shelf: Shelf) -> list[str]:
    if shelf.has("name"):
        return ["Names of wrap-up codes, queues or agents are taken from a list among the files."]
    return [
        "There is no list of wrap-up codes among the files looked at: dispositions are shown as "
        "ids. Add the answer of /api/v2/routing/wrapupcodes, or a table with the columns id, name."
    ]


def recognise(bundle: Bundle) -> FileFacts | None:
    """Recognise conversation details and transcripts by their keys."""
    kinds = {"conversation": "conversation details", "transcript": "transcripts"}
    return facts_of(bundle, _LAYOUT, _contacts, format=FORMAT, kinds=kinds, notes=_notes)


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row for each conversation."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Map our columns to themselves; conversations the company began are left out."""
    return replace(own_mapping(FORMAT), identifiers=mapped_identifiers(facts.header))


READER = Reader(
    FORMAT, "Genesys Cloud conversations", "genesys-cloud", recognise, read_rows, mapping
)
