"""Sessions and segments of a Genesys Cloud conversation, and what they add up to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from closedloop.adapters.shelf import Json
from closedloop.adapters.vendor_rows import moment_of, number_of, text_of
from closedloop.adapters.vendor_values import (
    objects_of,
    seconds_between,
    waiting_seconds,
    working_seconds,
)

_AGENTS = frozenset({"agent", "user"})
_CUSTOMERS = frozenset({"customer", "external"})
_ABANDONED = frozenset({"tabandon", "tshortabandon"})
_FLOWED_OUT = "tflowout"
_BY_CUSTOMER = frozenset({"endpoint", "client"})
_WORK = frozenset({"interact", "hold", "wrapup"})


@dataclass(frozen=True)
class Session:
    """One session of one participant.

    Attributes
    ----------
    purpose : str
        Of the participant, lower case: customer, acd, agent ...
    person : str
        Who it was: the user, or else the participant.
    user_id, team_id : str or None
    value : dict
        As the export gives it.
    """

    purpose: str
    person: str
    user_id: str | None
    team_id: str | None
    value: Json = field(repr=False)

    @property
    def is_customer(self) -> bool:
        """Whether it is the customer's."""
        return self.purpose in _CUSTOMERS

    @property
    def is_queue(self) -> bool:
        """Whether somebody waited in it for an agent."""
        return self.purpose == "acd"

    @property
    def is_answer(self) -> bool:
        """Whether an agent talked or wrote in it; being rung is not enough."""
        return self.purpose in _AGENTS and bool(self._of_type("interact"))

    @property
    def media(self) -> str:
        """Kind of media, lower case."""
        return (text_of(self.value.get("mediaType")) or "").lower()

    @property
    def message_type(self) -> str:
        """Kind of messages, lower case."""
        return (text_of(self.value.get("messageType")) or "").lower()

    @property
    def direction(self) -> str:
        """Either inbound or outbound, or empty."""
        return (text_of(self.value.get("direction")) or "").lower()

    @property
    def addresses(self) -> list[Any]:
        """Where the other side can be, the likeliest first; of calls made, the number called."""
        names = (
            ("addressFrom", "ani") if self.media in ("email", "message") else ("ani", "addressFrom")
        )
        if self.direction == "outbound":
            names = ("addressTo", "dnis")
        numbers = self.value.get("callbackNumbers")
        return [*map(self.value.get, names), *(numbers if isinstance(numbers, list) else [])]

    @property
    def segments(self) -> list[Json]:
        """Segments in order of time."""
        return sorted(objects_of(self.value.get("segments")), key=_start_of)

    @property
    def began_at(self) -> float:
        """Seconds since 1970 of its first segment; last of all where that is not known."""
        return min(map(_start_of, self.segments), default=math.inf)

    @property
    def answered_at(self) -> datetime | None:
        """When the first interaction in it began."""
        starts = [moment_of(s.get("segmentStart")) for s in self._of_type("interact")]
        return min((start for start in starts if start), default=None)

    @property
    def left_at(self) -> datetime | None:
        """When the last interaction in it ended."""
        ends = [moment_of(s.get("segmentEnd")) for s in self._of_type("interact", "hold")]
        return max((end for end in ends if end), default=None)

    @property
    def queue_id(self) -> str | None:
        """Id of the first queue in it."""
        return next((q for s in self.segments if (q := text_of(s.get("queueId")))), None)

    @property
    def wrap_ups(self) -> list[str]:
        """Ids of the wrap-up codes chosen in it."""
        codes = (text_of(segment.get("wrapUpCode")) for segment in self.segments)
        return [code for code in codes if code]

    @property
    def ends(self) -> list[str]:
        """How its segments were disconnected, lower case."""
        ends = (text_of(segment.get("disconnectType")) for segment in self.segments)
        return [end.lower() for end in ends if end]

    def metric(self, *names: str) -> float | None:
        """Return the sum of a metric, by the first of several names that occurs."""
        for name in names:
            found = [
                number_of(metric.get("value"))
                for metric in objects_of(self.value.get("metrics"))
                if metric.get("name") == name
            ]
            values = [value for value in found if value is not None and value >= 0]
            if values:
                return sum(values)
        return None

    @property
    def metric_names(self) -> set[str]:
        """Names of its metrics, lower case."""
        metrics = objects_of(self.value.get("metrics"))
        return {(text_of(metric.get("name")) or "").lower() for metric in metrics}

    def seconds_in(self, types: frozenset[str]) -> int | None:
        """Return the seconds of segments of some types, None where there are none."""
        spans = [
            seconds_between(moment_of(s.get("segmentStart")), moment_of(s.get("segmentEnd")))
            for s in self._of_type(*types)
        ]
        known = [span for span in spans if span is not None]
        return sum(known) if known else None

    def _of_type(self, *types: str) -> list[Json]:
        return [s for s in self.segments if (text_of(s.get("segmentType")) or "").lower() in types]


