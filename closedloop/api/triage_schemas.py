"""What the API takes and gives at triage: the queue, one candidate, and the three decisions."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from closedloop.api.schemas import In, Number, Out, Short, ThemeFigures, ThemeRef, Words
from closedloop.domain.themes import DemandType, Quadrant, Strategy, ThemeStatus


class WaitingOut(Out):
    """A candidate that waits; `is_hidden` where its figures describe too few customers."""

    key: str
    name: str
    waiting_since: datetime
    days_waiting: int
    is_hidden: bool


class ParkedOut(Out):
    """A theme that was set aside, and the day on which it returns."""

    key: str
    name: str
    until: date | None
    reason: str
    decided_by: str


class TriageQueue(Out):
    """What waits, highest priority first, and what is parked, the next to return first."""

    items: list[WaitingOut]
    parked: list[ParkedOut]


class PriorityPartOut(Out):
    """One line of the arithmetic: `points` are `rank`, 0–100, times `weight`."""

    name: str
    value: Number
    rank: Number
    weight: Number
    points: Number


class PriorityOut(Out):
    """The priority among the candidates and open themes; place 1 is the highest."""

    points: Number
    place: int
    compared: int
    parts: list[PriorityPartOut]


class NearOut(ThemeRef):
    """A theme that is like it; `customers_in_both` is null where they are too few to be told."""

    status: ThemeStatus
    likeness: Number
    customers_in_both: int | None


class CandidateOut(Out):
    """What stands beside the decision; figures are null where they describe too few customers."""

    key: str
    name: str
    status: ThemeStatus
    scenario: str
    waiting_since: datetime
    found_on: date | None = Field(description="Last day that the run read which found it.")
    figures: ThemeFigures | None
    is_hidden: bool
    priority: PriorityOut | None
    near: list[NearOut]
    departments: list[str] = Field(description="What `department` of a decision may be.")


class AcceptIn(In):
    """What the working group agrees on."""

    name: Words | None = Field(None, description="Left out, the name it has stands.")
    scenario: Words | None = Field(
        None, description="What goes wrong for the customer; left out, what is written stands."
    )
    demand_type: DemandType
    quadrant: Quadrant = Field(description="Who values these contacts.")
    department: Words = Field(description="Name of the department that can act at the source.")
    strategy: Strategy = Field(description="What to try first.")
    owner: Short | None = Field(None, description="E-mail address of somebody with an account.")


class DismissIn(In):
    """Why it is of no interest."""

    reason: Words = Field(description="Why; the next person need not ask.")


class ParkIn(DismissIn):
    """Until when it is set aside."""

    until: date = Field(description="The day on which it returns, after today.")
