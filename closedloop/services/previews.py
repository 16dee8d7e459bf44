"""Look at what an import would do, without writing anything."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from closedloop.adapters.bundle import Watch
from closedloop.adapters.contacts import Outcome, read_contacts, read_rows
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.parse import parse_row
from closedloop.adapters.types import BadRow, ParsedContact, RawRow, Reject
from closedloop.config import Settings
from closedloop.domain.clock import utc_now
from closedloop.domain.contacts import share
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import Progress
from closedloop.services.clean_rows import CleanRow, CleanTable, as_time
from closedloop.services.contact_files import (
    Extent,
    OpenedFile,
    looking_in_words,
    measure_extent,
    open_contacts,
    progress_of,
    with_rows,
)
from closedloop.services.contact_rows import CUSTOMER_TOKEN, RowCleaner
from closedloop.services.intake import known_hashes, sort_rows, takes_latest
from closedloop.services.key_state import find_key_state, key_problem
from closedloop.services.long_work import Report, tell_nobody

ROWS_AT_ONCE = 2_000


@dataclass
class RejectReason:
    """Why rows are no contacts: the code, how many, and the first one's sentence."""

    code: str
    rows: int
    example: str


@dataclass(frozen=True)
class SampleRow:
    """One row of the file beside the contact it makes, both redacted.

    Attributes
    ----------
    line : int
    raw : dict of str to str
        Cells by column of the file; the customer's id is hidden.
    contact : CleanRow or None
        None when the row is no contact.
    reason : str
        Why it is none; empty when it is one.
    place : str
        Where it is, for a person: `Line 4`, `Record 3`, `Row 5 of sheet “May”`.
    """

    line: int
    raw: dict[str, str]
    contact: CleanRow | None
    reason: str
    place: str

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON keeps it."""
        contact = self.contact._asdict() if self.contact else None
        found: dict[str, Any] = {**vars(self), "contact": contact}
        if contact:
            for name in ("started_at", "local_day"):
                contact[name] = contact[name].isoformat()
        return found

    @classmethod
    def from_dict(cls, found: MappingOf[str, Any]) -> SampleRow:
        """Return the row that `to_dict` gave."""
        contact = dict(found["contact"]) if found["contact"] else None
        if contact:
            contact["started_at"] = datetime.fromisoformat(contact["started_at"])
            contact["local_day"] = date.fromisoformat(contact["local_day"])
            contact["turns"] = tuple((speaker, text) for speaker, text in contact["turns"])
        made = CleanRow(**contact) if contact else None
        return cls(found["line"], dict(found["raw"]), made, found["reason"], found["place"])


@dataclass
class ImportPreview:
    """What an import would do, counted on the rows that were read.

    Attributes
    ----------
    rows_read : int
        Rows, good and bad.
    would_add, unchanged, changed : int
        New to the source; brought before with the same, with other content or `withdrawn`.
    withdrawn : int
        Contacts that are here and that the source has deleted or calls spam by now.
    rejected, skipped : int
        In quarantine; passed over (not inbound, or a later event of the same contact).
    unidentified : int
        Of those that would be added, without customer.
    first_at, last_at : datetime or None
        Earliest and latest start of what would be added.
    is_whole : bool
        Whether the file was read to its end.
    reasons : list of RejectReason
        Most frequent first.
    channels, languages : dict of str to int
        What would be added, by channel and by language; empty text is not known.
    sample : list of SampleRow
    """

    rows_read: int = 0
    would_add: int = 0
    unchanged: int = 0
    changed: int = 0
    withdrawn: int = 0
    rejected: int = 0
    skipped: int = 0
    unidentified: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    is_whole: bool = True
    reasons: list[RejectReason] = field(default_factory=list)
    channels: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    sample: list[SampleRow] = field(default_factory=list)

    @property
    def would_change(self) -> int:
        """Rows with other content for a known id; those `withdrawn` change nothing."""
        return self.changed - self.withdrawn

    @property
    def unidentified_rate(self) -> float | None:
        """Share of the new contacts that have no customer, in 0–1; None without any."""
        return share(self.unidentified, self.would_add)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON keeps them; the sample, which holds texts, is left out."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        del found["sample"]
        for name in ("first_at", "last_at"):
            found[name] = found[name].isoformat() if found[name] else None
        return {**found, "reasons": [asdict(reason) for reason in self.reasons]}

    @classmethod
    def from_dict(cls, found: MappingOf[str, Any]) -> ImportPreview:
        """Return the counts that `to_dict` gave."""
        values = dict(found)
        for name in ("first_at", "last_at"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        values["reasons"] = [RejectReason(**reason) for reason in values["reasons"]]
        return cls(**values)


def preview_file(
    session: Session,
    *,
    settings: Settings,
    path: Path,
    mapping: Mapping,
    source: str,
    sample: int = 20,
    limit: int | None = None,
    only_lines: Collection[int] | None = None,
    report: Report = tell_nobody,
) -> ImportPreview:
    """Return what an import would do. Nothing is written, neither rows nor an event.

    Parameters
    ----------
    session : Session
        For looking up what the source has brought before.
    settings : Settings
    path : Path
    mapping : Mapping
    source : str
    sample : int
        How many rows to show beside their contacts.
    limit : int, optional
        Rows to read at most; the whole file by default.
    only_lines : collection of int, optional
        The only lines that count, where refused rows are tried again.
    report : Report, optional
        Told how far the file is read.

    Raises
    ------
    Unreadable, Invalid
        If the file or the mapping cannot be used.
    Conflict
        If the customers of this site are stored under other keys: every contact would look
        changed.
    """
    if problem := key_problem(find_key_state(session), settings):
        raise Conflict(problem)
    now = utc_now()
    reasons: dict[str, RejectReason] = {}
    latest = takes_latest(mapping.to_dict())
    with open_contacts(path, mapping) as opened, closing(_SeenInFile()) as seen:
        cleaner = RowCleaner(settings, opened.facts, mapping)
        first = islice(read_rows(opened.bundle, opened.facts), _most_rows(limit, only_lines))
        shown = _sample(opened, first, mapping, cleaner, now, sample, only_lines)
        preview = ImportPreview(sample=shown)
        outcomes: Iterator[Outcome] = read_contacts(opened.bundle, opened.facts, mapping, now=now)
        if only_lines is not None:
            outcomes = (outcome for outcome in outcomes if outcome.line in only_lines)
        extent = with_rows(measure_extent(path), opened) if limit is None else None
        tell = _Teller(report, extent, opened.bundle.watch)
        for rows, gone in _cleaned(islice(outcomes, limit), cleaner, preview, reasons, tell):
            ids = rows["contact_id"]
            known = known_hashes(session, source, ids) | seen.hashes(ids)
            found = sort_rows(rows, known, latest=latest)
            new = rows.take(found.new)
            seen.add(new)
            if latest and found.changed:
                seen.add(rows.take(found.changed))
            _count(preview, new)
            preview.unchanged += found.unchanged
            withdrawn = len(known_hashes(session, source, gone) | seen.hashes(gone)) if gone else 0
            preview.withdrawn += withdrawn
            preview.changed += len(found.changed) + withdrawn
        preview.is_whole = next(outcomes, None) is None
    preview.reasons = sorted(reasons.values(), key=lambda reason: -reason.rows)
    return preview


def _cleaned(
    outcomes: Iterator[Outcome],
    cleaner: RowCleaner,
    preview: ImportPreview,
    reasons: dict[str, RejectReason],
    tell: _Teller,
) -> Iterator[tuple[CleanTable, list[str]]]:
    """Count what is no contact, and yield the contacts in tables of bounded length.

    Beside each table stand the ids of contacts that the source has deleted or calls spam.
    """
    while portion := list(islice(outcomes, ROWS_AT_ONCE)):
        contacts, gone = [], set()
        for outcome in portion:
            preview.rows_read += 1
            if isinstance(outcome, ParsedContact):
                contacts.append(outcome)
            elif isinstance(outcome, Reject):
                preview.rejected += 1
                reason = RejectReason(outcome.code, 0, outcome.reason)
                reasons.setdefault(outcome.code, reason).rows += 1
            else:
                preview.skipped += 1
                gone |= {outcome.withdrawn} - {""}
        yield cleaner.clean_all(contacts), sorted(gone)
        tell(portion[-1].line, preview.rows_read)


class _Teller:
    """Tells how far a file was looked at, and how fast."""

    def __init__(self, report: Report, extent: Extent | None, watch: Watch) -> None:
        self._report, self._extent, self._began = report, extent, time.monotonic()
        self._watch, self._rows = watch, 0
        watch.tell = self._looking if extent is not None else None

    def __call__(self, line: int, rows: int) -> None:
        """Report `rows` rows looked at, the last of them at `line`."""
        self._rows = rows
        seconds = time.monotonic() - self._began
        doing = f"{rows:,} rows looked at · {rows / max(seconds, 0.001):,.0f} rows a second"
        if self._extent is None:
            self._report(Progress(0, 0, doing))
        else:
            self._report(progress_of(self._extent, self._watch, line, doing))

    def _looking(self) -> None:
        if self._extent is not None and not self._rows:
            doing = looking_in_words(self._watch)
            self._report(progress_of(self._extent, self._watch, 0, doing))


def _count(preview: ImportPreview, new: CleanTable) -> None:
    preview.would_add += len(new)
    preview.unidentified += new["customer_key"].count(None)
    for channel in new["channel"]:
        preview.channels[channel] = preview.channels.get(channel, 0) + 1
    for language in new["language"]:
        preview.languages[language] = preview.languages.get(language, 0) + 1
    if len(new):
        first, last = map(as_time, (min(new["started_at"]), max(new["started_at"])))
        preview.first_at = min(filter(None, (preview.first_at, first)))
        preview.last_at = max(filter(None, (preview.last_at, last)))


def _most_rows(limit: int | None, only_lines: Collection[int] | None) -> int | None:
    """Return how many rows to look through for a sample, None for all of them."""
    return None if limit is None or only_lines is not None else ROWS_AT_ONCE


def _sample(
    opened: OpenedFile,
    rows: Iterable[RawRow | BadRow],
    mapping: Mapping,
    cleaner: RowCleaner,
    now: datetime,
    number: int,
    only_lines: Collection[int] | None,
) -> list[SampleRow]:
    """Return the first rows beside what they become; those passed over are left out."""
    shown: list[SampleRow] = []
    for raw in rows:
        if len(shown) >= number:
            break
        if only_lines is not None and raw.line not in only_lines:
            continue
        if isinstance(raw, BadRow):
            place = f"{opened.reader.unit.capitalize()} {raw.line}"
            found = cleaner.clean_reject(Reject(raw.line, "broken_row", None, raw.reason, raw.raw))
            shown.append(SampleRow(raw.line, {"": found.raw}, None, found.reason, place))
            continue
        outcome = parse_row(raw, mapping, now=now)
        if isinstance(outcome, ParsedContact):
            clean = cleaner.clean(outcome)
            cells = _cells(raw, mapping, cleaner)
            shown.append(SampleRow(raw.line, cells, clean, "", raw.place))
        elif isinstance(outcome, Reject):
            cells = _cells(raw, mapping, cleaner)
            shown.append(SampleRow(raw.line, cells, None, outcome.reason, raw.place))
    return shown


def _cells(raw: RawRow, mapping: Mapping, cleaner: RowCleaner) -> dict[str, str]:
    hidden = {mapping.columns.get("customer_id"), *mapping.identifiers.values()}
    return {
        name: CUSTOMER_TOKEN if name in hidden and value else cleaner.redact(_as_text(value))
        for name, value in raw.fields.items()
    }


def _as_text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


class _SeenInFile:
    """Remembers contents by id in a temporary database, which spills to disk."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, rows: CleanTable) -> None:
        """Remember rows; the last one of an id counts."""
        pairs = zip(rows["contact_id"], rows["content_hash"], strict=True)
        self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", pairs)

    def hashes(self, ids: Sequence[str]) -> dict[str, str]:
        """Return content hash by id of those that came before."""
        find = "SELECT digest FROM seen WHERE id = ?"
        found = ((i, self._db.execute(find, (i,)).fetchone()) for i in ids)
        return {contact_id: row[0] for contact_id, row in found if row}

    def close(self) -> None:
        """Drop the temporary database."""
        self._db.close()
