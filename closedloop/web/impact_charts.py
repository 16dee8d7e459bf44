"""The charts of one measurement: what the scripts draw, what the tables and CSV files hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from closedloop.domain.impact import looks
from closedloop.queries.impact import ShippedAction
from closedloop.queries.impact_page import FullMeasurement
from closedloop.web.filters import day as day_words
from closedloop.web.filters import n, range_words, share, signed

SHOWN_BEFORE_DAYS = 91
"""Days before go-live that a chart shows; the CSV file holds all that were read."""

WEEK = 7


@dataclass(frozen=True)
class Paths:
    """The daily paths of a measurement, oldest day first, columns equally long.

    Attributes
    ----------
    observed : list of int
    expected, low, high : list of float
        Contacts a day without the change, and the 95 % band of a single day.
    running_days : list of date
        From go-live on; `avoided`, `avoided_low` and `avoided_high` are running totals.
    not_counted : frozenset of date
        Days of a roll-out, without an import or without a driver volume; empty for measurements
        that did not write them down.
    """

    days: list[date]
    observed: list[int]
    expected: list[float]
    low: list[float]
    high: list[float]
    running_days: list[date]
    avoided: list[float]
    avoided_low: list[float]
    avoided_high: list[float]
    holidays: list[dict[str, str]]
    not_counted: frozenset[date]

    def is_counted(self, i: int) -> bool:
        """Return whether the day in that place is counted, before the change or since."""
        return self.days[i] not in self.not_counted


def paths_of(full: FullMeasurement) -> Paths:
    """Return the paths that a measurement wrote down; empty ones where it wrote none."""
    path, running = full.detail.get("path") or {}, full.detail.get("cumulative") or {}
    return Paths(
        days=_days(path),
        observed=list(path.get("observed", ())),
        expected=list(path.get("expected", ())),
        low=list(path.get("low", ())),
        high=list(path.get("high", ())),
        running_days=_days(running),
        avoided=list(running.get("avoided", ())),
        avoided_low=list(running.get("low", ())),
        avoided_high=list(running.get("high", ())),
        holidays=list(full.detail.get("holidays") or ()),
        not_counted=frozenset(map(date.fromisoformat, full.detail.get("not_counted") or ())),
    )


def _days(part: dict[str, Any]) -> list[date]:
    return [date.fromisoformat(text) for text in part.get("days", ())]


def impact_chart(action: ShippedAction, full: FullMeasurement, verdict: str) -> dict[str, Any]:
    """Return the data of the chart of what came against what was expected.

    Daily bands do not add up to weekly ones, so there are no weeks.
    """
    paths = paths_of(full)
    first = _first_shown(action, paths)
    fixes = full.detail.get("other_fixes") or ()
    return {
        "days": paths.days[first:],
        "observed": paths.observed[first:],
        "expected": [round(value, 1) for value in paths.expected[first:]],
        "low": [round(value, 1) for value in paths.low[first:]],
        "high": [round(value, 1) for value in paths.high[first:]],
        "weeks": None,
        "go_live": action.went_live_on,
        "go_live_label": f"Live {day_words(action.went_live_on, year=False)}",
        "counted_from": _counted_from(action, full),
        "not_counted": _left_out(action, full, paths.days[first:]),
        "holidays": paths.holidays,
        "marks": [
            *_stages(full),
            *({"day": fix["day"], "label": fix["title"]} for fix in _same_theme(action, fixes)),
        ],
        "looks": _spoken_looks(action, full),
        "verdict": verdict,
    }


def _counted_from(action: ShippedAction, full: FullMeasurement) -> date:
    """Return the first counted day as it was measured, else as the action has it now."""
    return full.measured.counted_from or action.counted_from


def _live_on(action: ShippedAction, full: FullMeasurement) -> date:
    """Return the go-live that was measured: of changes measured as one that of the first."""
    measured = (full.detail.get("window") or {}).get("go_live")
    return date.fromisoformat(measured) if measured else action.went_live_on


def _left_out(action: ShippedAction, full: FullMeasurement, shown: Sequence[date]) -> list[date]:
    """Return the days shown that are not counted, but for those of its own roll-out."""
    left_out, counted_from = paths_of(full).not_counted, _counted_from(action, full)
    return [on for on in shown if on in left_out and not action.went_live_on <= on < counted_from]


def _stages(full: FullMeasurement) -> list[dict[str, Any]]:
    """Return the stages of a roll-out after the first, which is the go-live."""
    stages = full.detail.get("stages") or ()
    return [{"day": one["day"], "label": share(one["share"])} for one in stages[1:]]


def _spoken_looks(action: ShippedAction, full: FullMeasurement) -> list[dict[str, Any]]:
    days = looks(action.went_live_on, action.rollout_days)
    return [
        {"day": look, "label": f"Look {number}"}
        for number, look in enumerate(days, 1)
        if look <= full.measured.as_of
    ]


def _same_theme(action: ShippedAction, fixes: Any) -> list[dict[str, Any]]:
    return [fix for fix in fixes if fix.get("theme_id") == action.theme_id]


def _first_shown(action: ShippedAction, paths: Paths) -> int:
    start = action.went_live_on - timedelta(days=SHOWN_BEFORE_DAYS)
    return sum(on < start for on in paths.days)


def impact_sentence(action: ShippedAction, full: FullMeasurement) -> str:
    """Return the chart in a sentence for those who cannot see it."""
    paths, counted_from = paths_of(full), _counted_from(action, full)
    counted = [
        (on, came, expected)
        for on, came, expected in zip(paths.days, paths.observed, paths.expected, strict=True)
        if on not in paths.not_counted
    ]
    live_on = _live_on(action, full)
    before = [came for on, came, _ in counted if on < live_on]
    after = [(came, expected) for on, came, expected in counted if on >= counted_from]
    if not before or not after:
        return "No day has been counted since the change."
    came = sum(one for one, _ in after) / len(after)
    expected = sum(one for _, one in after) / len(after)
    return (
        f"Before the change {sum(before) / len(before):.1f} contacts came a day. Since "
        f"{day_words(counted_from)} {came:.1f} came a day, where {expected:.1f} were "
        f"expected without the change, with data to {day_words(full.measured.as_of)}."
    )


def week_rows(action: ShippedAction, full: FullMeasurement) -> list[list[str]]:
    """Return whole weeks: Monday, came, expected, difference, days counted; the newest first."""
    paths = paths_of(full)
    rows = []
    for monday, week in _weeks_shown(action, paths):
        came = sum(paths.observed[i] for i in week)
        expected = sum(paths.expected[i] for i in week)
        figures = (n(came), n(expected), n(expected - came)) if week else ("–",) * 3
        rows.append([day_words(monday), *figures, n(len(week))])
    return rows[::-1]


def _weeks_shown(action: ShippedAction, paths: Paths) -> Iterator[tuple[date, list[int]]]:
    """Yield each whole week that is shown: its Monday, and the places of its counted days."""
    for i in range(_first_shown(action, paths), len(paths.days) - WEEK + 1):
        if paths.days[i].weekday() == 0:
            week = range(i, i + WEEK)
            yield paths.days[i], [place for place in week if paths.is_counted(place)]


def running_chart(action: ShippedAction, full: FullMeasurement, verdict: str) -> dict[str, Any]:
    """Return the data of the chart of what was avoided so far, from the first counted day on."""
    paths = paths_of(full)
    start = sum(on < _counted_from(action, full) for on in paths.running_days)
    as_of = full.measured.as_of
    all_looks = looks(action.went_live_on, action.rollout_days)
    spoken = _spoken_looks(action, full)
    end = action.superseded_on or date.max
    following = next((look for look in all_looks if as_of < look < end), None)
    worth = action.smallest_drop
    return {
        "days": paths.running_days[start:],
        "middle": [round(value, 1) for value in paths.avoided[start:]],
        "low": [round(value, 1) for value in paths.avoided_low[start:]],
        "high": [round(value, 1) for value in paths.avoided_high[start:]],
        "looks": spoken,
        "next_look": {
            "day": following,
            "label": f"Look {len(spoken) + 1}, {day_words(following, year=False)}",
        }
        if following
        else None,
        "target": round(worth * full.measured.expected) if worth else None,
        "verdict": verdict,
        "has_moved": full.measured.has_moved,
    }


def running_sentence(full: FullMeasurement) -> str:
    """Return the running total in a sentence for those who cannot see it."""
    measured, avoided = full.measured, full.measured.avoided
    what = f"fewer contacts {measured.where}" if measured.has_moved else "contacts avoided"
    said = (
        f"By {day_words(measured.as_of)} the running total stands at "
        f"{range_words(avoided.low, avoided.high)} {what}, most likely {n(avoided.middle)}."
    )
    if measured.has_moved and measured.net:
        net = range_words(measured.net.low, measured.net.high)
        said += f" With the themes beside it {net} were avoided."
    return said


def running_rows(action: ShippedAction, full: FullMeasurement) -> list[list[str]]:
    """Return the running total at each week's end and at the last day, the newest first."""
    paths = paths_of(full)
    last = len(paths.running_days) - 1
    rows = []
    for i, on in enumerate(paths.running_days):
        counted = (on - _counted_from(action, full)).days + 1
        if counted > 0 and (counted % WEEK == 0 or i == last):
            low, high = paths.avoided_low[i], paths.avoided_high[i]
            rows.append([day_words(on), n(low), n(paths.avoided[i]), n(high)])
    return rows[::-1]


