"""What the API takes and gives about measured impact."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from closedloop.api.schemas import Estimate, In, Number, Out, Page, RangeOut, Rate
from closedloop.domain.impact import CheckState, Displacement, Verdict
from closedloop.queries.impact import Standing


class ImpactFilters(In):
    """Which shipped actions count."""

    department: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="Id of a department."
    )
    verdict: Standing | None = Field(
        None, description="Verdict in force; `moved` and `came_back` are asked for here, too."
    )
    live_from: date | None = Field(None, alias="from", description="Went live on or after it.")
    live_to: date | None = Field(None, alias="to", description="Went live on or before it.")


class ImpactQuery(ImpactFilters, Page):
    """Which shipped actions are wanted."""


class MeasurementQuery(Page):
    """Which measurements of an action are wanted."""

    looks: bool | None = Field(
        None, description="Only those of looks (true), or only running estimates (false)."
    )


class ImpactTotal(Out):
    """What shipped actions avoided together; null where no verdict has a range yet."""

    actions: int = Field(description="Actions whose newest look can be added.")
    without_range: int = Field(
        description="Shipped actions that are not in it; `verdicts` says how many inconclusive."
    )
    moved: int = Field(
        description="Counted with the themes that their contacts moved to, each of those once."
    )
    avoided: RangeOut | None = Field(
        description="Contacts; a quarter of errors is in common for the same days and themes."
    )
    minutes: RangeOut | None
    verdicts: dict[Verdict, int]


class MeasurementOut(Estimate):
    """One stored measurement. It is never rewritten."""

    id: int
    measured_at: datetime
    n_pre: int = Field(description="Days before the change.")
    n_post: int = Field(description="Days counted since.")
    could_have_seen: float | None = Field(
        description="Share of expected that would have been noticed in four cases of five."
    )
    q_value: Rate | None = Field(
        description="Of a look: share of chance among what was claimed down to it that night."
    )
    remeasured_after: int | None = Field(
        description="Days since the theme held, where it was measured again for that."
    )
    sign_offs: int


class MeasurementList(Out):
    """A page of measurements, those with the newest data first."""

    items: list[MeasurementOut]
    next: str | None


class CheckOut(Out):
    """Something else that could explain the number: passing, failing, or not applicable."""

    name: str
    state: CheckState
    sentence: str


class PlaceOut(Out):
    """A theme or a channel with a range of its own, or a net over several."""

    theme: str = Field(description="Key of a theme, empty for anything else.")
    name: str
    role: str
    observed: int
    expected: Number
    avoided: RangeOut


class LeftOutOut(Out):
    """A theme that was not compared with, and why."""

    key: str
    name: str
    reason: str


class SignOffOut(Out):
    """Somebody other than the owner who stands by a measurement."""

    name: str
    note: str
    signed_at: datetime


class MeasurementDetail(MeasurementOut):
    """One stored measurement with its checks and paths."""

    action: str
    taken_back_at: datetime | None = Field(
        description="When its go-live was taken back: it counts no longer."
    )
    displacement: Displacement
    reasons: list[str]
    checks: list[CheckOut]
    gap_days: int = Field(description="Unusually busy, or quiet, days right before the change.")
    gap_is_low: bool = Field(description="Those days were quiet: fewer contacts than expected.")
    widened_by: float = Field(description="Factor by which the ranges were made wider, 1 and up.")
    places: list[PlaceOut] = Field(description="Touched themes, those beside them, channels.")
    compared_with: list[str] = Field(description="Keys of the unaffected themes.")
    left_out: list[LeftOutOut] = Field(description="Themes that it was not compared with.")
    path: dict[str, Any] = Field(description="Columns by day: observed, expected, low, high.")
    not_counted: list[date] = Field(
        description="Days of the path that are in no sum: of a roll-out, or without an import or "
        "a driver volume."
    )
    cumulative: dict[str, Any] = Field(description="Running totals by day: avoided, low, high.")
    versions: dict[str, str] = Field(description="Of the program and libraries it was made with.")
    input_sha256: str
    signed: list[SignOffOut]


class SignOffIn(In):
    """What a sign-off takes."""

    note: str = Field("", max_length=2_000, description="Why, or under which reserve.")
