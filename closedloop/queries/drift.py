"""How surely contacts fit their themes, by week, and which definitions age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.drift import Watched, watch
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DefinitionSet, Theme, ThemeDefinition, ThemeWeek
from closedloop.queries.site import get_data_span


@dataclass(frozen=True)
class WeekFit:
    """One week of one theme, or of everything; None where fewer than `k` customers.

    Attributes
    ----------
    contacts : int or None
        With text, in the theme; of everything, with text.
    confidence : float or None
        Mean of contacts that are in a theme, 0 to 1.
    coverage : float or None
        Of everything: share that is in a theme which was not retired, 0 to 1.
    """

    monday: date
    contacts: int | None
    confidence: float | None
    coverage: float | None = None


@dataclass(frozen=True)
class Drift:
    """Weeks, oldest first, and what they say about the definition that `began`."""

    weeks: tuple[WeekFit, ...]
    began: date | None
    confidence: Watched
    coverage: Watched

    @property
    def is_aged(self) -> bool:
        """Whether either fell."""
        return bool(self.confidence.is_aged or self.coverage.is_aged)


SILENT = Watched(None)


def get_theme_drift(session: Session, theme_id: int, *, k: int) -> Drift:
    """Return the weeks of one theme under its definition of today."""
    began = _began(session, [theme_id]).get(theme_id)
    rows = session.execute(
        sa.select(ThemeWeek.week, ThemeWeek.contacts, ThemeWeek.customers, ThemeWeek.confidence)
        .where(ThemeWeek.theme_id == theme_id)
        .order_by(ThemeWeek.week)
    )
    weeks = tuple(
        WeekFit(week, contacts, confidence / contacts)
        if customers >= k
        else WeekFit(week, None, None)
        for week, contacts, customers, confidence in rows
    )
    last_day = get_data_span(session).last_day
    return Drift(weeks, began, _judge(weeks, "confidence", began, last_day), SILENT)


def get_site_drift(session: Session, *, k: int) -> Drift:
    """Return the weeks of all contacts with text, since the last look for themes."""
    retired = sa.select(Theme.id).where(Theme.status == ThemeStatus.RETIRED)
    is_covered = sa.and_(ThemeWeek.theme_id != 0, ThemeWeek.theme_id.not_in(retired))
    in_theme = sa.case((is_covered, ThemeWeek.contacts), else_=0)
    rows = session.execute(
        sa.select(
            ThemeWeek.week,
            sa.func.sum(ThemeWeek.contacts),
            sa.func.max(ThemeWeek.customers),
            sa.func.sum(in_theme),
            sa.func.sum(sa.case((is_covered, ThemeWeek.confidence), else_=0.0)),
        )
        .group_by(ThemeWeek.week)
        .order_by(ThemeWeek.week)
    )
    weeks = tuple(
        WeekFit(week, contacts, sure / within if within else None, within / contacts)
        if customers >= k
        else WeekFit(week, None, None)
        for week, contacts, customers, within, sure in rows
    )
    began, last_day = _last_look(session), get_data_span(session).last_day
    return Drift(
        weeks,
        began,
        _judge(weeks, "confidence", began, last_day),
        _judge(weeks, "coverage", began, last_day),
    )


def list_aged(
    session: Session, theme_ids: Collection[int], *, k: int
) -> dict[int, tuple[Watched, date]]:
    """Return which of the themes have a definition that ages, and when it began."""
    if not theme_ids:
        return {}
    began = _began(session, theme_ids)
    rows = session.execute(
        sa.select(
            ThemeWeek.theme_id, ThemeWeek.week, ThemeWeek.confidence / ThemeWeek.contacts
        ).where(ThemeWeek.theme_id.in_(theme_ids), ThemeWeek.customers >= k)
    )
    weeks: dict[int, list[tuple[date, float]]] = defaultdict(list)
    for theme, week, sure in rows:
        weeks[theme].append((week, sure))
    last_day = get_data_span(session).last_day
    if last_day is None:
        return {}
    watched = {
        theme: watch(found, began=began[theme], last_day=last_day)
        for theme, found in weeks.items()
        if theme in began
    }
    return {theme: (seen, began[theme]) for theme, seen in watched.items() if seen.is_aged}


def _began(session: Session, theme_ids: Collection[int]) -> dict[int, date]:
    newest = (
        sa.select(ThemeDefinition.theme_id, sa.func.max(ThemeDefinition.created_at))
        .where(ThemeDefinition.theme_id.in_(theme_ids))
        .group_by(ThemeDefinition.theme_id)
    )
    return {theme: at.date() for theme, at in session.execute(newest)}


def _last_look(session: Session) -> date | None:
    run = sa.select(DefinitionSet.run_id).where(DefinitionSet.is_current).scalar_subquery()
    at = session.scalar(
        sa.select(sa.func.min(DefinitionSet.created_at)).where(DefinitionSet.run_id == run)
    )
    return at.date() if at else None


def _judge(
    weeks: tuple[WeekFit, ...], name: str, began: date | None, last_day: date | None
) -> Watched:
    if began is None or last_day is None:
        return SILENT
    values = [(week.monday, value) for week in weeks if (value := getattr(week, name)) is not None]
    return watch(values, began=began, last_day=last_day)
