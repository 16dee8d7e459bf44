"""The median handle time of a period, from the contacts themselves: medians do not add up."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.metrics import Scope
from closedloop.models import Contact, DailySlice
from closedloop.queries.metric_people import contact_conditions
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms
from closedloop.queries.metrics import Reading

MOST_READ = 200_000
"""Contacts that are looked at for one page, at most."""


@dataclass(frozen=True)
class Median:
    """A median, or why there is none.

    Attributes
    ----------
    seconds : float or None
    why : str
        Empty when there is one.
    """

    seconds: float | None
    why: str = ""


def find_median(
    session: Session,
    reading: Reading,
    wanted: MetricFilter,
    terms: Terms,
    *,
    most: int = MOST_READ,
) -> Median | None:
    """Return the median beside the mean handle time; None of any other metric.

    It is shown where the mean is, as both are of the same contacts.

    Parameters
    ----------
    reading : Reading
    wanted : MetricFilter
        What it was asked for.
    most : int
        Contacts that are looked at, at most.
    """
    if reading.metric.key != "aht":
        return None
    if reading.cell.state != "known":
        return Median(None, "It is shown where the mean is.")
    if _count_read(session, reading, wanted) > most:
        return Median(
            None,
            f"Told where at most {most:,} contacts are to be read: choose fewer days, or a theme.",
        )
    where = contact_conditions(Scope.PLAIN, wanted, terms, reading.first_day, reading.last_day)
    handled = [*where, Contact.handle_seconds.is_not(None)]
    number = session.scalar(sa.select(sa.func.count()).select_from(Contact).where(*handled)) or 0
    if not number:
        return Median(None, "The handle times of these days are no longer there.")
    in_the_middle = session.scalars(
        sa.select(Contact.handle_seconds)
        .where(*handled)
        .order_by(Contact.handle_seconds)
        .offset((number - 1) // 2)
        .limit(2 - number % 2)
    ).all()
    return Median(sum(seconds or 0 for seconds in in_the_middle) / len(in_the_middle))


def _count_read(session: Session, reading: Reading, wanted: MetricFilter) -> int:
    """Return how many contacts must be read: a theme has an index, any other filter has none."""
    if "theme" in wanted.values:
        return reading.cell.found.n
    days = DailySlice.day.between(reading.first_day, reading.last_day)
    everything = sa.select(sa.func.sum(DailySlice.contacts)).where(
        DailySlice.kind == "all", DailySlice.value == "", days
    )
    return int(session.scalar(everything) or 0)
