"""Which themes stand beside a measured one: the comparison, the siblings, the other fixes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact import (
    CONTROL_LEAST_MEAN,
    MOST_CONTROLS,
    RECENT_DAYS,
    SIBLING_LIKENESS,
    MeasurementWindow,
    counted_from,
)
from closedloop.domain.impact_overlap import GoLive
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Theme, ThemeLikeness
from closedloop.queries.go_lives import list_go_lives as list_go_lives
from closedloop.services.impact_packing import Counts as Counts

Series = Mapping[int, Sequence[int] | Counts]
"""Contacts a day of each theme, by its id."""


@dataclass(frozen=True)
class ThemeName:
    """A theme as checks name it."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class LeftOut:
    """A theme that is not compared with, and why."""

    theme: ThemeName
    reason: str


@dataclass(frozen=True)
class OtherFix:
    """Another change that went live around the one measured, and one theme that it touches."""

    theme_id: int
    title: str
    went_live_on: date
    intervention_id: int = 0


@dataclass(frozen=True)
class Comparison:
    """Which themes stand beside the one measured.

    Attributes
    ----------
    controls : tuple of ThemeName
        Unaffected themes, in order of id.
    siblings : tuple of ThemeName
        So alike that contacts may move there; never controls.
    left_out : tuple of LeftOut
    other_fixes : tuple of OtherFix
        Live by the last day read, and rolled out no sooner than `RECENT_DAYS` before go-live.
    """

    controls: tuple[ThemeName, ...]
    siblings: tuple[ThemeName, ...]
    left_out: tuple[LeftOut, ...]
    other_fixes: tuple[OtherFix, ...]


def stack_counts(counts: Series, theme_ids: Collection[int], n_days: int) -> Counts:
    """Return a column for each theme, zeros where it has no contacts, (n_days, n_themes)."""
    none = np.zeros(n_days, dtype=np.int32)
    columns = [np.asarray(counts.get(theme_id, none)) for theme_id in theme_ids]
    return np.array(columns, dtype=np.int32).reshape(len(columns), n_days).T.copy()


def find_family(session: Session, theme_id: int, touched: Collection[int] = ()) -> list[int]:
    """Return the themes so alike that contacts may move there, in order of id.

    Parameters
    ----------
    touched : collection of int, optional
        Other themes that the same change touches: what is like them is of the family, too, and
        they themselves are not.
    """
    mine = {theme_id, *touched}
    likeness = ThemeLikeness.likeness >= SIBLING_LIKENESS
    either_way = sa.union(
        sa.select(ThemeLikeness.other_id).where(ThemeLikeness.theme_id.in_(mine), likeness),
        sa.select(ThemeLikeness.theme_id).where(ThemeLikeness.other_id.in_(mine), likeness),
    )
    return sorted(int(other) for other in session.scalars(either_way) if other not in mine)


