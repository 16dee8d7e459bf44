"""Make rows of a file fit to be stored: redacted, customers hashed, content fingerprinted.

Nothing here touches the database: what leaves this module is what may be written.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact, Reject
from closedloop.config import Settings
from closedloop.domain.clock import local_day
from ml.text.clean import decode_entities, issue_text
from ml.text.redact import Redacted, Redactor

RAW_CHARS = 2_000
"""How much of a row the quarantine keeps."""

CUSTOMER_TOKEN = "[CUSTOMER]"  # noqa: S105 - what stands in place of a customer's id
_ID_CHARS = 120
_LABEL_CHARS = {"channel": 60, "queue": 60, "agent": 60, "disposition": 120}
_SHORTEST_ID_IN_TEXT = 5
_REDACTED_AT_ONCE = 8_000
_LONGEST_FIND = 400


def hash_customer(customer_id: str, key: str) -> str:
    """Return what stands for a customer: HMAC-SHA-256 of the id as the source names it, hex.

    The same id is the same customer in every source.
    """
    return hmac.new(key.encode(), customer_id.strip().encode(), hashlib.sha256).hexdigest()


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text, hex: equal texts are encoded once."""
    return hashlib.sha256(text.encode()).hexdigest()


def words_to_embed(turns: Sequence[tuple[str, str]]) -> str:
    """Return what the customer came for.

    Where nobody is known to be the customer, speakers that are not known are taken for it.
    """
    if not any(speaker == "customer" for speaker, _ in turns):
        turns = [("customer" if who == "unknown" else who, text) for who, text in turns]
    return issue_text(turns)


@dataclass(frozen=True, slots=True)
class CleanRow:
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
        SHA-256 of all the rest but the line, hex.
    redactions : dict of str to int
        How often what was found, by kind.
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
    redactions: dict[str, int] = field(default_factory=dict)

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
                "turns": self.turns,
            },
            ensure_ascii=False,
        )[:RAW_CHARS]


