"""Turn a row of a file into a contact, or say in a sentence why it is none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping as MappingOf
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from closedloop.adapters.language_names import LANGUAGES
from closedloop.adapters.mapping import REQUIRED_COLUMNS, Mapping
from closedloop.adapters.times import BadTime, parse_time, shape_of
from closedloop.adapters.types import ParsedContact, RawRow, Reject, Skipped

FUTURE_TOLERANCE = timedelta(days=1)
MAX_HANDLE_SECONDS = 24 * 3600
MAX_WAIT_SECONDS = 30 * 24 * 3600
MAX_TRANSFERS = 1_000
MAX_ID_CHARS = 200
MAX_LABEL_CHARS = 200
"""Channel, queue, agent and disposition are cut to this length."""

_TRUE = frozenset(("yes", "y", "true", "t", "1", "1.0", "ja", "oui", "si", "sí"))
_FALSE = frozenset(("no", "n", "false", "f", "0", "0.0", "nein", "non"))
_OPPOSITES = {
    "abandoned": ("answered", "handled", "not abandoned"),
    "resolved": ("unresolved", "not resolved"),
    "survey_resolved": ("unresolved", "not resolved"),
}
_RATINGS = {
    **dict.fromkeys(("good", "satisfied", "positive", "happy", "like", "up", "thumbs up"), 5.0),
    **dict.fromkeys(("bad", "unsatisfied", "dissatisfied", "negative", "unhappy", "down"), 1.0),
    **dict.fromkeys(("dislike", "thumbs down"), 1.0),
}
_NOT_RATED = frozenset(("", "offered", "unoffered", "not offered"))
"""No answer, among them what help desks write when they asked in vain."""

_NO_LANGUAGE = frozenset(("und", "mul", "zxx", "mis", "xx"))

_SPEAKERS = {
    "customer": "customer client user caller consumer requester visitor external contact end_user",
    "agent": "agent advisor adviser assistant representative rep operator staff support internal",
    "bot": "bot system ivr virtual_agent chatbot automation",
}
_SPEAKER_OF = {word: speaker for speaker, words in _SPEAKERS.items() for word in words.split()}
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d)")


class _Refused(Exception):
    """Carries the code, the known column, what is wrong and the remedy up to `parse_row`."""

    def __init__(self, code: str, known: str, problem: str, remedy: str) -> None:
        super().__init__(code)
        self.code, self.known, self.problem, self.remedy = code, known, problem, remedy


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
            return Skipped(raw.line, "not_inbound")
        return _contact(raw, mapping, now)
    except _Refused as refused:
        return _reject(raw, mapping, refused)


def _contact(raw: RawRow, mapping: Mapping, now: datetime) -> ParsedContact:
    row = _Cells(raw, mapping)
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
        handle_seconds=_seconds(row, "handle_seconds", MAX_HANDLE_SECONDS),
        csat=_csat(row, mapping.csat_scale),
        team=row.label("team"),
        language=_language(row),
        wait_seconds=_seconds(row, "wait_seconds", MAX_WAIT_SECONDS),
        abandoned=_flag(row, "abandoned"),
        transfers=_count(row, "transfers", MAX_TRANSFERS, "0 or more"),
        resolved=_flag(row, "resolved"),
        survey_resolved=_flag(row, "survey_resolved"),
        nps=_count(row, "nps", 10, "from 0 to 10"),
        ces=_scaled(row, "ces", 1, 7),
        follows_contact_id=_follows(row),
        identifiers=row.identifiers(),
    )


class _Cells:
    """The cells of one row under their known names, constants filled in."""

    def __init__(self, raw: RawRow, mapping: Mapping) -> None:
        self._raw = raw
        self._mapping = mapping

    def value(self, known: str) -> Any:
        """Return the cell as the file gives it."""
        column = self._mapping.columns.get(known)
        return None if column is None else self._raw.fields.get(column)

    def text(self, known: str) -> str | None:
        """Return the cell as clean text, None when it is empty or means "no value"."""
        value = self.value(known)
        if isinstance(value, (dict, list)):
            raise _Refused(
                "nested_value", known, "holds a list or an object", "Give one value per column."
            )
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            value = int(value)  # JSON writers turn whole numbers into 12.0
        text = "" if value is None else clean(str(value)).strip()
        return None if text.lower() in _unknown(self._mapping.unknown_values) else text

    def label(self, known: str) -> str | None:
        """Return a short text on one line, or the constant of the mapping."""
        text = self.text(known) or self._mapping.constants.get(known)
        return None if text is None else " ".join(text.split())[:MAX_LABEL_CHARS].strip() or None

    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, value) of the further identifiers that have a value."""
        return tuple(
            (kind, text)
            for kind, column in self._mapping.identifiers.items()
            if (text := self._identifier(column))
        )

    def _identifier(self, column: str) -> str | None:
        """Return one identifier; what is too long for one, or a list, identifies nobody."""
        value = self._raw.fields.get(column)
        if value is None or isinstance(value, dict | list):
            return None
        text = clean(str(value)).strip()
        is_known = text.lower() not in _unknown(self._mapping.unknown_values)
        return text if is_known and len(text) <= MAX_ID_CHARS else None


