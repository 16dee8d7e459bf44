"""What every measurement of one round reads, read once: the days of all themes, the changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact_overlap import GoLive
from closedloop.models import DefinitionSet, DriverDay
from closedloop.queries.go_lives import list_go_lives
from closedloop.queries.series import count_unassigned, daily_counts
from closedloop.services.impact_inputs import ThemeName, list_themes_in_use
from closedloop.services.impact_packing import Counts, Floats
from closedloop.services.impact_priors import current_prior


@dataclass(frozen=True, eq=False)
class SharedReads:
    """Days and changes as one definition set sees them; both days inclusive.

    Attributes
    ----------
    definition_set_id : int
    label_themes : frozenset of int
        Themes that the set gives contacts to.
    first_day, last_day : date
        Reach of `counts`.
    counts : mapping of int to int array, shape (n_days,)
        Contacts a day of each theme that has any.
    themes : tuple of ThemeName
        In use.
    go_lives : tuple of GoLive
    prior : tuple of float or None
    waiting : dict
        Contacts without a theme and all contacts, by first and last day: found out once each.
    """

    definition_set_id: int
    label_themes: frozenset[int]
    first_day: date
    last_day: date
    counts: Mapping[int, Counts]
    themes: tuple[ThemeName, ...]
    go_lives: tuple[GoLive, ...]
    prior: tuple[float, ...] | None
    waiting: dict[tuple[date, date], tuple[int, int]] = field(default_factory=dict)

    def reaches(self, first_day: date, last_day: date) -> bool:
        """Return whether all days from the first to the last are in it."""
        return self.first_day <= first_day and last_day <= self.last_day

    def between(self, first_day: date, last_day: date) -> tuple[list[date], dict[int, Counts]]:
        """Return the days and each theme's contacts on them."""
        start, n_days = (first_day - self.first_day).days, (last_day - first_day).days + 1
        days = [first_day + timedelta(days=number) for number in range(n_days)]
        stretch = slice(start, start + n_days)
        return days, {theme_id: series[stretch] for theme_id, series in self.counts.items()}

    def count_unassigned(
        self, session: Session, first_day: date, last_day: date
    ) -> tuple[int, int]:
        """Return contacts that wait for a theme and all contacts, asked once for the same days."""
        key = (first_day, last_day)
        if key not in self.waiting:
            self.waiting[key] = count_unassigned(session, first_day, last_day)
        return self.waiting[key]


def read_shared(session: Session, ruler: Ruler, first_day: date, last_day: date) -> SharedReads:
    """Read the days of every theme under the definition set in force, both days inclusive.

    Raises
    ------
    NotMeasurable
        If the definitions have changed since the ruler was read.
    """
    _, counts = daily_counts(session, None, first_day, last_day)
    shared = SharedReads(
        definition_set_id=ruler.id,
        label_themes=ruler.label_themes,
        first_day=first_day,
        last_day=last_day,
        counts={one: np.array(series, dtype=np.int32) for one, series in counts.items()},
        themes=tuple(list_themes_in_use(session)),
        go_lives=tuple(list_go_lives(session)),
        prior=current_prior(session),
    )
    check_same_ruler(session, shared.definition_set_id)
    return shared


@dataclass(frozen=True)
class Ruler:
    """The definition set in force, and the themes that it gives contacts to."""

    id: int
    label_themes: frozenset[int]


def get_ruler(session: Session) -> Ruler:
    """Return the definition set in force.

    Raises
    ------
    NotMeasurable
        Without definitions, or while the history is not assigned under them.
    """
    found = session.execute(
        sa.select(DefinitionSet.id, DefinitionSet.label_themes, DefinitionSet.assigned_at).where(
            DefinitionSet.is_current
        )
    ).one_or_none()
    if found is None:
        raise NotMeasurable("There are no theme definitions yet. Discover themes first.")
    if found.assigned_at is None:
        raise NotMeasurable(
            "The theme definitions have changed and the history is still counted under the old "
            "ones. Assign all contacts again, then measure."
        )
    return Ruler(found.id, frozenset(found.label_themes))


def check_same_ruler(session: Session, definition_set_id: int) -> None:
    """Refuse numbers of two definition sets: the set and its contacts change in one commit.

    So what was read between two looks at the set is of one, if both show the same.

    Raises
    ------
    NotMeasurable
    """
    current = session.scalar(sa.select(DefinitionSet.id).where(DefinitionSet.is_current))
    if current != definition_set_id:
        raise NotMeasurable(
            "The theme definitions changed while this was being measured, and its days would have "
            "been counted under two of them. Measure again."
        )


def read_driver(session: Session, driver: str, first_day: date, n_days: int) -> Floats:
    """Return the volume of a driver a day from the first day on, 0 where none is known."""
    volumes = np.zeros(n_days)
    rows = session.execute(
        sa.select(DriverDay.day, DriverDay.volume).where(
            DriverDay.driver == driver,
            DriverDay.day.between(first_day, first_day + timedelta(days=n_days - 1)),
        )
    )
    for day, volume in rows:
        volumes[(day - first_day).days] = volume
    return volumes
