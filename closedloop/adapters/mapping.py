"""Which column of a file is what: the mapping and its file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from closedloop.adapters.times import DATE_ORDERS
from closedloop.adapters.types import BadMapping

REQUIRED_COLUMNS = ("contact_id", "started_at")
KNOWN_COLUMNS = (
    *REQUIRED_COLUMNS,
    "started_time",
    "customer_id",
    "channel",
    "queue",
    "agent",
    "disposition",
    "text",
    "turns",
    "speaker",
    "handle_seconds",
    "csat",
    "team",
    "language",
    "wait_seconds",
    "abandoned",
    "transfers",
    "resolved",
    "survey_resolved",
    "nps",
    "ces",
    "follows_contact_id",
)
CONSTANT_COLUMNS = ("channel", "queue", "agent", "disposition", "speaker", "team", "language")
"""Columns that may have one value for the whole file."""

DEFAULT_SOURCE = "file"
"""Source of a mapping that names none."""

CSAT_SCALES = ("1-5", "1-7", "1-10", "0-100", "good-bad")
"""What satisfaction may be written on; it is kept as 1 to 5."""

ON_CHANGE = ("keep", "replace", "extend")
"""What becomes of a known contact that comes with other content; the first is the default."""

IDENTIFIER_KINDS = ("account", "email", "phone")
"""What an identifier of a customer may be; `domain/identities.py` says how they are compared."""

DECIMAL_MARKS = (".", ",")
"""What may stand before the decimals of a duration; the other one parts thousands."""

MAX_SOURCE_CHARS = 60
MAX_SESSION_GAP_SECONDS = 30 * 24 * 3600

UNKNOWN_VALUES = ("", "?", "-", "n/a", "#n/a", "na", "nan", "none", "null", "unknown", "(null)")
"""What stands for no value unless the mapping says otherwise; upper and lower case alike."""


@dataclass(frozen=True)
class Mapping:
    """How to read one kind of file.

    Attributes
    ----------
    columns : mapping of str to str
        Known column to column of the file.
    source : str
        Name of the system the file comes from; ids are unique within it.
    date_order : str or None
        One of `DATE_ORDERS`; None where the file needs none.
    zone : str or None
        IANA name of the zone of times without an offset.
    constants : mapping of str to str
        Values that hold for every row without one.
    unknown_values : tuple of str
        Cells that mean "no value", upper and lower case alike.
    first_event_per_contact : bool
        The file is an event log: only the first row of each contact id is a contact.
    session_gap_seconds : int or None
        Messages of one customer closer than this are one contact; 0 or None: each is its own.
    session_gaps : mapping of str to int
        The same for single channels, in lower case; they go before `session_gap_seconds`.
    pauses : mapping of str to int
        For readers that cut conversations into contacts: seconds without a message after which
        the customer's next one is another contact, by channel in lower case.
    csat_scale : str
        One of `CSAT_SCALES`: how the file writes satisfaction.
    identity_kind : str or None
        One of `IDENTIFIER_KINDS`: what customer ids are, and so how they are written in one way
        before they are hashed; None takes them as they are.
    identifiers : mapping of str to str
        Further identifiers of the customer: kind to column of the file.
    on_change : str
        One of `ON_CHANGE`: whether a contact that is known with other content stays as it is; or
        the later version takes its place; or it does so, but what was said before stays and what
        is new is added, for exports that hold only what was said since the last one.
    decimal_mark : str or None
        One of `DECIMAL_MARKS`, which durations are written with; where it is None, one that can be
        read both ways is refused.
    inbound : (column, value) or None
        Only rows with this value are contacts of customers.
    reasons : mapping of str to str
        Why a guess was made, by known column or setting; not part of the file.
    """

    columns: MappingOf[str, str]
    source: str = DEFAULT_SOURCE
    date_order: str | None = None
    zone: str | None = None
    constants: MappingOf[str, str] = field(default_factory=dict)
    unknown_values: tuple[str, ...] = UNKNOWN_VALUES
    first_event_per_contact: bool = False
    session_gap_seconds: int | None = None
    inbound: tuple[str, str] | None = None
    session_gaps: MappingOf[str, int] = field(default_factory=dict)
    pauses: MappingOf[str, int] = field(default_factory=dict)
    csat_scale: str = CSAT_SCALES[0]
    identity_kind: str | None = None
    identifiers: MappingOf[str, str] = field(default_factory=dict)
    on_change: str = ON_CHANGE[0]
    decimal_mark: str | None = None
    reasons: MappingOf[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse settings that contradict themselves; `BadMapping` says which."""
        _check_columns(self.columns, self.constants)
        _check_settings(self)

    @property
    def missing_columns(self) -> tuple[str, ...]:
        """Required columns that have not been mapped yet."""
        return tuple(name for name in REQUIRED_COLUMNS if name not in self.columns)

    def problems_with(self, header: Sequence[str]) -> list[str]:
        """Return a sentence for each reason why a file with this header cannot be imported."""
        found = [
            f"No column is mapped to {name}, which every contact needs."
            for name in self.missing_columns
        ]
        used = {**self.columns, **{f"the {k}": column for k, column in self.identifiers.items()}}
        if self.inbound is not None:
            used["the inbound filter"] = self.inbound[0]
        found += [
            f"The mapping takes {name} from a column “{column}”, which the file does not have."
            for name, column in used.items()
            if column not in header
        ]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as they stand in a mapping file, defaults left out."""
        settings: dict[str, Any] = {"source": self.source, "columns": dict(self.columns)}
        for item in fields(self):
            value = getattr(self, item.name)
            is_default = value in ((), {}, None, False, UNKNOWN_VALUES) or value == item.default
            if item.name in ("source", "columns", "reasons") or is_default:
                continue
            settings[item.name] = _plain(value)
        return settings

    @classmethod
    def from_dict(cls, settings: MappingOf[str, Any]) -> Mapping:
        """Build a mapping from plain settings; `BadMapping` names what is unknown or wrong."""
        known = {item.name: item for item in fields(cls) if item.name != "reasons"}
        if unknown := [str(key) for key in settings if key not in known]:
            raise BadMapping(
                f"The mapping has a setting “{unknown[0]}” that is not known. "
                f"Known are: {', '.join(known)}."
            )
        if not isinstance(settings.get("columns"), dict):
            raise BadMapping("The mapping has no “columns”. List known column and file column.")
        return cls(**{key: _checked(key, value) for key, value in settings.items()})

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """Read a mapping file: TOML where the name ends so, JSON otherwise.

        Raises
        ------
        BadMapping
            If it cannot be read, or is no mapping.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
            is_toml = path.suffix.lower() == ".toml"
            settings = tomllib.loads(text) if is_toml else json.loads(text)
        except RecursionError as error:
            raise BadMapping(f"The mapping {path.name} is nested too deeply.") from error
        except (UnicodeDecodeError, ValueError) as error:
            raise BadMapping(f"The mapping {path.name} cannot be read: {error}.") from error
        except OSError as error:
            raise BadMapping(f"The mapping {path.name} cannot be opened.") from error
        if not isinstance(settings, dict):
            raise BadMapping(f"The mapping {path.name} must be one object with “columns” in it.")
        return cls.from_dict(settings)

    def dump(self, path: Path) -> None:
        """Write the mapping to a file that `load` reads: TOML or JSON, by the name."""
        settings = self.to_dict()
        if path.suffix.lower() == ".toml":
            path.write_text(_as_toml(settings), encoding="utf-8")
        else:
            text = json.dumps(settings, indent=2, ensure_ascii=False)
            path.write_text(text + "\n", encoding="utf-8")


