"""What the API takes and gives about wrap-up codes against themes."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.schemas import In, Number, Out, Rate


class CodesQuery(In):
    """Which days are wanted; without them, the last 90 with contacts."""

    first_day: date | None = Field(None, alias="from")
    last_day: date | None = Field(None, alias="to")


class CodeOut(Out):
    """A wrap-up code; `others` counts codes put together, whose `code` is empty."""

    code: str
    contacts: int
    others: int


class CodeCellOut(Out):
    """Contacts of a theme under the code in the same place; null where hidden."""

    contacts: int | None
    share_of_theme: Rate | None
    mark: str = Field(json_schema_extra={"enum": ["", "spread", "elsewhere"]})


class CodeRowOut(Out):
    """A theme; `others` counts themes put together, whose `key` is empty."""

    key: str
    name: str
    contacts: int
    others: int
    cells: list[CodeCellOut]


class CodeFindingOut(Out):
    """A cell, or a code as a whole (`theme` null), that is worth a conversation."""

    kind: str = Field(json_schema_extra={"enum": ["spread", "elsewhere"]})
    code: str
    theme: str | None
    contacts: int
    reason: str
    residual: Number | None
    q_value: Rate | None


class CodesAnswer(Out):
    """How the contacts of each theme were coded; days are null without contacts."""

    first_day: date | None
    last_day: date | None
    without_code: int | None
    codes: list[CodeOut]
    themes: list[CodeRowOut]
    findings: list[CodeFindingOut]
