"""Daily series of themes, from the slices of the roll-up: what measurements and watches read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, ContactText, DailyRollup, DailySlice
from closedloop.queries.site import DataSpan


def daily_counts(
    session: Session, theme_ids: Collection[int] | None, first_day: date, last_day: date
) -> tuple[list[date], dict[int, list[int]]]:
    """Return contacts a day of each theme, without gaps.

    Parameters
    ----------
    theme_ids : collection of int or None
        Which themes; one without contacts comes back as zeros. None is every theme that has
        contacts in the stretch.
    first_day, last_day : date
        Reporting days, both inclusive.

    Returns
    -------
    days : list of date, length n_days
    counts : dict of int to list of int
        Theme id to n_days counts; 0 on days without contacts.
    """
    days = [first_day + timedelta(n) for n in range((last_day - first_day).days + 1)]
    if theme_ids is None:
        wanted = DailySlice.value != ""
    else:
        wanted = DailySlice.value.in_([str(one) for one in sorted(theme_ids)])
    rows = session.execute(
        sa.select(DailySlice.value, DailySlice.day, DailySlice.contacts).where(
            DailySlice.kind == "theme", wanted, DailySlice.day.between(first_day, last_day)
        )
    )
    counts: dict[int, list[int]] = {one: [0] * len(days) for one in theme_ids or ()}
    for theme_id, day, contacts in rows:
        series = counts.setdefault(int(theme_id), [0] * len(days))
        series[(day - first_day).days] = int(contacts)
    return days, dict(sorted(counts.items()))


def get_series_span(session: Session) -> DataSpan:
    """Return the reporting days the roll-up reaches over, both inclusive."""
    everything = (DailySlice.kind == "all", DailySlice.value == "")
    # one subquery each, so that either is a look at one end of an index
    first = sa.select(sa.func.min(DailySlice.day)).where(*everything).scalar_subquery()
    last = sa.select(sa.func.max(DailySlice.day)).where(*everything).scalar_subquery()
    row = session.execute(sa.select(first, last)).one()
    return DataSpan(row[0], row[1])


def find_first_contact_day(session: Session, theme_id: int | Collection[int]) -> date | None:
    """Return the first reporting day with contacts of one or any of several themes, or None."""
    theme_ids = [theme_id] if isinstance(theme_id, int) else theme_id
    return session.scalar(
        sa.select(sa.func.min(DailySlice.day)).where(
            *_of_themes(theme_ids), DailySlice.contacts > 0
        )
    )


def _of_theme(theme_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return DailySlice.kind == "theme", DailySlice.value == str(theme_id)


def _of_themes(theme_ids: Collection[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return DailySlice.kind == "theme", DailySlice.value.in_([str(one) for one in sorted(theme_ids)])


def get_mean_handle_seconds(
    session: Session, theme_id: int | Collection[int], first_day: date, last_day: date
) -> float:
    """Return the mean handle time of one or several themes in seconds, 0 when none was recorded.

    Only contacts that have a handle time are counted; both days inclusive.
    """
    theme_ids = [theme_id] if isinstance(theme_id, int) else theme_id
    handled, seconds = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(DailySlice.handled), 0),
            sa.func.coalesce(sa.func.sum(DailySlice.handle_seconds), 0),
        ).where(*_of_themes(theme_ids), DailySlice.day.between(first_day, last_day))
    ).one()
    return float(seconds) / float(handled) if handled else 0.0


@dataclass(frozen=True)
class SameThemeRepeats:
    """Identified contacts of a theme, and those followed by the same theme within 7 days."""

    identified: int
    repeats: int


def get_same_theme_repeats(
    session: Session, theme_id: int, first_day: date, last_day: date
) -> SameThemeRepeats:
    """Return the 7-day repeats of a theme; both days inclusive, maturity is the caller's."""
    identified, repeats = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(DailySlice.identified), 0),
            sa.func.coalesce(sa.func.sum(DailySlice.same_7d), 0),
        ).where(*_of_theme(theme_id), DailySlice.day.between(first_day, last_day))
    ).one()
    return SameThemeRepeats(int(identified), int(repeats))


def count_unassigned(session: Session, first_day: date, last_day: date) -> tuple[int, int]:
    """Return contacts with words that no definition has been asked about, and all contacts.

    Both of the reporting days from `first_day` to `last_day`, inclusive.
    """
    waiting = session.scalar(
        sa.select(sa.func.count())
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(
            Contact.theme_id.is_(None),
            Contact.cluster.is_(None),
            Contact.local_day.between(first_day, last_day),
            ContactText.issue_text != "",
        )
    )
    everything = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(DailySlice.contacts), 0)).where(
            DailySlice.kind == "all",
            DailySlice.value == "",
            DailySlice.day.between(first_day, last_day),
        )
    )
    return int(waiting or 0), int(everything or 0)


def channel_counts(
    session: Session, theme_ids: Collection[int], first_day: date, last_day: date
) -> dict[str, list[int]]:
    """Return contacts a day of some themes together by channel, without gaps.

    Parameters
    ----------
    theme_ids : collection of int
    first_day, last_day : date
        Reporting days, both inclusive.

    Returns
    -------
    dict of str to list of int
        Channel to n_days counts, in order of name; channels without contacts are not in it.
    """
    rows = session.execute(
        sa.select(
            DailyRollup.channel,
            DailyRollup.day,
            sa.func.sum(DailyRollup.contacts).label("contacts"),
        )
        .where(
            DailyRollup.theme_id.in_(sorted(theme_ids)),
            DailyRollup.day.between(first_day, last_day),
        )
        .group_by(DailyRollup.channel, DailyRollup.day)
    )
    n_days = (last_day - first_day).days + 1
    counts: dict[str, list[int]] = {}
    for channel, day, contacts in rows:
        series = counts.setdefault(channel, [0] * n_days)
        series[(day - first_day).days] = int(contacts)
    return dict(sorted(counts.items()))
