"""The repeat-rate chart of the report, drawn on the server: paper runs no scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from closedloop.queries.repeats import Day, Trend
from closedloop.web.filters import MONTHS, day, pct

LEFT, RIGHT, TOP, BOTTOM = 26.0, 404.0, 8.0, 124.0
"""The frame inside a view box of 470 × 150."""

LEAST_TOP = 0.10
LABEL_GAP = 11.0


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class TrendDrawing:
    """Coordinates of the chart.

    Attributes
    ----------
    any_line, same_line, between : str
        Points of the two lines and of the area between them.
    hatch_from : float or None
        Where days whose window is still open begin.
    marks : tuple of float
        Go-lives.
    any_label, same_label : float
        Heights of the labels at the right end.
    """

    any_line: str
    same_line: str
    between: str
    rates: tuple[Tick, ...]
    months: tuple[Tick, ...]
    hatch_from: float | None
    marks: tuple[float, ...]
    any_label: float
    same_label: float


def draw_trend(trend: Trend, go_lives: Sequence[date]) -> TrendDrawing | None:
    """Return the drawing of seven-day rates; None with fewer than two days to join."""
    known = [day for day in trend.days if day.any7 is not None and day.same7 is not None]
    if len(known) < 2:
        return None
    first, last = trend.days[0].day, trend.days[-1].day
    top = _top(max(day.any7 or 0.0 for day in known))

    def x(on: date) -> float:
        return round(LEFT + (RIGHT - LEFT) * (on - first).days / max((last - first).days, 1), 1)

    def y(rate: float | None) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (rate or 0.0) / top, 1)

    upper = [(x(day.day), y(day.any7)) for day in known]
    lower = [(x(day.day), y(day.same7)) for day in known]
    any_label, same_label = _apart(upper[-1][1], lower[-1][1])
    return TrendDrawing(
        any_line=_points(upper),
        same_line=_points(lower),
        between=_points(upper + lower[::-1]),
        rates=tuple(Tick(y(rate), f"{rate * 100:.0f}") for rate in _steps(top)),
        months=tuple(_months(trend.days, x)),
        hatch_from=x(trend.maturing_from) if trend.maturing_from else None,
        marks=tuple(x(on) for on in sorted(set(go_lives)) if first <= on <= last),
        any_label=any_label,
        same_label=same_label,
    )


def weeks_of(trend: Trend) -> list[tuple[str, str, str]]:
    """Return the drawn rates in words, (last day, any reason, same theme) of each whole week."""
    known = [one for one in trend.days if one.any7 is not None]
    return [(day(one.day, year=False), pct(one.any7), pct(one.same7)) for one in known[::-7][::-1]]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _top(highest: float) -> float:
    """Return the top of the axis: a multiple of 5 %, of 10 % from a half up."""
    step = 0.05 if highest <= 0.5 else 0.10
    return max(LEAST_TOP, math.ceil(highest * 1.02 / step) * step)


def _steps(top: float) -> list[float]:
    step = 0.05 if top <= 0.3 else (0.10 if top <= 0.5 else 0.20)
    return [step * i for i in range(int(round(top / step, 6)) + 1)]


def _apart(upper: float, lower: float) -> tuple[float, float]:
    """Return label heights that do not cover each other."""
    if lower - upper >= LABEL_GAP:
        return upper + 3, lower + 3
    middle = (upper + lower) / 2 + 3
    return middle - LABEL_GAP / 2, middle + LABEL_GAP / 2


def _months(days: Sequence[Day], x: Callable[[date], float]) -> list[Tick]:
    firsts = [day.day for day in days if day.day.day == 1]
    every = max(1, -(-len(firsts) // 8))
    return [
        Tick(x(on), f"{MONTHS[on.month - 1]}{f' {on.year}' if on.month == 1 else ''}")
        for on in firsts[::every]
    ]
