"""All themes of a site over the same days, with what was shipped on them and what is alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.impact import SIBLING_LIKENESS, MeasurementWindow
from closedloop.domain.power import DECIDING_LOOKS
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Theme, ThemeLikeness
from closedloop.queries.go_lives import list_go_lives
from closedloop.queries.series import daily_counts, get_series_span
from closedloop.services.impact_gaps import find_empty_days
from closedloop.services.impact_inputs import list_holidays, stack_counts
from ml.impact.monitor import Panel

AFTER_DAYS = max(DECIDING_LOOKS)


@dataclass(frozen=True, eq=False)
class SitePanel:
    """Themes over days.

    Attributes
    ----------
    panel : Panel
    theme_ids : tuple of int
        Of its columns, in order.
    """

    panel: Panel
    theme_ids: tuple[int, ...]


def read_panel(session: Session, *, settings: Settings, as_of: date, days: int) -> SitePanel | None:
    """Read every theme that is still there over the last days; None without contacts.

    Parameters
    ----------
    as_of : date
        Last day, inclusive.
    days : int
        Days at most; fewer where the contacts begin later.
    """
    first_data_day = get_series_span(session).first_day
    if first_data_day is None or first_data_day > as_of:
        return None
    first_day = max(first_data_day, as_of - timedelta(days=days - 1))
    theme_ids = tuple(
        session.scalars(
            sa.select(Theme.id).where(Theme.status.not_in(GONE_STATUSES)).order_by(Theme.id)
        )
    )
    every_day, counts = daily_counts(session, None, first_day, as_of)
    column_of = {theme_id: column for column, theme_id in enumerate(theme_ids)}
    holidays = list_holidays(settings.holiday_country, first_day, as_of)
    whole = MeasurementWindow(first_day, as_of + timedelta(days=1), 0, as_of)
    lacking = find_empty_days(every_day, counts, whole, holidays).before
    panel = Panel(
        counts=stack_counts(counts, theme_ids, len(every_day)),
        first_day=first_day,
        fixes=_list_fixes(session, column_of, first_day),
        families=_list_families(session, column_of),
        holidays=holidays,
        lacking=tuple((day - first_day).days for day in lacking),
    )
    return SitePanel(panel, theme_ids)


def _list_fixes(
    session: Session, column_of: Mapping[int, int], first_day: date
) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """Return for each column which days something shipped disturbs; see `Panel`."""
    found: list[list[tuple[int, int, int]]] = [[] for _ in column_of]
    for one in list_go_lives(session):
        first = (one.went_live_on - first_day).days
        rolled_out = first + one.rollout_days
        last = rolled_out + AFTER_DAYS - 1
        for theme_id in one.theme_ids & column_of.keys():
            if last >= 0:
                found[column_of[theme_id]].append((first, rolled_out, last))
    return tuple(tuple(sorted(stretches)) for stretches in found)


def _list_families(session: Session, column_of: Mapping[int, int]) -> tuple[frozenset[int], ...]:
    """Return for each column the columns so alike that contacts may move there."""
    pairs = session.execute(
        sa.select(ThemeLikeness.theme_id, ThemeLikeness.other_id).where(
            ThemeLikeness.likeness >= SIBLING_LIKENESS
        )
    )
    found: list[set[int]] = [set() for _ in column_of]
    for one, other in pairs:
        if one != other and one in column_of and other in column_of:
            found[column_of[one]].add(column_of[other])
            found[column_of[other]].add(column_of[one])
    return tuple(frozenset(columns) for columns in found)
