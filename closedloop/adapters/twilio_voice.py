"""Calls of Twilio with their legs, and the transcripts that Voice Intelligence made of them."""

from __future__ import annotations

from collections.abc import Iterator

from closedloop.adapters.joined import Made, Refusal, brief
from closedloop.adapters.shelf import Found, Json, Shelf
from closedloop.adapters.vendor_rows import at, filled, moment_of, number_of, text_of
from closedloop.adapters.vendor_values import (
    address_of,
    count_of,
    identifiers_of,
    language_of,
    objects_of,
    sort_key,
    utc_text,
    with_snake_keys,
    working_seconds,
)

_ROLES = {
    **dict.fromkeys(("customer", "caller", "client"), "customer"),
    **dict.fromkeys(("agent", "human_agent", "operator", "representative"), "agent"),
    **dict.fromkeys(("bot", "ai_agent", "virtual_agent", "ivr", "assistant"), "bot"),
}
DEFAULT_CHANNELS = {1: "agent", 2: "customer"}
"""What Twilio takes the two channels of a recording for when nobody says."""

_INBOUND = frozenset({"inbound", "trunking-originating"})
_MAX_LEGS = 50


def voice_contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    """Yield a contact for each call, its legs and transcripts joined, and for lone transcripts."""
    for call in shelf.each("call"):
        shelf.link(f"call {_root_of(call, shelf)}", f"call {call.key}")
    for transcript in shelf.each("transcript"):
        call_sid = _call_of(transcript.value, shelf)
        owner = f"call {call_sid}" if call_sid else f"transcript {transcript.key}"
        shelf.link(owner, f"transcript {transcript.key}")
    for owner, keys in shelf.linked():
        yield _contact(owner.split(" ", 1)[1], keys, shelf)


def _root_of(call: Found, shelf: Shelf) -> str:
    """Return the call a leg was dialled from, and that one's, up to the first."""
    seen = [call.key]
    while len(seen) < _MAX_LEGS:
        parent = text_of(with_snake_keys(call.value).get("parent_call_sid"))
        if parent is None:
            break
        if parent in seen:
            return min(seen)
        seen.append(parent)
        found = shelf.newest("call", parent)
        if found is None:
            break
        call = found
    return seen[-1]


def _call_of(transcript: Json, shelf: Shelf) -> str | None:
    """Return the call a transcript was made of: by its recording, or named in `customer_key`."""
    fields = with_snake_keys(transcript)
    source = text_of(_media(fields).get("source_sid"))
    recording = shelf.newest("recording", source) if source else None
    of_recording = with_snake_keys(recording.value).get("call_sid") if recording else None
    for sid in (text_of(of_recording), source, text_of(fields.get("customer_key"))):
        if sid and (call := shelf.newest("call", sid)):
            return _root_of(call, shelf)
    return None


def _media(fields: Json) -> Json:
    channel = fields.get("channel")
    media = with_snake_keys(channel).get("media_properties") if isinstance(channel, dict) else None
    return with_snake_keys(media) if isinstance(media, dict) else {}


def _contact(key: str, keys: list[str], shelf: Shelf) -> Made | Refusal:
    shown = brief(key)
    sids = [name.split(" ", 1) for name in keys]
    calls = [c for kind, sid in sids if kind == "call" and (c := shelf.newest("call", sid))]
    found = [t for kind, sid in sids if kind == "transcript" and (t := shelf.newest(kind, sid))]
    for transcript in found:
        if broken := shelf.lost_of("sentence", transcript.key):
            reason = f"Call {shown} cannot be read whole, because {broken} is broken."
            return Refusal(f"{reason} Export that file again.", key)
    first = next((call for call in calls if call.key == key), None)
    if calls and first is None:
        return Refusal(
            f"Call {brief(calls[0].key)} in {calls[0].member} was dialled from call {shown}, which "
            f"is not among the files. Add call {shown}.",
            key,
        )
    transcripts = [(t.key, with_snake_keys(t.value)) for t in found]
    transcripts.sort(key=lambda pair: sort_key(pair[1].get("media_start_time")))
    fields = _of_transcripts(transcripts, shelf)
    if first is not None:
        fields |= filled(_of_call(first, calls))
    elif fields["started_at"] is None:
        return Refusal(
            f"Transcript {shown} in {found[0].member} does not say when the call was "
            "(media_start_time). Add the call and its recording.",
            key,
        )
    fields |= identifiers_of(fields.get("customer_id"))
    member = first.member if first else found[0].member
    return Made(
        filled({"contact_id": key, "channel": "phone", **fields}), f"call {shown} in {member}"
    )


