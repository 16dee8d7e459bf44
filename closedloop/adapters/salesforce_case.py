"""Read Salesforce cases with their e-mails, comments and calls.

A case is a file that is kept, not a contact: its opening is one contact, each e-mail of the
customer after a rest (`vendor_rows.session_gap`) another, and so is each inbound call other than
the one that opened the case. Internal comments are for colleagues and never come in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.joined import Made, Refusal
from closedloop.adapters.lines import without_escapes
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.salesforce_records import field_of, load, record_id
from closedloop.adapters.shelf import Found, Json, Shelf
from closedloop.adapters.times import guess_date_order, has_offset
from closedloop.adapters.types import BadRow, FileFacts, RawRow
from closedloop.adapters.vendor_rows import (
    MAX_HANDLE_SECONDS,
    SAMPLE_ROWS,
    Message,
    facts_from,
    filled,
    flag_of,
    number_between,
    own_mapping,
    session_gap,
    split_sessions,
    text_of,
    wall_clock,
    with_subject,
)
from closedloop.adapters.vendor_text import html_to_text
from closedloop.adapters.vendor_values import (
    address_of,
    identifiers_of,
    language_of,
    mapped_identifiers,
)

FORMAT = "salesforce_case"

LOOKED_AT_MEMBERS = 200
"""How many files of a bundle the first look takes in."""

OPENING_CALL_BEFORE = timedelta(hours=2)
OPENING_CALL_AFTER = timedelta(minutes=30)
"""A call that starts so long before or after the case was opened is the one that opened it."""

OPENING_MAIL_WITHIN = timedelta(hours=1)
"""An e-mail received so close to the opening of the case is the opening, not a second message."""

_ORIGINS = (
    ("phone", re.compile(r"phone|call|voice|telef|tel\b")),
    ("messaging", re.compile(r"sms|whatsapp|messaging|in-?app")),
    ("chat", re.compile(r"chat")),
    ("email", re.compile(r"e-?mail")),
    ("social", re.compile(r"twitter|facebook|instagram|social|linkedin")),
    ("web", re.compile(r"web|portal|community|site|form|internet")),
)
_INBOUND = frozenset({"inbound"})
_DRAFT = frozenset({"5", "draft"})
_AUTOMATIC = re.compile(r"^auto-submitted:\s*auto-", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"(?:re|aw|sv|antw|fwd?|wg|tr)\s*:", re.IGNORECASE)
_CASE_PREFIX = "500"
_NEVER = datetime.max.replace(tzinfo=UTC)
_ADDRESSES = (
    *("SuppliedEmail", "ContactEmail", "Contact.Email"),
    *("SuppliedPhone", "ContactMobile", "ContactPhone", "Contact.MobilePhone", "Contact.Phone"),
)
"""Where the customer of a case can be reached; the first address of each kind counts."""

_EXTRAS = (
    *("CaseNumber", "Type", "Status", "Priority", "Origin", "AccountId", "IsEscalated"),
    *("ClosedDate", "AssetId", "ProductId", "RecordTypeId", "SuppliedName", "SuppliedCompany"),
)


def recognise(bundle: Bundle) -> FileFacts | None:
    """Return facts if a file of the bundle holds cases of Salesforce."""
    with closing(Shelf()) as shelf:
        for _ in load(bundle.members[:LOOKED_AT_MEMBERS], shelf, is_look=True):
            pass
        if not shelf.has("case"):
            return None
        made = (item for item in _contacts(shelf) if isinstance(item, Made))
        rows = [RawRow(n, m.fields) for n, m in enumerate(islice(made, SAMPLE_ROWS), 1)]
        return facts_from(FORMAT, rows, _reasons(shelf))


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield what is broken, then one row per contact."""
    with closing(Shelf(bundle.watch, bundle.pauses)) as shelf:
        for line, item in enumerate(chain(load(bundle.members, shelf), _contacts(shelf)), start=1):
            if isinstance(item, Refusal):
                yield BadRow(line, without_escapes(item.reason), without_escapes(item.raw))
            else:
                bundle.watch.is_making = True
                yield RawRow(line, item.fields, where=item.where)


