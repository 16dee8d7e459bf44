"""What of repeat figures may be shown: the cells of the metrics, hidden and covered as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from closedloop.domain.contacts import Basis, share
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_table import get_metric
from closedloop.domain.metrics import Cell, Metric, Unit, hidden_counts, show_all

RATES: dict[Basis, Metric] = {
    Basis.ANY: get_metric("repeat_rate_any"),
    Basis.SAME: get_metric("repeat_rate_same"),
}
FIRST_CONTACT: dict[Basis, Metric] = {
    Basis.ANY: get_metric("one_contact_resolution"),
    Basis.SAME: get_metric("fcr"),
}
METRICS = (*RATES.values(), *FIRST_CONTACT.values())


@dataclass(frozen=True)
class Behind:
    """Figures with the people behind them: all contacts, the identified, rates and FCR.

    `fcr` is empty where nobody asks for it.
    """

    contacts: Value
    identified: Value
    rates: dict[Basis, Value]
    fcr: dict[Basis, Value]


@dataclass(frozen=True)
class Shown:
    """One row of a table of repeats as it may be shown; None is not shown.

    Attributes
    ----------
    contacts, identified : int or None
    is_few : bool
        Fewer than k distinct people are in the row.
    unidentified_share : float or None
        Beside every figure; hidden where it would give a hidden count away.
    rates, fcr : dict of Basis to Cell
    """

    contacts: int | None
    identified: int | None
    is_few: bool
    unidentified_share: float | None
    rates: dict[Basis, Cell]
    fcr: dict[Basis, Cell]

    @property
    def is_hidden(self) -> bool:
        """Whether nothing of the row is shown."""
        return self.is_few or (self.contacts is None and self.identified is None)

    def repeats(self, basis: Basis) -> int | None:
        """Return contacts followed by another, None where they may not be shown."""
        return _part(self.rates[basis])

    def opening(self, basis: Basis) -> int | None:
        """Return contacts that open a matter, None where they may not be shown."""
        return self.fcr[basis].n

    def resolved(self, basis: Basis) -> int | None:
        """Return those of them that nothing followed, None where they may not be shown."""
        return _part(self.fcr[basis])


def _part(cell: Cell) -> int | None:
    return int(cell.found.numerator) if cell.state in ("known", "none") else None


def show_rows(rows: Sequence[Behind], k: int) -> list[Shown]:
    """Return the rows of one table; what is hidden is covered, since the total is known."""
    contacts = hidden_counts([row.contacts for row in rows], k)
    few = {i for i, row in enumerate(rows) if _is_few(row.contacts, k)}
    identified = few | hidden_counts([row.identified for row in rows], k)
    rates = {b: show_all([row.rates[b] for row in rows], Unit.SHARE, k) for b in Basis}
    asked = rows[0].fcr if rows else ()
    fcr = {b: show_all([row.fcr[b] for row in rows], Unit.SHARE, k) for b in asked}
    return [
        Shown(
            None if i in contacts else row.contacts.n,
            None if i in identified else row.identified.n,
            i in few,
            None if i in identified | contacts else _without(row),
            {b: _within(rates[b][i], i in identified) for b in Basis},
            {b: _within(cells[i], i in identified) for b, cells in fcr.items()},
        )
        for i, row in enumerate(rows)
    ]


def _is_few(contacts: Value, k: int) -> bool:
    people = contacts.people_in(0)
    return contacts.n > 0 and (contacts.n < k or (people is not None and people < k))


def _without(row: Behind) -> float | None:
    return share(row.contacts.n - row.identified.n, row.contacts.n)


def _within(cell: Cell, is_hidden: bool) -> Cell:
    """Return a cell, hidden with the count it is a share of."""
    if not is_hidden or cell.is_hidden:
        return cell if not is_hidden else Cell(None, None, cell.state, cell.found)
    return Cell(None, None, "cover", cell.found)
