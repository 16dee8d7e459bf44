"""Twilio: Conversations cut into contacts, calls with what Voice Intelligence heard in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Layout, Made, Refusal, Source, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Json, Shelf
from closedloop.adapters.twilio_messages import conversation_contacts
from closedloop.adapters.twilio_voice import voice_contacts
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import own_mapping, text_of
from closedloop.adapters.vendor_values import mapped_identifiers, sort_key, with_snake_keys

FORMAT = "twilio"

DISPOSITIONS = (
    *("disposition", "calldisposition", "wrapup", "contactreason", "callreason", "reason"),
    *("outcome", "category", "topic"),
)
"""Names of conversation attributes and language operators that are taken for the disposition."""

_KINDS = {
    "CH": "conversation",
    "IM": "message",
    "MB": "participant",
    "GT": "transcript",
    "CA": "call",
    "RE": "recording",
}
_LISTS = {f"{kind}s": kind for kind in _KINDS.values()}
_PARTS = frozenset({"message", "participant"})
_TRANSCRIPT = re.compile(r"GT[0-9a-fA-F]{32}")
_OWNERS = {
    "message": re.compile(r'"conversation_?[sS]id"\s*:\s*"(\w+)'),
    "participant": re.compile(r'"conversation_?[sS]id"\s*:\s*"(\w+)'),
    "sentence": _TRANSCRIPT,
}


# --- what each record is


def _file(value: Json, source: Source) -> Filed | None:
    fields = with_snake_keys(value)
    sid = text_of(fields.get("sid")) or ""
    if "media_channel" in fields and "transcript" in fields:
        owner = _transcript_of(fields, source)
        key = text_of(fields.get("sentence_index")) or sid
        return Filed("sentence", key if owner else "", owner)
    if "operator_sid" in fields or "operator_type" in fields:
        owner = _transcript_of(fields, source)
        key = text_of(fields.get("operator_sid")) or text_of(fields.get("name")) or ""
        return Filed("operator result", key if owner else "", owner)
    kind = _KINDS.get(sid[:2]) or _LISTS.get(source.list_name)
    if kind is None or not {"account_sid", "date_created", "conversation_sid"} & fields.keys():
        return None
    version = sort_key(fields.get("date_updated"))
    if kind in _PARTS or not sid:
        owner = text_of(fields.get("conversation_sid")) or ""
        return Filed(kind, sid if owner else "", owner, version)
    return Filed(kind, sid, version=version)


def _transcript_of(fields: Json, source: Source) -> str:
    """Return the transcript of a sentence: said by it, by its page, or by the file's name."""
    said = text_of(fields.get("transcript_sid"))
    if said:
        return said
    places = (text_of(fields.get("url")), json.dumps(source.context), source.member)
    found = (_TRANSCRIPT.search(place) for place in places if place)
    return next((match[0] for match in found if match), "")


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    kind = _broken_kind(raw, list_name)
    if kind not in _OWNERS:
        sid = re.search(r'"sid"\s*:\s*"(\w+)', raw)
        return Filed(kind, sid[1] if sid else "?") if kind else None
    owner = _OWNERS[kind].search(raw) or (kind == "sentence" and _TRANSCRIPT.search(member)) or None
    return Filed(kind, "?", (owner[1] if owner.re.groups else owner[0]) if owner else "")


def _broken_kind(raw: str, list_name: str) -> str | None:
    if list_name == "sentences" or '"media_channel"' in raw or '"mediaChannel"' in raw:
        return "sentence"
    found = re.search(r'"sid"\s*:\s*"([A-Z]{2})', raw)
    kind = _KINDS.get(found[1]) if found else None
    return kind or {"messages": "message", "participants": "participant"}.get(list_name)


_LAYOUT = Layout(
    frozenset(
        {
            *("conversations", "messages", "participants", "transcripts", "sentences"),
            *("operator_results", "operatorResults", "calls", "recordings"),
        }
    ),
    _file,
    _file_broken,
)


# --- the reader


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    yield from conversation_contacts(shelf)
    yield from voice_contacts(shelf)


def _notes(shelf: Shelf) -> list[str]:
    notes = []
    if shelf.has("message") and not shelf.has("participant"):
        notes.append(
            "There are no participants among the files looked at: who wrote is told by phone "
            "numbers only. Add the participants of the conversations."
        )
    if shelf.has("transcript"):
        notes.append(
            "Where a transcript does not say who is on which channel, channel 1 is taken for the "
            "agent and 2 for the customer, as Twilio does."
        )
        if not shelf.has("sentence"):
            notes.append("There are no sentences among the files looked at: nothing was said.")
        if not shelf.has("call"):
            notes.append(
                "There are no calls among the files looked at: transcripts count as calls of "
                "customers. Add the calls and the recordings, which say who called whom."
            )
    return notes


def recognise(bundle: Bundle) -> FileFacts | None:
    """Recognise conversations, messages, transcripts and calls by their keys."""
    kinds = {
        "conversation": "conversations",
        "message": "messages",
        "transcript": "transcripts",
        "call": "calls",
    }
    return facts_of(bundle, _LAYOUT, _contacts, format=FORMAT, kinds=kinds, notes=_notes)


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row for each contact in a conversation and for each call."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Map our columns to themselves, and a column with a telling name to the disposition."""
    own = own_mapping(FORMAT)
    columns = {known: column for known, column in own.columns.items() if known != "disposition"}
    by_name = {
        re.sub(r"[^a-z]", "", column.split(".", 1)[1].lower()): column
        for column in facts.header
        if column.startswith(("attributes.", "operator."))
    }
    reasons = {}
    if chosen := next((by_name[name] for name in DISPOSITIONS if name in by_name), None):
        columns["disposition"] = chosen
        reasons["disposition"] = f"The column “{chosen}” is named like one."
    return replace(
        own, columns=columns, identifiers=mapped_identifiers(facts.header), reasons=reasons
    )


READER = Reader(
    FORMAT,
    "Twilio Conversations and Voice Intelligence",
    "twilio",
    recognise,
    read_rows,
    mapping,
    cuts=True,
)
