"""Charts of impact drawn on the server, for browsers without scripts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from closedloop.web.filters import MONTHS, n, nice_axis

LEFT, TOP, BOTTOM = 46.0, 30.0, 226.0
"""The frame inside a view box 250 high."""

WIDE, HALF = 720, 440
"""Widths of the view box: of a chart as wide as the page, and of one in half of it."""

_EDGE = 8.0

_ROOM = 56.0
"""Width that the words of a mark take; marks nearer than that stay without words."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """An upright line with its words; empty words where another mark is too near."""

    at: float
    label: str
    kind: str


@dataclass(frozen=True)
class Drawing:
    """Coordinates of a chart.

    Attributes
    ----------
    width : int
        Of the view box.
    band, line, gap : str
        Points of the 95 % band, of the line within, and of the area between line and dots.
    dots : tuple of (float, float)
    zero : float or None
        Height of the line of zero, where it lies inside the frame.
    hatched : tuple of (float, float)
        Begin and width of each stretch that is not counted.
    """

    width: int
    band: str
    line: str
    gap: str
    dots: tuple[tuple[float, float], ...]
    values: tuple[Tick, ...]
    months: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    zero: float | None
    hatched: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Frame:
    """Where days and values lie."""

    width: int
    first: date
    last: date
    lowest: float
    highest: float

    @property
    def right(self) -> float:
        return self.width - _EDGE

    def x(self, on: date) -> float:
        days = max((self.last - self.first).days, 1)
        return round(LEFT + (self.right - LEFT) * (on - self.first).days / days, 1)

    def y(self, value: float) -> float:
        span = self.highest - self.lowest
        return round(BOTTOM - (BOTTOM - TOP) * (value - self.lowest) / span, 1)

    def points(self, days: Sequence[date], values: Sequence[float]) -> list[tuple[float, float]]:
        return [(self.x(on), self.y(value)) for on, value in zip(days, values, strict=True)]


def draw_impact(chart: dict[str, Any]) -> Drawing | None:
    """Draw what came against what was expected; see `impact_charts.impact_chart`."""
    low = [max(0.0, value) for value in chart["low"]]
    return _draw(
        WIDE,
        chart["days"],
        (low, chart["expected"], chart["high"]),
        dots=chart["observed"],
        marks=[(chart["go_live"], chart["go_live_label"], "live"), *_looks(chart["looks"])],
        hatched=_not_counted(chart),
        gap_from=chart["counted_from"],
        left_out=frozenset(chart["not_counted"]),
    )


def draw_running(chart: dict[str, Any]) -> Drawing | None:
    """Draw the running total of what was avoided; see `impact_charts.running_chart`."""
    return _draw(
        HALF,
        chart["days"],
        (chart["low"], chart["middle"], chart["high"]),
        marks=_looks(chart["looks"]),
    )


def draw_residuals(chart: dict[str, Any]) -> Drawing | None:
    """Draw what came less what was expected; see `impact_charts.residual_chart`."""
    return _draw(
        HALF,
        chart["days"],
        (chart["low"], [0.0] * len(chart["days"]), chart["high"]),
        dots=chart["values"],
        marks=[(chart["go_live"], chart["go_live_label"], "live")],
        hatched=_not_counted(chart),
    )


def _not_counted(chart: dict[str, Any]) -> list[tuple[date, date]]:
    """Return the stretches that are not counted: the roll-out, and days that lack something.

    Each ends with the first day after it.
    """
    alone = [(on, on + timedelta(days=1)) for on in chart["not_counted"]]
    return [(chart["go_live"], chart["counted_from"]), *alone]


def _looks(looks: Sequence[dict[str, Any]]) -> list[tuple[date, str, str]]:
    return [(look["day"], look["label"], "look") for look in looks]


def _draw(
    width: int,
    days: Sequence[date],
    paths: tuple[Sequence[float], Sequence[float], Sequence[float]],
    *,
    dots: Sequence[float | None] = (),
    marks: Sequence[tuple[date, str, str]] = (),
    hatched: Sequence[tuple[date, date]] = (),
    gap_from: date | None = None,
    left_out: Collection[date] = (),
) -> Drawing | None:
    """Return the drawing; None with fewer than two days to join.

    The gap has no height on the days `left_out`, and a dot of None is not drawn.
    """
    if len(days) < 2:
        return None
    low, middle, high = paths
    dotted = [(on, dot) for on, dot in zip(days, dots, strict=False) if dot is not None]
    axis = nice_axis(*low, *high, *(dot for _, dot in dotted), parts=4)
    frame = _Frame(width, days[0], days[-1], axis.lowest, axis.highest)
    path = frame.points(days, middle)
    came = {on: (frame.x(on), frame.y(dot)) for on, dot in dotted}
    shaded = [i for i, on in enumerate(days) if gap_from and on >= gap_from and on in came]
    edge = [path[i] if days[i] in left_out else came[days[i]] for i in shaded]
    gap = [path[i] for i in shaded] + edge[::-1]
    return Drawing(
        width=width,
        band=_written(frame.points(days, high) + frame.points(days, low)[::-1]),
        line=_written(path),
        gap=_written(gap),
        dots=tuple(came.values()),
        values=tuple(Tick(frame.y(value), n(value)) for value in axis.ticks),
        months=_months(days, frame),
        marks=_marks(frame, marks),
        zero=frame.y(0.0) if axis.lowest < 0 else None,
        hatched=tuple(_hatched(frame, begin, end) for begin, end in hatched if begin < end),
    )


def _written(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _months(days: Sequence[date], frame: _Frame) -> tuple[Tick, ...]:
    firsts = [on for on in days if on.day == 1]
    if len(firsts) < 2:
        return tuple(
            Tick(frame.x(on), f"{on.day} {MONTHS[on.month - 1]}") for on in days[:: len(days) // 2]
        )
    every = max(1, -(-len(firsts) * WIDE // (8 * frame.width)))
    return tuple(
        Tick(frame.x(on), f"{MONTHS[on.month - 1]}{f' {on.year}' if on.month == 1 else ''}")
        for on in firsts[::every]
    )


def _marks(frame: _Frame, marks: Sequence[tuple[date, str, str]]) -> tuple[Mark, ...]:
    """Return the marks inside the frame; words only where the ones before leave room."""
    placed: list[Mark] = []
    free = LEFT
    for on, label, kind in sorted(marks):
        if not frame.first <= on <= frame.last:
            continue
        at = frame.x(on)
        has_room = at >= free
        placed.append(Mark(at, label if has_room else "", kind))
        free = at + _ROOM if has_room else free
    return tuple(placed)


def _hatched(frame: _Frame, begin: date, end: date) -> tuple[float, float]:
    """Return begin and width inside the frame."""
    left = frame.x(max(begin, frame.first))
    return left, round(frame.x(min(end, frame.last)) - left, 1)
