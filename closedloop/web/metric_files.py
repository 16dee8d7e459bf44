"""Metrics as rows of CSV files: plain numbers for programs, and words as the pages show them.

Shares lie between 0 and 1, times are seconds or minutes, money is in minor units. What may not be
shown is an empty cell; the state says why.
"""

from __future__ import annotations

from typing import Any

from closedloop.domain.metrics import Cell, Metric
from closedloop.queries.metric_trend import Piece, Step
from closedloop.queries.metrics import Group, Reading
from closedloop.web.metric_words import cell_words

_CELL = ("Unit", "Shown as", "State", "Bound")

METRIC_HEADINGS = (
    *("Metric", "Window", "First day", "Last day", "Value", *_CELL, "Contacts or answers"),
    *("Covers", "Covers which", "Change", "Goal", "Meets goal", "Rule"),
)


def metric_cells(reading: Reading, k: int) -> list[Any]:
    """Return one metric over a period, under `METRIC_HEADINGS`."""
    metric, cell = reading.metric, reading.cell
    return [
        *(metric.name, reading.window.label if metric.needs_window else ""),
        *((reading.first_day, reading.last_day) if reading.days else ("", "")),
        *(number(cell.value), *_described(metric, cell, k), cell.n),
        *_covers(cell),
        number(reading.difference),
        reading.goal,
        reading.meets_goal,
        metric.rule_in_words(reading.window),
    ]


def group_headings(metric: Metric, by: str) -> tuple[str, ...]:
    """Return the headings of `group_cells`."""
    return (by, metric.name, *_CELL, "Contacts or answers", "Covers", "Covers which", "Contacts")


def group_cells(metric: Metric, by: str, group: Group, k: int) -> list[Any]:
    """Return one value of a dimension."""
    covers: tuple[float | None, str] = (None, "")
    if group.contacts is not None:
        covers = _covers(group.cell)
    return [
        group.label or f"no {by.lower()}",
        *(number(group.cell.value), *_described(metric, group.cell, k), group.cell.n),
        *covers,
        group.contacts,
    ]


def piece_headings(metric: Metric, step: Step) -> tuple[str, ...]:
    """Return the headings of `piece_cells`."""
    rolling = ("Seven days",) if _rolls(metric, step) else ()
    period = ("Day",) if step is Step.DAY else ("From", "To")
    counts = ("Contacts or answers", "All contacts", "Goal", "Complete")
    return (*period, metric.name, *rolling, *_CELL, *counts)


def piece_cells(metric: Metric, piece: Piece, step: Step, k: int) -> list[Any]:
    """Return one day, week or month."""
    days = (piece.first_day,) if step is Step.DAY else (piece.first_day, piece.last_day)
    rolling = [number(piece.rolling.value if piece.rolling else None)]
    return [
        *days,
        number(piece.cell.value),
        *(rolling if _rolls(metric, step) else []),
        *_described(metric, piece.cell, k),
        *(piece.cell.n, piece.contacts, piece.goal),
        piece_state(piece, step),
    ]


def piece_state(piece: Piece, step: Step) -> str:
    """Return why a day, week or month is not whole; empty where it is."""
    if piece.is_maturing:
        return "maturing"
    return "" if piece.is_whole else f"part of the {step.value}"


def number(value: float | None) -> float | None:
    """Return a value with as many digits as anybody can use."""
    return None if value is None else round(value, 6)


def _rolls(metric: Metric, step: Step) -> bool:
    return step is Step.DAY and not metric.unit.adds_up


def _described(metric: Metric, cell: Cell, k: int) -> tuple[Any, ...]:
    return metric.unit.words, cell_words(metric, cell, k), cell.state, number(cell.bound)


def _covers(cell: Cell) -> tuple[float | None, str]:
    """Return the share of contacts that the value knows about, and all such shares in words."""
    if cell.is_hidden or not cell.found.coverage:
        return None, ""
    said = [(number(one.share), one.words) for one in cell.found.coverage]
    words = "; ".join(
        words if i == 0 else f"{share} {words}" for i, (share, words) in enumerate(said)
    )
    return said[0][0], words
