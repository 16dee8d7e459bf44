"""Handle times of a theme by channel and week, from the roll-up; who stands behind a channel."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, DailyRollup
from closedloop.models.base import day_number

EPOCH = date(1970, 1, 1)

SAMPLE = 500
"""Contacts of a channel that are looked at for how many people stand behind it."""


@dataclass
class ChannelWeeks:
    """The contacts of some themes in one channel.

    Attributes
    ----------
    contacts : int
    weeks : dict of int to (int, int)
        Weeks back from the last day: contacts with a handle time, and their seconds together.
    """

    contacts: int = 0
    weeks: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def handled(self) -> int:
        """Contacts with a handle time."""
        return sum(handled for handled, _ in self.weeks.values())

    def add(self, week: int, contacts: int, handled: int, seconds: int) -> None:
        """Count some contacts in."""
        self.contacts += contacts
        if handled:
            before = self.weeks.get(week, (0, 0))
            self.weeks[week] = (before[0] + handled, before[1] + seconds)


def list_channel_weeks(
    session: Session, theme_ids: Collection[int], first_day: date, last_day: date
) -> dict[str, ChannelWeeks]:
    """Return the contacts of themes by channel; both days inclusive, weeks end on the last."""
    r = DailyRollup
    # named, so that both databases group by the very expression that is selected
    week = ((sa.literal((last_day - EPOCH).days) - day_number(r.day)) // 7).label("week")
    rows = session.execute(
        sa.select(
            week,
            r.channel,
            sa.func.sum(r.contacts),
            sa.func.sum(r.handled),
            sa.func.sum(r.handle_seconds),
        )
        .where(r.theme_id.in_(sorted(theme_ids)), r.day.between(first_day, last_day))
        .group_by(week, r.channel)
        .order_by(r.channel, week)
    )
    found: dict[str, ChannelWeeks] = {}
    for back, channel, contacts, handled, seconds in rows:
        of_channel = found.setdefault(channel, ChannelWeeks())
        of_channel.add(int(back), int(contacts), int(handled), int(seconds))
    return found


def list_channels_of_many(
    session: Session,
    theme_ids: Collection[int],
    channels: Collection[str],
    *,
    first_day: date,
    last_day: date,
    k: int,
) -> set[str]:
    """Return the channels with at least k people among their first contacts of themes.

    `SAMPLE` contacts of each are looked at, in one statement; a contact without a known
    customer is a person of its own. Both days inclusive.
    """
    if not channels:
        return set()
    person = sa.func.coalesce(Contact.customer_id, -Contact.id).label("person")
    parts = []
    for channel in sorted(channels):
        some = (
            sa.select(person)
            .where(
                Contact.theme_id.in_(sorted(theme_ids)),
                Contact.channel == channel,
                Contact.local_day.between(first_day, last_day),
            )
            .limit(SAMPLE)
            .subquery()
        )
        people = sa.func.count(sa.distinct(some.c.person))
        parts.append(sa.select(sa.literal(channel).label("channel"), people.label("people")))
    rows = session.execute(sa.union_all(*parts))
    return {channel for channel, people in rows if people >= k}
