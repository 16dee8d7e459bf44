"""Contact drivers with the figures of their themes, one of them on a page, and past changes.

The figures are sums over the themes that may be shown: one with too few customers is in none, so
that nothing can be told of it from a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager

from closedloop.domain.contact_drivers import DriverState
from closedloop.domain.contacts import is_few, share, share_of_enough
from closedloop.domain.errors import NotFound
from closedloop.domain.themes import GONE_STATUSES, STATS_DAYS, ThemeStatus
from closedloop.models import ContactDriver, DailySlice, Theme, ThemeStats
from closedloop.queries.audit import list_history
from closedloop.queries.theme_figures import (
    Figures,
    change_of,
    figures_of,
    is_small,
    minutes_of_enough,
)

HISTORY_SHOWN = 30
TREND_DAYS = 364


@dataclass(frozen=True)
class DriverTheme:
    """A theme in use; figures None when they may not be shown or are not counted yet."""

    id: int
    key: str
    name: str
    status: ThemeStatus
    driver_id: int | None
    is_driver_by_person: bool
    is_small: bool
    figures: Figures | None


@dataclass(frozen=True)
class DriverRow:
    """A contact driver, or the themes without one, and the sums over what may be shown.

    Attributes
    ----------
    id, key, name
        None and empty for the themes without a driver.
    is_named_by_person : bool
    themes : tuple of DriverTheme
        In use, most contacts first.
    share : float or None
        Of the contacts of all themes that may be shown, 0–1; None when none may.
    """

    id: int | None
    key: str
    name: str
    is_named_by_person: bool
    themes: tuple[DriverTheme, ...]
    share: float | None = None

    @property
    def shown(self) -> tuple[Figures, ...]:
        """The figures the sums are of."""
        return tuple(theme.figures for theme in self.themes if theme.figures)

    @property
    def small(self) -> int:
        """Themes that are counted and not shown."""
        return sum(theme.is_small for theme in self.themes)

    @property
    def candidates(self) -> int:
        """Themes that wait for triage."""
        return sum(theme.status is ThemeStatus.CANDIDATE for theme in self.themes)

    @property
    def contacts(self) -> int | None:
        """Contacts of 90 days; None when no theme may be shown."""
        return sum(f.contacts for f in self.shown) if self.shown else None

    @property
    def weekly(self) -> tuple[int, ...]:
        """Contacts in 13 whole weeks, oldest first; empty when no theme may be shown."""
        weeks = [f.weekly for f in self.shown]
        return tuple(sum(week) for week in zip(*weeks, strict=True)) if weeks else ()

    @property
    def change(self) -> float | None:
        """Change of the last 4 weeks on the 4 before as a share; None from zero, or a few."""
        now, before = (
            sum(getattr(f, name) for f in self.shown)
            for name in ("contacts_4_weeks", "contacts_4_weeks_before")
        )
        return change_of(now, before, self._k)

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 of the mature contacts that the same theme followed within 7 days."""
        return self._share_of("repeats_same")

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 of the mature contacts that any other followed within 7 days."""
        return self._share_of("repeats_any")

    @property
    def unidentified(self) -> int:
        """Contacts of 90 days without a known customer."""
        return sum(f.unidentified for f in self.shown)

    @property
    def unidentified_share(self) -> float | None:
        """Contacts without a known customer of all, 0 to 1; they enter no repeat rate."""
        return share(self.unidentified, sum(f.contacts for f in self.shown))

    @property
    def minutes(self) -> float | None:
        """Agent minutes of 90 days; None when no contact has a handle time, or only a few."""
        return minutes_of_enough(
            sum(f.handle_seconds for f in self.shown), *self._all_and_unsaid("handled"), k=self._k
        )

    @property
    def as_of(self) -> date | None:
        """Last day counted, inclusive."""
        return max((f.as_of for f in self.shown), default=None)

    @property
    def first_day(self) -> date | None:
        """First day counted."""
        return self.as_of - timedelta(days=STATS_DAYS - 1) if self.as_of else None

    @property
    def _k(self) -> int:
        return max((f.k for f in self.shown), default=0)

    def _share_of(self, part: str) -> float | None:
        mature = sum(f.mature for f in self.shown)
        contacts, unsaid = self._all_and_unsaid(part)
        return share_of_enough(contacts, mature, self._k, unsaid=unsaid)

    def _all_and_unsaid(self, part: str) -> tuple[int, int]:
        """Return the contacts of a part, and those of themes that may not tell it."""
        found = [getattr(f, part) for f in self.shown]
        return sum(found), sum(n for n in found if is_few(n, self._k))


@dataclass(frozen=True)
class DriverList:
    """The drivers in use, most contacts first, and the themes without one (None: there are none).

    Attributes
    ----------
    contacts : int
        Of all themes that may be shown: what the shares are of.
    """

    rows: tuple[DriverRow, ...]
    without: DriverRow | None
    contacts: int

    @property
    def held(self) -> tuple[DriverRow, ...]:
        """The drivers that hold a theme."""
        return tuple(row for row in self.rows if row.themes)

    @property
    def empty(self) -> tuple[DriverRow, ...]:
        """The drivers that hold none."""
        return tuple(row for row in self.rows if not row.themes)

    @property
    def as_of(self) -> date | None:
        """Last day counted, inclusive."""
        rows = [*self.rows, *([self.without] if self.without else [])]
        return max((row.as_of for row in rows if row.as_of), default=None)


def list_drivers(session: Session, *, k: int) -> DriverList:
    """Return the contact drivers in use with their themes, in two statements.

    Parameters
    ----------
    k : int
        Fewest customers whose figures may be shown.
    """
    drivers = session.scalars(
        sa.select(ContactDriver)
        .where(ContactDriver.state == DriverState.IN_USE)
        .order_by(ContactDriver.id)
    ).all()
    themes = _themes(session, k)
    total = sum(theme.figures.contacts for theme in themes if theme.figures)
    known = {driver.id for driver in drivers}
    rows = [_row(driver, themes, total) for driver in drivers]
    rows.sort(key=lambda row: (-(row.contacts or 0), row.id or 0))
    loose = [theme for theme in themes if theme.driver_id not in known]
    without = DriverRow(None, "", "", False, tuple(loose)) if loose else None
    if without is not None:
        without = _with_share(without, total)
    return DriverList(tuple(rows), without, total)


def _themes(session: Session, k: int, driver_id: int | None = None) -> list[DriverTheme]:
    query = (
        sa.select(Theme)
        .outerjoin(Theme.stats)
        .options(contains_eager(Theme.stats))
        .where(Theme.status.not_in(GONE_STATUSES))
    )
    if driver_id is not None:
        query = query.where(Theme.driver_id == driver_id)
    found = [
        DriverTheme(
            id=theme.id,
            key=theme.key,
            name=theme.name,
            status=theme.status,
            driver_id=theme.driver_id,
            is_driver_by_person=theme.is_driver_by_person,
            is_small=is_small(theme.stats, k),
            figures=figures_of(theme.stats, k),
        )
        for theme in session.scalars(query)
    ]
    return sorted(found, key=lambda t: (-(t.figures.contacts if t.figures else 0), t.id))


def _row(driver: ContactDriver, themes: Iterable[DriverTheme], total: int) -> DriverRow:
    own = tuple(theme for theme in themes if theme.driver_id == driver.id)
    row = DriverRow(driver.id, driver.key, driver.name, driver.is_named_by_person, own)
    return _with_share(row, total)


def _with_share(row: DriverRow, total: int) -> DriverRow:
    found = None if row.contacts is None else share(row.contacts, total)
    return DriverRow(row.id, row.key, row.name, row.is_named_by_person, row.themes, found)


def find_driver(session: Session, key: str) -> ContactDriver:
    """Return one contact driver, in use or not.

    Raises
    ------
    NotFound
    """
    driver = session.scalar(sa.select(ContactDriver).where(ContactDriver.key == key))
    if driver is None:
        raise NotFound(
            f"There is no contact driver {key}. Look for it by name in the list of contact drivers."
        )
    return driver


def list_driver_names(session: Session) -> list[tuple[int, str, str]]:
    """Return id, key and name of the drivers in use, by name: what a choice offers."""
    rows = session.execute(
        sa.select(ContactDriver.id, ContactDriver.key, ContactDriver.name)
        .where(ContactDriver.state == DriverState.IN_USE)
        .order_by(ContactDriver.name, ContactDriver.id)
    )
    return [(row[0], row[1], row[2]) for row in rows]


@dataclass(frozen=True)
class DriverTrend:
    """Contacts a day of the themes that may be shown, oldest first, columns equally long."""

    days: tuple[date, ...]
    contacts: tuple[int, ...]

    def whole_weeks(self, k: int) -> list[tuple[date, int | None]]:
        """Return Monday and contacts of each whole week, oldest first; None where under `k`."""
        weeks = [
            (monday, sum(self.contacts[i : i + 7]))
            for i, monday in enumerate(self.days)
            if not monday.weekday() and i + 7 <= len(self.days)
        ]
        return [(monday, None if 0 < contacts < k else contacts) for monday, contacts in weeks]


@dataclass(frozen=True)
class DriverPage:
    """Everything on a contact driver's page; trend None when no theme may be shown."""

    driver: ContactDriver
    row: DriverRow
    trend: DriverTrend | None
    history: tuple[Any, ...]


