"""Zendesk: tickets of the incremental export joined with their comments, metrics and ratings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Layout, Made, Refusal, Source, brief, facts_of, read_joined
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.shelf import Filed, Found, Json, Shelf
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    at,
    filled,
    moment_of,
    own_mapping,
    text_of,
    with_subject,
)
from closedloop.adapters.vendor_values import (
    address_of,
    count_of,
    identifiers_of,
    mapped_identifiers,
    objects_of,
    sort_key,
    utc_text,
)
from closedloop.adapters.zendesk_comments import (
    Comment,
    comments_of,
    merged_into,
    plain_text,
    told_in,
)
from closedloop.adapters.zendesk_whole import comments_within, found_of, is_whole, with_ids

FORMAT = "zendesk"

DISPOSITIONS = (
    *("disposition", "contactreason", "reasonforcontact", "contactdriver", "wrapupcode", "reason"),
    *("rootcause", "category", "issuetype", "topic", "about", "subcategory"),
)
"""Titles of ticket fields that are taken for the disposition, most telling first."""

_CHANNELS = {
    **dict.fromkeys(("voice", "phone"), "phone"),
    **dict.fromkeys(("chat", "live_chat"), "chat"),
    **dict.fromkeys(("email", "mail"), "email"),
    **dict.fromkeys(
        ("native_messaging", "sms", "text", "whatsapp", "sunshine_conversations_api", "line"),
        "messaging",
    ),
    **dict.fromkeys(
        ("facebook", "facebook_post", "facebook_private_message", "twitter", "twitter_dm"),
        "social",
    ),
    **dict.fromkeys(("instagram_dm", "twitter_favorite", "any_channel"), "social"),
    **dict.fromkeys(
        ("web", "web_form", "web_widget", "web_service", "help_center", "mobile", "mobile_sdk"),
        "web",
    ),
}
_WITHOUT_SUBJECT = frozenset({"chat", "messaging", "phone"})
_STAFF = frozenset({"agent", "admin"})
_TICKET_MARKS = ("submitter_id", "brand_id", "generated_timestamp", "raw_subject")
_MERGE_TAG = "closed_by_merge"
_LISTS = {
    "groups": "group",
    "users": "user",
    "ticket_fields": "ticket field",
    "ticket_metrics": "ticket metric",
    "satisfaction_ratings": "rating",
}
_BROKEN_OWNER = re.compile(r'"ticket_id"\s*:\s*"?(\d+)')
_BROKEN_ID = re.compile(r'"id"\s*:\s*"?(\d+)')


# --- what each record is


def _file(value: Json, source: Source) -> Filed | None:
    key = text_of(value.get("id")) or ""
    owner = text_of(value.get("ticket_id")) or ""
    if "child_events" in value or source.list_name == "ticket_events":
        version = sort_key(value.get("timestamp") or value.get("created_at"))
        is_whole = owner and isinstance(value.get("child_events"), list)
        return Filed("ticket event", key if is_whole else "", owner, version)
    if _is_ticket(value, is_listed=source.list_name in ("tickets", "ticket")):
        changed = sort_key(value.get("updated_at"))
        return Filed("ticket", key, version=changed + sort_key(value.get("generated_timestamp")))
    kind = _LISTS.get(source.list_name) or _kind_by_url(value)
    if kind is None:
        return None
    version = sort_key(value.get("updated_at"))
    if kind in ("ticket metric", "rating"):
        return Filed(kind, key if owner else "", owner, version)
    return Filed(kind, key, version=version)


def _is_ticket(value: Json, *, is_listed: bool) -> bool:
    """Whether a record is a ticket of Zendesk: others call their lists tickets, too."""
    needed = ("requester_id" in value or is_whole(value)) and "status" in value
    is_marked = any(mark in value for mark in _TICKET_MARKS) or isinstance(value.get("via"), dict)
    return (is_listed or needed) and is_marked


def _kind_by_url(value: Json) -> str | None:
    """Tell what a line without a list around it is by its address in the API."""
    url = text_of(value.get("url")) or ""
    found = re.search(r"/api/v2/([a-z_]+)/\d+", url)
    return _LISTS.get(found[1]) if found else None


def _file_broken(raw: str, list_name: str, member: str) -> Filed | None:
    owner = _BROKEN_OWNER.search(raw)
    key = _BROKEN_ID.search(raw)
    if list_name == "ticket_events" or "child_events" in raw:
        return Filed("ticket event", "?", owner[1] if owner else "")
    if list_name == "tickets" or "requester_id" in raw:
        return Filed("ticket", key[1] if key else "?")
    kind = _LISTS.get(list_name)
    return Filed(kind, "?", owner[1] if owner else "") if kind else None


_LAYOUT = Layout(
    frozenset({"tickets", "ticket_events", "ticket", "user", *_LISTS}), _file, _file_broken
)


# --- contacts


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    events_end = shelf.cut_after("ticket event")
    for ticket in shelf.each("ticket"):
        if _status(ticket.value) != "deleted":
            yield _contact(with_ids(ticket), shelf, events_end)
        else:  # is left out, but the contact may be here since an earlier export
            gone = {"contact_id": ticket.key, "direction": "deleted"}
            yield Made(gone, f"ticket {brief(ticket.key)} in {ticket.member}")
    for key in shelf.owners("ticket event"):
        if shelf.newest("ticket", key) is None:
            yield Refusal(
                f"There are events of ticket {brief(key)} in "
                f"{shelf.parts('ticket event', key)[0].member}, but the ticket is not among the "
                "files. Export tickets and ticket events from the same start time.",
                key,
            )


def _status(ticket: Json) -> str:
    return (text_of(ticket.get("status")) or "").lower()


def _contact(ticket: Found, shelf: Shelf, events_end: str | None) -> Made | Refusal:
    shown = brief(ticket.key)
    broken = shelf.lost_of("ticket event", ticket.key)
    is_later = events_end is not None and sort_key(ticket.value.get("updated_at")) >= events_end
    if not broken and is_later:
        broken = "a file of ticket events"  # events are in order of time
    if broken:
        return Refusal(
            f"Ticket {shown} cannot be read whole, because {broken} is broken. Export that file "
            "again.",
            ticket.key,
        )
    return Made(_fields(ticket, shelf), f"ticket {shown} in {ticket.member}")


def _fields(ticket: Found, shelf: Shelf) -> Json:
    value, key = ticket.value, ticket.key
    requester = text_of(value.get("requester_id"))
    events = [event.value for event in shelf.parts("ticket event", key)]
    told = told_in(events) or comments_within(value)
    comments = comments_of(told)
    tags = _tags(value)
    target = merged_into(told, requester, itself=key)
    is_merged = _MERGE_TAG in tags or target is not None
    channel = _channel(value)
    metric = _metric(ticket, shelf)
    stations = count_of(metric.get("group_stations"))
    follows = target or _followed(value)
    fields = {
        "contact_id": key,
        "started_at": utc_text(moment_of(value.get("created_at")))
        or text_of(value.get("created_at")),
        "customer_id": requester,
        **_identifiers(requester, value, shelf),
        "channel": channel,
        "direction": _direction(value, shelf),
        "queue": _named("group", value, shelf),
        "agent": _named("user", value, shelf),
        "turns": _turns(value, comments, channel, shelf) or None,
        "transfers": None if stations is None else max(0, stations - 1),
        "resolved": None if is_merged else _status(value) in ("solved", "closed"),
        "csat": _csat(ticket, shelf),
        "follows_contact_id": follows if follows != key else None,
        **_extras(value, metric, tags, is_merged=is_merged),
    }
    return filled(fields)


def _named(kind: str, ticket: Json, shelf: Shelf) -> str | None:
    """Return the name of the group or the assignee, or the id where there are no names."""
    key = text_of(ticket.get("group_id" if kind == "group" else "assignee_id"))
    return text_of(found_of(kind, key, ticket, shelf).get("name")) or key


def _identifiers(requester: str | None, ticket: Json, shelf: Shelf) -> Json:
    """Return the requester's addresses, where they are known."""
    user = found_of("user", requester, ticket, shelf)
    return identifiers_of(*(address_of(user.get(name)) for name in ("phone", "email")))


