"""What the API takes and gives. Unknown names are refused, numbers are finite."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from closedloop.domain.actions import ActionStatus
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.impact import Verdict
from closedloop.domain.jobs import JobKind, JobState
from closedloop.domain.themes import DemandType, Quadrant, Strategy, ThemeStatus
from closedloop.queries.repeats import Group

MOST_ROWS = 200
NO_THEME = "none"
"""Stands for a theme where contacts are in none."""


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text cannot hold a null character")
    return text


Short = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Key = Annotated[str, Field(max_length=20), AfterValidator(_printable)]
Words = Annotated[str, Field(max_length=5_000), AfterValidator(_printable)]
RowId = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
ContactId = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows at most.")]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class In(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Out(BaseModel):
    """What goes out."""

    model_config = ConfigDict(extra="forbid")


class Page(In):
    """Where a list goes on."""

    after: Short = Field("", description="`next` of the answer before.")
    limit: Limit = 50


class Problem(BaseModel):
    """An error: what, where, and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: dict[str, Any] | None = None


class ContactSearch(Page):
    """Which contacts are wanted, whatever theme they are in."""

    q: Short = Field("", description="Beginning of a contact id, or words of the redacted text.")
    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="to")
    channel: Short | None = None
    queue: Short | None = None
    disposition: Short | None = None
    text: bool = Field(False, description="With the beginning of the redacted text.")


class ContactQuery(ContactSearch):
    """Which contacts are wanted."""

    theme: Key | None = Field(None, description="Key of a theme, or `none`.")
    repeats: bool = Field(False, description="Only second or later contacts of an episode.")
    team: Short | None = Field(None, description="`-` asks for contacts without one.")
    language: Short | None = None
    identified: bool | None = Field(None, description="Whether the customer is known.")
    chain: Short = Field(
        "",
        description="What came before or after, as “followed-any-7d”: followed, unfollowed, "
        "again, opens or resolved; any or same; a window.",
    )
    has: Short = Field("", description="A mark of the source or an answer: “csat-satisfied”.")
    among: Short = Field(
        "",
        description="Contacts that some metrics count: net, teams, judged, failure, priced, "
        "or volume.",
    )
    volume: Short = Field("", description="Driver whose days count, with `among=volume`.")
    contact_driver: Key = Field("", description="Key of a contact driver, D-004.")


class TextQuery(In):
    """Whether the redacted text is wanted."""

    text: bool = False


class ThemeRef(Out):
    """A theme in a word."""

    key: str
    name: str


def theme_ref(key: str | None, name: str | None) -> ThemeRef | None:
    """Return a theme in a word; None where there is none."""
    return ThemeRef(key=key, name=name or "") if key else None


class ContactBase(Out):
    """One contact; `customer` is a keyed hash, null when nobody knows who it was."""

    id: int
    source_contact_id: str
    started_at: datetime
    channel: str
    queue: str
    disposition: str
    customer: str | None
    theme: ThemeRef | None
    episode_position: int | None
    handle_seconds: int | None


class ContactOut(ContactBase):
    """One contact of a list."""

    team: str
    language: str
    text: str | None = Field(description="Its redacted beginning; only when asked for.")


class ContactList(Out):
    """A page of contacts, the newest first."""

    items: list[ContactOut]
    next: str | None


class TurnOut(Out):
    """One thing that was said, redacted."""

    speaker: str
    text: str


class EpisodeContact(Out):
    """Another contact of the same customer."""

    id: int
    started_at: datetime
    channel: str
    theme: ThemeRef | None
    is_same_episode: bool


class ContactDetail(ContactBase):
    """One contact with the customer's contacts around it, the oldest first."""

    turns: list[TurnOut] | None = Field(description="Redacted; only when asked for.")
    around: list[EpisodeContact]


class RepeatQuery(In):
    """Which repeat rates are wanted; without days, the last 90 mature ones."""

    window: str = Field("7d", json_schema_extra={"enum": [w.key for w in WINDOWS]})
    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="to")
    by: Group | None = None
    channel: Short | None = Field(None, description="`-` asks for contacts without one.")
    queue: Short | None = None
    disposition: Short | None = None
    team: Short | None = None
    language: Short | None = None
    theme: Key | None = Field(None, description="Key of a theme, or `none`.")


class BasisOut(Out):
    """Counts and rates on one basis. Null where fewer customers than allowed stand behind it."""

    repeats: int | None
    rate: Rate | None
    opening: int | None
    resolved: int | None
    fcr: Rate | None


class RepeatFigures(Out):
    """One window over mature days; `same` is null where no contact has a theme."""

    contacts: int | None
    identified: int | None
    unidentified_share: Rate | None = Field(
        description="Of the contacts, those without a known customer; they are in no rate."
    )
    any: BasisOut
    same: BasisOut | None
    is_hidden: bool = Field(
        description="Too few people are in it to be shown, or it covers one of too few."
    )


class RepeatGroup(RepeatFigures):
    """The figures of one channel, queue, disposition or theme."""

    value: str = Field(description="As the parameter of this name takes it: of a theme its key.")
    label: str


