"""Read conversations of Google's insights for contact centres: files to upload, and API answers.

A file to upload holds one conversation as `entries`; the API answers with conversations that have
a name, a start and a transcript. Each is one contact. Where nothing says when a conversation
began, a table beside it (the manifest) does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.guesses import normalised_name
from closedloop.adapters.joined import Layout, Made, Refusal, Source, brief, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    MAX_HANDLE_SECONDS,
    OUR_COLUMNS,
    at,
    extra_columns,
    filled,
    items_at,
    moment_of,
    number_between,
    number_of,
    own_mapping,
    text_of,
    time_column,
)
from closedloop.adapters.vendor_text import html_to_text
from closedloop.adapters.vendor_values import language_of, sort_key

FORMAT = "google_insights"

NUMBERS_WITHIN = 100
"""A `user_id` below this numbers the speakers of one conversation and is nobody's id."""

_SPEAKERS = {
    **dict.fromkeys(("CUSTOMER", "END_USER"), "customer"),
    **dict.fromkeys(("AGENT", "HUMAN_AGENT"), "agent"),
    "AUTOMATED_AGENT": "bot",
}
_MEDIA = {"PHONE_CALL": "phone", "CHAT": "chat"}
_RESOURCE = re.compile(r"projects/[^/]+/locations/[^/]+/conversations/([^/]+)")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d+)?)s")
_ID_COLUMNS = ("conversation_id", "contact_id", "conversation", "name", "id")
_FILE_COLUMNS = ("file", "file_name", "filename", "path", "uri", "transcript_file")


def recognise(bundle: Bundle) -> FileFacts | None:
    """Return facts if a file of the bundle holds conversations in one of Google's two shapes."""
    return facts_of(
        bundle,
        _LAYOUT,
        _contacts,
        format=FORMAT,
        kinds={"conversation": "conversations of Google's contact centre insights"},
        notes=_notes,
    )


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row per conversation."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Return what each column is: they have our names already."""
    return own_mapping(FORMAT)


# --- what each record is


def _file(item: Json, source: Source) -> Filed | None:
    if source.list_name == "table":
        key = _manifest_key({normalised_name(name): value for name, value in item.items()})
        return Filed("manifest", key) if key else None
    if is_upload(item):
        return Filed("conversation", _upload_id(item) or _digest(item, source.member))
    if is_resource(item):
        key = _resource_id(item) or _digest(item, source.member)
        return Filed("conversation", key, version=sort_key(_get(item, "updateTime")))
    return None


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    return None  # a conversation is whole in one record: what is broken takes from no other


_LAYOUT = Layout(frozenset({"conversations"}), _file, _file_broken, has_tables=True)


def is_upload(item: Json) -> bool:
    """Whether an object is a conversation as it is uploaded."""
    entries = item.get("entries")
    if not isinstance(entries, list):
        return False
    if not entries:
        return "conversation_info" in item
    first = entries[0]
    if not isinstance(first, dict) or "role" not in first:
        return False
    return "start_timestamp_usec" in first or {"text", "user_id"} <= first.keys()


def is_resource(item: Json) -> bool:
    """Whether an object is a conversation as the API hands it out."""
    has_name = bool(_RESOURCE.fullmatch(text_of(item.get("name")) or ""))
    return has_name or isinstance(_get(item, "transcript", "transcriptSegments"), list)


def _get(item: Any, *path: str) -> Any:
    """Return what stands at a path, keys as `startTime` or `start_time`."""
    for key in path:
        found = at(item, key)
        item = (
            at(item, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()) if found is None else found
        )
    return item


def _upload_id(item: Json) -> str | None:
    """Return an id that somebody put beside the entries; the format itself has none."""
    keys = ("conversation_id", "conversationId", "id")
    return next((found for key in keys if (found := text_of(item.get(key)))), None)


def _resource_id(item: Json) -> str | None:
    found = _RESOURCE.fullmatch(text_of(item.get("name")) or "")
    return found[1] if found else text_of(item.get("name"))


