"""What the API takes and gives about metrics."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from closedloop.api.schemas import In, Key, Number, Out, Rate, Short
from closedloop.domain.contacts import WINDOWS
from closedloop.queries.metric_trend import Step

Dimension = Literal["channel", "queue", "disposition", "theme", "team", "language"]


class MetricsQuery(In):
    """Which contacts and days are wanted; without days, the last 28 mature ones."""

    window: str = Field("7d", json_schema_extra={"enum": [w.key for w in WINDOWS]})
    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="to")
    channel: Short | None = Field(None, description="`-` asks for contacts without one.")
    queue: Short | None = None
    disposition: Short | None = None
    team: Short | None = None
    language: Short | None = None
    theme: Key | None = Field(None, description="Key of a theme, or `none`.")
    driver: Short = Field("", description="What contact rates are held against.")
    contact_driver: Key = Field("", description="Key of a contact driver, D-004.")


class MetricQuery(MetricsQuery):
    """What of one metric is wanted."""

    step: Step = Step.DAY
    by: Dimension | None = None


class CellOut(Out):
    """A value as it may be shown, in the unit of the metric."""

    value: Number | None
    n: int | None = Field(description="Contacts or answers behind it; null below k.")
    state: Literal["known", "few", "unsure", "cover", "under", "over", "none"]
    bound: Number | None = Field(description="Of a share that is only known to be under or over.")


class CoverageOut(Out):
    """Which share of contacts the value knows about."""

    share: Rate | None
    of: str


class MetricOut(Out):
    """One metric over the days that it could count; rates of maturing days are left out."""

    key: str
    name: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    window: str | None
    first_day: date | None
    last_day: date | None
    cell: CellOut
    why: str = Field(description="Why there is no value; empty when there is one.")
    coverage: list[CoverageOut]
    before: CellOut | None = Field(description="Over as many days right before.")
    change: Number | None
    goal: Number | None
    meets_goal: bool | None
    rule: str


class MetricList(Out):
    """Every metric."""

    window: str
    data_to: date | None
    k: int = Field(description="Fewest contacts or answers that a cell describes.")
    items: list[MetricOut]


class MetricGroupOut(Out):
    """One value of a dimension."""

    value: str
    label: str
    cell: CellOut
    contacts: int | None


class MetricPieceOut(Out):
    """One day, week or month."""

    first_day: date
    last_day: date
    cell: CellOut
    contacts: int | None
    is_maturing: bool
    is_whole: bool
    goal: Number | None


class MetricAnswer(MetricOut):
    """One metric, its trend and its parts."""

    data_to: date
    k: int
    source: str
    needs: str
    median: Number | None = Field(
        description="Of handle times, beside their mean; null where it is not told."
    )
    trend: list[MetricPieceOut]
    groups: list[MetricGroupOut]
