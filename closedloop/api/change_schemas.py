"""What the API takes and gives when themes are changed: previews, changes and decisions."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from closedloop.api.schemas import (
    ContactId,
    Count,
    In,
    JobOut,
    Key,
    Limit,
    Out,
    Short,
    Words,
)
from closedloop.domain.curation import COUNT_TO_TYPE_ABOVE, MOST_CHOSEN

EXPECTED = (
    f"Contacts that will move, as the preview counts them. Needed above {COUNT_TO_TYPE_ABOVE}; "
    "whenever it is sent and another number would move, nothing is changed."
)


class Confirmed(In):
    """How many contacts are expected to move."""

    expected_count: Count | None = Field(None, description=EXPECTED)


class Chosen(In):
    """Contacts of the theme, by their `id`."""

    contacts: list[ContactId] = Field(min_length=1, max_length=MOST_CHOSEN)


class MoveAsked(Chosen):
    """Which contacts belong where."""

    to: Key = Field(description="Key of the theme they belong to, or `none`.")


class MoveIn(MoveAsked, Confirmed):
    """A move to be made."""


class SplitAsked(Chosen):
    """Examples of the new theme: what is like them leaves, too."""


class SplitIn(SplitAsked, Confirmed):
    """A split to be made."""

    name: Words = Field(description="Of the new theme.")


class MergeAsked(In):
    """Which theme to merge into."""

    into: Key = Field(description="Key of the theme that stays.")


class MergeIn(MergeAsked, Confirmed):
    """A merge to be made."""

    reason: Words = Field(description="Why; the next person need not ask.")


class ThemeWords(In):
    """What people say of a theme; what is left out, or null, stays."""

    name: Words | None = None
    scenario: Words | None = Field(None, description="What goes wrong for the customer.")
    cause: Words | None = Field(None, description="What we do that makes it happen.")


class ListedQuery(In):
    """Which part of the list of contacts that would move."""

    after: Short = Field("", description="`next` of the answer before.")
    limit: Limit = 50
    text: bool = Field(False, description="With the beginning of the redacted text.")


class MovingContact(Out):
    """A contact that would move."""

    id: int
    started_at: datetime
    channel: str
    disposition: str
    text: str | None = Field(description="Its redacted beginning; only when asked for.")


class PreviewOut(Out):
    """What a change would do; nothing was changed.

    `customers` is null where they are fewer than may be told. `named` are the contacts that were
    named; the others say the same words, or are like them.
    """

    contacts: int
    named: int
    customers: int | None
    stay: int
    notes: list[str]
    needs_expected_count: bool
    items: list[MovingContact] = Field(description="Every contact that would move, newest first.")
    next: str | None


class MergePreviewOut(Out):
    """What a merge would do; nothing was changed. `customers_after` is null below the threshold."""

    theme: str
    into: str
    contacts: int
    contacts_after: int
    customers_after: int | None
    needs_expected_count: bool
    items: list[MovingContact] = Field(description="Every contact that would move, newest first.")
    next: str | None


class ChangeDone(Out):
    """A change that was made or taken back; undo it by its number."""

    change: int
    kind: str
    theme: str
    other_theme: str | None
    contacts: int


class UndoDone(ChangeDone):
    """A change that was taken back; with a job where all contacts are assigned anew for it."""

    job: JobOut | None


class ChangeOut(Out):
    """A change of a theme; `is_source` tells the theme that was split, or that contacts left.

    Where parts of a `run` were accepted, `became` is what the run said of the theme.
    """

    change: int
    kind: str
    contacts: int
    other_theme: str | None
    is_source: bool
    described: list[str]
    run: int | None
    became: list[str]
    changed_by: str
    changed_at: datetime
    undone_by: str
    undone_at: datetime | None


class ChangeList(Out):
    """Changes of a theme, newest first."""

    items: list[ChangeOut]
    next: str | None


class DecisionDone(Out):
    """A decision of triage that was made or taken back; undo it by its number."""

    decision: int
    kind: str
    theme: str


class HistoryOut(Out):
    """Something that happened to a theme; `undo_decision` where that decision can be undone."""

    at: datetime
    by: str
    verb: str
    text: str
    undo_decision: int | None


class HistoryList(Out):
    """What happened to a theme last, newest first."""

    items: list[HistoryOut]