def clean(text: str) -> str:
    """Return text that every database stores: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


@lru_cache(maxsize=64)
def _unknown(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset({"", *(value.strip().lower() for value in values)})


@lru_cache(maxsize=64)
def _zone(name: str | None) -> ZoneInfo | None:
    return None if name is None else ZoneInfo(name)


def _refuse_if_cut_short(raw: RawRow, mapping: Mapping) -> None:
    """Refuse a row that ends before a column the mapping needs."""
    if not raw.cut_short:
        return
    for known, column in (*mapping.columns.items(), *mapping.identifiers.items()):
        if column not in raw.fields:
            raise _Refused(
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


def _contact_id(row: _Cells) -> str:
    contact_id = _short_id(row, "contact_id")
    if contact_id is None:
        raise _Refused(
            "no_contact_id", "contact_id", "is empty", "Give every contact an id of its own."
        )
    return contact_id


def _short_id(row: _Cells, known: str) -> str | None:
    text = row.text(known)
    if text is not None and len(text) > MAX_ID_CHARS:
        raise _Refused(
            "id_too_long",
            known,
            f"holds {len(text):,} characters, which is no id",
            f"Map the column with the id; ids have at most {MAX_ID_CHARS} characters.",
        )
    return text


def _started_at(row: _Cells, mapping: Mapping, now: datetime) -> datetime:
    try:
        value = row.text("started_at") or ""
        started_at = parse_time(value, mapping.date_order, _zone(mapping.zone))
    except BadTime as bad:
        raise _Refused(bad.code, "started_at", bad.problem, bad.remedy) from bad
    if started_at > now + FUTURE_TOLERANCE:
        raise _Refused(
            "future_time",
            "started_at",
            f"is more than a day after the time of the import ({now:%d %B %Y})",
            "Check the date order and the year.",
        )
    return started_at


def _seconds(row: _Cells, known: str, most: int) -> int | None:
    text = row.text(known)
    if text is None:
        return None
    if clock := _CLOCK.fullmatch(text):
        seconds = float(int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + int(clock[3]))
    else:
        seconds = _number(text, known, "Write seconds, such as 245, or 0:04:05.")
    if seconds < 0:
        problem, remedy = "is negative", "Write seconds, 0 or more."
        raise _Refused(f"bad_{known}", known, problem, remedy)
    if seconds > most:
        problem = (
            "is more than a day" if most == 24 * 3600 else f"is more than {most // 86400} days"
        )
        remedy = "Write seconds, not milliseconds, and the time worked, not the time waited."
        if known == "wait_seconds":
            remedy = "Write seconds, not milliseconds, and the time until somebody answered."
        raise _Refused(f"bad_{known}", known, problem, remedy)
    return round(seconds)


def _csat(row: _Cells, scale: str) -> float | None:
    """Return satisfaction on 1 to 5, the ends of each scale on the ends of that."""
    if scale == "good-bad":
        return _good_or_bad(row)
    low, high = (int(end) for end in scale.split("-"))
    score = _scaled(row, "csat", low, high)
    return None if score is None else round(1 + (score - low) * 4 / (high - low), 2)


def _good_or_bad(row: _Cells) -> float | None:
    text = row.text("csat")
    word = "" if text is None else text.lower()
    if word in _NOT_RATED:
        return None
    if word not in _RATINGS:
        problem = f"is neither good nor bad (it looks like {shape_of(word)})"
        raise _Refused("bad_csat", "csat", problem, "Say in the mapping which csat_scale it is on.")
    return _RATINGS[word]


def _scaled(row: _Cells, known: str, low: int, high: int) -> float | None:
    """Return a number from `low` to `high`, ends included."""
    text = row.text(known)
    if text is None:
        return None
    text = text.removesuffix("%").rstrip() if high == 100 else text
    number = _number(text, known, f"Write a number, such as {high - 1} or {high - 1}.5.")
    if not low <= number <= high:
        remedy = f"Write a number from {low} to {high}, or leave it empty where nobody answered."
        if known == "csat":
            remedy = "Say in the mapping which csat_scale it is on, and which value is no answer."
        raise _Refused(f"bad_{known}", known, f"is not from {low} to {high}", remedy)
    return number


def _count(row: _Cells, known: str, most: int, words: str) -> int | None:
    text = row.text(known)
    if text is None:
        return None
    number = _number(text, known, f"Write a whole number {words}.")
    if not (0 <= number <= most and number.is_integer()):
        remedy = "Correct it, or leave it empty where it is not known."
        raise _Refused(f"bad_{known}", known, f"is no whole number {words}", remedy)
    return int(number)


def _flag(row: _Cells, known: str) -> bool | None:
    text = row.text(known)
    if text is None:
        return None
    word = " ".join(text.lower().split())
    if word in _TRUE or word == known.removeprefix("survey_"):
        return True
    if word in _FALSE or word in _OPPOSITES.get(known, ()):
        return False
    problem = f"is neither yes nor no (it looks like {shape_of(text)})"
    raise _Refused(f"bad_{known}", known, problem, "Write yes or no, true or false, or 1 or 0.")


def _language(row: _Cells) -> str | None:
    text = row.label("language")
    if text is None or text.lower() in _NO_LANGUAGE:
        return None
    first = re.split(r"[-_]", text.lower(), maxsplit=1)[0].strip()
    code = LANGUAGES.get(first, first)
    if not re.fullmatch("[a-z]{2}", code):
        problem = f"is no language (it looks like {shape_of(text)})"
        remedy = "Write a code of two letters, such as en, or leave the column out of the mapping."
        raise _Refused("bad_language", "language", problem, remedy)
    return code


def _follows(row: _Cells) -> str | None:
    """Return the contact this one follows; none follows itself."""
    follows = _short_id(row, "follows_contact_id")
    return None if follows is not None and follows == row.text("contact_id") else follows


def _number(text: str, known: str, remedy: str) -> float:
    if re.fullmatch(r"[+-]?\d+,\d{1,2}", text):
        text = text.replace(",", ".")  # a decimal comma; 1,250 stays unreadable
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        problem = f"is no number (it looks like {shape_of(text)})"
        raise _Refused(f"bad_{known}", known, problem, remedy)
    return number


def _turns(row: _Cells) -> tuple[tuple[str, str], ...]:
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
        raise _Refused("bad_turns", "turns", problem, remedy) from None


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
        raise _Refused("bad_turns", "turns", problem, remedy)
    text = clean(text).strip()
    return (speaker_of(str(speaker or "unknown")), text) if text else None


def _first(values: MappingOf[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if name in values), None)


def speaker_of(name: str) -> str:
    """Return which of the speakers a word such as Caller or IVR means; 'unknown' if none."""
    word = "_".join(name.lower().replace("-", " ").split())
    return _SPEAKER_OF.get(word, "unknown")


def _reject(raw: RawRow, mapping: Mapping, refused: _Refused) -> Reject:
    column = mapping.columns.get(refused.known) or mapping.identifiers.get(refused.known)
    named = f"column “{column}”" if column else f"no column for {refused.known}"
    if column and refused.known in REQUIRED_COLUMNS and column != refused.known:
        named += f" ({refused.known})"
    reason = f"{raw.place}: {named} {refused.problem}. {refused.remedy}"
    return Reject(raw.line, refused.code, column, reason, as_raw_text(raw))


def as_raw_text(raw: RawRow) -> str:
    """Return a row as one JSON object, so that it can be kept and read again."""
    return clean(json.dumps(dict(raw.fields), ensure_ascii=False))