@dataclass
class _Sorting:
    """Themes as they are sorted into controls, siblings and left out."""

    controls: list[tuple[float, ThemeName]] = field(default_factory=list)
    siblings: list[ThemeName] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def choose_comparison(
    session: Session,
    *,
    theme_id: int,
    intervention_id: int | None,
    window: MeasurementWindow,
    family: Collection[int],
    counts: Series,
    touched: Collection[int] = (),
    members: Collection[int] = (),
    go_lives: Collection[GoLive] | None = None,
    themes: Collection[ThemeName] | None = None,
) -> Comparison:
    """Sort the other themes into controls, siblings and those that are left out, with why.

    Parameters
    ----------
    intervention_id : int or None
        The one measured; None while it is only planned.
    window : MeasurementWindow
    family : collection of int
        Themes contacts may move to.
    counts : mapping of int to sequence of int
        Contacts a day from `window.first_day` on.
    touched : collection of int, optional
        Other themes that are measured with it: neither controls nor siblings.
    members : collection of int, optional
        Other interventions that are measured with it.
    go_lives, themes : collections, optional
        Every change and every theme in use, where they have been read before.
    """
    mine = {theme_id, *touched}
    known = list_go_lives(session) if go_lives is None else go_lives
    fixes = _other_fixes(known, {intervention_id or 0, *members}, window)
    first_fix = {fix.theme_id: fix for fix in reversed(fixes)}
    sorting = _Sorting()
    for other in list_themes_in_use(session) if themes is None else themes:
        if other.id not in mine:
            total = int(np.sum(np.asarray(counts.get(other.id, ()))[: window.n_pre]))
            mean = total / max(1, window.n_pre)
            _sort_in(sorting, other, mean, first_fix.get(other.id), other.id in family)
    largest = sorted(sorting.controls, key=lambda one: (-one[0], one[1].id))
    sorting.left_out += [
        LeftOut(other, f"the {MOST_CONTROLS} largest themes are compared with, this is smaller")
        for _, other in largest[MOST_CONTROLS:]
    ]
    controls = sorted((other for _, other in largest[:MOST_CONTROLS]), key=lambda one: one.id)
    return Comparison(
        tuple(controls), tuple(sorting.siblings), tuple(sorting.left_out), tuple(fixes)
    )


def _sort_in(
    sorting: _Sorting, other: ThemeName, mean: float, fix: OtherFix | None, is_family: bool
) -> None:
    if fix is not None:
        reason = f"has a fix of its own, live since {fix.went_live_on.isoformat()}: {fix.title}"
        sorting.left_out.append(LeftOut(other, reason))
    elif is_family:
        sorting.siblings.append(other)
        reason = "so alike that contacts may move there; watched as a sibling"
        sorting.left_out.append(LeftOut(other, reason))
    elif mean < CONTROL_LEAST_MEAN:
        reason = f"too few contacts to compare with: {mean:.2f} a day before the change"
        sorting.left_out.append(LeftOut(other, reason))
    else:
        sorting.controls.append((mean, other))


def list_themes_in_use(session: Session) -> list[ThemeName]:
    """Return every theme that is neither merged nor retired, in order of id."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name)
        .where(Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.id)
    )
    return [ThemeName(*row) for row in rows]


def _other_fixes(
    go_lives: Iterable[GoLive], mine: Collection[int], window: MeasurementWindow
) -> list[OtherFix]:
    """Return the changes live by as_of whose roll-out reached to shortly before this one."""
    earliest = window.go_live - timedelta(days=RECENT_DAYS)
    return [
        OtherFix(theme_id, one.title, one.went_live_on, one.id)
        for one in sorted(go_lives, key=lambda one: (one.went_live_on, one.id))
        if one.id not in mine
        and one.went_live_on <= window.as_of
        and counted_from(one.went_live_on, one.rollout_days) >= earliest
        for theme_id in sorted(one.theme_ids)
    ]


@lru_cache(maxsize=32)
def find_holidays(
    country: str, first_day: date, last_day: date
) -> tuple[tuple[date, str], ...] | None:
    """Return the public holidays of a country between two days, both inclusive.

    Parameters
    ----------
    country : str
        "GB", or with a part of the country "GB-ENG"; empty is none.

    Returns
    -------
    tuple of (date, str) or None
        By day, each with its name; None if there is no calendar of that name.
    """
    if not country:
        return ()
    import holidays  # the calendars take a second to load; a web worker does without them

    code, _, part = country.partition("-")
    years = range(first_day.year, last_day.year + 1)
    try:
        calendar = holidays.country_holidays(code, subdiv=part or None, years=years)
    except NotImplementedError:
        return None
    return tuple(
        (day, str(name)) for day, name in sorted(calendar.items()) if first_day <= day <= last_day
    )


def list_holidays(country: str, first_day: date, last_day: date) -> tuple[date, ...]:
    """Return the days of `find_holidays` alone; none where there is no such calendar."""
    return tuple(day for day, _ in find_holidays(country, first_day, last_day) or ())
