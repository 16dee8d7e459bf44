"""What the API takes and gives about imports and mappings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

from apiflask.fields import UploadFile
from pydantic import Field, model_validator

from closedloop.api.schemas import In, Limit, Out, Rate, TurnOut

Row = Annotated[int, Field(ge=0, le=2**31 - 1)]
_MAPPING = (
    'JSON as in docs/import: {"source": …, "columns": {"contact_id": …}, …}, or the name of a '
    "saved mapping."
)


class BroughtFile(In):
    """A file: sent along, kept since the preview, or that of the import that is tried again."""

    file: UploadFile = Field(  # only this very type is read as a file; None stands for no file
        cast(Any, None), description="A table, or an export of a known system; also as .zip or .gz."
    )
    upload: str = Field(
        "",
        max_length=40,
        description="Instead of the file: what the preview of it said as `upload`.",
    )
    mapping: str = Field("", max_length=100_000, description=_MAPPING)
    on_change: Literal["", "keep", "replace", "extend"] = Field(
        "",
        description="What becomes of a known contact with other content: the first version is "
        "kept, the later one replaces it, or does so and adds its words to those before. Left "
        "out, the mapping says it.",
    )
    replay_of: Row | None = Field(
        None,
        description="The import whose refused rows this file tries again. Without a file: the one "
        "that import read, as long as it is kept; then only its refused rows are read.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_no_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in values.items() if k != "file" or v is not None}


class PreviewForm(BroughtFile):
    """What to look at. Without a mapping one is suggested."""


class ImportForm(BroughtFile):
    """What to read in. Exports of known systems need no mapping, nor do refused rows."""

    dry_run: bool = Field(False, description="Look at the whole file and store nothing.")


class SampleContact(Out):
    """The contact a row makes, personal data hidden; `customer` is a keyed hash."""

    contact_id: str
    started_at: datetime
    local_day: date
    customer: str | None
    channel: str
    queue: str
    team: str
    disposition: str
    language: str
    handle_seconds: int | None
    follows_contact_id: str
    turns: list[TurnOut]


class SampleOut(Out):
    """A row of the file beside the contact it makes."""

    line: int
    place: str = Field(description="Where it is, for a person.")
    row: dict[str, str] = Field(description="Cells by column, personal data hidden.")
    contact: SampleContact | None
    reason: str = Field(description="Why it makes none; empty where it does.")


class ImportPreviewOut(Out):
    """What a file looks like, how it would be read, and its first rows beside their contacts."""

    upload: str = Field(description="Send it to `/imports` instead of the file, within a week.")
    file_name: str
    bytes: int
    format: str
    title: str = Field(description="The format as people know it.")
    guide: str = Field(description="Its page in docs/import.")
    reasons: list[str] = Field(description="What it was recognised by.")
    columns: list[str]
    members: list[str] = Field(description="Files in it, the first of them.")
    n_members: int
    mapping: dict[str, Any] = Field(description="Send it, changed or as it is, to `/imports`.")
    mapping_origin: Literal["given", "saved", "earlier", "format", "guess"] = Field(
        description="Given in the question, saved for these columns, of the last import of these "
        "columns, said by the format itself, or guessed from the names of the columns."
    )
    mapping_name: str = Field(description="Of a saved mapping; empty otherwise.")
    mapping_reasons: dict[str, str] = Field(description="Why it was guessed like this.")
    problems: list[str] = Field(description="Why it cannot be read like this; empty when it can.")
    saved_mappings: list[str] = Field(description="Saved for these columns, last used first.")
    is_sampled: bool = Field(
        description="False where no first rows can be shown at once; ask again with the same "
        "mapping once a dry run has looked at all of the file."
    )
    rows: list[SampleOut] = Field(description="The first 20.")


class ImportOut(Out):
    """One run over one file."""

    id: int
    file_name: str
    source: str
    format: str
    origin: str = Field(description="upload, command, api or folder.")
    mapping_name: str = Field(description="Of a saved mapping; empty when it has no name.")
    state: str = Field(description="running, done, failed, half_taken_out or taken_out.")
    message: str
    replay_of_id: int | None
    rows_read: int
    added: int
    unchanged: int
    changed: int = Field(
        description="Known ids with other content, or deleted or spam in the source by now."
    )
    renewed: int = Field(description="Of the changed ones, how many replaced what was stored.")
    rejected: int
    left_out: int = Field(description="Not from customers, or later events of the same contact.")
    rejects_settled: int = Field(description="Refused rows that another import took in since.")
    unidentified: int
    started_at: datetime
    finished_at: datetime | None
    rolled_back_at: datetime | None


class ReasonOut(Out):
    """Why rows were refused that no other import took in since."""

    code: str
    rows: int
    example: str


class OpenedOut(Out):
    """The contacts an import opened. Null where fewer customers than allowed stand behind it."""

    contacts: int
    unidentified: int
    customers: int | None
    came_again_share: Rate | None = Field(
        description="Of the customers, those with a contact that another followed within 7 days."
    )


class ImportDetail(ImportOut):
    """One import with its mapping, what was hidden in it, and what is left of it to do."""

    mapping: dict[str, Any]
    redactions: dict[str, int] = Field(description="What was hidden before anything was stored.")
    reasons: list[ReasonOut]
    replays: list[int] = Field(description="Imports that tried its refused rows again.")
    is_file_kept: bool = Field(description="Whether its rows can be had to be corrected.")
    job_id: int | None = Field(description="The job that reads it or takes it out now.")
    opened: OpenedOut | None = Field(description="Only when asked for with `customers`.")


class ImportList(Out):
    """Imports, newest first."""

    items: list[ImportOut]
    next: str | None


class ImportQuery(In):
    """Which imports."""

    limit: Limit = 50
    after: Annotated[str, Field(max_length=10, pattern=r"^\d*$")] = Field(
        "", description="`next` of the answer before."
    )


class DetailQuery(In):
    """Whether customers are counted: for an import of millions it takes some seconds."""

    customers: bool = False


class RejectOut(Out):
    """A row that could not be taken in; personal data are hidden."""

    line: int
    code: str
    reason: str
    row: str
    settled_by_id: int | None


class RejectList(Out):
    """Refused rows in the order of the file."""

    items: list[RejectOut]
    next: str | None


class RollBackForm(In):
    """How many contacts are expected to go: needed above 100, and another number refuses."""

    expected_count: Row | None = None


class RollBackQuery(In):
    """Whether a large import is looked through: some seconds a million contacts."""

    count: bool = False


class LaterImport(Out):
    """A later import that found rows it had already; those of them go, too."""

    id: int
    unchanged: int


class RollBackOut(Out):
    """What taking an import out would do."""

    contacts: int = Field(description="That would go.")
    rebuilt: int | None = Field(
        description="Of other imports, that would lose messages of this one; null: not counted."
    )
    restored: int = Field(description="Of earlier imports, that would get back what they had.")
    customers: int | None = Field(
        description="Whose every contact would go; null where they were not counted."
    )
    quotes: int
    later: list[LaterImport]
    refusal: str = Field(description="Why it cannot be done now; empty when it can.")
    is_exact: bool = Field(
        description="False for a large import, whose own numbers these are, from when it was read."
    )


class MappingOut(Out):
    """A mapping saved by name."""

    name: str
    format: str
    mapping: dict[str, Any]
    saved_by: str
    saved_at: datetime
    last_used_at: datetime | None


class MappingList(Out):
    """Saved mappings by name."""

    items: list[MappingOut]


class MappingForm(In):
    """How files like one that was brought are read."""

    upload: str = Field(
        max_length=40, description="A file of the kind: what its preview said as `upload`."
    )
    mapping: dict[str, Any]
    replace: bool = Field(False, description="Give up another mapping of this name for it.")


class MappingName(In):
    """Another name."""

    name: str = Field(max_length=200)
