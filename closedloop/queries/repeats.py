"""Repeat rates and FCR, read from the roll-ups alone; only mature days enter a rate.

A day is mature for a window when every contact of it has had the whole window
(`domain.contacts.last_mature_day`). Counts come from the same columns for each window, so the
five windows stand side by side; each states the last day it could count.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS, Basis, Window, last_mature_day, share
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_people import BEHIND, SLACK_COLUMNS, columns_of
from closedloop.domain.metrics import Cell, Counts, Metric, Scope, Unit, show
from closedloop.models import Theme
from closedloop.queries.contacts import NO_THEME, NOT_SAID
from closedloop.queries.metric_counts import add_up, days_between, read_days, read_groups
from closedloop.queries.metric_people import DaySums, GroupPeople, groups_behind, read_group_people
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms
from closedloop.queries.repeat_shown import FIRST_CONTACT, METRICS, RATES, Behind, Shown, show_rows

PERIOD_DAYS = 90
ROLLING_DAYS = 7


class Group(StrEnum):
    """What the figures are broken down by."""

    CHANNEL = "channel"
    QUEUE = "queue"
    DISPOSITION = "disposition"
    THEME = "theme"


@dataclass(frozen=True, kw_only=True)
class RepeatFilter:
    """Which part of the roll-up is read.

    Attributes
    ----------
    first_day, last_day : date
        Both inclusive; days that are not mature for a window are left out of it.
    channel, queue, disposition, team, language : str or None
        `NOT_SAID` asks for contacts without one.
    theme_id : int or None
    without_theme : bool
    """

    first_day: date
    last_day: date
    channel: str | None = None
    queue: str | None = None
    disposition: str | None = None
    theme_id: int | None = None
    without_theme: bool = False
    team: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class BasisFigures:
    """Counts on one basis, over mature days.

    Attributes
    ----------
    repeats : int
        Identified contacts followed by another within the window.
    opening : int
        Identified contacts with none in the window before.
    resolved : int
        Of the opening, those not followed within the window.
    """

    repeats: int
    opening: int
    resolved: int

    @property
    def fcr(self) -> float | None:
        """Resolved of the opening, 0 to 1; None without any."""
        return share(self.resolved, self.opening)


@dataclass(frozen=True)
class Figures:
    """One window over one stretch of mature days.

    Attributes
    ----------
    last_day : date or None
        Last mature day that was counted, inclusive; None when none is mature.
    contacts, identified, themed : int
        All, those whose customer is known, and those of the latter that have a theme. Only
        these can repeat "the same theme"; the others count as not followed by it.
    shown : Shown
        What may be shown of all this: the counts themselves are for links and sums.
    """

    window: Window
    last_day: date | None
    contacts: int
    identified: int
    themed: int
    any: BasisFigures
    same: BasisFigures
    shown: Shown

    def of(self, basis: Basis) -> BasisFigures:
        """Return the counts on a basis."""
        return self.any if basis is Basis.ANY else self.same

    def repeat_rate(self, basis: Basis) -> float | None:
        """Return repeats of the identified contacts, 0 to 1; None without any."""
        return share(self.of(basis).repeats, self.identified)

    def can_tell(self, basis: Basis) -> bool:
        """Return whether the basis says anything here: the same theme needs themes."""
        return basis is Basis.ANY or self.themed > 0

    @property
    def unidentified_share(self) -> float | None:
        """Contacts without a customer of all, 0 to 1; they enter no rate."""
        return share(self.contacts - self.identified, self.contacts)


@dataclass(frozen=True)
class GroupFigures:
    """The figures of one channel, queue, disposition or theme.

    Attributes
    ----------
    value : str
        As the filter of the page takes it: of a theme its id.
    key : str
        As the API takes it: of a theme its key.
    """

    value: str
    key: str
    label: str
    figures: Figures


@dataclass(frozen=True)
class Day:
    """One reporting day of the trend.

    Attributes
    ----------
    contacts, identified : int
        For sums; `shown_contacts` and `shown_identified` are for showing, None where too few
        people are among them.
    any, same, any7, same7 : float or None
        Rates of the day and of the seven days it ends; None while maturing, without contacts,
        and where they may not be shown.
    repeats : (int, int)
        Followed for any reason and by the same theme; for sums.
    """

    day: date
    contacts: int
    identified: int
    any: float | None
    same: float | None
    any7: float | None
    same7: float | None
    shown_contacts: int | None = None
    shown_identified: int | None = None
    repeats: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Trend:
    """Days in order without gaps; from `maturing_from` on the window is still open."""

    days: list[Day] = field(default_factory=list)
    maturing_from: date | None = None

    def unidentified_share(self, place: int) -> float | None:
        """Return the share without a known customer of the seven days that end with one.

        None without contacts, and where it would give a rate of too few people away.
        """
        week = self.days[max(place - ROLLING_DAYS + 1, 0) : place + 1]
        contacts, identified = sum(d.contacts for d in week), sum(d.identified for d in week)
        is_shown = self.days[place].any7 is not None or not identified
        return share(contacts - identified, contacts) if is_shown else None


def default_period(
    first_day: date, cut: date, window: Window, zone: str = "UTC", last_day: date | None = None
) -> tuple[date, date]:
    """Return the last 90 mature days, both ends inclusive, not before the data begin.

    Where the last day is asked for, and no first one, the 90 that end with it.
    """
    last = min(last_day, cut) if last_day else last_mature_day(cut, window, zone)
    last = max(last, first_day)
    return max(last - timedelta(days=PERIOD_DAYS - 1), first_day), last


def get_windows_and_trend(
    session: Session,
    wanted: RepeatFilter,
    *,
    window: Window,
    cut: date,
    first_data_day: date,
    k: int,
    zone: str = "UTC",
) -> tuple[list[Figures], Trend]:
    """Return what `get_window_figures` and `get_trend` do; their days are read once."""
    mature = last_mature_day(cut, window, zone)
    first, last = _days_of_trend(wanted, mature, cut, first_data_day)
    first, last = min(first, wanted.first_day), max(last, min(wanted.last_day, cut))
    sums = _day_sums(session, wanted, WINDOWS, first, last, k)
    trend = _trend_of(sums, wanted, window, mature, cut, first_data_day)
    return _windows_of(sums, wanted, cut, zone), trend


def get_window_figures(
    session: Session, wanted: RepeatFilter, *, cut: date, k: int, zone: str = "UTC"
) -> list[Figures]:
    """Return the five windows side by side, each over the mature days of the period.

    Parameters
    ----------
    session : Session
    wanted : RepeatFilter
    cut : date
        Last complete reporting day that holds contacts.
    k : int
        Fewest distinct people that what is shown describes.
    zone : str
        Of the reporting days.
    """
    last = min(wanted.last_day, cut)
    sums = _day_sums(session, wanted, WINDOWS, wanted.first_day, last, k)
    return _windows_of(sums, wanted, cut, zone)


def _windows_of(sums: DaySums, wanted: RepeatFilter, cut: date, zone: str) -> list[Figures]:
    found = []
    for window in WINDOWS:
        until = _last_counted(wanted, last_mature_day(cut, window, zone))
        days = days_between(wanted.first_day, until) if until else ()
        counts = add_up(sums.daily, _columns(window), days)
        shown = show_rows([_behind_days(sums, window, days)], sums.k)[0]
        found.append(_figures(window, until, counts, shown))
    return found


def _day_sums(
    session: Session,
    wanted: RepeatFilter,
    windows: Sequence[Window],
    first_day: date,
    last_day: date,
    k: int,
    metrics: Collection[Metric] = METRICS,
) -> DaySums:
    """Return the sums of days that repeats of some windows are made from."""
    asked = _asked(wanted, windows[0])
    groups = set().union(*(groups_behind(metrics, window) for window in windows))
    columns = {*SLACK_COLUMNS, *(name for window in windows for name in _columns(window))}
    columns |= {name for group in groups for name in columns_of(*group)}
    daily = read_days(
        session, Scope.PLAIN, columns, asked, Terms(), first_day=first_day, last_day=last_day
    )
    reach = (first_day, last_day)
    return DaySums(session, Scope.PLAIN, asked, Terms(), k, daily, reach, groups)


def _asked(wanted: RepeatFilter, window: Window) -> MetricFilter:
    return MetricFilter(
        first_day=wanted.first_day,
        last_day=wanted.last_day,
        window=window,
        values=_values(wanted),
    )


def _behind_days(
    sums: DaySums,
    window: Window,
    days: Sequence[date],
    of_days: int = 0,
    *,
    has_fcr: bool = True,
) -> Behind:
    n = int(add_up(sums.daily, ["identified"], days)["identified"])
    known = Value(float(n), n, n, n)
    return Behind(
        sums.contacts(days, of_days=of_days),
        sums.with_people(known, ("identified",), window, days, of_days),
        {b: sums.value(m, days, of_days=of_days, asked=window) for b, m in RATES.items()},
        {b: sums.value(m, days, of_days=of_days, asked=window) for b, m in FIRST_CONTACT.items()}
        if has_fcr
        else {},
    )


def list_group_figures(
    session: Session,
    wanted: RepeatFilter,
    *,
    group: Group,
    window: Window,
    cut: date,
    k: int,
    zone: str = "UTC",
) -> list[GroupFigures]:
    """Return one window of mature days broken down, most repeats (any reason) first."""
    last = _last_counted(wanted, last_mature_day(cut, window, zone))
    if last is None:
        return []
    asked, groups = _asked(wanted, window), sorted(groups_behind(METRICS, window))
    rows = read_groups(
        session,
        Scope.PLAIN,
        _columns(window),
        asked,
        Terms(),
        by=group.value,
        first_day=wanted.first_day,
        last_day=last,
        groups=groups,
    )
    sure = read_group_people(
        session,
        Scope.PLAIN,
        asked,
        Terms(),
        rows,
        groups,
        k=k,
        by=group.value,
        days=(wanted.first_day, last),
    )
    shown = show_rows([_behind_group(sure, key, rows[key], window) for key in rows], k)
    names = _themes(session) if group is Group.THEME else {}
    found = []
    for (value, counts), may in zip(rows.items(), shown, strict=True):
        figures = _figures(window, last, counts, may)
        found.append(GroupFigures(*_named(value, group, names), figures))
    return sorted(found, key=_rank)


def _rank(group: GroupFigures) -> tuple[int, int, str]:
    """Return the order of groups, in which a hidden count has no say."""
    shown = group.figures.shown
    return -(shown.repeats(Basis.ANY) or 0), -(shown.contacts or 0), group.label


def _behind_group(sure: GroupPeople, key: str, counts: Counts, window: Window) -> Behind:
    def of(metric: Any) -> Value:
        behind = [(group, window.key) for group in BEHIND[metric.key]]
        return sure.of(key, counts, metric.of(counts, window), behind)

    n = int(counts["identified"])
    known = sure.of(key, counts, Value(float(n), n, n, n), [("identified", window.key)])
    return Behind(
        sure.contacts(key, counts, window.key),
        known,
        {b: of(m) for b, m in RATES.items()},
        {b: of(m) for b, m in FIRST_CONTACT.items()},
    )


def _named(value: str, group: Group, themes: dict[int, tuple[str, str]]) -> tuple[str, str, str]:
    """Return value, key and label of a group."""
    if group is Group.THEME:
        key, name = themes[int(value)] if value else (NO_THEME, "")
        return (value, key, f"{key} {name}") if value else (key, key, "no theme")
    return (value, value, value) if value else (NOT_SAID, NOT_SAID, f"no {group.value}")


def _themes(session: Session) -> dict[int, tuple[str, str]]:
    """Return key and name of each theme by its id."""
    rows = session.execute(sa.select(Theme.id, Theme.key, Theme.name))
    return {row.id: (row.key, row.name) for row in rows}


def get_trend(
    session: Session,
    wanted: RepeatFilter,
    *,
    window: Window,
    cut: date,
    first_data_day: date,
    k: int,
    zone: str = "UTC",
) -> Trend:
    """Return daily and seven-day rates from the first day of the period to the cut.

    Parameters
    ----------
    session : Session
    wanted : RepeatFilter
        When its period reaches the last mature day, the maturing days up to the cut follow.
    window : Window
    cut, first_data_day : date
        Last complete and first reporting day with contacts, both inclusive.
    k : int
        Fewest distinct people that what is shown describes.
    zone : str
        Of the reporting days.

    Returns
    -------
    Trend
        Seven-day rates divide the sums of seven days, the day itself the last of them; they
        are None until seven days of data lie behind it, and while one of them is maturing.
    """
    mature = last_mature_day(cut, window, zone)
    start, last = _days_of_trend(wanted, mature, cut, first_data_day)
    sums = _day_sums(session, wanted, [window], start, last, k, RATES.values())
    return _trend_of(sums, wanted, window, mature, cut, first_data_day)


def _trend_of(
    sums: DaySums,
    wanted: RepeatFilter,
    window: Window,
    mature: date,
    cut: date,
    first_data_day: date,
) -> Trend:
    start, last = _days_of_trend(wanted, mature, cut, first_data_day)
    days = days_between(max(wanted.first_day, first_data_day), last)
    rows = [_behind_days(sums, window, [day], len(days), has_fcr=False) for day in days]
    shown = show_rows(rows, sums.k)
    found = [
        _day(day, row, may, _week(sums, window, day, start) if day <= mature else None)
        for day, row, may in zip(days, rows, shown, strict=True)
    ]
    found = [day if day.day <= mature else replace(day, any=None, same=None) for day in found]
    return Trend(found, mature + timedelta(days=1) if last > mature else None)


def _days_of_trend(
    wanted: RepeatFilter, mature: date, cut: date, first_data_day: date
) -> tuple[date, date]:
    """Return the days a trend is read over, the week behind its first rate among them."""
    start = max(wanted.first_day - timedelta(days=ROLLING_DAYS - 1), first_data_day)
    return start, cut if wanted.last_day >= mature else wanted.last_day


def _week(
    sums: DaySums, window: Window, day: date, start: date
) -> tuple[float | None, float | None]:
    """Return both rates of the seven days that end with a day, as they may be shown."""
    first = day - timedelta(days=ROLLING_DAYS - 1)
    if first < start:
        return None, None
    week = days_between(first, day)
    found = [show(sums.value(RATES[b], week, asked=window), Unit.SHARE, sums.k) for b in Basis]
    return _rate(found[0]), _rate(found[1])


def _rate(cell: Cell) -> float | None:
    """Return a rate; of the same theme where no contact has one it is nothing, as counted."""
    return share(int(cell.found.numerator), cell.n or 0) if _is_told(cell) else None


def _is_told(cell: Cell) -> bool:
    return cell.state in ("known", "none")


def _day(
    day: date, row: Behind, shown: Shown, week: tuple[float | None, float | None] | None
) -> Day:
    any7, same7 = week or (None, None)
    return Day(
        day,
        row.contacts.n,
        row.identified.n,
        _rate(shown.rates[Basis.ANY]),
        _rate(shown.rates[Basis.SAME]),
        any7,
        same7,
        shown.contacts,
        shown.identified,
        (int(row.rates[Basis.ANY].numerator), int(row.rates[Basis.SAME].numerator)),
    )


def _columns(window: Window) -> list[str]:
    names = ["contacts", "identified", "themed"]
    for basis in Basis:
        names += [f"{kind}{basis.value}_{window.key}" for kind in ("", "opening_", "resolved_")]
    return names


def _figures(window: Window, last_day: date | None, counts: Counts, shown: Shown) -> Figures:
    contacts, identified, themed, *rest = (int(counts[name]) for name in _columns(window))
    any_, same = BasisFigures(*rest[:3]), BasisFigures(*rest[3:])
    return Figures(window, last_day, contacts, identified, themed, any_, same, shown)


def _last_counted(wanted: RepeatFilter, mature: date) -> date | None:
    last = min(wanted.last_day, mature)
    return last if last >= wanted.first_day else None


def _values(wanted: RepeatFilter) -> dict[str, str]:
    """Return the filter as the roll-ups take it: an empty value is "not said" and "no theme"."""
    found: dict[str, str] = {}
    for name in ("channel", "queue", "disposition", "team", "language"):
        value = getattr(wanted, name)
        if value is not None:
            found[name] = "" if value == NOT_SAID else value
    if wanted.without_theme:
        found["theme"] = ""
    elif wanted.theme_id is not None:
        found["theme"] = str(wanted.theme_id)
    return found
