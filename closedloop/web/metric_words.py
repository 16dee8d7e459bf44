"""How values of metrics are written: in the unit of each, small ones hidden."""

from __future__ import annotations

from closedloop.domain.home import Change
from closedloop.domain.metrics import Better, Cell, Metric, Unit
from closedloop.queries.metrics import Reading
from closedloop.web.filters import UNKNOWN, money, n, pct, signed

_DIGITS = {Unit.RATIO: 2, Unit.SCORE: 2, Unit.PER_1000: 1}
_AFTER = {Unit.MINUTES: " min", Unit.PER_1000: " per 1,000"}


def value_words(metric: Metric, value: float | None) -> str:
    """Write a value with its unit: "18.2 %", "6 min 12 s", "£2.31", "1.24"."""
    if value is None:
        return UNKNOWN
    if metric.unit is Unit.SHARE:
        return pct(value)
    if metric.unit is Unit.PENCE:
        return money(value)
    if metric.unit is Unit.SECONDS:
        minutes, seconds = divmod(round(value), 60)
        return f"{n(minutes)} min {seconds} s" if minutes else f"{seconds} s"
    if metric.unit is Unit.POINTS:
        return signed(value)
    return n(value, _DIGITS.get(metric.unit, 0)) + _AFTER.get(metric.unit, "")


def cell_words(metric: Metric, cell: Cell, k: int) -> str:
    """Write a cell, or what may be said where its value may not be shown."""
    if cell.state == "few":
        return f"fewer than {k}"
    if cell.state in ("cover", "unsure"):
        return "not shown"
    if cell.bound is not None:
        return f"{cell.state} {value_words(metric, cell.bound)}"
    return value_words(metric, cell.value)


def begin_sentence(words: str) -> str:
    """Return words with a capital at their head: "Over 93.9 %"."""
    return words[:1].upper() + words[1:]


def difference_words(metric: Metric, difference: float | None) -> str:
    """Write a change in the unit of the metric, with its sign."""
    if difference is None:
        return UNKNOWN
    if metric.unit is Unit.SHARE:
        return f"{signed(difference * 100, 1)} points"
    if metric.unit is Unit.PENCE:
        sign = "−" if difference < 0 else "+"
        return f"{sign}{money(abs(difference))}"
    if metric.unit is Unit.SECONDS:
        return f"{signed(difference)} s"
    return signed(difference, _DIGITS.get(metric.unit, 0)) + _AFTER.get(metric.unit, "")


def change_kind(reading: Reading) -> str:
    """Return "better", "worse", or "" where it has no good side or chance may explain it."""
    if reading.change is Change.FLAT or reading.metric.better is Better.NEITHER:
        return ""
    is_lower = reading.metric.better is Better.LOWER
    return "better" if (reading.change is Change.FELL) is is_lower else "worse"


def goal_words(reading: Reading) -> str:
    """Write whether the goal of the last day is met."""
    if reading.goal is None:
        return ""
    met = {True: "met", False: "not met", None: "not known"}[reading.meets_goal]
    return f"{value_words(reading.metric, reading.goal)}, {met}"


def chart_number(metric: Metric, value: float | None) -> float | None:
    """Return a value as a chart draws it: money in whole units."""
    if value is None or metric.unit is not Unit.PENCE:
        return value
    return value / 100


def chart_unit(metric: Metric, currency: str) -> str:
    """Return the name of the upright axis."""
    return {
        Unit.SHARE: "%",
        Unit.RATIO: "contacts a resolution",
        Unit.PER_1000: "contacts per 1,000",
        Unit.PENCE: f"{currency} a contact",
        Unit.SCORE: "1 to 7",
        Unit.COUNT: "",
    }.get(metric.unit, metric.unit.value)


def chart_digits(metric: Metric) -> int:
    """Return the digits after the point in the tooltip of a chart."""
    return 2 if metric.unit is Unit.PENCE else _DIGITS.get(metric.unit, 0)


def spark_heights(reading: Reading) -> list[float]:
    """Return the weeks of a sparkline scaled to at most 100, from the lowest value there can be."""
    floor = min(0.0, reading.metric.unit.ends[0])
    known = [value - floor for value in reading.spark if value is not None]
    top = max(known, default=0.0)
    return [value / top * 100 for value in known] if top > 0 and len(known) > 1 else []


def typed_goal(metric: Metric, goal: float) -> str:
    """Return a goal as a form holds it: per cent, money in whole units, else as it is."""
    return f"{goal * 100:g}" if metric.unit in (Unit.SHARE,) else f"{_typed(metric, goal):g}"


def _typed(metric: Metric, goal: float) -> float:
    return goal / 100 if metric.unit is Unit.PENCE else goal


def read_goal(metric: Metric, typed: str) -> float:
    """Return a typed goal in the unit of the metric.

    Raises
    ------
    ValueError
        If it is no number.
    """
    number = float(typed.strip().rstrip("%").replace(",", "."))
    if metric.unit is Unit.SHARE:
        return round(number / 100, 6)
    return round(number * 100, 4) if metric.unit is Unit.PENCE else number
