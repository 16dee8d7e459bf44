"""Amazon Connect: Contact Lens analyses joined with contact records; legs become one contact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace as replaced
from typing import Any

from closedloop.adapters.amazon_connect_legs import Leg, root_of
from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Layout, Made, Refusal, Source, brief, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    at,
    extra_columns,
    filled,
    moment_of,
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
    waiting_seconds,
    working_seconds,
)

FORMAT = "amazon_connect"

OUTBOUND_METHODS = frozenset({"OUTBOUND", "EXTERNAL_OUTBOUND", "AGENT_REPLY", "FLOW"})
DISPOSITIONS = (
    *("disposition", "dispositioncode", "wrapup", "wrapupcode", "contactreason", "callreason"),
    *("reason", "reasoncode", "outcome", "contactcategory", "category"),
)
"""Names of contact attributes that are taken for the disposition, most telling first."""

_MESSAGING = frozenset({"connect:SMS", "connect:WhatsApp", "connect:Apple"})
_CHANNELS = {"VOICE": "phone", "CHAT": "chat", "EMAIL": "email"}
_SPEAKERS = {
    "AGENT": "agent",
    "SUPERVISOR": "agent",
    "CUSTOMER": "customer",
    "SYSTEM": "bot",
    "CUSTOM_BOT": "bot",
    "BOT": "bot",
}
_WRITTEN = frozenset({"text/plain", "text/markdown"})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANALYSIS_MARKS = ('"CustomerMetadata"', '"ContentMetadata"', '"Transcript"', '"JobStatus"')
_RECORD_MARKS = (
    '"AWSAccountId"',
    '"CustomerEndpoint"',
    '"Initiation',
    '"QueueInfo"',
    '"AgentInfo"',
)
_FIRST_LEG = re.compile(r'"InitialContactId"\s*:\s*"([^"]{1,200})"')
_CONTACT_ID = re.compile(r'"(?:ContactId|Id)"\s*:\s*"([^"]{1,200})"')


# --- what each record is


def _file(value: Json, source: Source) -> Filed | None:
    if "Transcript" in value and ("Channel" in value or "CustomerMetadata" in value):
        return _filed_analysis(value, source)
    if "InitiationMethod" in value or "InitiationTimestamp" in value:
        key = text_of(value.get("ContactId")) or text_of(value.get("Id")) or ""
        version = sort_key(value.get("LastUpdateTimestamp") or value.get("DisconnectTimestamp"))
        return Filed("contact record", key, version=version)
    if source.list_name == "QueueSummaryList":
        return Filed("name", text_of(value.get("Id")) or "")
    if source.list_name == "UserSummaryList":
        return Filed("user", text_of(value.get("Id")) or "")
    return None


def _filed_analysis(value: Json, source: Source) -> Filed:
    """A redacted copy counts more than a raw one, whenever either was made."""
    key = text_of(at(value, "CustomerMetadata", "ContactId")) or _id_in_name(source.member)
    output = (text_of(at(value, "ContentMetadata", "Output")) or "").lower()
    is_redacted = output == "redacted" or (not output and "redacted" in source.member.lower())
    return Filed("analysis", key, version="redacted" if is_redacted else "raw")


def _id_in_name(member: str) -> str:
    found = _UUID.findall(member.lower())
    return found[-1] if found else ""


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    found = _CONTACT_ID.search(raw)
    if any(mark in raw for mark in _ANALYSIS_MARKS):
        said = found[1] if found and found[0].startswith('"ContactId"') else _id_in_name(member)
        return Filed("analysis", said)
    if list_name.startswith("Contact") or any(mark in raw for mark in _RECORD_MARKS):
        first = _FIRST_LEG.search(raw)
        return Filed("contact record", found[1] if found else "", first[1] if first else "")
    said = _id_in_name(member)
    return Filed("analysis", said) if said else None


_LAYOUT = Layout(
    frozenset({"Contact", "Contacts", "QueueSummaryList", "UserSummaryList"}),
    _file,
    _file_broken,
    has_tables=True,
    lone_kinds=frozenset({"analysis"}),
)


# --- contacts


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    for record in shelf.each("contact record"):
        shelf.link(root_of(Leg(record), shelf), record.key)
    for root, keys in shelf.linked():
        found = [shelf.newest("contact record", key) for key in keys]
        legs = [Leg(record) for record in found if record is not None]
        yield _contact(root, legs, shelf)
    for analysis in shelf.each("analysis"):
        if shelf.newest("contact record", analysis.key) is None:
            yield _without_record(analysis, shelf)


def _contact(root: str, legs: list[Leg], shelf: Shelf) -> Made | Refusal:
    first = next((leg for leg in legs if leg.contact_id == root), None)
    names = ", ".join(sorted({leg.found.member for leg in legs}))
    shown = brief(root)
    where = f"contact {shown} in {names}"
    if first is None:
        return Refusal(_goes_on(legs[0].contact_id, names, shown), root)
    missing = (leg.text(("NextContactId",)) for leg in legs)
    for following in missing:
        if following and shelf.newest("contact record", following) is None:
            return Refusal(_goes_on(shown, names, brief(following)), root)
    broken = shelf.broken_part("contact record", root)
    for part in (broken, *(shelf.lost_of("analysis", leg.contact_id) for leg in legs)):
        if part:
            return Refusal(
                f"Contact {shown} cannot be read whole, because {part} is broken. Export that "
                "file again.",
                root,
            )
    rest = sorted((leg for leg in legs if leg is not first), key=_start_of)
    return Made(_fields(root, [first, *rest], shelf), where)


def _start_of(leg: Leg) -> float:
    return leg.started_at.timestamp() if leg.started_at else 0.0


def _goes_on(contact_id: str, names: str, missing: str) -> str:
    return (
        f"Contact {contact_id} in {names} belongs together with contact {missing}, whose record is "
        f"not among the files. Add the contact record of {missing}."
    )


def _fields(root: str, legs: list[Leg], shelf: Shelf) -> Json:
    first = legs[0]
    taken = [first, *(leg for leg in legs[1:] if not _is_question(leg, legs))]
    analyses = [shelf.newest("analysis", leg.contact_id) for leg in taken]
    present = [analysis for analysis in analyses if analysis is not None]
    answered = [leg for leg in legs if leg.connected_at]
    waits = [leg.wait_seconds for leg in taken if leg.queued_at]
    handled = [leg.handle_seconds for leg in answered]
    related = first.text(("RelatedContactId",))
    fields = {
        "contact_id": root,
        "started_at": utc_text(first.started_at) or first.text(("InitiationTimestamp",)),
        "customer_id": _customer(legs),
        **identifiers_of(*_addresses(legs)),
        "channel": _channel(first),
        "direction": _direction(legs, shelf),
        "queue": _queue(legs, shelf),
        "agent": _agent(answered, shelf),
        "team": next((leg.team for leg in answered if leg.team), None),
        "turns": [turn for analysis in present for turn in _turns(analysis.value)] or None,
        "handle_seconds": working_seconds(_sum(handled)),
        "wait_seconds": waiting_seconds(_sum(waits)),
        "abandoned": _abandoned(legs),
        "transfers": _transfers(taken),
        "language": next(
            (c for a in present if (c := language_of(a.value.get("LanguageCode")))), None
        ),
        "follows_contact_id": related if related != root else None,
        **_attributes(taken),
    }
    return filled(fields)


def _transfers(taken: list[Leg]) -> int:
    """Return how often the contact was handed on: to a further leg, or to a number outside."""
    inside = sum(leg.method in ("TRANSFER", "QUEUE_TRANSFER") for leg in taken[1:])
    return inside + sum(leg.is_handed_out for leg in taken)


def _sum(values: list[Any]) -> Any:
    """Return the sum, None where there is nothing or one of them is not known."""
    return None if not values or None in values else sum(values)


def _customer(legs: list[Leg]) -> str | None:
    ids = (leg.text(("CustomerId",)) for leg in legs)
    known = next((found for found in ids if found), None)
    return known or next((found for found in _addresses(legs) if found), None)


def _addresses(legs: list[Leg]) -> list[str | None]:
    return [address_of(at(leg.found.value, "CustomerEndpoint", "Address")) for leg in legs]


def _channel(first: Leg) -> str | None:
    if first.channel == "CHAT" and first.subtype in _MESSAGING:
        return "messaging"
    return _CHANNELS.get(first.channel, first.channel.lower() or None)


def _direction(legs: list[Leg], shelf: Shelf) -> str:
    """Outbound and internal contacts are no contacts of customers."""
    first = legs[0]
    if first.method == "MONITOR" or first.channel == "TASK" or _is_agents_guide(first, shelf):
        return "internal"
    return "outbound" if first.method in OUTBOUND_METHODS else "inbound"


def _is_agents_guide(leg: Leg, shelf: Shelf) -> bool:
    """Whether it is a guide that an agent goes through during another contact."""
    found = shelf.newest("contact record", leg.text(("RelatedContactId",)))
    if leg.subtype != "connect:Guide" or found is None or leg.started_at is None:
        return False
    other = Leg(found)
    if other.started_at is None or leg.started_at < other.started_at:
        return False
    return leg.started_at.timestamp() <= other.worked_until


def _queue(legs: list[Leg], shelf: Shelf) -> str | None:
    found = next((leg.queue for leg in legs if any(leg.queue)), (None, None))
    return found[0] or shelf.name_of(found[1])


def _agent(answered: list[Leg], shelf: Shelf) -> str | None:
    if not answered:
        return None
    name, identity = answered[0].agent
    user = shelf.newest("user", identity) if identity and not name else None
    return name or (text_of(user.value.get("Username")) if user else None) or identity


def _abandoned(legs: list[Leg]) -> bool | None:
    """Queued, never answered, and ended by the customer; None where the end is not known."""
    if not any(leg.queued_at for leg in legs):
        return None
    if any(leg.connected_at for leg in legs):
        return False
    reasons = {(leg.text(("DisconnectReason",)) or "").upper() for leg in legs}
    if reasons == {""}:
        return None
    return "CUSTOMER_DISCONNECT" in reasons


def _is_question(leg: Leg, legs: list[Leg]) -> bool:
    """Whether an agent only asked a colleague: the leg ends before the one it came from does."""
    if leg.method not in ("TRANSFER", "QUEUE_TRANSFER"):
        return False
    before = next((b for b in legs if b.contact_id == leg.text(("PreviousContactId",))), legs[0])
    left, before_left = leg.agent_left_at, before.agent_left_at
    return before is not leg and bool(left and before_left and left < before_left)


def _attributes(legs: list[Leg]) -> Json:
    """Contact attributes as columns; where legs differ the last one counts."""
    found: Json = {}
    for leg in legs:
        found |= extra_columns("attributes", leg.found.value.get("Attributes"))
    return found


def _turns(analysis: Json) -> Iterator[Json]:
    roles = {
        text_of(person.get("ParticipantId")): text_of(person.get("ParticipantRole"))
        for person in objects_of(analysis.get("Participants"))
    }
    for item in objects_of(analysis.get("Transcript")):
        text = item.get("Content")
        kind = (text_of(item.get("Type")) or "MESSAGE").upper()
        written = (text_of(item.get("ContentType")) or "text/plain").split(";")[0].lower()
        if not isinstance(text, str) or not text.strip() or kind != "MESSAGE":
            continue
        if written not in _WRITTEN:
            continue
        person = text_of(item.get("ParticipantId"))
        role = text_of(item.get("ParticipantRole")) or roles.get(person) or person or ""
        yield {"speaker": _SPEAKERS.get(role.upper(), "unknown"), "text": text}


def _without_record(analysis: Found, shelf: Shelf) -> Made | Refusal:
    """A chat says when it was; a call does not, and neither says whose it was."""
    value, key = analysis.value, analysis.key
    if broken := shelf.lost_of("analysis", key) or shelf.lost_of("contact record", key):
        return Refusal(f"Contact {key} cannot be read whole, because {broken} is broken.", key)
    times = [
        moment
        for item in objects_of(value.get("Transcript"))
        if (moment := moment_of(item.get("AbsoluteTime") or item.get("Time")))
    ]
    channel = (text_of(value.get("Channel")) or "").upper()
    if channel != "CHAT" or not times:
        return Refusal(
            f"The analysis {analysis.member} does not say when contact {key} began and whose it "
            f"was, and its contact record is not among the files. Add the contact record of {key}.",
            key,
        )
    fields = {
        "contact_id": key,
        "started_at": utc_text(min(times)),
        "channel": _CHANNELS[channel],
        "direction": "inbound",
        "turns": list(_turns(value)) or None,
        "language": language_of(value.get("LanguageCode")),
    }
    return Made(filled(fields), f"contact {key} in {analysis.member}")


# --- the reader


def _notes(shelf: Shelf) -> list[str]:
    notes = []
    if not shelf.has("contact record"):
        notes.append(
            "There are no contact records among the files looked at: calls cannot be read without "
            "them, and chats have no customer."
        )
    return notes


def recognise(bundle: Bundle) -> FileFacts | None:
    """Recognise Contact Lens analyses and contact records by their keys."""
    kinds = {"analysis": "Contact Lens analyses", "contact record": "contact records"}
    return facts_of(bundle, _LAYOUT, _contacts, format=FORMAT, kinds=kinds, notes=_notes)


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row for each contact, its legs joined."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Map our columns to themselves, and an attribute of a telling name to the disposition."""
    own = own_mapping(FORMAT)
    by_name = {
        re.sub(r"[^a-z]", "", column.removeprefix("attributes.").lower()): column
        for column in facts.header
        if column.startswith("attributes.")
    }
    columns = {k: v for k, v in own.columns.items() if k != "disposition"}
    reasons = {}
    if chosen := next((by_name[name] for name in DISPOSITIONS if name in by_name), None):
        columns["disposition"] = chosen
        reasons["disposition"] = f"The contact attribute “{chosen[11:]}” is named like one."
    return replaced(
        own, columns=columns, identifiers=mapped_identifiers(facts.header), reasons=reasons
    )


READER = Reader(
    FORMAT, "Amazon Connect Contact Lens", "amazon-connect", recognise, read_rows, mapping
)
