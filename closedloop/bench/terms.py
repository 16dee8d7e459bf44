"""What metrics of a history are held against: lists, prices, driver volumes and judged themes.

Without them a page leaves out the scopes that cost it the most, and would be measured too fast.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from closedloop.bench.history import CHANNELS, DAYS, FIRST_DAY, N_THEMES
from closedloop.bench.places import Place
from closedloop.domain.metrics import ListKind
from closedloop.domain.themes import DemandType
from closedloop.models import ChannelCost, DriverDay, MetricList, Theme

DRIVERS = ("customers", "orders")
_SET_BY = "bench"
_LISTS = {
    ListKind.NET_EXCLUSIONS: ("disposition", (3, 7, 11)),
    ListKind.RESOLUTION_QUEUES: ("queue", (2, 5)),
}
_CHANGED = FIRST_DAY + timedelta(days=DAYS // 2)


def ensure_terms(place: Place) -> None:
    """Set lists and prices that changed once, volumes of every day, and judge most themes."""
    with place.database.transaction() as session:
        if session.scalar(sa.select(sa.exists(sa.select(MetricList.id)))):
            return
        for kind, (word, numbers) in _LISTS.items():
            entries = [f"{word} {number}" for number in numbers]
            for day, held in ((FIRST_DAY, entries), (_CHANGED, entries[1:])):
                row = {"kind": kind.value, "valid_from": day, "entries": held}
                session.add(MetricList(**row, set_by=_SET_BY))
        for number, channel in enumerate(CHANNELS):
            for day, pence in ((FIRST_DAY, 60.0 + number), (_CHANGED, 70.0 + number)):
                cost = {"channel": channel, "valid_from": day, "pence_per_minute": pence}
                session.add(ChannelCost(**cost, set_by=_SET_BY))
        session.add_all(
            DriverDay(driver=driver, day=FIRST_DAY + timedelta(days=day), volume=5_000 + day)
            for driver in DRIVERS
            for day in range(DAYS)
        )
        for demand, rest in ((DemandType.FAILURE, 0), (DemandType.VALUE, 1)):
            themes = [i for i in range(1, N_THEMES + 1) if i % 3 == rest]
            session.execute(sa.update(Theme).where(Theme.id.in_(themes)).values(demand_type=demand))