def _channel(ticket: Json) -> str | None:
    said = (text_of(at(ticket, "via", "channel")) or "").lower()
    return _CHANNELS.get(said, said or None)


def _direction(ticket: Json, shelf: Shelf) -> str:
    """Left out are tickets of colleagues, and those the company opened to reach a customer."""
    requester = text_of(ticket.get("requester_id"))
    submitter = text_of(ticket.get("submitter_id"))
    if text_of(found_of("user", requester, ticket, shelf).get("role")) in _STAFF:
        return "internal"
    if text_of(at(ticket, "via", "channel")) == "side_conversation":
        return "internal"  # colleagues about a ticket of a customer
    if text_of(at(ticket, "via", "source", "rel")) == "outbound":
        return "outbound"
    is_other = None not in (requester, submitter) and requester != submitter
    came_by = text_of(at(ticket, "via", "channel"))
    return "outbound" if is_other and came_by in ("api", "agent") else "inbound"


def _followed(ticket: Json) -> str | None:
    if text_of(at(ticket, "via", "source", "rel")) != "follow_up":
        return None
    return text_of(at(ticket, "via", "source", "from", "ticket_id"))


def _turns(ticket: Json, comments: list[Comment], channel: str | None, shelf: Shelf) -> list[Json]:
    """Return what was public: the description, where no comment is it, and public comments."""
    turns = [
        {"speaker": _speaker(comment.author, ticket, shelf), "text": comment.text}
        for comment in comments
        if comment.is_public and comment.text
    ]
    description = plain_text(ticket.get("description"))
    is_told = any(comment.begins_like(description) for comment in comments)
    if description and not is_told and ticket.get("is_public") is not False:
        author = text_of(ticket.get("submitter_id")) or text_of(ticket.get("requester_id"))
        turns.insert(0, {"speaker": _speaker(author, ticket, shelf), "text": description})
    if turns and channel not in _WITHOUT_SUBJECT:
        subject = text_of(ticket.get("subject")) or text_of(ticket.get("raw_subject"))
        turns[0] = turns[0] | {"text": with_subject(subject, turns[0]["text"])}
    return turns


