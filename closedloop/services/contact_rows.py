"""Make rows of a file fit to be stored: redacted, customers hashed, content fingerprinted.

Nothing here touches the database: what leaves this module is what may be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from operator import attrgetter

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact, Reject
from closedloop.config import Settings
from closedloop.domain.clock import local_day
from closedloop.domain.identities import IdentifierKind
from closedloop.services.bulk import as_instant
from closedloop.services.clean_rows import (
    RAW_CHARS,
    SAID,
    CleanReject,
    CleanRow,
    CleanTable,
    as_json,
    text_hash,
)
from closedloop.services.identifiers import (
    hash_customer,
    is_nobody,
    normalise_identifier,
    put_keys_on,
)
from closedloop.services.redaction import site_redactor
from closedloop.services.told_ids import IdReader, hide_in_sentence
from ml.text.clean import decode_entities, issue_text
from ml.text.redact import Redacted, RedactedTurns

__all__ = [
    "CUSTOMER_TOKEN",
    "RowCleaner",
    "hash_customer",
    "words_to_embed",
]

CUSTOMER_TOKEN = "[CUSTOMER]"  # noqa: S105 - what stands in place of a customer's id
_ID_CHARS = 120
_LABEL_CHARS = {"channel": 60, "queue": 60, "agent": 60, "disposition": 120, "team": 60}
_AS_THEY_ARE = ("line", "handle_seconds", "csat", *SAID)
_said = attrgetter(*SAID)
_hashed_labels = attrgetter(*_LABEL_CHARS)

_SHORTEST_ID_IN_TEXT = 5
_REDACTED_AT_ONCE = 8_000
_LONGEST_FIND = 400
_AROUND_IDS = ' \t\r\n"'
_Named = tuple[IdentifierKind, str]
_NOT_KEPT = "(not kept: which part of it names the customer cannot be told)"


def words_to_embed(turns: Sequence[tuple[str, str]]) -> str:
    """Return what the customer came for.

    Where nobody is known to be the customer, speakers that are not known are taken for it.
    """
    if not any(speaker == "customer" for speaker, _ in turns):
        turns = [("customer" if who == "unknown" else who, text) for who, text in turns]
    return issue_text(turns)


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
        self._keys = settings.customer_keys
        self._countries = settings.phone_regions
        kind = mapping.identity_kind
        self._customer_kind = IdentifierKind(kind) if kind else None
        self._zone = settings.reporting_zone
        self._facts = facts
        self._customer_column = mapping.columns.get("customer_id")
        self._identifier_columns = {column: kind for kind, column in mapping.identifiers.items()}
        self._settings = settings
        self._ids = IdReader(settings)
        self._redactor = site_redactor(settings)
        # agents and dispositions repeat all through a file
        labels = site_redactor(settings, with_names=False)
        self._label = lru_cache(maxsize=4096)(
            lambda label: labels.redact(" ".join(decode_entities(label).split()))
        )

    def clean(self, row: ParsedContact) -> CleanRow:
        """Return a row without personal data."""
        return self.clean_all([row]).rows()[0]

    def clean_all(self, rows: Sequence[ParsedContact]) -> CleanTable:
        """Return rows without personal data.

        One step after the other for all of them: what a step needs stays in the processor's
        cache, which row by row it would not.
        """
        counts: list[dict[str, int]] = [{} for _ in rows]
        labels = {
            name: list(map(partial(self._clean_label, name), rows, counts)) for name in _LABEL_CHARS
        }
        turns = list(map(self._clean_turns, rows, counts))
        words = [words_to_embed(said) if said else "" for said in turns]
        owners = list(map(self._identify, rows))
        later = self._keys[1:]
        return CleanTable(
            {
                **{name: [getattr(row, name) for row in rows] for name in _AS_THEY_ARE},
                **labels,
                "contact_id": self._clean_ids([row.contact_id for row in rows]),
                "started_at": [as_instant(row.started_at) for row in rows],
                "local_day": [local_day(row.started_at, self._zone).isoformat() for row in rows],
                "customer_key": [first and put_keys_on(first, later) for first, _ in owners],
                "identifiers": [others for _, others in owners],
                "turns": list(map(as_json, turns)),
                "issue_text": words,
                "text_hash": list(map(text_hash, words)),
                "content_hash": list(map(self._content_hash, rows)),
                "redactions": counts,
                "language": [
                    row.language or _language_of(text)
                    for row, text in zip(rows, words, strict=True)
                ],
                "follows_contact_id": self._clean_ids(
                    [row.follows_contact_id or "" for row in rows]
                ),
            }
        )

    def content_by_id(self, rows: Sequence[ParsedContact]) -> dict[str, str]:
        """Return the content hash of rows by their ids, as `clean_all` gives both."""
        ids = self._clean_ids([row.contact_id for row in rows])
        return dict(zip(ids, map(self._content_hash, rows), strict=True))

    def _content_hash(self, row: ParsedContact) -> str:
        """Return a keyed hash of what the source says, as said before redaction."""
        content = [
            row.started_at.isoformat(),
            row.customer_id,
            *_hashed_labels(row),
            row.handle_seconds,
            row.csat,
            row.turns,
            *_said(row),
            row.follows_contact_id,
        ]
        return hash_customer(as_json(content), self._keys)

    def _identify(self, row: ParsedContact) -> tuple[str | None, tuple[tuple[str, str], ...]]:
        """Return the customer's hash under the first key, and the other identifiers' keys.

        Without a customer id the first other identifier is the customer's.
        """
        first = self._first_key(row.customer_id, self._customer_kind)
        named = _identifiers_of(row)
        if not named:
            return first, ()
        hashes = [
            (kind.value, digest)
            for kind, value in named
            if (digest := self._first_key(value, kind)) is not None
        ]
        if first is None and hashes:
            first = hashes.pop(0)[1]
        later = self._keys[1:]
        return first, tuple((kind, put_keys_on(digest, later)) for kind, digest in hashes)

    def _first_key(self, value: str | None, kind: IdentifierKind | None) -> str | None:
        if not value:
            return None
        written = normalise_identifier(value, kind, self._countries)
        return hash_customer(written, self._keys[0], kind) if written else None

    def clean_reject(self, reject: Reject) -> CleanReject:
        """Return a row that is no contact as the quarantine may keep it."""
        raw, ids, others = self._without_customer(reject)
        raw_start = raw[:_REDACTED_AT_ONCE]
        found = self._redactor.redact(raw_start)
        plain = self._redactor.redact(decode_entities(raw_start))
        # decoding breaks the quoting of a row, so it is done only where it hid something
        text = (found if plain.counts == found.counts else plain).text
        if len(raw) > _REDACTED_AT_ONCE:
            text = text[:-_LONGEST_FIND]  # a number cut in two is not found
        keys = {self._first_key(i.strip(_AROUND_IDS), self._customer_kind) for i in ids} - {None}
        if not keys:  # as in a sound row, the first other identifier is the customer's
            named = (self._first_key(value, kind) for kind, value in sorted(others))
            keys = {next(filter(None, named), None)} - {None}
        key = keys.pop() if len(keys) == 1 else None
        return CleanReject(
            reject.line,
            reject.code,
            hide_in_sentence(reject.reason, self._ids, self._settings)[:500],
            text[:RAW_CHARS],
            key and put_keys_on(key, self._keys[1:]),
        )

    def redact(self, text: str) -> str:
        """Return a text without personal data."""
        return self._redactor.redact(decode_entities(text)).text

    def _clean_label(self, name: str, row: ParsedContact, counts: dict[str, int]) -> str:
        written = getattr(row, name)
        if not written:
            return ""
        found = self._label(written)
        if found.counts:
            _add(counts, found)
        return found.text[: _LABEL_CHARS[name]].strip()

    def _clean_turns(
        self, row: ParsedContact, counts: dict[str, int]
    ) -> tuple[tuple[str, str], ...]:
        if not row.turns:
            return ()
        own = [row.customer_id, *(value for _, value in _identifiers_of(row))]
        plain = []
        for _, text in row.turns:
            # first: an address written as joe&#64;example.com would be found by nobody
            said = decode_entities(text)
            for identifier in own:
                said = _without_id(said, identifier)
            plain.append(said)
        found = self._redactor.redact_turns(plain)
        _add(counts, found)
        return tuple((who, text) for (who, _), text in zip(row.turns, found.texts, strict=True))

    def _clean_ids(self, ids: list[str]) -> list[str]:
        """Hash ids that tell who somebody is, or are too long to be kept."""
        if not self._ids.may_tell(ids) and max(map(len, ids), default=0) <= _ID_CHARS:
            return ids
        return list(map(self._clean_id, ids))

    def _clean_id(self, contact_id: str) -> str:
        if len(contact_id) <= _ID_CHARS and not self._ids.tells(contact_id):
            return contact_id
        return f"hashed-{hash_customer(contact_id, self._keys)}"

    def _without_customer(self, reject: Reject) -> tuple[str, list[str], list[_Named]]:
        """Hide the id of the customer where it may stand, and where the row repeats it.

        Returns the row, what may be the id, and the other identifiers.
        """
        column = self._customer_column
        others: list[_Named] = []
        if column is None and not self._identifier_columns:
            return reject.raw, [], []
        if reject.code != "broken_row":
            raw, ids, others = self._without_fields(reject)
        elif column is None:
            return _NOT_KEPT, [], []
        elif not self._facts.delimiter:
            raw, ids = _without_json_field(reject.raw, column)
            if not ids and self._facts.format != "jsonl":
                return _NOT_KEPT, [], []  # a record of a vendor's own shape, in the vendor's names
        else:
            raw, ids = self._without_cells(reject.raw)
        for identifier in (*ids, *(value for _, value in others)):
            raw = _without_id(raw, identifier.strip(_AROUND_IDS))
        return raw, ids, others

    def _without_fields(self, reject: Reject) -> tuple[str, list[str], list[_Named]]:
        fields = json.loads(reject.raw)
        names = list(fields)
        hidden = {self._customer_column} if self._customer_column else set()
        if reject.code == "cut_short":
            hidden |= {names[position] for position in self._customer_positions(len(names))}
        ids = [str(v) for n, v in fields.items() if n in hidden and v]
        others = [
            (IdentifierKind(kind), str(fields[column]))
            for column, kind in self._identifier_columns.items()
            if fields.get(column)
        ]
        hidden |= set(self._identifier_columns)
        masked = {n: CUSTOMER_TOKEN if n in hidden and v else v for n, v in fields.items()}
        return json.dumps(masked, ensure_ascii=False), ids, others

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


def _identifiers_of(row: ParsedContact) -> list[_Named]:
    """Return what a row knows of its customer beside the id, the surest kind first."""
    if not row.identifiers:
        return []
    return sorted((IdentifierKind(kind), value) for kind, value in row.identifiers if value)


@lru_cache(maxsize=4096)
def _language_of(words: str) -> str:
    # imported here: its model takes a moment, and a file that says the language never needs it
    from ml.text.language import detect_language

    return detect_language(words) if words else ""


def _add(counts: dict[str, int], found: Redacted | RedactedTurns) -> None:
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
    if is_nobody(customer_id):
        return text  # a word like any other
    return re.sub(rf"(?<!\w){re.escape(customer_id)}(?!\w)", CUSTOMER_TOKEN, text)