def _digest(item: Json, member: str) -> str:
    """Return the file and an id made of the content, for a conversation that has none."""
    text = json.dumps(item, sort_keys=True)
    return f"{member}:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def _manifest_key(row: Json) -> str | None:
    """Return what a row of the manifest is about: an id, or the name of a file."""
    if not any(name in row for name in ("started_at", "start_time", "customer_id")):
        return None
    for name in _FILE_COLUMNS:
        if found := text_of(row.get(name)):
            return _stem(found)
    return next((found for name in _ID_COLUMNS if (found := text_of(row.get(name)))), None)


def _stem(name: str) -> str:
    """Return the name of a file without folders and ending."""
    return PurePosixPath(name.replace("\\", "/")).stem


def _notes(shelf: Shelf) -> list[str]:
    if shelf.has("manifest"):
        return ["A table beside them says more about each conversation."]
    return []


# --- contacts


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    stems = set()
    for found, number, is_alone in _placed(shelf.each("conversation")):
        stems.add(_stem(found.member))
        yield _contact(found, number, is_alone, shelf)
    for row in shelf.each("manifest"):
        if row.key not in stems and shelf.newest("conversation", row.key) is None:
            yield Refusal(
                f"{row.member} lists {brief(row.key)}, but no such conversation is among the "
                "files. Add it, or take the line out.",
                row.key,
            )


def _placed(conversations: Iterator[Found]) -> Iterator[tuple[Found, int, bool]]:
    """Yield each conversation with its number in its file and whether it is alone there."""
    waiting = next(conversations, None)
    number = 0
    while waiting is not None:
        found, waiting = waiting, next(conversations, None)
        number += 1
        is_last = waiting is None or waiting.member != found.member
        yield found, number, is_last and number == 1
        if is_last:
            number = 0


def _contact(found: Found, number: int, is_alone: bool, shelf: Shelf) -> Made | Refusal:
    item = found.value
    stem = _stem(found.member)
    has_own_id = bool(_upload_id(item) if is_upload(item) else _resource_id(item))
    contact_id = found.key
    if not has_own_id:
        contact_id = stem if is_alone else found.key.rpartition(":")[2]
    manifest = _manifest(shelf, found.key, stem if is_alone else None)
    told = manifest.pop("started_at", None) or manifest.pop("start_time", None)
    begun = time_column(moment_of(told), told) if told else time_column(_begun_at(item), None)
    where = f"{found.member}" if is_alone else f"conversation {number} of {found.member}"
    if begun is None:
        return Refusal(
            f"The conversation {brief(contact_id)} in {found.member} does not say when it began: "
            "it has no times, or they count from its own beginning. Put a CSV file beside it with "
            "the columns conversation_id (or file) and started_at."
        )
    fields = {**_fields(item), "direction": "inbound", **manifest}
    fields |= {"contact_id": contact_id, "started_at": begun}
    return Made(filled(fields), where)


def _manifest(shelf: Shelf, key: str, stem: str | None) -> Json:
    """Return what the manifest says about a conversation: our columns, by our names."""
    found = shelf.newest("manifest", key) or (shelf.newest("manifest", stem) if stem else None)
    if found is None:
        return {}
    known = {*OUR_COLUMNS, "direction", "start_time"} - {"contact_id", "turns"}
    row = {normalised_name(name): text_of(value) for name, value in found.value.items()}
    return {name: value for name, value in row.items() if name in known and value}


def _begun_at(item: Json) -> datetime | None:
    """Return the start if it is a time of day and not an offset; never the time of upload."""
    if is_upload(item):
        times = [at(entry, "start_timestamp_usec") for entry in items_at(item, "entries")]
    else:
        segments = _segments(item)
        times = [_get(item, "startTime"), *(_get(s, "messageTime") for s in segments[:1])]
    return next((moment for time in times[:2] if (moment := moment_of(time))), None)


