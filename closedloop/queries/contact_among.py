"""Contacts that some metrics count among all: net, of resolution teams, judged, priced."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.metrics import Scope
from closedloop.domain.themes import DemandType
from closedloop.models import Contact, DriverDay, Theme
from closedloop.queries.figures import Figures
from closedloop.queries.metric_scopes import (
    LISTS,
    TOUCHED,
    price_needs_channel,
    price_of,
    within_list,
)
from closedloop.queries.metric_terms import Period, Terms, list_costs, list_lists
from closedloop.queries.site import get_pence_per_minute


class Part(StrEnum):
    """Which contacts of all are counted."""

    NET = "net"
    TEAMS = "teams"
    JUDGED = "judged"
    FAILURE = "failure"
    PRICED = "priced"
    VOLUME = "volume"

    @property
    def words(self) -> str:
        """As shown in a list of choices."""
        return {
            Part.NET: "Net: wrap-up code not on the list of that day",
            Part.TEAMS: "In a queue of a resolution team",
            Part.JUDGED: "Theme judged failure or value demand",
            Part.FAILURE: "Theme judged failure demand",
            Part.PRICED: "Handle time and a price of its minutes",
            Part.VOLUME: "On days with a driver volume",
        }[self]


_SCOPES = {Part.NET: Scope.NET, Part.TEAMS: Scope.TEAMS}
_JUDGED = {
    Part.JUDGED: (DemandType.FAILURE, DemandType.VALUE),
    Part.FAILURE: (DemandType.FAILURE,),
}


@dataclass(frozen=True)
class Among:
    """Contacts that count, with what was held against them.

    Attributes
    ----------
    part : Part
    terms : Terms
        Lists where the part is bounded by one, prices where it needs them.
    volume : str
        Driver whose days count.
    """

    part: Part
    terms: Terms = field(default_factory=Terms, repr=False)
    volume: str = ""

    @property
    def figure(self) -> str:
        """The figure of the roll-up that counts such contacts, empty for all of its rows."""
        return "handled" if self.part is Part.PRICED else ""

    @property
    def touching(self) -> tuple[str, ...]:
        """Dimensions that tell which rows of the roll-up count."""
        if self.part in _JUDGED:
            return ("theme",)
        if self.part is Part.PRICED:
            return ("channel",) if price_needs_channel(self.terms) else ()
        return (TOUCHED[_SCOPES[self.part]],) if self.part in _SCOPES else ()

    def on_contacts(self) -> sa.ColumnElement[bool]:
        """Return the condition on contacts."""
        if self.part in _JUDGED:
            return Contact.theme_id.in_(_judged(self.part))
        if self.part in _SCOPES:
            scope = _SCOPES[self.part]
            column = getattr(Contact, TOUCHED[scope])
            return within_list(scope, column, Contact.local_day, self._periods())
        if self.part is Part.PRICED:
            price = price_of(self.terms, Contact.channel, Contact.local_day)
            if price is None:
                return sa.false()
            return sa.and_(Contact.handle_seconds.is_not(None), price.is_not(None))
        return Contact.local_day.in_(self._days())

    def on_figures(self, source: Figures) -> sa.ColumnElement[bool]:
        """Return the condition on a roll-up that has the dimensions of `touching`."""
        if self.part in _JUDGED:
            return source.in_themes(_judged(self.part))
        if self.part in _SCOPES:
            scope = _SCOPES[self.part]
            column, day = source.of(TOUCHED[scope]), source.table.day
            return within_list(scope, column, day, self._periods())
        if self.part is Part.PRICED:
            channel = source.of("channel") if self.touching else None
            price = price_of(self.terms, channel, source.table.day)
            return sa.false() if price is None else price.is_not(None)
        found: sa.ColumnElement[bool] = source.table.day.in_(self._days())
        return found

    def _periods(self) -> list[Period]:
        return self.terms.periods(LISTS[_SCOPES[self.part]])

    def _days(self) -> sa.Select[Any]:
        return sa.select(DriverDay.day).where(DriverDay.driver == self.volume)


def _judged(part: Part) -> sa.Select[Any]:
    return sa.select(Theme.id).where(Theme.demand_type.in_(_JUDGED[part]))


def find_among(
    session: Session, key: str, *, volume: str = "", default_pence: float = 0.0
) -> Among | None:
    """Return the contacts a key stands for, None when it stands for nothing.

    Parameters
    ----------
    key : str
        Of a `Part`.
    volume : str
        Driver whose days count, where the key is "volume".
    default_pence : float
        What the settings say an agent minute costs, unless finance has set it since.
    """
    if key not in set(Part):
        return None
    part = Part(key)
    if part in _SCOPES:
        kind = LISTS[_SCOPES[part]].value
        rows = tuple(row for row in list_lists(session) if row.kind == kind)
        return Among(part, Terms(lists=rows))
    if part is Part.PRICED:
        pence = get_pence_per_minute(session, default_pence)
        return Among(part, Terms(costs=tuple(list_costs(session)), default_pence=pence))
    return Among(part, volume=volume if part is Part.VOLUME else "")