def get_driver_page(session: Session, key: str, *, k: int, first_day: date | None) -> DriverPage:
    """Return one contact driver's page.

    Parameters
    ----------
    key : str
        "D-004".
    k : int
        Fewest customers whose figures may be shown.
    first_day : date or None
        First reporting day with contacts: the trend does not start before it.

    Raises
    ------
    NotFound
    """
    driver = find_driver(session, key)
    row = _row(driver, _themes(session, k, driver.id), _count_shown(session, k))
    shown = [theme.id for theme in row.themes if theme.figures]
    history = list_history(session, "driver", driver.id, limit=HISTORY_SHOWN)
    trend = _trend(session, shown, row.as_of, first_day) if row.as_of else None
    return DriverPage(driver, row, trend, tuple(history))


def _count_shown(session: Session, k: int) -> int:
    total = session.scalar(
        sa.select(sa.func.sum(ThemeStats.contacts))
        .join(Theme, Theme.id == ThemeStats.theme_id)
        .where(Theme.status.not_in(GONE_STATUSES), ThemeStats.people >= k)
    )
    return int(total or 0)


def _trend(
    session: Session, theme_ids: Sequence[int], last_day: date, first_day: date | None
) -> DriverTrend:
    start = max(first_day or last_day, last_day - timedelta(days=TREND_DAYS - 1))
    start = min(start, last_day)
    counted: dict[date, int] = dict(
        session.execute(
            sa.select(DailySlice.day, sa.func.sum(DailySlice.contacts))
            .where(
                DailySlice.kind == "theme",
                DailySlice.value.in_([str(theme_id) for theme_id in theme_ids]),
                DailySlice.day.between(start, last_day),
            )
            .group_by(DailySlice.day)
        ).all()
    )
    days = tuple(start + timedelta(days=i) for i in range((last_day - start).days + 1))
    return DriverTrend(days, tuple(int(counted.get(day, 0)) for day in days))