def _check_columns(columns: MappingOf[str, str], constants: MappingOf[str, str]) -> None:
    for name in columns:
        if name not in KNOWN_COLUMNS:
            raise BadMapping(
                f"The mapping names a column “{name}” that is not known. "
                f"Known are: {', '.join(KNOWN_COLUMNS)}."
            )
    for name in constants:
        if name not in CONSTANT_COLUMNS:
            raise BadMapping(
                f"“{name}” cannot be the same for a whole file. "
                f"Constants may be: {', '.join(CONSTANT_COLUMNS)}."
            )
    if "text" in columns and "turns" in columns:
        raise BadMapping("Map either text or turns, not both: they would be counted twice.")


def _check_settings(mapping: Mapping) -> None:
    if mapping.date_order is not None and mapping.date_order not in DATE_ORDERS:
        raise BadMapping(
            f"The date order “{mapping.date_order}” is not known. "
            f"Choose one of: {', '.join(DATE_ORDERS)}."
        )
    if mapping.zone is not None:
        try:
            ZoneInfo(mapping.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise BadMapping(
                f"There is no time zone “{mapping.zone}”. Use a name such as Europe/London or UTC."
            ) from error
    gaps = (*mapping.session_gaps.values(), *mapping.pauses.values())
    for gap in (mapping.session_gap_seconds or 0, *gaps):
        _check_gap(gap)
    if mapping.csat_scale not in CSAT_SCALES:
        raise BadMapping(
            f"There is no satisfaction scale “{mapping.csat_scale}”. "
            f"Choose one of: {', '.join(CSAT_SCALES)}."
        )
    if mapping.decimal_mark not in (None, *DECIMAL_MARKS):
        raise BadMapping(
            f"“{mapping.decimal_mark}” is no decimal mark. Choose one of: . (1.5) or , (1,5)."
        )
    if mapping.on_change not in ON_CHANGE:
        raise BadMapping(
            f"“{mapping.on_change}” is nothing that can be done with a contact that has changed. "
            f"Choose one of: {', '.join(ON_CHANGE)}."
        )
    for kind in (*mapping.identifiers, *filter(None, [mapping.identity_kind])):
        if kind not in IDENTIFIER_KINDS:
            raise BadMapping(
                f"There is no identifier of the kind “{kind}”. "
                f"Choose from: {', '.join(IDENTIFIER_KINDS)}."
            )
    if not mapping.source.strip():
        raise BadMapping("The source has no name. Name the system the file comes from.")


def _check_gap(seconds: int) -> None:
    if seconds < 0:
        raise BadMapping("The session gap cannot be negative. Use 0 to count each message.")
    if seconds > MAX_SESSION_GAP_SECONDS:
        raise BadMapping(
            "The session gap is longer than 30 days, which would make one contact of many. "
            "It is given in seconds: 43200 are 12 hours."
        )


def _checked(key: str, value: Any) -> Any:
    """Return a setting in the type the mapping wants; `BadMapping` when it is another one."""
    if not _is_plain_text(value):
        raise BadMapping(
            f"The setting “{key}” of the mapping holds a character that no text has (NUL or half "
            "of a pair). Write it again."
        )
    match key, value:
        case ("columns" | "constants" | "identifiers", dict()) if _all(str, value.values()):
            return dict(value)
        case ("session_gaps" | "pauses", dict()) if _all(int, value.values()):
            return {str(channel).strip().lower(): seconds for channel, seconds in value.items()}
        case ("inbound", [str(), str()]):
            return tuple(value)
        case ("unknown_values", list() | tuple()) if _all(str, value):
            return tuple(value)
        case ("first_event_per_contact", bool()) | ("source", str()):
            return value
        case ("session_gap_seconds", int()) if not isinstance(value, bool):
            return value
        case ("date_order" | "zone" | "csat_scale" | "identity_kind" | "on_change", str()):
            return value
        case ("decimal_mark", str() | None):
            return value
        case ("date_order" | "zone" | "session_gap_seconds" | "inbound" | "identity_kind", None):
            return value
    raise BadMapping(f"The setting “{key}” of the mapping has a value of the wrong kind.")


def _all(kind: type, values: Iterable[Any]) -> bool:
    """Whether all values are of a kind; true and false are no numbers here."""
    return all(isinstance(value, kind) and not isinstance(value, bool) for value in values)


def _is_plain_text(value: Any) -> bool:
    """Whether every text in a setting can be stored by any database."""
    if isinstance(value, str):
        return not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return all(_is_plain_text(key) and _is_plain_text(item) for key, item in value.items())
    return not isinstance(value, list | tuple) or all(map(_is_plain_text, value))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, MappingOf) else value


def _as_toml(settings: MappingOf[str, Any]) -> str:
    """Write flat settings and their tables; JSON's strings, numbers and lists are TOML's."""
    flat = [f"{k} = {json.dumps(v)}" for k, v in settings.items() if not isinstance(v, dict)]
    tables = [
        "\n".join([f"\n[{key}]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in table.items())])
        for key, table in settings.items()
        if isinstance(table, dict)
    ]
    return "\n".join([*flat, *tables]) + "\n"
