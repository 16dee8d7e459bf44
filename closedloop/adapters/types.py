"""What the file readers hand to each other: facts about a file, rows, contacts, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple


class UnreadableFile(Exception):
    """The file as a whole cannot be read; `sentence` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class BadMapping(Exception):
    """The description of the columns makes no sense; `sentence` says where and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class FileFacts:
    """What the first look at a file showed.

    Attributes
    ----------
    format : str
        Name of the reader: 'csv', 'xlsx', 'amazon_connect' ...
    encoding : str
        A Python codec name; one that swallows the byte order mark where there is one.
    delimiter : str
        One character; empty for JSON lines.
    has_bom : bool
    header : list of str
        Column names in file order, made unique: a second `category` is `category (2)`,
        a nameless third column is `column 3`.
    sample_rows : list of list of str
        At most 20 rows, cells in the order of `header`.
    reasons : list of str
        One sentence for each thing that was recognised.
    member : str
        Which file of a bundle the rows come from, where it is one of several.
    n_rows : int
        How many rows there are, where the format says so without reading it; 0 elsewhere.
    """

    format: str
    encoding: str
    delimiter: str
    has_bom: bool
    header: list[str]
    sample_rows: list[list[str]]
    reasons: list[str]
    member: str = ""
    n_rows: int = 0


class RawRow(NamedTuple):
    """One row that could be split into its columns.

    Attributes
    ----------
    line : int
        Physical line the record starts on; the first line of the file is 1. In a format that
        has no lines, the number of the record in the order of reading, from 1; either way no
        two rows of a file share it, and it is the same on each reading.
    fields : mapping of str to str, number, bool, None, list or dict
        By column name. CSV gives strings only.
    cut_short : bool
        The row ended before its last column; the columns it lacks are not in `fields`.
    where : str
        What a person looks for in the export, such as `ticket 35436 in tickets.json`; empty
        where it is the line.
    """

    line: int
    fields: Mapping[str, Any]
    cut_short: bool = False
    where: str = ""

    def __repr__(self) -> str:
        return f"RawRow(line={self.line})"  # what a customer said is for no log

    @property
    def place(self) -> str:
        """Where the row is, to begin a sentence with."""
        return self.where[:1].upper() + self.where[1:] if self.where else f"Line {self.line}"


class Piece(NamedTuple):
    """Some whole records of a text file, to be split into rows apart from the others.

    Attributes
    ----------
    first_line : int
        Physical line it begins with; the first line of the file is 1.
    text : str
        As the file has it, ends of lines included.
    """

    first_line: int
    text: str

    def __repr__(self) -> str:
        return f"Piece(first_line={self.first_line})"  # what customers said is for no log


@dataclass(frozen=True)
class BadRow:
    """One row that could not be split; `reason` is a sentence, `raw` the text as it stands."""

    line: int
    reason: str
    raw: str = field(repr=False)


class ParsedContact(NamedTuple):
    """One contact, checked and in our own terms, not yet redacted.

    Attributes
    ----------
    line : int
        Physical line in the file.
    contact_id : str
        As the source names it.
    started_at : datetime
        UTC, aware, whole seconds (fractions are cut off, not rounded).
    customer_id : str or None
        As the source names it; None is an unidentified customer.
    turns : tuple of (speaker, text)
        Speakers are 'customer', 'agent', 'bot' or 'unknown'. Empty when nothing was said.
    handle_seconds : int or None
    csat : float or None
        1 to 5.
    team : str or None
        Of the agent.
    language : str or None
        ISO 639-1 code, lower case.
    wait_seconds : int or None
        In the queue.
    abandoned : bool or None
        Whether the customer gave up in the queue; None where the source does not say.
    transfers : int or None
        How often the contact was handed on; a transfer is no contact of its own.
    resolved, survey_resolved : bool or None
        As the source and as the customer say.
    nps : int or None
        0 to 10.
    ces : float or None
        1 to 7, 7 is easy.
    follows_contact_id : str or None
        Id, in the source, of the contact this one follows up or was merged into.
    identifiers : tuple of (kind, value)
        Further identifiers of the customer, as the source writes them; kinds are 'account',
        'email' and 'phone'.
    """

    line: int
    contact_id: str
    started_at: datetime
    customer_id: str | None = None
    channel: str | None = None
    queue: str | None = None
    agent: str | None = None
    disposition: str | None = None
    turns: tuple[tuple[str, str], ...] = ()
    handle_seconds: int | None = None
    csat: float | None = None
    team: str | None = None
    language: str | None = None
    wait_seconds: int | None = None
    abandoned: bool | None = None
    transfers: int | None = None
    resolved: bool | None = None
    survey_resolved: bool | None = None
    nps: int | None = None
    ces: float | None = None
    follows_contact_id: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"ParsedContact(line={self.line})"  # who they are and what they said is for no log


@dataclass(frozen=True)
class Reject:
    """A row that is no contact, and why.

    Attributes
    ----------
    line : int
    code : str
        A word for counting: `broken_row`, `cut_short`, `no_contact_id`, `no_time` ...
    column : str or None
        The column of the source that is at fault.
    reason : str
        A sentence with line, column, shape of the value and remedy; never the value itself.
    raw : str
        The row as it stands (customer text: redact before storing, never log).
    """

    line: int
    code: str
    column: str | None
    reason: str
    raw: str = field(default="", repr=False)


@dataclass(frozen=True)
class Skipped:
    """A sound row that is not a contact of its own: not inbound, or a later event of one.

    Attributes
    ----------
    withdrawn : str
        Id of the contact, where the source says that it was deleted or is spam: it may be here.
    """

    line: int
    code: Literal["not_inbound", "later_event"]
    withdrawn: str = ""
