"""Values of telephone and chat systems in our terms: addresses, durations, languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from closedloop.adapters.measures import MAX_WAIT_SECONDS
from closedloop.adapters.vendor_rows import MAX_HANDLE_SECONDS, moment_of, number_of, text_of

_KEYS = ("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz")
_KEYPAD = {c: n for n, cs in enumerate(_KEYS, 2) for c in cs}
_HIDDEN = ("anonymous", "restricted", "blocked", "unknown", "unavailable", "private", "withheld")
NO_ADDRESSES = frozenset(
    {*_HIDDEN, *("".join(str(_KEYPAD[letter]) for letter in word) for word in _HIDDEN)}
)
"""What stands for a number that is not shown: a word, or the word typed on a keypad."""

_SCHEME = re.compile(r"^(?:tel|sips?|whatsapp|messenger|sms|mailto):", re.IGNORECASE)
_PHONE = re.compile(r"\+?[\d ().-]{6,20}")
_IDENTIFIERS = {"phone": "customer_phone", "email": "customer_email"}
IDENTIFIER_COLUMNS = tuple(_IDENTIFIERS.values())
"""Columns beside `customer_id` that can link the same customer across systems."""

_LANGUAGE = re.compile(r"([a-zA-Z]{2})(?:[-_]|$)")


def objects_of(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, passing over what is none."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def count_of(value: Any) -> int | None:
    """Return a whole number of 0 or more."""
    number = number_of(value)
    return int(number) if number is not None and 0 <= number < 1e15 else None


def utc_text(moment: datetime | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def sort_key(value: Any) -> str:
    """Return a time as text that sorts; the empty text, which sorts first, for none."""
    moment = moment_of(value)
    return f"{int(moment.timestamp()):012d}" if moment else ""


def seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """Return whole seconds from one instant to a later one, None when they are not in order."""
    if start is None or end is None or end < start:
        return None
    return int((end - start).total_seconds())


def working_seconds(seconds: float | None) -> int | None:
    """Return a working time, None when it is longer than a day: then it was no working time."""
    if seconds is None or not 0 <= seconds <= MAX_HANDLE_SECONDS:
        return None
    return round(seconds)


def waiting_seconds(seconds: float | None) -> int | None:
    """Return a wait, None when it is longer than 30 days: then nobody waited for an answer."""
    if seconds is None or not 0 <= seconds <= MAX_WAIT_SECONDS:
        return None
    return round(seconds)


def language_of(code: Any) -> str | None:
    """Return the ISO 639-1 part of a code such as en-US."""
    found = _LANGUAGE.match(text_of(code) or "")
    return found[1].lower() if found else None


def address_of(value: Any) -> str | None:
    """Return a phone number or address without its scheme, None for one that is not shown."""
    text = _SCHEME.sub("", text_of(value) or "").split(";", 1)[0].strip()
    if re.match(r"\+?\d+@", text):  # sip:+4420…@carrier: the number is who it was
        text = text.split("@", 1)[0]
    plain = text.lower().removeprefix("+").split("@", 1)[0]
    return None if not plain or plain in NO_ADDRESSES else text


def identifiers_of(*addresses: str | None) -> dict[str, str]:
    """Return what addresses are as further identifiers: the first phone number and e-mail."""
    found: dict[str, str] = {}
    for address in addresses:
        if address and _PHONE.fullmatch(address):
            found.setdefault("customer_phone", address)
        elif address and "@" in address:
            found.setdefault("customer_email", address)
    return found


def mapped_identifiers(header: Sequence[str]) -> dict[str, str]:
    """Return the mapping of identifiers for a header that has `IDENTIFIER_COLUMNS`."""
    return {kind: column for kind, column in _IDENTIFIERS.items() if column in header}


def decoded_object(value: Any) -> dict[str, Any]:
    """Return the object that a text holds as JSON (or the object itself), {} for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def with_snake_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its own keys as `date_created` where they were `dateCreated`."""
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower(): v for key, v in value.items()}
