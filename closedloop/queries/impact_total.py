"""What shipped actions avoided together, with the error of a sum whose parts hang together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from closedloop.domain.money_totals import TotalMoney
from closedloop.queries.came_back import list_came_back
from closedloop.queries.impact import (
    Standing,
    Total,
    list_looks_in_force,
    total_of,
)
from closedloop.queries.impact_measured import Measured
from closedloop.queries.impact_money import get_total_money


@dataclass(frozen=True)
class Portfolio:
    """The total of the newest looks: contacts and verdicts, and what they are worth."""

    total: Total
    money: TotalMoney


def get_portfolio(
    session: Session,
    *,
    pence_now: float,
    department_id: int | None = None,
    live_from: date | None = None,
    live_until: date | None = None,
    standing: Standing | None = None,
) -> Portfolio:
    """Return what shipped actions avoided together, by their newest looks.

    Parameters
    ----------
    pence_now : float
        The site's cost of a minute today, in minor units; used only where none was set when an
        action was measured.
    department_id, live_from, live_until, standing
        As for `list_looks_in_force`.

    Returns
    -------
    Portfolio
        With the errors put together as `domain/money_totals.py` does.
    """
    looks = list_looks_in_force(
        session,
        department_id=department_id,
        live_from=live_from,
        live_until=live_until,
        standing=standing,
    )
    return portfolio_of(session, looks, pence_now=pence_now)


def portfolio_of(
    session: Session,
    looks: Collection[Measured | None],
    *,
    pence_now: float,
    until: date | None = None,
) -> Portfolio:
    """Return what actions avoided together, by looks that were read before; None has none yet.

    What the actions avoided whose contacts came back is in it, but not in the pace at which it
    goes on: comebacks to the day `until`, inclusive, or all of them.
    """
    money = get_total_money(
        session, looks, pence_now=pence_now, came_back=list_came_back(session, until=until)
    )
    return Portfolio(total_of(looks, money), money)