def _speaker(author: str | None, ticket: Json, shelf: Shelf) -> str:
    """The requester is the customer; others are agents unless the list of users says otherwise."""
    if author is None:
        return "unknown"
    if author == text_of(ticket.get("requester_id")):
        return "customer"
    if author.startswith("-"):
        return "bot"  # -1 is Zendesk itself
    role = text_of(found_of("user", author, ticket, shelf).get("role"))
    return "customer" if role == "end-user" else "agent"


def _metric(ticket: Found, shelf: Shelf) -> Json:
    found = shelf.parts("ticket metric", ticket.key)
    own = ticket.value.get("metric_set")
    return found[-1].value if found else own if isinstance(own, dict) else {}


def _csat(ticket: Found, shelf: Shelf) -> int | None:
    """Return 5 for good and 1 for bad; an offer that was not taken is no answer."""
    ratings = [rating.value.get("score") for rating in shelf.parts("rating", ticket.key)]
    for score in [*reversed(ratings), at(ticket.value, "satisfaction_rating", "score")]:
        word = (text_of(score) or "").lower().split("_")[0]
        if word in ("good", "bad"):
            return 5 if word == "good" else 1
    return None


def _tags(ticket: Json) -> list[str]:
    tags = ticket.get("tags")
    return [text for tag in tags if (text := text_of(tag))] if isinstance(tags, list) else []


