"""The figures beside each theme: sums of the roll-up, distinct customers, priority."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.themes import (
    OPEN_STATUSES,
    STATS_DAYS,
    ThemeStatus,
    priority_parts,
    priority_points,
    priority_values,
)
from closedloop.models import Contact, DailySlice, SiteSetting, Theme, ThemeStats
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_figures import MATURE_DAY, find_mature_day

WEEKS = 13
COMPARED = (ThemeStatus.CANDIDATE, *OPEN_STATUSES)
"""Among these a priority is ranked; every other theme has none."""


@dataclass
class _Sums:
    """Of one theme, over the days to `as_of`."""

    contacts: int = 0
    unidentified: int = 0
    mature: int = 0
    repeats_any: int = 0
    repeats_same: int = 0
    handled: int = 0
    handle_seconds: int = 0
    contacts_4_weeks: int = 0
    contacts_4_weeks_before: int = 0
    weekly: list[int] = field(default_factory=lambda: [0] * WEEKS)

    def add(self, age: int, figures: Sequence[int], *, is_mature: bool) -> None:
        """Take in the roll-up of a day that lies `age` days back."""
        contacts, identified, any_7d, same_7d, handled, handle_seconds = figures
        self.weekly[WEEKS - 1 - age // 7] += contacts
        if age < 28:
            self.contacts_4_weeks += contacts
        elif age < 56:
            self.contacts_4_weeks_before += contacts
        if age < STATS_DAYS:
            self.contacts += contacts
            self.unidentified += contacts - identified
            self.handled += handled
            self.handle_seconds += handle_seconds
            if is_mature:
                self.mature += identified
                self.repeats_any += any_7d
                self.repeats_same += same_7d


def find_stats_day(session: Session, settings: Settings) -> date | None:
    """Return the last complete day that the data reach, None without data."""
    return get_data_span(session).cut(settings.reporting_zone)


def refresh_theme_stats(session: Session, *, settings: Settings, as_of: date) -> int:
    """Renew the figures and priorities of all themes but merged ones.

    Parameters
    ----------
    settings : Settings
        For the zone by whose clock days mature.
    as_of : date
        Last day counted, inclusive; it must be complete.

    Returns
    -------
    int
        Themes renewed.
    """
    mature = last_mature_day(as_of, HEADLINE_WINDOW, settings.reporting_zone)
    value = {"value": {as_of.isoformat(): mature.isoformat()}}
    session.merge(SiteSetting(key=MATURE_DAY, value=value))
    return _renew(session, as_of)


def _renew(session: Session, as_of: date) -> int:
    session.flush()  # statuses and demand types changed in this transaction count
    themes = session.scalars(
        sa.select(Theme).where(Theme.status != ThemeStatus.MERGED).order_by(Theme.id)
    ).all()
    sums = _sum_rollup(session, as_of, find_mature_day(session, as_of))
    customers = _count_customers(session, as_of)
    known = {stats.theme_id: stats for stats in session.scalars(sa.select(ThemeStats))}
    for theme in themes:
        _fill(session, known, theme.id, as_of, sums.get(theme.id, _Sums()), customers)
    merged = sa.select(Theme.id).where(Theme.status == ThemeStatus.MERGED)
    session.execute(sa.delete(ThemeStats).where(ThemeStats.theme_id.in_(merged)))
    _rank(themes, known)
    session.flush()  # readers of this transaction see them
    return len(themes)


def renew_stats_of_last_day(session: Session) -> None:
    """Renew the figures as of the day they stand at; nothing where none were ever made.

    For services that have no settings at hand: days are mature as they were.
    """
    as_of = session.scalar(sa.select(sa.func.max(ThemeStats.as_of)))
    if as_of is not None:
        _renew(session, as_of)


def _sum_rollup(session: Session, as_of: date, mature: date) -> dict[int | None, _Sums]:
    # A row a theme and day: a few hundred themes times 91 days, however many contacts.
    columns = (
        DailySlice.contacts,
        DailySlice.identified,
        DailySlice.any_7d,
        DailySlice.same_7d,
        DailySlice.handled,
        DailySlice.handle_seconds,
    )
    rows = session.execute(
        sa.select(DailySlice.value, DailySlice.day, *columns).where(
            DailySlice.kind == "theme",
            DailySlice.value != "",
            DailySlice.day > as_of - timedelta(days=7 * WEEKS),
            DailySlice.day <= as_of,
        )
    )
    sums: dict[int | None, _Sums] = {}
    for theme, day, *figures in rows:
        own = sums.setdefault(int(theme), _Sums())
        own.add((as_of - day).days, list(figures), is_mature=day <= mature)
    return sums


def _count_customers(session: Session, as_of: date) -> dict[int, int]:
    rows = session.execute(
        sa.select(Contact.theme_id, sa.func.count(sa.distinct(Contact.customer_id)))
        .where(
            Contact.theme_id.is_not(None),
            Contact.local_day > as_of - timedelta(days=STATS_DAYS),
            Contact.local_day <= as_of,
        )
        .group_by(Contact.theme_id)
    )
    return {theme: n for theme, n in rows if theme is not None}


def _fill(
    session: Session,
    known: dict[int, ThemeStats],
    theme_id: int,
    as_of: date,
    sums: _Sums,
    customers: dict[int, int],
) -> None:
    values = {
        **vars(sums),
        "as_of": as_of,
        "customers": customers.get(theme_id, 0),
    }
    if theme_id not in known:
        known[theme_id] = ThemeStats(theme_id=theme_id, priority=0.0)
        session.add(known[theme_id])
    for name, value in values.items():
        setattr(known[theme_id], name, value)


def _rank(themes: Iterable[Theme], stats: dict[int, ThemeStats]) -> None:
    values = {}
    for theme in themes:
        stats[theme.id].priority = 0.0
        if theme.status in COMPARED:
            values[theme.id] = _values(theme, stats[theme.id])
    population = list(values.values())
    for theme_id, own in values.items():
        stats[theme_id].priority = round(priority_points(priority_parts(own, population)), 1)


def _values(theme: Theme, stats: ThemeStats) -> tuple[float, ...]:
    return priority_values(
        demand_type=theme.demand_type,
        customers=stats.customers,
        mature=stats.mature,
        repeats_any=stats.repeats_any,
        repeats_same=stats.repeats_same,
        handle_seconds=stats.handle_seconds,
        contacts_4_weeks=stats.contacts_4_weeks,
        contacts_4_weeks_before=stats.contacts_4_weeks_before,
    )
