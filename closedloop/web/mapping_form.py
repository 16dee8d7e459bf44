"""The form that says which column of a file is what: shown from a mapping, read back into one."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import available_timezones

from closedloop.adapters.mapping import (
    CONSTANT_COLUMNS,
    CSAT_SCALES,
    IDENTIFIER_KINDS,
    KNOWN_COLUMNS,
    MAX_SESSION_GAP_SECONDS,
    MAX_SOURCE_CHARS,
    ON_CHANGE,
    REQUIRED_COLUMNS,
    Mapping,
)
from closedloop.adapters.types import BadMapping, FileFacts
from closedloop.domain.errors import Invalid
from closedloop.services.suggestions import Origin, Suggestion
from closedloop.web.filters import day

COLUMN_WORDS = {
    "contact_id": "Contact number",
    "started_at": "Started",
    "started_time": "Started, time of day beside the date",
    "customer_id": "Customer",
    "channel": "Channel",
    "queue": "Queue",
    "agent": "Agent",
    "disposition": "Wrap-up code",
    "text": "What was said",
    "turns": "What was said, turn by turn",
    "speaker": "Who said it",
    "handle_seconds": "Handle time",
    "csat": "Rating",
    "team": "Team",
    "language": "Language",
    "wait_seconds": "Wait time",
    "abandoned": "Given up while waiting",
    "transfers": "Transfers",
    "resolved": "Resolved, says the source",
    "survey_resolved": "Resolved, says the customer",
    "nps": "Would recommend (0 to 10)",
    "ces": "Ease (1 to 7)",
    "follows_contact_id": "Contact it follows up",
}
DATE_WORDS = (
    ("", "As each time says itself"),
    ("iso", "2026-03-31 (ISO)"),
    ("ymd", "2026/03/31 (year first)"),
    ("dmy", "31/03/2026 (day first)"),
    ("mdy", "03/31/2026 (month first)"),
    ("epoch", "1774915200 (seconds since 1970)"),
)
CSAT_WORDS = (
    ("1-5", "1 to 5"),
    ("1-7", "1 to 7"),
    ("1-10", "1 to 10"),
    ("0-100", "0 to 100"),
    ("good-bad", "good or bad"),
)
CHANGE_WORDS = (
    ("keep", "the first version stays, the other goes to quarantine"),
    ("replace", "the later version replaces it"),
    ("extend", "the later version replaces it, and new words are added to those before"),
)
DECIMAL_WORDS = (
    ("", "in whole seconds, or as a clock"),
    (".", "with a decimal point (12.5)"),
    (",", "with a decimal comma (12,5)"),
)
IDENTITY_WORDS = (
    ("", "a code of the source, as it stands"),
    ("account", "an account number"),
    ("email", "an e-mail address"),
    ("phone", "a phone number"),
)
IDENTIFIER_WORDS = {"account": "Account number", "email": "E-mail address", "phone": "Phone number"}
MAX_GAP_HOURS = MAX_SESSION_GAP_SECONDS // 3600
_CHANNEL_GAP = re.compile(r"(.*\S)[\s:=]+([\d.]+)\s*h?")


@dataclass(frozen=True)
class MapRow:
    """One column of the file in the form.

    Attributes
    ----------
    field : str
        Name of the select.
    position : int
        Of the column in the file, from 0.
    becomes : str
        Known column, empty to leave it out.
    filled : float or None
        Share of the sampled rows that have a value, 0 to 1.
    """

    field: str
    position: int
    column: str
    becomes: str
    reason: str
    filled: float | None


@dataclass
class MappingForm:
    """What the form shows: values as typed, and what is wrong with them by field."""

    values: dict[str, str]
    rows: list[MapRow]
    errors: dict[str, str] = field(default_factory=dict)


def origin_in_words(suggestion: Suggestion | None) -> str:
    """Say where the form was filled in from; nothing where the file itself says it."""
    match suggestion:
        case Suggestion(origin=Origin.SAVED, name=name, used_at=used_at):
            used = f", last used on {day(used_at)}" if used_at else ""
            return f"Filled in from the saved mapping “{name}”{used}."
        case Suggestion(origin=Origin.EARLIER, name=name):
            return f"Read as “{name}” was: it has the same columns."
    return ""


def form_of(mapping: Mapping, facts: FileFacts) -> MappingForm:
    """Return the form of a mapping."""
    gap = mapping.session_gap_seconds
    values = {
        "source": mapping.source,
        "date_order": mapping.date_order or "",
        "zone": mapping.zone or "",
        "session_gap_hours": f"{gap / 3600:g}" if gap else "",
        "session_gaps": ", ".join(f"{c} {g / 3600:g}" for c, g in mapping.session_gaps.items()),
        "pauses": ", ".join(f"{c} {g / 3600:g}" for c, g in mapping.pauses.items()),
        "csat_scale": mapping.csat_scale,
        "decimal_mark": mapping.decimal_mark or "",
        "identity_kind": mapping.identity_kind or "",
        "on_change": mapping.on_change,
        "unknown_values": ", ".join(value for value in mapping.unknown_values if value),
        "first_event": "1" if mapping.first_event_per_contact else "",
        "inbound_column": mapping.inbound[0] if mapping.inbound else "",
        "inbound_value": mapping.inbound[1] if mapping.inbound else "",
        **{f"constant_{name}": mapping.constants.get(name, "") for name in CONSTANT_COLUMNS},
        **{f"identifier_{kind}": mapping.identifiers.get(kind, "") for kind in IDENTIFIER_KINDS},
    }
    becomes = {column: known for known, column in mapping.columns.items()}
    chosen = [becomes.get(column, "") for column in facts.header]
    return MappingForm(values, _rows(facts, chosen, mapping.reasons))


def form_as_typed(
    typed: MappingOf[str, str], facts: FileFacts, errors: dict[str, str]
) -> MappingForm:
    """Return the form with what somebody typed and what is wrong with it."""
    chosen = [typed.get(f"becomes_{i}", "") for i in range(len(facts.header))]
    return MappingForm(dict(typed), _rows(facts, chosen, {}), errors)


def _rows(facts: FileFacts, chosen: Sequence[str], reasons: MappingOf[str, str]) -> list[MapRow]:
    found = []
    for i, (column, becomes) in enumerate(zip(facts.header, chosen, strict=True)):
        cells = [row[i].strip() if len(row) > i else "" for row in facts.sample_rows]
        filled = [cell for cell in cells if cell]
        share = len(filled) / len(cells) if cells else None
        found.append(MapRow(f"becomes_{i}", i, column, becomes, reasons.get(becomes, ""), share))
    return found


def read_form(typed: MappingOf[str, str], facts: FileFacts) -> Mapping:
    """Return the mapping a form says.

    Raises
    ------
    Invalid
        With a sentence for each field that does not fit.
    """
    errors: dict[str, str] = {}
    columns = _columns(typed, facts, errors)
    gap = _gap(typed.get("session_gap_hours", ""), errors)
    gaps = _channel_gaps("session_gaps", typed, errors)
    pauses = _channel_gaps("pauses", typed, errors)
    source = " ".join(typed.get("source", "").split())
    if not 0 < len(source) <= MAX_SOURCE_CHARS:
        errors["source"] = (
            f"Name the system the file comes from, in at most {MAX_SOURCE_CHARS} characters."
        )
    inbound = _inbound(typed, facts, errors)
    scale = typed.get("csat_scale") or CSAT_SCALES[0]
    if scale not in CSAT_SCALES:
        errors["csat_scale"] = "Choose one of the scales."
    if (kind := typed.get("identity_kind") or None) not in (None, *IDENTIFIER_KINDS):
        errors["identity_kind"] = "Choose what customer numbers are."
    on_change = typed.get("on_change") or ON_CHANGE[0]
    if on_change not in ON_CHANGE:
        errors["on_change"] = "Choose what becomes of a contact that has changed."
    if errors:
        raise Invalid("Some settings need another look.", errors)
    try:
        return Mapping(
            columns,
            source=source,
            date_order=typed.get("date_order") or None,
            zone=typed.get("zone") or None,
            constants={
                name: value
                for name in CONSTANT_COLUMNS
                if (value := " ".join(typed.get(f"constant_{name}", "").split()))
            },
            unknown_values=("", *_words(typed.get("unknown_values", ""))),
            first_event_per_contact=bool(typed.get("first_event")),
            session_gap_seconds=gap,
            session_gaps=gaps,
            pauses=pauses,
            csat_scale=scale,
            decimal_mark=typed.get("decimal_mark") or None,
            identity_kind=kind,
            on_change=on_change,
            identifiers={
                kind: column
                for kind in IDENTIFIER_KINDS
                if (column := typed.get(f"identifier_{kind}", "")) in facts.header
            },
            inbound=inbound,
        )
    except BadMapping as error:
        name = next(
            (
                name
                for name in ("zone", "date_order", "decimal_mark")
                if name.replace("_", " ") in error.sentence
            ),
            "source",
        )
        raise Invalid(error.sentence, {name: error.sentence}) from error


def _columns(
    typed: MappingOf[str, str], facts: FileFacts, errors: dict[str, str]
) -> dict[str, str]:
    columns: dict[str, str] = {}
    for i, column in enumerate(facts.header):
        known = typed.get(f"becomes_{i}", "")
        if known not in KNOWN_COLUMNS:
            continue
        if known in columns:
            errors[f"becomes_{i}"] = (
                f"“{columns[known]}” and “{column}” cannot both be “{COLUMN_WORDS[known]}”. "
                "Leave one of them out."
            )
        columns.setdefault(known, column)
    if {"text", "turns"} <= set(columns):
        position = facts.header.index(columns["turns"])
        errors[f"becomes_{position}"] = (
            "Choose one column with what was said: two of them would be counted twice."
        )
    for known in REQUIRED_COLUMNS:
        if known not in columns:
            errors.setdefault(
                "becomes_0"
                if known == "contact_id"
                else f"becomes_{min(1, len(facts.header) - 1)}",
                f"No column is “{COLUMN_WORDS[known]}” yet. Every contact needs one.",
            )
    return columns


def _gap(text: str, errors: dict[str, str]) -> int | None:
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = -1
    if not 0 <= hours <= MAX_GAP_HOURS:
        errors["session_gap_hours"] = f"Write hours from 0 to {MAX_GAP_HOURS}, or leave it empty."
        return None
    return round(hours * 3600) or None


def _channel_gaps(name: str, typed: MappingOf[str, str], errors: dict[str, str]) -> dict[str, int]:
    """Return seconds by channel of a field such as "whatsapp 24, email 72"."""
    gaps: dict[str, int] = {}
    for part in _words(typed.get(name, "")):
        found = _CHANNEL_GAP.fullmatch(part)
        hours = float(found[2]) if found and found[2].count(".") < 2 and found[2] != "." else -1.0
        if not found or not 0 <= hours <= MAX_GAP_HOURS:
            errors[name] = (
                f"Write a channel and hours from 0 to {MAX_GAP_HOURS}, such as “whatsapp 24, "
                "email 72”."
            )
            return {}
        gaps[" ".join(found[1].split()).lower().rstrip(" :=")] = round(hours * 3600)
    return gaps


def _inbound(
    typed: MappingOf[str, str], facts: FileFacts, errors: dict[str, str]
) -> tuple[str, str] | None:
    column = typed.get("inbound_column", "")
    value = typed.get("inbound_value", "").strip()
    if not column:
        return None
    if column not in facts.header:
        errors["inbound_column"] = "The file has no such column."
    elif not value:
        errors["inbound_value"] = "Write the value that marks a customer’s row, such as True."
    return column, value


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def zone_choices() -> list[tuple[str, str]]:
    """Return the time zones to choose from."""
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    usual = [name for name in names if not name.startswith(("Etc/", "posix/", "right/"))]
    return [("", "Each time says its own"), *((name, name) for name in usual)]
