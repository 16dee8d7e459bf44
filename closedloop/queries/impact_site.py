"""What the measuring of impact knows about a whole site: its placebo checks and its prior."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact import CONTROL_LEAST_MEAN, PRE_DAYS_MAX
from closedloop.domain.placebos import PlaceboFigures
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import DailySlice, ImpactPrior, PlaceboCheck, Theme
from closedloop.queries.go_lives import list_go_lives

CHECKS_SHOWN = 12


@dataclass(frozen=True)
class PriorInForce:
    """Which prior measurements are made with, and who chose it.

    Attributes
    ----------
    is_own : bool
        Learnt from the site's own themes; else the delivered one.
    n_themes : int
        Themes learnt from.
    as_of : date
        Last day of data that it knows.
    learnt_by : str
    learnt_at : datetime
    """

    is_own: bool
    n_themes: int
    as_of: date
    learnt_by: str
    learnt_at: datetime


def find_newest_check(session: Session) -> PlaceboFigures | None:
    """Return the newest placebo check, None before the first."""
    found = list_checks(session, limit=1)
    return found[0] if found else None


def list_checks(session: Session, *, limit: int = CHECKS_SHOWN) -> list[PlaceboFigures]:
    """Return placebo checks, the newest first."""
    rows = session.scalars(sa.select(PlaceboCheck).order_by(PlaceboCheck.id.desc()).limit(limit))
    return [figures_of(row) for row in rows]


def figures_of(row: PlaceboCheck) -> PlaceboFigures:
    """Return the numbers of a stored check."""
    return PlaceboFigures(
        as_of=row.as_of,
        n=row.n_placebos,
        n_false=row.n_false,
        sd_z=row.sd_z,
        n_looks=int(row.detail["n_looks"]),
        n_covered=int(row.detail["n_covered"]),
        method_version=row.method_version,
    )


def find_prior(session: Session) -> PriorInForce | None:
    """Return the newest choice of a prior, None where nobody has chosen yet."""
    row = session.scalar(sa.select(ImpactPrior).order_by(ImpactPrior.id.desc()).limit(1))
    if row is None:
        return None
    return PriorInForce(bool(row.weights), row.n_themes, row.as_of, row.learnt_by, row.learnt_at)


def sum_contacts(session: Session, first_day: date, last_day: date) -> dict[int, int]:
    """Return the contacts of each theme that has any, over reporting days, both inclusive."""
    rows = session.execute(
        sa.select(DailySlice.value, sa.func.sum(DailySlice.contacts))
        .where(
            DailySlice.kind == "theme",
            DailySlice.value != "",
            DailySlice.day.between(first_day, last_day),
        )
        .group_by(DailySlice.value)
    )
    return {int(theme): int(contacts) for theme, contacts in rows}


def list_themes_with_history(session: Session, *, last_day: date, days: int) -> list[int]:
    """Return the themes that a prior can be learnt from, in order of id.

    They have had contacts for so many days, enough of them a day over the last `PRE_DAYS_MAX`
    days, and nothing was shipped on them in those.

    Parameters
    ----------
    last_day : date
        Of the data, inclusive.
    days : int
        Days since the first contact, at least.
    """
    first_day = last_day - timedelta(days=PRE_DAYS_MAX - 1)
    go_lives = [one for one in list_go_lives(session) if one.went_live_on >= first_day]
    shipped = {theme for one in go_lives for theme in one.theme_ids}
    rows = session.execute(
        sa.select(DailySlice.value, sa.func.min(DailySlice.day), sa.func.sum(DailySlice.contacts))
        .where(
            DailySlice.kind == "theme",
            DailySlice.value != "",
            DailySlice.contacts > 0,
            DailySlice.day.between(first_day, last_day),
        )
        .group_by(DailySlice.value)
    )
    in_use = sa.select(Theme.id).where(Theme.status.not_in(GONE_STATUSES))
    steady = set(session.scalars(in_use)) - shipped
    found = []
    for theme, first, contacts in rows:
        alive = (last_day - first).days + 1
        if int(theme) in steady and alive >= days and contacts >= CONTROL_LEAST_MEAN * alive:
            found.append(int(theme))
    return sorted(found)