def mapping(facts: FileFacts) -> Mapping:
    """Return what each column is; of times without an offset the order of dates, if it shows."""
    own = replace(own_mapping(FORMAT), identifiers=mapped_identifiers(facts.header))
    times = [row[facts.header.index("started_at")] for row in facts.sample_rows]
    if all(has_offset(time) for time in times if time):
        return own
    order, why = guess_date_order(times)
    zone = (
        "The times carry no offset: say in which time zone the report was run. The weekly data "
        "export writes UTC."
    )
    reasons = {"date_order": why, "zone": zone}
    return replace(own, date_order=None if order == "ambiguous" else order, reasons=reasons)


def _reasons(shelf: Shelf) -> list[str]:
    reasons = ["The files hold cases of Salesforce."]
    beside = [words for kind, words in _BESIDE.items() if shelf.has(kind)]
    if beside:
        reasons.append(f"Beside them are {' and '.join(beside)}.")
    else:
        reasons.append(
            "There are no e-mails and no calls: each case is one contact, its opening. Export "
            "EmailMessage and VoiceCall or Task, too, to see customers who come back."
        )
    return reasons


_BESIDE = {"e-mail": "e-mails", "call": "calls", "task": "logged calls", "comment": "comments"}


# --- from cases to contacts


@dataclass(frozen=True)
class _Arrival:
    """One contact of a case before it is written down."""

    contact_id: str
    started_at: datetime | None
    channel: str | None
    turns: list[dict[str, str]]
    handle_seconds: float | None = None


def _contacts(shelf: Shelf) -> Iterator[Made | Refusal]:
    for found in shelf.each("case"):
        lost = next((name for kind in _BESIDE if (name := shelf.lost_of(kind, found.key))), "")
        if lost:
            yield Refusal(
                f"Case {found.key} in {found.member} is set aside: records of it in {lost} are "
                "broken or missing. Export that file again."
            )
        else:
            yield from _contacts_of(found, shelf)
    yield from _without_case(shelf)


def _without_case(shelf: Shelf) -> Iterator[Refusal]:
    """Say of which cases only the records beside them are there."""
    for kind, words in _BESIDE.items():
        for owner in shelf.owners(kind):
            if owner.startswith(_CASE_PREFIX) and shelf.newest("case", owner) is None:
                yield Refusal(
                    f"There are {words} of case {owner}, but the case itself is not in the export. "
                    "Export it, too."
                )


def _contacts_of(found: Found, shelf: Shelf) -> Iterator[Made]:
    case = found.value
    arrivals = _arrivals(found, shelf)
    shared = _shared(case, shelf)
    followed = _followed(case, found.key)
    for number, arrival in enumerate(arrivals):
        fields = {
            **shared,
            "contact_id": arrival.contact_id,
            "started_at": _started_at(arrival, case, is_opening=number == 0),
            "channel": arrival.channel,
            "turns": arrival.turns,
            "handle_seconds": arrival.handle_seconds,
            "resolved": _resolved(case) if number == len(arrivals) - 1 else None,
            "follows_contact_id": arrivals[number - 1].contact_id if number else followed,
        }
        yield Made(filled(fields), _where(found, arrival))


def _started_at(arrival: _Arrival, case: Json, *, is_opening: bool) -> str | None:
    """Return when a contact began, without an offset where the case's own time has none."""
    opened = text_of(case.get("CreatedDate"))
    if arrival.started_at is None:
        return opened if is_opening else None
    is_local = opened is not None and not has_offset(opened)
    return (arrival.started_at.replace(tzinfo=None) if is_local else arrival.started_at).isoformat()


def _where(found: Found, arrival: _Arrival) -> str:
    number = text_of(found.value.get("CaseNumber")) or found.key
    place = f"case {number} in {found.member}"
    return place if arrival.contact_id == found.key else f"record {arrival.contact_id} of {place}"


