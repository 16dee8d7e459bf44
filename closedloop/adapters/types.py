"""What the file readers hand to each other: facts about a file, rows, contacts, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

FileFormat = Literal["csv", "jsonl"]


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
    format : {'csv', 'jsonl'}
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
    """

    format: FileFormat
    encoding: str
    delimiter: str
    has_bom: bool
    header: list[str]
    sample_rows: list[list[str]]
    reasons: list[str]


@dataclass(frozen=True)
class RawRow:
    """One row that could be split into its columns.

    Attributes
    ----------
    line : int
        Physical line the record starts on; the first line of the file is 1.
    fields : mapping of str to str, number, bool, None, list or dict
        By column name. CSV gives strings only.
    cut_short : bool
        The row ended before its last column; the columns it lacks are not in `fields`.
    """

    line: int
    fields: Mapping[str, Any] = field(repr=False)
    cut_short: bool = False


@dataclass(frozen=True)
class BadRow:
    """One row that could not be split; `reason` is a sentence, `raw` the text as it stands."""

    line: int
    reason: str
    raw: str = field(repr=False)


@dataclass(frozen=True)
class ParsedContact:
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
        On the scale of the source.
    """

    line: int
    contact_id: str
    started_at: datetime
    customer_id: str | None = field(default=None, repr=False)
    channel: str | None = None
    queue: str | None = None
    agent: str | None = field(default=None, repr=False)
    disposition: str | None = None
    turns: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    handle_seconds: int | None = None
    csat: float | None = None


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
    """A sound row that is not a contact of its own: not inbound, or a later event of one."""

    line: int
    code: Literal["not_inbound", "later_event"]
