"""Repeat rates and FCR, read from the roll-ups alone; only mature days enter a rate.

A day is mature for a window when every contact of it has had the whole window
(`domain.contacts.last_mature_day`). Counts come from the same columns for each window, so the
five windows stand side by side; each states the last day it could count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS, Basis, Window, last_mature_day, share
from closedloop.models import Theme
from closedloop.queries.contacts import NO_THEME, NOT_SAID
from closedloop.queries.figures import find_figures

PERIOD_DAYS = 90
_Counts = dict[date, tuple[int, int, int, int]]
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
    """

    window: Window
    last_day: date | None
    contacts: int
    identified: int
    themed: int
    any: BasisFigures
    same: BasisFigures

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
    """The figures of one channel, queue, disposition or theme; `value` as a filter takes it."""

    value: str
    label: str
    figures: Figures


@dataclass(frozen=True)
class Day:
    """One reporting day of the trend; rates are None while maturing or without contacts."""

    day: date
    contacts: int
    identified: int
    any: float | None
    same: float | None
    any7: float | None
    same7: float | None


@dataclass(frozen=True)
class Trend:
    """Days in order without gaps; from `maturing_from` on the window is still open."""

    days: list[Day] = field(default_factory=list)
    maturing_from: date | None = None


def default_period(
    first_day: date, cut: date, window: Window, zone: str = "UTC"
) -> tuple[date, date]:
    """Return the last 90 mature days, both ends inclusive, not before the data begin."""
    last = max(last_mature_day(cut, window, zone), first_day)
    return max(last - timedelta(days=PERIOD_DAYS - 1), first_day), last


def get_window_figures(
    session: Session, wanted: RepeatFilter, *, cut: date, zone: str = "UTC"
) -> list[Figures]:
    """Return the five windows side by side, each over the mature days of the period.

    Parameters
    ----------
    session : Session
    wanted : RepeatFilter
    cut : date
        Last complete reporting day that holds contacts.
    zone : str
        Of the reporting days.
    """
    source = find_figures(_values(wanted))
    columns: list[Any] = []
    matures = {window: last_mature_day(cut, window, zone) for window in WINDOWS}
    for window in WINDOWS:
        columns += _sums(source.table, window, source.table.day <= matures[window])
    days = source.between(wanted.first_day, wanted.last_day)
    row = session.execute(sa.select(*columns).where(*days)).one()
    return [
        _figures(window, _last_counted(wanted, matures[window]), row[9 * i : 9 * i + 9])
        for i, window in enumerate(WINDOWS)
    ]


def list_group_figures(
    session: Session,
    wanted: RepeatFilter,
    *,
    group: Group,
    window: Window,
    cut: date,
    zone: str = "UTC",
) -> list[GroupFigures]:
    """Return one window of mature days broken down, most repeats (any reason) first."""
    source = find_figures(_values(wanted), group.value)
    mature = last_mature_day(cut, window, zone)
    last = _last_counted(wanted, mature)
    days = source.between(wanted.first_day, min(wanted.last_day, mature))
    sums = _sums(source.table, window, sa.true())
    statement = sa.select(source.group, *sums).where(*days).group_by(source.group)
    rows = session.execute(statement).all()
    names = _theme_names(session) if group is Group.THEME else {}
    found = []
    for value, *counts in rows:
        key, label = _named(value, group, names)
        found.append(GroupFigures(key, label, _figures(window, last, counts)))
    return sorted(found, key=lambda g: (-g.figures.any.repeats, -g.figures.contacts, g.label))


def _named(value: str, group: Group, names: dict[int, str]) -> tuple[str, str]:
    if group is Group.THEME:
        return (value, names[int(value)]) if value else (NO_THEME, "no theme")
    return (value, value) if value else (NOT_SAID, f"no {group.value}")


def _theme_names(session: Session) -> dict[int, str]:
    rows = session.execute(sa.select(Theme.id, Theme.key, Theme.name))
    return {row.id: f"{row.key} {row.name}" for row in rows}


def get_trend(
    session: Session,
    wanted: RepeatFilter,
    *,
    window: Window,
    cut: date,
    first_data_day: date,
    smallest: int = 1,
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
    smallest : int
        Rates over fewer identified contacts than this are None.
    zone : str
        Of the reporting days.

    Returns
    -------
    Trend
        Seven-day rates divide the sums of seven days, the day itself the last of them; they
        are None until seven days of data lie behind it, and while one of them is maturing.
    """
    mature = last_mature_day(cut, window, zone)
    last = cut if wanted.last_day >= mature else wanted.last_day
    start = max(wanted.first_day - timedelta(days=ROLLING_DAYS - 1), first_data_day)
    counts = _daily_counts(session, wanted, start, last, window)
    first = max(wanted.first_day, first_data_day)
    days = [
        _day(first + timedelta(days=i), counts, start, mature, smallest)
        for i in range((last - first).days + 1)
    ]
    return Trend(days, mature + timedelta(days=1) if last > mature else None)


def _daily_counts(
    session: Session, wanted: RepeatFilter, start: date, last: date, window: Window
) -> _Counts:
    source = find_figures(_values(wanted))
    sums = [
        sa.func.sum(getattr(source.table, name))
        for name in ("contacts", "identified", f"any_{window.key}", f"same_{window.key}")
    ]
    rows = session.execute(
        sa.select(source.table.day, *sums)
        .where(*source.between(start, last))
        .group_by(source.table.day)
    )
    return {day: (int(n), int(i), int(a), int(s)) for day, n, i, a, s in rows}


def _day(
    day: date,
    counts: _Counts,
    start: date,
    mature: date,
    smallest: int,
) -> Day:
    contacts, identified, any_, same = counts.get(day, (0, 0, 0, 0))
    if day > mature:
        return Day(day, contacts, identified, None, None, None, None)
    week = [day - timedelta(days=i) for i in range(ROLLING_DAYS)]
    of, any7, same7 = (
        sum(counts.get(d, (0, 0, 0, 0))[position] for d in week) for position in (1, 2, 3)
    )
    here = identified if identified >= smallest else 0
    there = of if of >= smallest and week[-1] >= start else 0
    rates = (share(any_, here), share(same, here), share(any7, there), share(same7, there))
    return Day(day, contacts, identified, *rates)


def _sums(
    table: Any, window: Window, counted: sa.ColumnElement[bool]
) -> list[sa.ColumnElement[Any]]:
    names = ["contacts", "identified", "themed"]
    for basis in Basis:
        names += [f"{kind}{basis.value}_{window.key}" for kind in ("", "opening_", "resolved_")]
    return [_sum(counted, getattr(table, name)) for name in names]


def _sum(counted: sa.ColumnElement[bool], column: Any) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.sum(sa.case((counted, column), else_=0)), 0)


def _figures(window: Window, last_day: date | None, counts: Sequence[Any]) -> Figures:
    contacts, identified, themed, *rest = (int(count) for count in counts)
    any_, same = BasisFigures(*rest[:3]), BasisFigures(*rest[3:])
    return Figures(window, last_day, contacts, identified, themed, any_, same)


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