def _segments(item: Json) -> list[Any]:
    found = _get(item, "transcript", "transcriptSegments")
    return found if isinstance(found, list) else []


def _fields(item: Json) -> Json:
    return _upload_fields(item) if is_upload(item) else _resource_fields(item)


def _upload_fields(item: Json) -> Json:
    entries = items_at(item, "entries")
    categories = items_at(item, "conversation_info", "categories")
    names = [text_of(at(category, "display_name")) for category in categories]
    own = [at(e, "user_id") for e in entries if _speaker(at(e, "role")) == "customer"]
    return {
        "customer_id": next((found for value in own if (found := _person(value))), None),
        "turns": _turns((at(e, "role"), at(e, "text")) for e in entries),
        "categories": ", ".join(name for name in names if name) or None,
    }


def _resource_fields(item: Json) -> Json:
    segments = _segments(item)
    agents = _get(item, "qualityMetadata", "agentInfo")
    agent = agents[-1] if isinstance(agents, list) and agents else None
    medium = (text_of(item.get("medium")) or "").upper()
    has_audio = _get(item, "dataSource", "gcsSource", "audioUri") is not None
    seconds = _seconds(_get(item, "qualityMetadata", "waitDuration"))
    return {
        "customer_id": _customer(item, segments),
        "channel": _MEDIA.get(medium, "phone" if has_audio else medium.lower() or None),
        "agent": text_of(_get(agent, "displayName"))
        or text_of(_get(agent, "agentId"))
        or text_of(_get(item, "agentId")),
        "team": text_of(at(agent, "team")),
        "disposition": text_of(_get(agent, "dispositionCode")),
        "turns": _turns((_role(s, item), at(s, "text")) for s in segments),
        "wait_seconds": number_between(seconds, 0, MAX_HANDLE_SECONDS),
        "language": language_of(_get(item, "languageCode")),
        "duration_seconds": _seconds(item.get("duration")),
        "satisfaction_rating": number_of(
            _get(item, "qualityMetadata", "customerSatisfactionRating")
        ),
        "menu_path": text_of(_get(item, "qualityMetadata", "menuPath")),
        **extra_columns("labels", item.get("labels")),
    }


def _customer(item: Json, segments: list[Any]) -> str | None:
    if found := text_of(_get(item, "obfuscatedUserId")):
        return found
    for segment in segments:
        person = _get(segment, "segmentParticipant")
        if _speaker(_get(person, "role")) == "customer":
            found = text_of(_get(person, "obfuscatedExternalUserId"))
            if found := found or _person(_get(person, "userId")):
                return found
    return None


def _person(value: Any) -> str | None:
    """Return an id that may be somebody's everywhere, not a number within a conversation."""
    number = number_of(value)
    return None if number is not None and number < NUMBERS_WITHIN else text_of(value)


def _role(segment: Any, item: Json) -> Any:
    """Return the role of a segment, or that of its audio channel where only that is known."""
    role = _get(segment, "segmentParticipant", "role")
    tag = number_of(_get(segment, "channelTag"))
    if role is not None or not tag:
        return role
    for name, known in (("customerChannel", "END_USER"), ("agentChannel", "HUMAN_AGENT")):
        if number_of(_get(item, "callMetadata", name)) == tag:
            return known
    return None


def _speaker(role: Any) -> str:
    return _SPEAKERS.get((text_of(role) or "").upper(), "unknown")


def _turns(said: Iterator[tuple[Any, Any]]) -> list[dict[str, str]]:
    return [
        {"speaker": _speaker(role), "text": words}
        for role, text in said
        if (words := html_to_text(text_of(text) or ""))
    ]


def _seconds(value: Any) -> float | None:
    """Return a duration such as `12.5s` in seconds."""
    found = _DURATION.fullmatch(text_of(value) or "")
    return float(found[1]) if found else None


READER = Reader(
    format=FORMAT,
    title="Google contact centre insights",
    guide="google-insights",
    recognise=recognise,
    read_rows=read_rows,
    mapping=mapping,
)