def _of_call(first: Found, calls: list[Found]) -> Json:
    call = with_snake_keys(first.value)
    is_inbound = (text_of(call.get("direction")) or "").lower() in _INBOUND
    began = call.get("start_time") or call.get("date_created")
    legs = [with_snake_keys(leg.value) for leg in calls if leg is not first]
    talked = [s for leg in legs if (s := count_of(leg.get("duration")))]
    return {
        "started_at": utc_text(moment_of(began)) or text_of(began),
        "direction": "inbound" if is_inbound else "outbound",
        "customer_id": address_of(call.get("from" if is_inbound else "to")),
        "handle_seconds": working_seconds(sum(talked)) if talked else None,
        "transfers": max(0, len(talked) - 1) if legs else None,
        "call_status": text_of(call.get("status")),
        "call_seconds": count_of(call.get("duration")),
    }


def _of_transcripts(transcripts: list[tuple[str, Json]], shelf: Shelf) -> Json:
    """Return what transcripts say: without the call, that it came in is assumed."""
    turns = [turn for key, fields in transcripts for turn in _turns(key, fields, shelf)]
    began = [fields.get("media_start_time") for _, fields in transcripts]
    customers = (c for _, fields in transcripts if (c := _customer(fields)))
    codes = (c for _, fields in transcripts if (c := language_of(fields.get("language_code"))))
    keys = (k for _, fields in transcripts if (k := text_of(fields.get("customer_key"))))
    result: Json = {
        "started_at": next((utc_text(moment_of(b)) or text_of(b) for b in began if b), None),
        "direction": "inbound",
        "customer_id": next(customers, None),
        "turns": turns or None,
        "language": next(codes, None),
        "customer_key": next(keys, None),
    }
    for key, _ in transcripts:
        result |= _operators(key, shelf)
    return result


def _participants(fields: Json) -> list[Json]:
    channel = fields.get("channel")
    people = at(with_snake_keys(channel), "participants") if isinstance(channel, dict) else None
    return [with_snake_keys(person) for person in objects_of(people)]


def _role(person: Json) -> str | None:
    word = (text_of(person.get("role")) or "").lower().replace(" ", "_")
    return _ROLES.get(word)


def _customer(fields: Json) -> str | None:
    for person in _participants(fields):
        if _role(person) == "customer" and (
            found := address_of(person.get("media_participant_id"))
        ):
            return found
    return None


def _turns(key: str, fields: Json, shelf: Shelf) -> list[Json]:
    sentences = [with_snake_keys(part.value) for part in shelf.parts("sentence", key)]
    sentences.sort(key=lambda sentence: number_of(sentence.get("sentence_index")) or 0)
    channels = {count_of(sentence.get("media_channel")) for sentence in sentences}
    speakers = _speakers(fields, channels)
    return [
        {"speaker": speakers.get(count_of(s.get("media_channel")) or 0, "unknown"), "text": text}
        for s in sentences
        if (text := text_of(s.get("transcript")))
    ]


def _speakers(fields: Json, channels: set[int | None]) -> dict[int, str]:
    """Return who is on which channel: as said, or else by default where there are two.

    One channel holds everybody, so nobody is told apart.
    """
    said = {
        number: role
        for person in _participants(fields)
        if (number := count_of(person.get("channel_participant"))) and (role := _role(person))
    }
    if said:
        return said
    return DEFAULT_CHANNELS if len(channels) > 1 else {}


def _operators(key: str, shelf: Shelf) -> Json:
    """Return results of language operators as columns: a label, or else a text."""
    found: Json = {}
    for part in shelf.parts("operator result", key):
        fields = with_snake_keys(part.value)
        name = text_of(fields.get("name"))
        results = (
            text_of(fields.get("predicted_label")),
            text_of(fields.get("normalized_result")),
            text_of(at(fields, "text_generation_results", "result")),
        )
        if name and (result := next((r for r in results if r), None)):
            found[f"operator.{name[:200]}"] = result
    return found
