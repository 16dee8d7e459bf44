"""Lists and prices as conditions: which contacts are counted on a day, what a minute costs.

They are said of columns, so that the roll-ups and the contacts themselves are asked alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from closedloop.domain.metrics import ListKind, Scope
from closedloop.queries.metric_terms import Period, Terms

TOUCHED = {
    Scope.NET: "disposition",
    Scope.TEAMS: "queue",
    Scope.JUDGED: "theme",
    Scope.PRICED: "channel",
}
"""The dimension that tells whether a contact is of the scope."""

LISTS = {Scope.NET: ListKind.NET_EXCLUSIONS, Scope.TEAMS: ListKind.RESOLUTION_QUEUES}


def within_list(
    scope: Scope, column: Any, day: Any, periods: Sequence[Period]
) -> sa.ColumnElement[bool]:
    """Return the condition of a scope that a list bounds; false where none was ever fixed.

    Parameters
    ----------
    scope : Scope
        One of `LISTS`.
    column, day : column
        What `TOUCHED` names, and the reporting day.
    periods : sequence of Period
        Of its list, those that can hold on the days asked for.
    """
    if scope is Scope.TEAMS:
        return on_list(column, day, periods)
    held = [sa.and_(_on(day, period), column.not_in(period.entries)) for period in periods]
    return sa.or_(sa.false(), *held)


def on_list(column: Any, day: Any, periods: Sequence[Period]) -> sa.ColumnElement[bool]:
    """Return the condition of being on the list of the day; parameters as of `within_list`."""
    held = [sa.and_(_on(day, period), column.in_(period.entries)) for period in periods]
    # on any of them: goes without saying, but not for a database that looks for an index
    ever = sorted({entry for period in periods for entry in period.entries})
    return sa.and_(column.in_(ever), sa.or_(sa.false(), *held))


def _on(day: Any, period: Period) -> sa.ColumnElement[bool]:
    begun: sa.ColumnElement[bool] = day >= period.first_day
    return begun if period.last_day is None else sa.and_(begun, day <= period.last_day)


def price_of(terms: Terms, channel: Any, day: Any) -> Any:
    """Return what a minute costs on a day in a channel; None where nothing was ever set.

    The newest price of the channel itself comes first, then that of every other channel.
    """
    newest_first = list(reversed(terms.costs))
    own = [row for row in newest_first if row.channel]
    other = [row for row in newest_first if not row.channel]
    prices: list[tuple[Any, Any]] = [
        (sa.and_(channel == row.channel, day >= row.valid_from), row.pence_per_minute)
        for row in own
    ]
    prices += [(day >= row.valid_from, row.pence_per_minute) for row in other]
    default = terms.default_pence if terms.default_pence > 0 else None
    if prices:
        return sa.case(*prices, else_=sa.cast(default, sa.Double))
    return sa.literal(default, sa.Double) if default is not None else None


def price_needs_channel(terms: Terms) -> bool:
    """Return whether any channel has a price of its own."""
    return any(row.channel for row in terms.costs)