def _start_of(segment: Json) -> float:
    moment = moment_of(segment.get("segmentStart"))
    return moment.timestamp() if moment else math.inf


def sessions_of(conversation: Json) -> list[Session]:
    """Return the sessions of all participants in order of time: exports have them in any."""
    sessions = [
        Session(
            (text_of(participant.get("purpose")) or "").lower(),
            text_of(participant.get("userId")) or f"participant {number}",
            text_of(participant.get("userId")),
            text_of(participant.get("teamId")),
            session,
        )
        for number, participant in enumerate(objects_of(conversation.get("participants")))
        for session in objects_of(participant.get("sessions"))
    ]
    return sorted(sessions, key=lambda session: session.began_at)


def customer_sessions(sessions: list[Session]) -> list[Session]:
    """Return the sessions of the customer; somebody outside is one where nobody is called so."""
    named = [session for session in sessions if session.purpose == "customer"]
    return named or [session for session in sessions if session.is_customer]


def wait_seconds_of(sessions: list[Session]) -> int | None:
    """Return the seconds in queues, all of them together; None where it was in none."""
    spans = []
    for session in sessions:
        if session.is_queue:
            starts = [moment_of(s.get("segmentStart")) for s in session.segments]
            ends = [moment_of(s.get("segmentEnd")) for s in session.segments]
            first = min((start for start in starts if start), default=None)
            spans.append(seconds_between(first, max((end for end in ends if end), default=None)))
    known = [span for span in spans if span is not None]
    return waiting_seconds(sum(known)) if known and len(known) == len(spans) else None


def abandoned_of(sessions: list[Session]) -> bool | None:
    """Whether the customer gave up in the queue; None where it was in none or nobody says."""
    queues = [session for session in sessions if session.is_queue]
    if not queues:
        return None
    if any(session.is_answer for session in sessions):
        return False
    if any(session.metric_names & _ABANDONED for session in queues):
        return True
    if any(_FLOWED_OUT in session.metric_names for session in queues):
        return False  # to a voicemail, a callback, a menu
    ends = [session.ends[-1] for session in sessions if session.is_customer and session.ends]
    return any(end in _BY_CUSTOMER for end in ends) if ends else None


def handle_seconds_of(sessions: list[Session]) -> int | None:
    """Return what the agents worked: tHandle, or its parts, or the segments themselves."""
    worked = [_handled(session) for session in sessions if session.purpose in _AGENTS]
    known = [seconds for seconds in worked if seconds is not None]
    return working_seconds(sum(known)) if known else None


def _handled(session: Session) -> float | None:
    whole = session.metric("tHandle")
    parts = [
        session.metric("tTalkComplete", "tTalk"),
        session.metric("tHeldComplete", "tHeld"),
        session.metric("tAcw"),
    ]
    if whole is None and parts[0] is not None:
        whole = sum(part for part in parts if part is not None)
    if whole is not None:
        return whole / 1000  # Genesys counts milliseconds
    return session.seconds_in(_WORK) if session.is_answer else None


def transfers_of(sessions: list[Session]) -> int:
    """Return how often the contact was handed on.

    Counted are agents who passed it on and agents who were still there when the one before had
    left; an agent who left first was only asked. The larger count is true: a transfer to a queue
    where nobody answered shows in the first, one after a consultation in the second.
    """
    answers = [session for session in sessions if session.is_answer]
    said = sum(int(session.metric("nTransferred") or 0) for session in answers)
    passed_on = sum("transfer" in session.ends for session in answers)
    return max(min(said, 1000), passed_on, _handovers(answers))


def _handovers(answers: list[Session]) -> int:
    spans: dict[str, tuple[datetime, datetime]] = {}
    for session in answers:
        start, end = session.answered_at, session.left_at
        if start and end:
            before = spans.get(session.person, (start, end))
            spans[session.person] = min(start, before[0]), max(end, before[1])
    count = 0
    holder: datetime | None = None
    for _, end in sorted(spans.values()):
        if holder is None or end > holder:
            count += holder is not None
            holder = end
    return count