class RowCleaner:
    """Cleans the rows of one file.

    Parameters
    ----------
    settings : Settings
        For the key of the customers and the zone of the reporting days.
    facts : FileFacts
    mapping : Mapping
    """

    def __init__(self, settings: Settings, facts: FileFacts, mapping: Mapping) -> None:
        self._key = settings.customer_key
        self._zone = settings.reporting_zone
        self._facts = facts
        self._customer_column = mapping.columns.get("customer_id")
        self._redactor = Redactor()
        # agents and dispositions repeat all through a file
        self._label = lru_cache(maxsize=4096)(self._redactor.redact)

    def clean(self, row: ParsedContact) -> CleanRow:
        """Return a row without personal data."""
        counts: dict[str, int] = {}
        labels = {name: self._clean_label(row, name, counts) for name in _LABEL_CHARS}
        turns = self._clean_turns(row, counts)
        customer_key = hash_customer(row.customer_id, self._key) if row.customer_id else None
        content = [
            row.started_at.isoformat(),
            customer_key,
            *labels.values(),
            row.handle_seconds,
            row.csat,
            turns,
        ]
        return CleanRow(
            line=row.line,
            contact_id=self._clean_id(row.contact_id),
            started_at=row.started_at,
            local_day=local_day(row.started_at, self._zone),
            customer_key=customer_key,
            handle_seconds=row.handle_seconds,
            csat=row.csat,
            turns=turns,
            content_hash=text_hash(json.dumps(content, ensure_ascii=False)),
            redactions=counts,
            **labels,
        )

    def clean_reject(self, reject: Reject) -> tuple[str, str]:
        """Return (reason, row) of a row that is no contact, as the quarantine may keep them."""
        raw = self._without_customer(reject)
        raw_start = raw[:_REDACTED_AT_ONCE]
        found = self._redactor.redact(raw_start)
        plain = self._redactor.redact(decode_entities(raw_start))
        # decoding breaks the quoting of a row, so it is done only where it hid something
        text = (found if plain.counts == found.counts else plain).text
        if len(raw) > _REDACTED_AT_ONCE:
            text = text[:-_LONGEST_FIND]  # a number cut in two is not found
        return reject.reason[:500], text[:RAW_CHARS]

    def redact(self, text: str) -> str:
        """Return a text without personal data."""
        return self._redactor.redact(decode_entities(text)).text

    def _clean_label(self, row: ParsedContact, name: str, counts: dict[str, int]) -> str:
        found = self._label(" ".join(decode_entities(getattr(row, name) or "").split()))
        _add(counts, found)
        return found.text[: _LABEL_CHARS[name]].strip()

    def _clean_turns(
        self, row: ParsedContact, counts: dict[str, int]
    ) -> tuple[tuple[str, str], ...]:
        turns = []
        for speaker, text in row.turns:
            # first: an address written as joe&#64;example.com would be found by nobody
            plain = decode_entities(text)
            found = self._redactor.redact(_without_id(plain, row.customer_id))
            _add(counts, found)
            turns.append((speaker, found.text))
        return tuple(turns)

    def _clean_id(self, contact_id: str) -> str:
        """Hash an id that is somebody's address or number, or too long to be kept."""
        if len(contact_id) <= _ID_CHARS and "@" not in contact_id and contact_id[:1] != "+":
            return contact_id
        return f"hashed-{hash_customer(contact_id, self._key)}"

    def _without_customer(self, reject: Reject) -> str:
        """Hide the id of the customer where it may stand, and where the row repeats it."""
        column = self._customer_column
        if column is None:
            return reject.raw
        if reject.code != "broken_row":
            raw, ids = self._without_field(reject, column)
        elif self._facts.format == "jsonl":
            raw, ids = _without_json_field(reject.raw, column)
        else:
            raw, ids = self._without_cells(reject.raw)
        for customer_id in ids:
            raw = _without_id(raw, customer_id.strip(' \t\r\n"'))
        return raw

    def _without_field(self, reject: Reject, column: str) -> tuple[str, list[str]]:
        fields = json.loads(reject.raw)
        names = list(fields)
        hidden = {column}
        if reject.code == "cut_short":
            hidden |= {names[position] for position in self._customer_positions(len(names))}
        ids = [str(v) for n, v in fields.items() if n in hidden and v]
        masked = {n: CUSTOMER_TOKEN if n in hidden and v else v for n, v in fields.items()}
        return json.dumps(masked, ensure_ascii=False), ids

    def _without_cells(self, raw: str) -> tuple[str, list[str]]:
        cells = raw.split(self._facts.delimiter)
        positions = self._customer_positions(len(cells))
        ids = [cells[position] for position in positions]
        for position in positions:
            cells[position] = CUSTOMER_TOKEN
        return self._facts.delimiter.join(cells), ids

    def _customer_positions(self, n_cells: int) -> set[int]:
        """Return where a customer's id may stand in a broken row, counted from either end."""
        if self._customer_column not in self._facts.header:
            return set()
        from_left = self._facts.header.index(self._customer_column)
        from_right = n_cells - (len(self._facts.header) - from_left)
        return {position for position in (from_left, from_right) if 0 <= position < n_cells}


def _add(counts: dict[str, int], found: Redacted) -> None:
    for kind, number in found.counts.items():
        counts[kind] = counts.get(kind, 0) + number


def _without_json_field(raw: str, column: str) -> tuple[str, list[str]]:
    """Hide the value of a name in a line that is no JSON, as far as it looks like one."""
    name = re.escape(json.dumps(column, ensure_ascii=False))
    pattern = rf'({name}\s*:\s*)("(?:[^"\\]|\\.)*"?|[^,}}\s]+)'
    ids = [found[2] for found in re.finditer(pattern, raw)]
    return re.sub(pattern, lambda found: f'{found[1]}"{CUSTOMER_TOKEN}"', raw), ids


def _without_id(text: str, customer_id: str | None) -> str:
    """Return a text in which the customer does not write their own id."""
    if not customer_id or len(customer_id) < _SHORTEST_ID_IN_TEXT or customer_id not in text:
        return text
    return re.sub(rf"(?<!\w){re.escape(customer_id)}(?!\w)", CUSTOMER_TOKEN, text)
