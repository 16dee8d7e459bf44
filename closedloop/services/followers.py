"""Which theme is the next one a customer comes back about, counted anew every night."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.followers import FOLLOWER_DAYS
from closedloop.models import Contact, ThemeFollower
from closedloop.models.base import epoch_seconds
from closedloop.services.theme_stats import find_stats_day

_contacts: Any = Contact.__table__
_followers: Any = ThemeFollower.__table__


def renew_followers(session: Session, *, settings: Settings, as_of: date | None = None) -> int:
    """Count for every pair of themes how often the second is the next contact after the first.

    The next contact is the next one of the same customer within 7 days, whatever it is about.
    Only contacts of known customers whose 7 days have passed are counted, of the last
    `FOLLOWER_DAYS` days, in one statement of the database.

    Parameters
    ----------
    session : Session
    settings : Settings
    as_of : date, optional
        Last day that is complete; by default the last one the data reach.

    Returns
    -------
    int
        Pairs that occur.
    """
    day = as_of or find_stats_day(session, settings)
    session.flush()
    session.execute(sa.delete(ThemeFollower).execution_options(synchronize_session=False))
    if day is None:
        return 0
    mature = last_mature_day(day, HEADLINE_WINDOW, settings.reporting_zone)
    names = ("theme_id", "next_id", "as_of", "contacts", "followed", "customers", "expected")
    session.execute(sa.insert(_followers).from_select(names, _select_pairs(day, mature)))
    return session.scalar(sa.select(sa.func.count()).select_from(_followers)) or 0


def _select_pairs(as_of: date, mature: date) -> sa.Select[Any]:
    """Return a row a pair of themes, from one walk over the contacts of each customer."""
    pair = _group_by_next(as_of, mature).cte("pair")
    total = sa.select(sa.func.sum(pair.c.n)).scalar_subquery()
    of_theme, of_next = (_sum_by(pair, name) for name in ("theme_id", "next_id"))
    expected = sa.cast(of_theme.c.n, sa.Double) * of_next.c.n / total
    return (
        sa.select(
            pair.c.theme_id,
            pair.c.next_id,
            sa.literal(as_of, sa.Date),
            of_theme.c.n,
            pair.c.n,
            pair.c.customers,
            expected,
        )
        .join(of_theme, of_theme.c.theme_id == pair.c.theme_id)
        .join(of_next, of_next.c.next_id == pair.c.next_id)
    )


def _sum_by(pair: sa.CTE, name: str) -> sa.Subquery:
    column = pair.c[name]
    n = sa.func.sum(pair.c.n).label("n")
    return sa.select(column, n).where(column.is_not(None)).group_by(column).subquery()


def _group_by_next(as_of: date, mature: date) -> sa.Select[Any]:
    """Return contacts and customers by theme and next theme; null next: nothing in the window.

    Ties of one second are in the order in which chains are made: by source and source id.
    """
    c = _contacts.c
    window = {
        "partition_by": c.customer_id,
        "order_by": (c.started_at, c.source, c.source_contact_id),
    }
    gap = epoch_seconds(sa.func.lead(c.started_at).over(**window)) - epoch_seconds(c.started_at)
    walk = (
        sa.select(
            c.theme_id,
            c.customer_id,
            c.local_day,
            sa.func.lead(c.theme_id).over(**window).label("after"),
            gap.label("gap"),
        )
        .where(
            c.customer_id.is_not(None),
            c.local_day > as_of - timedelta(days=FOLLOWER_DAYS),
            c.local_day <= as_of,
        )
        .subquery()
    )
    next_id = sa.case((walk.c.gap <= HEADLINE_WINDOW.seconds, walk.c.after)).label("next_id")
    return (
        sa.select(
            walk.c.theme_id,
            next_id,
            sa.func.count().label("n"),
            sa.func.count(sa.distinct(walk.c.customer_id)).label("customers"),
        )
        .where(walk.c.local_day <= mature)
        .group_by(walk.c.theme_id, next_id)
    )