class RepeatAnswer(Out):
    """Repeat rates, the rule in words, and which days they were counted on."""

    window: str
    first_day: date | None
    last_day: date | None = Field(description="Last mature day that was counted.")
    data_to: date | None
    rule_any: str
    rule_same: str
    total: RepeatFigures | None
    groups: list[RepeatGroup]


class ThemeQuery(Page):
    """Which themes are wanted."""

    view: str = Field(
        "open", json_schema_extra={"enum": ["open", "candidates", "parked", "closed", "all"]}
    )
    q: Short = ""
    status: ThemeStatus | None = None
    contact_driver: Key = Field(
        "", description="Key of a contact driver, D-004; `none` for themes under none."
    )
    next_theme: Key = Field(
        "", description="Key of a theme: only those after which customers come back about it."
    )


class ThemeFigures(Out):
    """Figures of the last 90 days to `as_of`."""

    as_of: date
    contacts: int
    customers: int
    repeat_rate_any: Rate | None = Field(
        description="Null where nothing has matured, or few contacts have or were followed."
    )
    repeat_rate_same: Rate | None
    unidentified_share: Rate | None = Field(
        description="Contacts without a known customer; they enter no repeat rate."
    )
    handle_seconds: int | None = Field(description="Null where few contacts have a handle time.")
    priority: Number


class ThemeOut(Out):
    """One theme; `figures` is null below the fewest customers that may be shown."""

    key: str
    name: str
    status: ThemeStatus
    demand_type: DemandType | None
    quadrant: Quadrant | None
    department: str
    owner: str
    contact_driver: str | None
    summary: str = Field(
        description="What people wrote that goes wrong, else a redacted sentence of a customer."
    )
    figures: ThemeFigures | None


class ThemeList(Out):
    """A page of themes, most contacts first."""

    items: list[ThemeOut]
    next: str | None


class ThemeAction(Out):
    """An action on a theme."""

    key: str
    title: str


class PrecisionOut(Out):
    """Share of the theme's contacts that belong to it, with its 95 % interval.

    From the last round at least half of which was looked at; `is_stale` when the definition of
    the theme is another one since.
    """

    round: int
    drawn: int
    looked_at: int
    belonging: int
    value: Rate
    low: Rate
    high: Rate
    checked_at: datetime
    is_stale: bool


class ThemeDetail(ThemeOut):
    """One theme with what people agreed about it."""

    scenario: str
    cause: str
    strategy: Strategy | None
    keywords: list[str]
    definition: int | None
    precision: PrecisionOut | None = Field(description="Null before anybody checked it.")
    actions: list[ThemeAction]


class ActionQuery(Page):
    """Which actions are wanted."""

    status: ActionStatus | None = None
    overdue: bool = False


class ActionOut(Out):
    """One action; a verdict never comes without its range."""

    key: str
    title: str
    status: ActionStatus
    strategy: Strategy
    theme: ThemeRef
    department: str
    owner: str
    due_on: date | None
    is_overdue: bool
    expected_drop: Rate
    went_live_on: date | None
    verdict: Verdict | None
    avoided_low: Number | None
    avoided_high: Number | None
    cost_low: Number | None = Field(description="Minor units that the fix costs, at least.")
    cost_high: Number | None = Field(description="Minor units that it costs, at most.")


class ActionList(Out):
    """A page of actions: open ones by due day, then the others, the newest first."""

    items: list[ActionOut]
    next: str | None


class RangeOut(Out):
    """A 95 % range with its middle."""

    low: Number
    middle: Number
    high: Number


class Estimate(Out):
    """One stored estimate. It is a verdict only at a look."""

    as_of: date
    look: int
    is_verdict: bool
    verdict: Verdict
    observed: int
    expected: Number
    avoided: RangeOut
    net: RangeOut | None = Field(description="Over the theme and those beside it.")
    has_moved: bool = Field(description="Contacts turned up in themes beside it.")
    p_value: Rate
    definition: int
    method: str
    sentence: str
    failed_checks: list[str] = Field(
        description="Checks that question what it says, the gravest first."
    )


class ImpactOut(Out):
    """A shipped action with the verdict in force: that of its newest look."""

    key: str
    title: str
    status: ActionStatus
    theme: ThemeRef
    department: str
    went_live_on: date
    counted_from: date
    verdict: Verdict
    came_back_since: date | None
    next_look: date | None = Field(description="Last data day of the next look.")
    newest_look: Estimate | None
    running: Estimate | None = Field(description="Newer than the look; not a verdict.")


class ImpactList(Out):
    """A page of shipped actions, the newest go-live first."""

    items: list[ImpactOut]
    next: str | None


class JobOut(Out):
    """A job and how far it is."""

    id: int
    kind: JobKind
    state: JobState
    doing: str = Field(description="What it does now; of a file also its rate.")
    progress_done: int
    progress_total: int = Field(description="0 when unknown.")
    seconds_left: int | None = Field(description="At its mean rate; null while unknown.")
    is_cancel_asked: bool = Field(description="Somebody asked it to stop.")
    result: dict[str, Any]
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
