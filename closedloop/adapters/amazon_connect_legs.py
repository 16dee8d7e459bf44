"""One contact record of Amazon Connect, in each of its shapes, and which contact it is a leg of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from closedloop.adapters.shelf import Found, Shelf
from closedloop.adapters.vendor_rows import at, moment_of, number_of, text_of
from closedloop.adapters.vendor_values import seconds_between

LEG_METHODS = frozenset({"TRANSFER", "QUEUE_TRANSFER", "DISCONNECT", "CALLBACK", "AGENT_REPLY"})
"""Records begun so go on with an earlier contact: they are legs of it, where it is named."""

_MAX_CHAIN = 100


@dataclass(frozen=True)
class Leg:
    """One contact record, in the shapes of the API, of the export stream and of a table."""

    found: Found

    def _get(self, *paths: tuple[str, ...]) -> Any:
        values = (at(self.found.value, *path) for path in paths)
        return next((value for value in values if value not in (None, "")), None)

    def text(self, *paths: tuple[str, ...]) -> str | None:
        """Return the first text among some places."""
        return text_of(self._get(*paths))

    def moment(self, *paths: tuple[str, ...]) -> datetime | None:
        """Return the first time among some places."""
        return moment_of(self._get(*paths))

    @property
    def contact_id(self) -> str:
        """Its own id."""
        return self.found.key

    @property
    def method(self) -> str:
        """How it was begun, in capitals."""
        return (self.text(("InitiationMethod",)) or "").upper()

    @property
    def started_at(self) -> datetime | None:
        """When it was begun."""
        return self.moment(("InitiationTimestamp",))

    @property
    def ended_at(self) -> datetime | None:
        """When the customer left it."""
        return self.moment(("DisconnectTimestamp",))

    @property
    def queued_at(self) -> datetime | None:
        """When it entered a queue."""
        return self.moment(("QueueInfo", "EnqueueTimestamp"), ("Queue", "EnqueueTimestamp"))

    @property
    def connected_at(self) -> datetime | None:
        """When an agent took it."""
        return self.moment(
            ("AgentInfo", "ConnectedToAgentTimestamp"), ("Agent", "ConnectedToAgentTimestamp")
        )

    @property
    def channel(self) -> str:
        """VOICE, CHAT, EMAIL or TASK."""
        return (self.text(("Channel",)) or "").upper()

    @property
    def subtype(self) -> str | None:
        """What kind of its channel it is, such as connect:SMS."""
        return self.text(
            ("SegmentAttributes", "connect:Subtype", "ValueString"),
            ("SegmentAttributes", "connect:Subtype"),
        )

    @property
    def worked_until(self) -> float:
        """When the agent was done with it, in seconds since 1970; never while it is open."""
        return self.ended_at.timestamp() + self._after_seconds if self.ended_at else math.inf

    @property
    def wait_seconds(self) -> int | None:
        """Seconds from entering the queue to the agent, or to the end where none came."""
        left_at = self.connected_at or self.moment(("Queue", "DequeueTimestamp")) or self.ended_at
        return seconds_between(self.queued_at, left_at)

    @property
    def agent_left_at(self) -> datetime | None:
        """When the agent was no longer on it: a customer may go on talking with a third party."""
        began = self._after_work("StartTimestamp")
        if began is None or self.ended_at is None or self.connected_at is None:
            return self.ended_at
        return began if self.connected_at <= began < self.ended_at else self.ended_at

    @property
    def is_handed_out(self) -> bool:
        """Whether the customer was put through to a number outside and stayed there."""
        number = self.text(("TransferredToEndpoint", "Address"))
        is_done = number and self.moment(("TransferCompletedTimestamp",))
        is_alone = self.connected_at is None or self.agent_left_at != self.ended_at
        return bool(is_done) and is_alone

    @property
    def handle_seconds(self) -> float | None:
        """Seconds of the agent on it and of work after it; None while that is open."""
        seconds = seconds_between(self.connected_at, self.agent_left_at)
        return None if seconds is None else seconds + self._after_seconds

    @property
    def _after_seconds(self) -> float:
        said = number_of(
            self._get(
                ("AgentInfo", "AfterContactWorkDuration"), ("Agent", "AfterContactWorkDuration")
            )
        )
        if said is not None and said >= 0:
            return said
        began, ended = (self._after_work(name) for name in ("StartTimestamp", "EndTimestamp"))
        return seconds_between(began, ended) or 0

    def _after_work(self, name: str) -> datetime | None:
        names = ((holder, f"AfterContactWork{name}") for holder in ("AgentInfo", "Agent"))
        return self.moment(*names)

    @property
    def queue(self) -> tuple[str | None, str | None]:
        """Name and id of the queue."""
        arn = self.text(("Queue", "ARN"), ("QueueInfo", "Arn")) or ""
        identity = self.text(("QueueInfo", "Id")) or arn.rpartition("/")[2] or None
        return self.text(("Queue", "Name")), identity

    @property
    def agent(self) -> tuple[str | None, str | None]:
        """Name and id of the agent."""
        arn = self.text(("Agent", "ARN")) or ""
        identity = self.text(("AgentInfo", "Id")) or arn.rpartition("/")[2] or None
        return self.text(("Agent", "Username")), identity

    @property
    def team(self) -> str | None:
        """The lowest group of the agent's hierarchy."""
        levels = at(self.found.value, "Agent", "HierarchyGroups")
        names = (text_of(at(levels, f"Level{n}", "GroupName")) for n in range(5, 0, -1))
        return next((name for name in names if name), None)


def root_of(leg: Leg, shelf: Shelf) -> str:
    """Return the id of the contact a record is part of: its own, or that of the first leg."""
    seen = [leg.contact_id]
    while leg.method in LEG_METHODS and len(seen) < _MAX_CHAIN:
        first = leg.text(("InitialContactId",)) or leg.text(("PreviousContactId",))
        if first is None or first == leg.contact_id:
            break
        if first in seen:
            return min(seen)  # records that name each other in a circle
        seen.append(first)
        found = shelf.newest("contact record", first)
        if found is None:
            break
        leg = Leg(found)
    return seen[-1]
