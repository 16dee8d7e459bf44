"""Rows of a file as they may be stored: one by one, or many as columns.

As columns they travel between processes and into the database; nothing here names anybody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

RAW_CHARS = 2_000
"""How much of a row the quarantine keeps."""

SAID = ("wait_seconds", "abandoned", "transfers", "resolved", "survey_resolved", "nps", "ces")
"""What a source may say beside the usual, all of it optional."""

_NOTHING: Mapping[str, int] = MappingProxyType({})
as_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
"""What `json.dumps` would give, without making an encoder for every row or looking for circles."""


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text, hex: equal texts are encoded once."""
    return hashlib.sha256(text.encode()).hexdigest()


class CleanRow(NamedTuple):
    """One row as it may be stored.

    Attributes
    ----------
    line : int
        Physical line in the file.
    contact_id : str
        As the source names it, at most 120 characters; a keyed hash where it is an address.
    started_at : datetime
        UTC, aware, whole seconds.
    local_day : date
        Reporting day.
    customer_key : str or None
        From `hash_customer`; None is unidentified.
    turns : tuple of (speaker, text)
        Redacted.
    content_hash : str
        Keyed hash of the row as the source wrote it, but for line and id: it tells a repetition
        from a change whatever the rules of redaction are by then.
    language : str
        ISO 639-1, said by the source or detected; empty unknown.
    redactions : dict of str to int
        How often what was found, by kind.
    identifiers : tuple of (kind, key)
        From `hash_customer`: what else is known of the customer.
    follows_contact_id : str
        As `contact_id`; empty where it follows none.
    issue_text : str
        What is embedded; empty without turns.
    """

    line: int
    contact_id: str
    started_at: datetime
    local_day: date
    customer_key: str | None
    channel: str
    queue: str
    agent: str
    disposition: str
    handle_seconds: int | None
    csat: float | None
    turns: tuple[tuple[str, str], ...]
    content_hash: str
    redactions: Mapping[str, int] = _NOTHING
    identifiers: tuple[tuple[str, str], ...] = ()
    language: str = ""
    team: str = ""
    wait_seconds: int | None = None
    abandoned: bool | None = None
    transfers: int | None = None
    resolved: bool | None = None
    survey_resolved: bool | None = None
    nps: int | None = None
    ces: float | None = None
    follows_contact_id: str = ""
    issue_text: str = ""

    @property
    def raw(self) -> str:
        """The row for the quarantine, without its customer."""
        return json.dumps(
            {
                "contact_id": self.contact_id,
                "started_at": self.started_at.isoformat(),
                "channel": self.channel,
                "queue": self.queue,
                "agent": self.agent,
                "disposition": self.disposition,
                "handle_seconds": self.handle_seconds,
                "csat": self.csat,
                **{name: value for name in SAID if (value := getattr(self, name)) is not None},
                "turns": self.turns,
            },
            ensure_ascii=False,
        )[:RAW_CHARS]


@dataclass(frozen=True, slots=True)
class CleanReject:
    """A row that is no contact, as the quarantine may keep it.

    `customer_key` is that of the customer it names, so that it goes when they are erased; None
    where it names nobody or cannot be told.
    """

    line: int
    code: str
    reason: str
    raw: str
    customer_key: str | None = None


@dataclass(frozen=True)
class CleanTable:
    """Rows as they may be stored, by column.

    Attributes
    ----------
    columns : dict of str to list
        The fields of `CleanRow`, with `started_at` and `local_day` as the texts that both
        databases take, `turns` as JSON, and `text_hash` of `issue_text` beside it.
    """

    columns: dict[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.columns["line"])

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self.columns[name]

    def take(self, places: Sequence[int]) -> CleanTable:
        """Return the rows at some places, each once and in the order of the table."""
        if len(places) == len(self):
            return self
        return CleanTable({name: [of[i] for i in places] for name, of in self.columns.items()})

    def rows(self) -> list[CleanRow]:
        """Return the rows one by one, where that is needed of a few."""
        found = {name: self.columns[name] for name in CleanRow._fields}
        found["started_at"] = [as_time(text) for text in self["started_at"]]
        found["local_day"] = list(map(date.fromisoformat, self["local_day"]))
        found["turns"] = [tuple(map(tuple, json.loads(turns))) for turns in self["turns"]]
        return list(map(CleanRow._make, zip(*found.values(), strict=True)))


def as_time(text: str) -> datetime:
    """Return the instant that `started_at` of a table names, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
