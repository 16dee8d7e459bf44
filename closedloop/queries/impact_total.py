"""What shipped actions avoided together, with the error of a sum whose parts hang together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.orm import Session

from closedloop.domain.money_totals import TotalMoney
from closedloop.queries.impact import Standing, Total, list_looks_in_force, total_of
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
        `total.avoided` and `total.minutes` carry the errors as `domain/money_totals.py` adds
        them: as far as two actions were counted over the same days and compared with the same
        themes, and as independent ones for the rest.
    """
    looks = list_looks_in_force(
        session,
        department_id=department_id,
        live_from=live_from,
        live_until=live_until,
        standing=standing,
    )
    money = get_total_money(session, looks, pence_now=pence_now)
    total = replace(total_of(looks), avoided=money.contacts, minutes=money.minutes)
    return Portfolio(total, money)