def residual_chart(action: ShippedAction, full: FullMeasurement) -> dict[str, Any]:
    """Return what came less what was expected, with the band that chance allows a single day."""
    paths = paths_of(full)
    first = _first_shown(action, paths)

    def less_expected(values: Sequence[float]) -> list[float]:
        pairs = zip(values[first:], paths.expected[first:], strict=True)
        return [round(value - expected, 1) for value, expected in pairs]

    left_out = set(_left_out(action, full, paths.days[first:]))
    pairs = zip(paths.days[first:], less_expected(paths.observed), strict=True)
    return {
        "days": paths.days[first:],
        "values": [None if on in left_out else value for on, value in pairs],
        "low": less_expected(paths.low),
        "high": less_expected(paths.high),
        "go_live": action.went_live_on,
        "go_live_label": f"Live {day_words(action.went_live_on, year=False)}",
        "counted_from": _counted_from(action, full),
        "not_counted": sorted(left_out),
    }


def residual_sentence(action: ShippedAction, full: FullMeasurement) -> str:
    """Say how many days lay outside their band, before the change and since."""
    paths = paths_of(full)
    first = _first_shown(action, paths)
    live_on, before, after = _live_on(action, full), [], []
    columns = zip(paths.days, paths.observed, paths.low, paths.high, strict=True)
    for on, came, low, high in list(columns)[first:]:
        if on in paths.not_counted:
            continue
        if on < live_on:
            before.append(not low <= came <= high)
        elif on >= _counted_from(action, full):
            after.append(not low <= came <= high)
    said = f"Of the {len(before)} days shown before the change {sum(before)} lay outside the band"
    return f"{said}, where chance allows 1 in 20; since then {sum(after)} of {len(after)}."