def _extras(ticket: Json, metric: Json, tags: list[str], *, is_merged: bool) -> Json:
    """Return columns that people may map instead: fields of their own, tags and figures."""
    submitter, requester = (text_of(ticket.get(f"{who}_id")) for who in ("submitter", "requester"))
    extras: Json = {
        "tags": ", ".join(tags) or None,
        "merged": True if is_merged else None,
        "status": text_of(ticket.get("status")),
        "priority": text_of(ticket.get("priority")),
        "type": text_of(ticket.get("type")),
        "brand_id": text_of(ticket.get("brand_id")),
        "organization_id": text_of(ticket.get("organization_id")),
        "submitted_by": None
        if submitter is None
        else ("requester" if submitter == requester else "somebody else"),
        "reopens": count_of(metric.get("reopens")),
        "assignee_stations": count_of(metric.get("assignee_stations")),
        "first_reply_minutes": count_of(at(metric, "reply_time_in_minutes", "calendar")),
        "csat_reason": text_of(at(ticket, "satisfaction_rating", "reason")),
    }
    for item in objects_of(ticket.get("custom_fields")):
        if identity := text_of(item.get("id")):
            extras[f"custom_fields.{identity[:100]}"] = _field_value(item.get("value"))
    return extras


def _field_value(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(text for item in value if (text := text_of(item))) or None
    return value if isinstance(value, bool) else text_of(value)


# --- the reader


def _notes(shelf: Shelf) -> list[str]:
    notes = []
    deleted = sum(_status(ticket.value) == "deleted" for ticket in shelf.each("ticket"))
    if deleted:
        word = "ticket is" if deleted == 1 else "tickets are"
        notes.append(f"{deleted} deleted {word} passed over in the part looked at.")
    if any(comments_within(ticket.value) for ticket in islice(shelf.each("ticket"), 20)):
        pass  # tickets hold their comments
    elif not shelf.has("ticket event"):
        notes.append(
            "There are no ticket events among the files looked at: only the first message of "
            "a ticket is known."
        )
    elif not _holds_comments(shelf):
        notes.append(
            "The ticket events hold no comments: only the first message of a ticket is known. "
            "Export them with include=comment_events."
        )
    if field := _disposition_field(shelf):
        notes.append(f"{_FIELD_NOTE}{field[0]} is “{field[1]}”.")
    return notes


def _holds_comments(shelf: Shelf) -> bool:
    """Whether any event looked at has words; without `include=comment_events` none has."""
    events = (
        found.value
        for key in shelf.owners("ticket event")
        for found in shelf.parts("ticket event", key)
    )
    return any(comment.text for event in events for comment in comments_of(told_in([event])))


_FIELD_NOTE = "The ticket field custom_fields."


def _disposition_field(shelf: Shelf) -> tuple[str, str] | None:
    """Return id and title of the ticket field that is named like a disposition."""
    titles: dict[str, tuple[str, str]] = {}
    for field in shelf.each("ticket field"):
        title = text_of(field.value.get("title")) or ""
        titles.setdefault(re.sub(r"[^a-z]", "", title.lower()), (field.key, title))
    return next((titles[name] for name in DISPOSITIONS if name in titles), None)


def recognise(bundle: Bundle) -> FileFacts | None:
    """Recognise tickets and ticket events by their keys."""
    kinds = {"ticket": "tickets", "ticket event": "ticket events"}
    return facts_of(bundle, _LAYOUT, _contacts, format=FORMAT, kinds=kinds, notes=_notes)


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield one row for each ticket; one that was deleted says only that."""
    return read_joined(bundle, _LAYOUT, _contacts)


def mapping(facts: FileFacts) -> Mapping:
    """Map our columns to themselves, and a ticket field with a telling title to the disposition.

    An incremental export holds the comments since its start time, not those before.
    """
    own = own_mapping(FORMAT)
    columns = {known: column for known, column in own.columns.items() if known != "disposition"}
    reasons = {}
    for reason in facts.reasons:
        if reason.startswith(_FIELD_NOTE):
            column = reason.removeprefix("The ticket field ").split(" ", 1)[0]
            if column in facts.header:
                columns["disposition"] = column
                reasons["disposition"] = reason
    return replace(
        own,
        columns=columns,
        identifiers=mapped_identifiers(facts.header),
        on_change="extend",
        reasons=reasons,
    )


READER = Reader(FORMAT, "Zendesk tickets", "zendesk", recognise, read_rows, mapping)