def _shared(case: Json, shelf: Shelf) -> Json:
    owner_id = record_id(case.get("OwnerId")) or ""
    owner = text_of(field_of(case, "Owner.Name")) or shelf.name_of(owner_id) or None
    is_queue = owner_id.startswith("00G")
    return {
        "customer_id": _customer(case),
        "queue": owner if is_queue else None,
        "agent": None if is_queue else owner,
        "disposition": text_of(case.get("Reason")),
        "language": language_of(case.get("Language")),
        "direction": "deleted" if _is_deleted(case) else "inbound",
        **_extras(case),
    }


def _is_deleted(case: Json) -> bool:
    """Whether a case is gone; merging deletes a case, too, but its customer did come."""
    return bool(flag_of(case.get("IsDeleted"))) and record_id(case.get("MasterRecordId")) is None


def _resolved(case: Json) -> bool | None:
    """Return whether the case is closed; merging closes it, too, and settles nothing."""
    is_merged = record_id(case.get("MasterRecordId")) is not None
    return None if is_merged else flag_of(case.get("IsClosed"))


def _customer(case: Json) -> str | None:
    """Return the person; an account is a company and stands for nobody."""
    if person := record_id(case.get("ContactId")):
        return person
    for name in ("SuppliedEmail", "ContactEmail", "Contact.Email"):
        if address := text_of(field_of(case, name)):
            return address.lower()
    return text_of(case.get("SuppliedPhone"))


def _followed(case: Json, key: str) -> str | None:
    for name in ("MasterRecordId", "ParentId"):
        other = record_id(case.get(name))
        if other and other != key:
            return other
    return None


def _extras(case: Json) -> Json:
    own = [name for name in case if name.endswith("__c")][:200]
    values = {name: case.get(name) for name in (*_EXTRAS, *own)}
    return {
        **{name: value for name, value in values.items() if not isinstance(value, (dict, list))},
        **identifiers_of(*(address_of(field_of(case, name)) for name in _ADDRESSES)),
    }


def _arrivals(found: Found, shelf: Shelf) -> list[_Arrival]:
    """Return the contacts of a case in order of time, its opening first."""
    case = found.value
    opened_at = wall_clock(case.get("CreatedDate"))
    channel = _channel(case)
    calls = sorted(_inbound_calls(found.key, shelf), key=lambda call: call.started_at or _NEVER)
    opening_call = next((c for c in calls if _is_opening(c, opened_at)), None)
    channel = "phone" if opening_call else channel
    messages = _messages(case, opened_at, channel, found.key, shelf)
    first, *later = split_sessions([m for m, _ in messages], session_gap("email", shelf.pauses))
    ids = {id(message): key for message, key in messages}
    opening = _Arrival(
        contact_id=found.key,
        started_at=min(filter(None, (opened_at, first.started_at)), default=None),
        channel=channel,
        turns=first.turns,
        handle_seconds=opening_call.handle_seconds if opening_call else None,
    )
    others = [
        _Arrival(
            _id_of(session.messages, ids, found.key, n), session.started_at, "email", session.turns
        )
        for n, session in enumerate(later, start=2)
    ]
    others += [call for call in calls if call is not opening_call]
    return [opening, *sorted(others, key=lambda arrival: arrival.started_at or _NEVER)]


def _id_of(messages: Sequence[Message], ids: dict[int, str], case: str, number: int) -> str:
    """Return the id of the e-mail that begins a contact."""
    key = next((ids[id(m)] for m in messages if m.speaker == "customer"), case)
    return f"{case}#{number}" if key == case else key


def _channel(case: Json) -> str | None:
    """Return our name for the origin of a case, which every site words itself."""
    origin = (text_of(case.get("Origin")) or "").lower()
    return next((name for name, words in _ORIGINS if words.search(origin)), origin or None)