def residual_rows(action: ShippedAction, full: FullMeasurement) -> list[list[str]]:
    """Return whole weeks: Monday, came less expected, days outside the band; newest first."""
    paths = paths_of(full)
    rows = []
    for monday, week in _weeks_shown(action, paths):
        less = sum(paths.observed[day] - paths.expected[day] for day in week)
        outside = sum(not paths.low[day] <= paths.observed[day] <= paths.high[day] for day in week)
        rows.append([day_words(monday), signed(less) if week else "–", n(outside)])
    return rows[::-1]


DAY_HEADINGS = (
    *("Day", "Came", "Expected", "Low (95 %)", "High (95 %)", "Came less expected", "Counted"),
)
RUNNING_HEADINGS = ("To", "Avoided, low (95 %)", "Avoided, most likely", "Avoided, high (95 %)")


def day_cells(action: ShippedAction, full: FullMeasurement) -> list[list[Any]]:
    """Return every day that was read, for a CSV file."""
    paths = paths_of(full)
    columns = zip(paths.days, paths.observed, paths.expected, paths.low, paths.high, strict=True)
    return [
        [
            *(on, came, expected, low, high, round(came - expected, 3)),
            _stretch(action, full, on, is_counted=on not in paths.not_counted),
        ]
        for on, came, expected, low, high in columns
    ]


def _stretch(action: ShippedAction, full: FullMeasurement, on: date, *, is_counted: bool) -> str:
    live_on = _live_on(action, full)
    if live_on <= on < _counted_from(action, full):
        return "roll-out, not counted"
    stretch = "before" if on < live_on else "after"
    return stretch if is_counted else f"{stretch}, not counted"


def running_cells(full: FullMeasurement) -> list[list[Any]]:
    """Return the running totals, for a CSV file."""
    paths = paths_of(full)
    columns = zip(
        paths.running_days, paths.avoided_low, paths.avoided, paths.avoided_high, strict=True
    )
    return [list(row) for row in columns]
