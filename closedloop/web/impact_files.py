"""Rows of CSV files about shipped actions and their measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session
from werkzeug import Response

from closedloop.domain.impact import Range
from closedloop.queries.impact import COUNTED_VERDICTS, ShippedAction
from closedloop.queries.impact_measured import Measured
from closedloop.queries.impact_money import get_counted
from closedloop.queries.impact_places import Place
from closedloop.web.csv_files import csv_response

SHIPPED_HEADINGS = (
    *("Action", "Title", "Theme", "Department", "Owner", "Live since", "Verdict", "Look"),
    *("Data to", "Came", "Expected", "Avoided, low (95 %)", "Avoided, most likely"),
    *("Avoided, high (95 %)", "Counted, low (95 %)", "Counted, most likely"),
    *("Counted, high (95 %)", "Moved to a theme beside it", "Came back since", "Method"),
    *("Next look, data to", "Sign-offs", "Checks that question it"),
)


def shipped_csv(session: Session, name: str, rows: Sequence[ShippedAction]) -> Response:
    """Send shipped actions as a CSV file, whose counted middles add up to the total of them."""
    counted = get_counted(session, [row.look for row in rows])
    lines = (_cells(row, counted.get(row.intervention_id)) for row in rows)
    return csv_response(name, SHIPPED_HEADINGS, lines)


def _cells(row: ShippedAction, counted: Range | None) -> list[Any]:
    """Return a shipped action as a row; no range where none can be claimed."""
    look = row.look
    has_range = look is not None and look.verdict in COUNTED_VERDICTS
    numbers = [look.as_of, look.observed, round(look.expected, 1)] if look else [None, None, None]
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
        *_ends(look.avoided if look and has_range else None),
        *_ends(counted),
        bool(look and look.has_moved),
        row.came_back_since,
        look.method_version if look else None,
        row.next_look,
        look.sign_offs if look else None,
        ", ".join(look.failed_checks) if look else None,
    ]


PLACE_HEADINGS = (
    *("Theme", "Where", "How it belongs", "Came", "Expected", "Avoided, low (95 %)"),
    *("Avoided, most likely", "Avoided, high (95 %)"),
)

MEASUREMENT_HEADINGS = (
    *("Measurement", "Written", "Data to", "Look", "Is a verdict", "Verdict", "Days before"),
    *("Days counted", "Came", "Expected", "Avoided, low (95 %)", "Avoided, most likely"),
    *("Avoided, high (95 %)", "Moved to a theme beside it", "Net, low (95 %)"),
    *("Net, most likely", "Net, high (95 %)", "p", "q", "Definition", "Method", "Sign-offs"),
)


def place_cells(places: Sequence[Place]) -> list[list[Any]]:
    """Return where it happened, for a CSV file."""
    return [
        [
            *(one.key, one.name, one.role, one.observed, round(one.expected, 1)),
            *_ends(one.avoided),
        ]
        for one in places
    ]


def measurement_cells(rows: Sequence[Measured]) -> list[list[Any]]:
    """Return what was measured, for a CSV file; no range where none can be claimed."""
    return [
        [
            *(one.id, one.measured_at, one.as_of, one.look, one.is_look, one.verdict.label),
            *(one.n_pre, one.n_post, one.observed, round(one.expected, 1)),
            *_ends(one.avoided if one.verdict in COUNTED_VERDICTS else None),
            *(one.has_moved, *_ends(one.net if one.has_moved else None)),
            *(one.p_value, one.q_value, one.definition_number),
            *(one.method_version, one.sign_offs),
        ]
        for one in rows
    ]


def _ends(found: Range | None) -> list[float | None]:
    if found is None:
        return [None, None, None]
    return [round(value, 1) for value in (found.low, found.middle, found.high)]