def _messages(
    case: Json, opened_at: datetime | None, channel: str | None, key: str, shelf: Shelf
) -> list[tuple[Message, str]]:
    """Return what was said, each with the id of its record; what is internal never."""
    mails = [
        (message, mail.key) for mail in shelf.parts("e-mail", key) if (message := _mail(mail.value))
    ]
    comments = [
        (message, comment.key)
        for comment in shelf.parts("comment", key)
        if (message := _comment(comment.value))
    ]
    is_told_by_mail = channel in ("email", None) and any(
        _is_opening_mail(message, opened_at) for message, _ in mails
    )
    opening = [] if is_told_by_mail else _opening(case, opened_at, channel)
    return [*((message, key) for message in opening), *mails, *comments]


def _opening(case: Json, opened_at: datetime | None, channel: str | None) -> list[Message]:
    """Return the text of the case; of a call it is what the agent wrote down."""
    body = html_to_text(text_of(case.get("Description")) or "")
    text = with_subject(text_of(case.get("Subject")), body)
    if channel == "phone":
        return [Message(opened_at, "customer", ""), Message(opened_at, "agent", text)]
    return [Message(opened_at, "customer", text)]


def _is_opening_mail(message: Message, opened_at: datetime | None) -> bool:
    if message.speaker != "customer" or message.at is None or opened_at is None:
        return False
    return abs(message.at - opened_at) <= OPENING_MAIL_WITHIN


def _mail(mail: Json) -> Message | None:
    """Return an e-mail that was sent or received; drafts and automatic answers are none."""
    if flag_of(mail.get("IsDeleted")) or (text_of(mail.get("Status")) or "").lower() in _DRAFT:
        return None
    is_incoming = bool(flag_of(mail.get("Incoming")))
    if is_incoming and _AUTOMATIC.search(text_of(mail.get("Headers")) or ""):
        return None
    body = text_of(mail.get("TextBody")) or text_of(mail.get("HtmlBody")) or ""
    subject = text_of(mail.get("Subject")) or ""
    is_new = is_incoming and not _ANSWER.match(subject)
    text = with_subject(subject if is_new else None, html_to_text(body))
    sent_at = wall_clock(mail.get("MessageDate")) or wall_clock(mail.get("CreatedDate"))
    return Message(sent_at, "customer" if is_incoming else "agent", text) if text else None


def _comment(comment: Json) -> Message | None:
    """Return a comment the customer can see; who wrote it the export does not say."""
    if not flag_of(comment.get("IsPublished")) or flag_of(comment.get("IsDeleted")):
        return None
    body = html_to_text(text_of(comment.get("CommentBody")) or "")
    return Message(wall_clock(comment.get("CreatedDate")), "unknown", body) if body else None


def _inbound_calls(key: str, shelf: Shelf) -> Iterator[_Arrival]:
    """Yield the calls of customers; outbound and internal ones and transfers are none.

    A call is often logged as a task, too: the task that a call names is not counted again.
    """
    calls = shelf.parts("call", key)
    logged = {record_id(call.value.get("ActivityId")) for call in calls}
    tasks = [task for task in shelf.parts("task", key) if task.key not in logged]
    for records, time in ((calls, "CallStartDateTime"), (tasks, "CreatedDate")):
        for found in records:
            call = found.value
            is_inbound = (text_of(call.get("CallType")) or "").lower() in _INBOUND
            started_at = wall_clock(call.get(time))
            if is_inbound and started_at and not flag_of(call.get("IsDeleted")):
                seconds = number_between(call.get("CallDurationInSeconds"), 0, MAX_HANDLE_SECONDS)
                yield _Arrival(found.key, started_at, "phone", [], seconds)


def _is_opening(call: _Arrival, opened_at: datetime | None) -> bool:
    if opened_at is None or call.started_at is None:
        return False
    return opened_at - OPENING_CALL_BEFORE <= call.started_at <= opened_at + OPENING_CALL_AFTER


READER = Reader(
    format=FORMAT,
    title="Salesforce cases",
    guide="salesforce-case",
    recognise=recognise,
    read_rows=read_rows,
    mapping=mapping,
    cuts=True,
)
