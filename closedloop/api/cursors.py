"""Where a list goes on: the key of its last row, written as one short text."""

from __future__ import annotations

from datetime import UTC, date, datetime

from closedloop.domain.errors import Invalid

_MOST_ID = 2**63 - 1


def write_cursor(first: date | datetime, row_id: int) -> str:
    """Return a cursor from a day or an instant, and an id."""
    head = first.astimezone(UTC).strftime("%Y%m%dT%H%M%S") if isinstance(first, datetime) else ""
    return f"{head or first.strftime('%Y%m%d')}-{row_id}"


def read_instant(text: str) -> tuple[datetime, int] | None:
    """Return instant and id of a cursor, None when there is no cursor.

    Raises
    ------
    Invalid
    """
    if not text:
        return None
    head, row_id = _split(text)
    return _parsed(head, "%Y%m%dT%H%M%S").replace(tzinfo=UTC), row_id


def read_day(text: str) -> tuple[date, int] | None:
    """Return day and id of a cursor, None when there is no cursor.

    Raises
    ------
    Invalid
    """
    if not text:
        return None
    head, row_id = _split(text)
    return _parsed(head, "%Y%m%d").date(), row_id


def read_id(text: str) -> int | None:
    """Return the number that is the cursor of a list by number, None when there is no cursor.

    Raises
    ------
    Invalid
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= _MOST_ID):
        raise _refused()
    return int(text)


def _split(text: str) -> tuple[str, int]:
    head, _, row_id = text.rpartition("-")
    if not (row_id.isascii() and row_id.isdigit()) or int(row_id[:20]) > _MOST_ID:
        raise _refused()
    return head, int(row_id)


def _parsed(head: str, pattern: str) -> datetime:
    try:
        return datetime.strptime(head, pattern)
    except ValueError:
        raise _refused() from None


def _refused() -> Invalid:
    sentence = "This is no place in the list. Send `next` of the answer before, unchanged."
    return Invalid(sentence, {"after": sentence})
