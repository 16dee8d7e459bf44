"""What readers of vendors' exports share: values of any type, conversations cut into contacts.

Nothing here raises on what a file holds: a value of the wrong type is no value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from closedloop.adapters.mapping import KNOWN_COLUMNS
from closedloop.adapters.mapping import Mapping as ColumnMapping
from closedloop.adapters.parse import clean
from closedloop.adapters.times import BadTime, parse_time
from closedloop.adapters.types import FileFacts, RawRow

OUR_COLUMNS = (
    *("contact_id", "started_at", "customer_id", "channel", "queue", "agent", "team"),
    *("disposition", "turns", "handle_seconds", "wait_seconds", "abandoned", "transfers"),
    *("resolved", "survey_resolved", "csat", "nps", "ces", "language", "follows_contact_id"),
)
"""Columns a vendor's reader may fill, by our names."""

LIVE_GAP = timedelta(hours=12)
WRITTEN_GAP = timedelta(hours=72)
_WRITTEN = frozenset({"email", "web"})
SAMPLE_ROWS = 20
MAX_EXTRA_COLUMNS = 500
MAX_HANDLE_SECONDS = 24 * 3600
RAW_CHARS = 1000
REDACTED = "[REDACTED]"
_SAMPLE_CHARS = 200


def session_gap(channel: str | None, pauses: Mapping[str, int]) -> timedelta:
    """Return how long a conversation may rest and still be the same contact.

    12 hours, as for messages elsewhere; 72 where people write mail or a form, because an
    answer that waits over a weekend is still the same contact. `pauses`, seconds by channel, go
    before both.
    """
    if (seconds := pauses.get(channel or "")) is not None:
        return timedelta(seconds=seconds)
    return WRITTEN_GAP if channel in _WRITTEN else LIVE_GAP


def text_of(value: Any) -> str | None:
    """Return text or a number as text without blanks around it; None for anything else.

    The text can be stored anywhere: without NUL and halves of surrogate pairs.
    """
    if isinstance(value, str):
        return clean(value).strip() or None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
    return str(value) if isinstance(value, (int, float)) else None


def flag_of(value: Any) -> bool | None:
    """Return true or false where the source says so, in JSON or in words."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get((text_of(value) or "").lower())


def number_of(value: Any) -> float | None:
    """Return a finite number, also from text."""
    text = text_of(value)
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def number_between(value: Any, low: float, high: float) -> float | None:
    """Return a number within a scale, ends included; None for one beside it."""
    number = number_of(value)
    return number if number is not None and low <= number <= high else None


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that hold something."""
    return {key: value for key, value in fields.items() if value is not None}


def moment_of(value: Any) -> datetime | None:
    """Return the instant a value names without doubt: seconds since 1970 or a time with offset."""
    text = text_of(value)
    if text is None:
        return None
    try:
        return parse_time(text, None, None)
    except (BadTime, ValueError, OverflowError):
        return None


def wall_clock(value: Any) -> datetime | None:
    """Return the instant a value names; a time without offset as though it were UTC.

    Times of one export can be compared so, wherever it was written; a date whose order of day and
    month is not known is none.
    """
    text = text_of(value)
    if text is None:
        return None
    try:
        return parse_time(text, "iso", ZoneInfo("UTC")) if text[:4].isdigit() else moment_of(text)
    except (BadTime, ValueError, OverflowError):
        return moment_of(text)


def time_column(moment: datetime | None, raw: Any) -> Any:
    """Return what to put into `started_at`: the instant, or else what the source says.

    What cannot be read here is left as it stands, for the mapping's date order and zone.
    """
    return moment.isoformat() if moment else raw


def at(record: Any, *path: str) -> Any:
    """Return what stands at a path of keys, None where the path ends early."""
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def items_at(record: Any, *path: str) -> list[Any]:
    """Return the list at a path of keys, empty where there is none."""
    found = at(record, *path)
    return found if isinstance(found, list) else []


WITH_SUBJECT = frozenset({"freshdesk", "intercom", "salesforce_case", "zendesk"})
"""Formats whose first message has the subject above it, in a line of its own."""


def with_subject(subject: str | None, body: str) -> str:
    """Return a message with its subject above it, unless it begins with it."""
    if not subject or body.lower().startswith(subject.lower()):
        return body
    return f"{subject}\n{body}".strip()


