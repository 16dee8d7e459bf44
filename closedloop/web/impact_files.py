"""Rows of CSV files about shipped actions and their measurements."""

from __future__ import annotations

from typing import Any

from closedloop.queries.impact import COUNTED_VERDICTS, ShippedAction

SHIPPED_HEADINGS = (
    *("Action", "Title", "Theme", "Department", "Owner", "Live since", "Verdict", "Look"),
    *("Data to", "Came", "Expected", "Avoided, low (95 %)", "Avoided, most likely"),
    *("Avoided, high (95 %)", "Moved to a theme beside it", "Came back since", "Method"),
    *("Next look, data to", "Sign-offs"),
)


def shipped_cells(row: ShippedAction) -> list[Any]:
    """Return a shipped action as a row; no range where none can be claimed."""
    look = row.look
    has_range = look is not None and look.verdict in COUNTED_VERDICTS
    numbers = [look.as_of, look.observed, round(look.expected, 1)] if look else [None, None, None]
    ends = (
        [round(value, 1) for value in (look.avoided.low, look.avoided.middle, look.avoided.high)]
        if look and has_range
        else [None, None, None]
    )
    return [
        row.key,
        row.title,
        f"{row.theme_key} {row.theme_name}",
        row.department_name,
        row.owner_name,
        row.went_live_on,
        row.verdict.label,
        row.look_number,
        *numbers,
        *ends,
        bool(look and look.has_moved),
        row.came_back_since,
        look.method_version if look else None,
        row.next_look,
        look.sign_offs if look else None,
    ]
