"""Turn a row of a file into a contact, or say in a sentence why it is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from closedloop.adapters.cells import MAX_ID_CHARS, Cells, Refused, clean, is_shortened
from closedloop.adapters.mapping import REQUIRED_COLUMNS, Mapping
from closedloop.adapters.measures import (
    MAX_HANDLE_SECONDS,
    MAX_TRANSFERS,
    MAX_WAIT_SECONDS,
    count_of,
    csat_of,
    flag_of,
    language_of,
    scaled_of,
    seconds_of,
)
from closedloop.adapters.times import BadTime, join_day, parse_time, shape_of
from closedloop.adapters.types import ParsedContact, RawRow, Reject, Skipped

__all__ = ["MAX_ID_CHARS", "as_raw_text", "clean", "parse_row", "speaker_of"]

FUTURE_TOLERANCE = timedelta(days=1)

_SPEAKERS = {
    "customer": "customer client user caller consumer requester visitor external contact end_user",
    "agent": "agent advisor adviser assistant representative rep operator staff support internal",
    "bot": "bot system ivr virtual_agent chatbot automation",
}
_WITHDRAWN = frozenset({"deleted", "spam"})
_SPEAKER_OF = {word: speaker for speaker, words in _SPEAKERS.items() for word in words.split()}


def parse_row(raw: RawRow, mapping: Mapping, *, now: datetime) -> ParsedContact | Reject | Skipped:
    """Check one row and return it as a contact.

    Parameters
    ----------
    raw : RawRow
    mapping : Mapping
    now : datetime
        Aware; a contact later than a day after it is refused as not having happened yet.

    Returns
    -------
    ParsedContact, Reject or Skipped
        Skipped where the inbound filter leaves the row out. A row cut short is refused when a
        mapped column is among those it lacks, and accepted otherwise.
    """
    try:
        _refuse_if_cut_short(raw, mapping)
        if not _is_inbound(raw, mapping):
            return Skipped(raw.line, "not_inbound", _withdrawn(raw, mapping))
        return _contact(raw, mapping, now)
    except Refused as refused:
        return _reject(raw, mapping, refused)


def _contact(raw: RawRow, mapping: Mapping, now: datetime) -> ParsedContact:
    row = Cells(raw, mapping)
    return ParsedContact(
        line=raw.line,
        contact_id=_contact_id(row),
        started_at=_started_at(row, mapping, now),
        customer_id=_short_id(row, "customer_id"),
        channel=(row.label("channel") or "").lower() or None,
        queue=row.label("queue"),
        agent=row.label("agent"),
        disposition=row.label("disposition"),
        turns=_turns(row),
        team=row.label("team"),
        language=language_of(row),
        identifiers=row.identifiers() if mapping.identifiers else (),
        **{name: read(row) for name, read in _MEASURES.items() if name in mapping.columns},
    )


def _follows(row: Cells) -> str | None:
    """Return the contact this one follows; none follows itself."""
    follows = _short_id(row, "follows_contact_id")
    return None if follows is not None and follows == row.text("contact_id") else follows


_MEASURES: dict[str, Callable[[Cells], Any]] = {
    "handle_seconds": lambda row: seconds_of(row, "handle_seconds", MAX_HANDLE_SECONDS),
    "csat": lambda row: csat_of(row, row.mapping.csat_scale),
    "wait_seconds": lambda row: seconds_of(row, "wait_seconds", MAX_WAIT_SECONDS),
    "abandoned": lambda row: flag_of(row, "abandoned"),
    "transfers": lambda row: count_of(row, "transfers", MAX_TRANSFERS, "0 or more"),
    "resolved": lambda row: flag_of(row, "resolved"),
    "survey_resolved": lambda row: flag_of(row, "survey_resolved"),
    "nps": lambda row: count_of(row, "nps", 10, "from 0 to 10"),
    "ces": lambda row: scaled_of(row, "ces", 1, 7),
    "follows_contact_id": _follows,
}
"""How what only some exports have is read; looked at where the mapping names it."""


@lru_cache(maxsize=64)
def _zone(name: str | None) -> ZoneInfo | None:
    return None if name is None else ZoneInfo(name)


def _refuse_if_cut_short(raw: RawRow, mapping: Mapping) -> None:
    """Refuse a row that ends before a column the mapping needs."""
    if not raw.cut_short:
        return
    for known, column in (*mapping.columns.items(), *mapping.identifiers.items()):
        if column not in raw.fields:
            raise Refused(
                "cut_short",
                known,
                f"is missing: the row ends after {_columns(len(raw.fields))}",
                "It is often the second half of the row above, whose text holds a line break "
                "outside quotation marks.",
            )


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"


def _is_inbound(raw: RawRow, mapping: Mapping) -> bool:
    if mapping.inbound is None:
        return True
    column, wanted = mapping.inbound
    return str(raw.fields.get(column, "")).strip().lower() == wanted.strip().lower()


def _withdrawn(raw: RawRow, mapping: Mapping) -> str:
    """Return the id of a contact that the source has taken back, empty for any other row."""
    column, _ = mapping.inbound or ("", "")
    if str(raw.fields.get(column, "")).strip().lower() not in _WITHDRAWN:
        return ""
    return str(raw.fields.get(mapping.columns.get("contact_id", "")) or "").strip()


def _contact_id(row: Cells) -> str:
    contact_id = _short_id(row, "contact_id")
    if contact_id is None:
        raise Refused(
            "no_contact_id", "contact_id", "is empty", "Give every contact an id of its own."
        )
    return contact_id


def _short_id(row: Cells, known: str) -> str | None:
    text = row.text(known)
    if text is not None and len(text) > MAX_ID_CHARS:
        raise Refused(
            "id_too_long",
            known,
            f"holds {len(text):,} characters, which is no id",
            f"Map the column with the id; ids have at most {MAX_ID_CHARS} characters.",
        )
    if text is not None and is_shortened(text):
        raise Refused(
            "shortened_id",
            known,
            f"holds a long number that a spreadsheet has rounded (it looks like {shape_of(text)})",
            "Its last digits are lost: format the column as text in the original, save it again.",
        )
    return text


def _started_at(row: Cells, mapping: Mapping, now: datetime) -> datetime:
    value = row.text("started_at") or ""
    if "started_time" in mapping.columns:
        try:
            value = join_day(value, row.text("started_time") or "")
        except BadTime as bad:
            raise Refused(bad.code, "started_time", bad.problem, bad.remedy) from bad
    try:
        started_at = parse_time(value, mapping.date_order, _zone(mapping.zone))
    except BadTime as bad:
        raise Refused(bad.code, "started_at", bad.problem, bad.remedy) from bad
    if started_at > now + FUTURE_TOLERANCE:
        raise Refused(
            "future_time",
            "started_at",
            f"is more than a day after the time of the import ({now:%d %B %Y})",
            "Check the date order and the year.",
        )
    return started_at


def _turns(row: Cells) -> tuple[tuple[str, str], ...]:
    """Return what was said: from the turns column, or the text as one turn."""
    turns = row.value("turns")
    if isinstance(turns, str):
        turns = _decoded(turns)
    if isinstance(turns, list):
        return tuple(turn for item in turns if (turn := _turn(item)))
    text = row.text("text") or row.text("turns")
    speaker = row.label("speaker")
    return ((speaker_of(speaker or "customer"), text),) if text else ()


def _decoded(turns: str) -> Any:
    """Return the list that a CSV cell holds as JSON; plain text stays text."""
    if not turns.lstrip().startswith("["):
        return turns
    try:
        return json.loads(turns)
    except (ValueError, RecursionError):
        problem, remedy = "is not valid JSON", 'Write [{"speaker": "customer", "text": "…"}, …].'
        raise Refused("bad_turns", "turns", problem, remedy) from None


def _turn(item: Any) -> tuple[str, str] | None:
    """Return (speaker, text) of one turn given as an object, a pair or plain text."""
    speaker: Any = "customer"
    text: Any = item
    if isinstance(item, dict):
        by_name = {str(key).lower(): value for key, value in item.items()}
        speaker = _first(by_name, ("speaker", "role", "participant", "from", "sender", "author"))
        text = _first(by_name, ("text", "content", "message", "utterance", "body"))
    elif isinstance(item, list) and len(item) == 2:
        speaker, text = item
    if not isinstance(text, str):
        if text is None:
            return None
        problem = "holds a turn without text"
        remedy = 'Write [{"speaker": "customer", "text": "…"}, …].'
        raise Refused("bad_turns", "turns", problem, remedy)
    text = clean(text).strip()
    return (speaker_of(str(speaker or "unknown")), text) if text else None


def _first(values: MappingOf[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if name in values), None)


def speaker_of(name: str) -> str:
    """Return which of the speakers a word such as Caller or IVR means; 'unknown' if none."""
    word = "_".join(name.lower().replace("-", " ").split())
    return _SPEAKER_OF.get(word, "unknown")


def _reject(raw: RawRow, mapping: Mapping, refused: Refused) -> Reject:
    column = mapping.columns.get(refused.known) or mapping.identifiers.get(refused.known)
    named = f"column “{column}”" if column else f"no column for {refused.known}"
    if column and refused.known in REQUIRED_COLUMNS and column != refused.known:
        named += f" ({refused.known})"
    reason = f"{raw.place}: {named} {refused.problem}. {refused.remedy}"
    return Reject(raw.line, refused.code, column, reason, as_raw_text(raw))


def as_raw_text(raw: RawRow) -> str:
    """Return a row as one JSON object, so that it can be kept and read again."""
    return clean(json.dumps(dict(raw.fields), ensure_ascii=False))