def extra_columns(prefix: str, values: Any) -> dict[str, Any]:
    """Return custom fields as columns of their own, such as `custom_fields.reason`."""
    if not isinstance(values, dict):
        return {}
    pairs = list(values.items())[:MAX_EXTRA_COLUMNS]
    return {
        f"{prefix}.{str(key).strip()[:200]}": value
        for key, value in pairs
        if str(key).strip() and not isinstance(value, (dict, list))
    }


@dataclass(frozen=True)
class Message:
    """One message: `speaker` is 'customer', 'agent', 'bot' or 'unknown', `at` None if unknown."""

    at: datetime | None
    speaker: str
    text: str


@dataclass(frozen=True)
class Session:
    """Messages that are one contact.

    Attributes
    ----------
    started_at : datetime or None
        Of the customer's first message in it; None where that has no time, and where the
        customer did not write.
    messages : tuple of Message
        In order of time.
    has_customer : bool
    """

    started_at: datetime | None
    messages: tuple[Message, ...]
    has_customer: bool

    @property
    def turns(self) -> list[dict[str, str]]:
        """What was said, as the column `turns` wants it."""
        return [{"speaker": m.speaker, "text": m.text} for m in self.messages if m.text]


def split_sessions(messages: Sequence[Message], gap: timedelta) -> list[Session]:
    """Cut a conversation into contacts: at least one, in order of time.

    A message of the customer begins a new contact when it comes more than `gap` after the
    last message of either side. A message of the company never does: it belongs to the contact
    before it, or, where there is none yet, to the first one.

    Parameters
    ----------
    messages : sequence of Message
        In the order of the source, which stands where times are equal; a message without a
        time stays behind the one before it.
    gap : timedelta
    """
    sessions: list[list[Message]] = [[]]
    has_customer = False
    last: datetime | None = None
    for message in _in_order(messages):
        is_late = last is not None and message.at is not None and message.at - last > gap
        if message.speaker == "customer":
            if has_customer and is_late:
                sessions.append([])
            has_customer = True
        sessions[-1].append(message)
        last = message.at or last
    return [_session(found) for found in sessions]


def _in_order(messages: Sequence[Message]) -> list[Message]:
    keyed: list[tuple[float, Message]] = []
    place = -math.inf
    for message in messages:
        place = message.at.timestamp() if message.at else place
        keyed.append((place, message))
    return [message for _, message in sorted(keyed, key=lambda pair: pair[0])]


def _session(messages: Sequence[Message]) -> Session:
    own = [m for m in messages if m.speaker == "customer"]
    return Session(own[0].at if own else None, tuple(messages), bool(own))


def session_id(contact_id: str | None, number: int) -> str | None:
    """Return the id of the nth contact of a conversation, counted from 0: 123, 123#2, 123#3."""
    return contact_id if contact_id is None or number == 0 else f"{contact_id}#{number + 1}"


def session_at(sessions: Sequence[Session], moment: datetime | None) -> int:
    """Return the number of the contact an event belongs to: the last one begun by then."""
    if moment is None:
        return len(sessions) - 1
    begun = [n for n, s in enumerate(sessions) if s.started_at and s.started_at <= moment]
    return begun[-1] if begun else 0


def facts_from(format: str, rows: Sequence[RawRow], reasons: Sequence[str]) -> FileFacts:
    """Return facts whose header is our columns, then what else the first rows hold."""
    extras = dict.fromkeys(key for row in rows for key in row.fields if key not in OUR_COLUMNS)
    header = [*OUR_COLUMNS, *dict.fromkeys(["direction", *extras])]
    sample = [[_sample_cell(row.fields.get(name)) for name in header] for row in rows]
    return FileFacts(format, "utf-8", "", False, header, sample[:SAMPLE_ROWS], list(reasons))


def _sample_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)[:_SAMPLE_CHARS]
    return str(value)[:_SAMPLE_CHARS]


def own_mapping(source: str) -> ColumnMapping:
    """Return the mapping of each of our columns to itself, contacts of the company left out.

    These systems export a record again when it has changed, so the later version counts.
    """
    columns = {name: name for name in OUR_COLUMNS if name in KNOWN_COLUMNS}
    return ColumnMapping(
        columns, source=source, inbound=("direction", "inbound"), on_change="replace"
    )
