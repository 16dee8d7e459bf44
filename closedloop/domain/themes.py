"""Themes: their life, the value–irritant matrix, and the arithmetic of priority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from closedloop.domain.errors import Invalid, InvalidTransition

NAME_LENGTH = 160
"""Characters that the name of a theme may have."""

STATS_DAYS = 90
QUOTES_SHOWN = {"typical": 3, "boundary": 3, "contrary": 1}
"""Quotes of each kind that stand beside a theme."""

SMALLEST_SAMPLE, SAMPLE_SIZE, LARGEST_SAMPLE = 5, 25, 200
"""Contacts drawn to check by hand whether they belong to a theme."""


class ThemeStatus(StrEnum):
    """Where a theme stands in the loop."""

    CANDIDATE = "candidate"
    TRIAGED = "triaged"
    CAUSE_KNOWN = "cause_known"
    ACTING = "acting"
    MEASURING = "measuring"
    HELD = "held"
    NOT_HELD = "not_held"
    CLOSED = "closed"
    REOPENED = "reopened"
    PARKED = "parked"
    ACCEPTED = "accepted"
    MERGED = "merged"
    RETIRED = "retired"

    @property
    def label(self) -> str:
        """As people say it."""
        return {
            ThemeStatus.NOT_HELD: "did not hold",
            ThemeStatus.REOPENED: "came back",
            ThemeStatus.ACCEPTED: "we live with it",
        }.get(self, self.replace("_", " "))


_S = ThemeStatus
THEME_MOVES: dict[ThemeStatus, frozenset[ThemeStatus]] = {
    _S.CANDIDATE: frozenset({_S.TRIAGED, _S.PARKED, _S.ACCEPTED, _S.MERGED, _S.RETIRED}),
    _S.TRIAGED: frozenset(
        {_S.CAUSE_KNOWN, _S.ACTING, _S.PARKED, _S.ACCEPTED, _S.MERGED, _S.RETIRED, _S.CANDIDATE}
    ),
    _S.CAUSE_KNOWN: frozenset({_S.ACTING, _S.PARKED, _S.ACCEPTED, _S.MERGED, _S.RETIRED}),
    _S.ACTING: frozenset({_S.MEASURING, _S.TRIAGED, _S.PARKED, _S.MERGED}),
    _S.MEASURING: frozenset({_S.HELD, _S.NOT_HELD, _S.ACTING, _S.REOPENED}),
    _S.HELD: frozenset({_S.CLOSED, _S.REOPENED, _S.ACTING, _S.MEASURING}),
    _S.NOT_HELD: frozenset({_S.ACTING, _S.CAUSE_KNOWN, _S.PARKED, _S.ACCEPTED, _S.MEASURING}),
    _S.CLOSED: frozenset({_S.REOPENED}),
    _S.REOPENED: frozenset({_S.ACTING, _S.CAUSE_KNOWN, _S.PARKED, _S.ACCEPTED, _S.MEASURING}),
    _S.PARKED: frozenset({_S.CANDIDATE, _S.TRIAGED, _S.RETIRED}),
    _S.ACCEPTED: frozenset({_S.CANDIDATE, _S.TRIAGED, _S.RETIRED}),
    _S.MERGED: frozenset({_S.CANDIDATE, _S.TRIAGED, _S.CAUSE_KNOWN, _S.ACTING}),
    _S.RETIRED: frozenset({_S.CANDIDATE}),
}
OPEN_STATUSES: tuple[ThemeStatus, ...] = (
    _S.TRIAGED,
    _S.CAUSE_KNOWN,
    _S.ACTING,
    _S.MEASURING,
    _S.HELD,
    _S.NOT_HELD,
    _S.REOPENED,
)
"""Agreed and not finished: what the working group lives with."""

AGREED_STATUSES: tuple[ThemeStatus, ...] = (*OPEN_STATUSES, _S.CLOSED, _S.PARKED, _S.ACCEPTED)
"""Decided by people: a later run must not touch these."""

GONE_STATUSES: tuple[ThemeStatus, ...] = (_S.MERGED, _S.RETIRED)
"""Not in use any more: part of another theme, dismissed or retired."""


def check_theme_move(current: ThemeStatus, wanted: ThemeStatus) -> None:
    """Refuse a move that the life of a theme does not have.

    Raises
    ------
    InvalidTransition
    """
    if wanted is not current and wanted not in THEME_MOVES[current]:
        now, then = current.replace("_", " "), wanted.replace("_", " ")
        raise InvalidTransition(f"A theme that is {now} cannot become {then}.")


def follow_mergers(theme_id: int, into: Mapping[int, int | None]) -> int:
    """Return the theme that stands for one after all mergers; itself where it was not merged.

    Parameters
    ----------
    theme_id : int
    into : mapping of int to int or None
        Theme to the one it was merged into; None, or missing, where it was not. A ring, which
        no merger makes, ends somewhere in it.
    """
    seen = {theme_id}
    while (further := into.get(theme_id)) is not None and further not in seen:
        theme_id = further
        seen.add(theme_id)
    return theme_id


class DemandType(StrEnum):
    """Why customers bring this to us."""

    FAILURE = "failure"
    VALUE = "value"
    UNCLEAR = "unclear"


class Quadrant(StrEnum):
    """The value–irritant matrix: does the customer, does the company value this contact."""

    ELIMINATE = "eliminate"
    DIGITISE = "digitise"
    SIMPLIFY = "simplify"
    LEVERAGE = "leverage"


def quadrant_for(customer_values: bool, company_values: bool) -> Quadrant:
    """Return the cell of the matrix (Price and Jaffe)."""
    if customer_values:
        return Quadrant.LEVERAGE if company_values else Quadrant.DIGITISE
    return Quadrant.SIMPLIFY if company_values else Quadrant.ELIMINATE


VALUED_BY: dict[Quadrant, tuple[bool, bool]] = {
    quadrant_for(customer, company): (customer, company)
    for customer in (True, False)
    for company in (True, False)
}
"""Whether the customer values the contacts of a cell, and whether the company does."""


class Strategy(StrEnum):
    """The order in which demand is handled: at the source first, an agent last."""

    ELIMINATE = "eliminate"
    INFORM = "inform"
    SELF_SERVE = "self_serve"
    ASSIST = "assist"

    @property
    def label(self) -> str:
        """As shown."""
        return {
            Strategy.ELIMINATE: "Eliminate the cause",
            Strategy.INFORM: "Inform proactively",
            Strategy.SELF_SERVE: "Let customers serve themselves",
            Strategy.ASSIST: "Assist, own to the end",
        }[self]


@dataclass(frozen=True)
class PriorityPart:
    """One line of the arithmetic of a priority.

    Attributes
    ----------
    name : str
    value : float
        The theme's own figure, in the unit of the name.
    rank : float
        0–100: share in % of the compared themes that have less, ties counted half.
    weight : float
        0–1; the weights of all parts add up to 1.
    """

    name: str
    value: float
    rank: float
    weight: float

    @property
    def points(self) -> float:
        """Weighted points, 0–100."""
        return self.rank * self.weight


PRIORITY_WEIGHTS: tuple[tuple[str, float], ...] = (
    ("Avoidable minutes a month", 0.40),
    ("Customers", 0.25),
    ("Repeats within 7 days", 0.25),
    ("Rising, 4 weeks", 0.10),
)


PRIORITY_RULE = (
    "Each part is ranked from 0 to 100 among the candidates and open themes, and the ranks are "
    "added up by weight. Avoidable minutes a month: handle time of the last 90 days, times 30/90; "
    "of failure demand all of it counts, of other demand the share that same-theme repeats within "
    "7 days are of the contacts whose 7 days have passed. Customers: different ones in 90 days. "
    "Repeats within 7 days: share of the contacts whose 7 days have passed that was followed by "
    "another contact for any reason. Rising: change of the last 4 weeks on the 4 weeks before."
)
"""Stands beside the arithmetic; `priority_values` does what it says."""


def priority_values(
    *,
    demand_type: DemandType | None,
    customers: int,
    mature: int,
    repeats_any: int,
    repeats_same: int,
    handle_seconds: int,
    contacts_4_weeks: int,
    contacts_4_weeks_before: int,
) -> tuple[float, float, float, float]:
    """Return a theme's own figures in the order of `PRIORITY_WEIGHTS`; see `PRIORITY_RULE`.

    Parameters
    ----------
    demand_type : DemandType or None
        None while nobody has judged it: then only the repeats are avoidable.
    customers, mature, repeats_any, repeats_same, handle_seconds : int
        Over `STATS_DAYS` days, as `ThemeStats` keeps them.
    contacts_4_weeks, contacts_4_weeks_before : int

    Returns
    -------
    tuple of float
        Minutes a month; customers; share 0–1; change as a share, 0.38 being 38 % more. A change
        from no contacts at all is counted from one.
    """
    is_failure = demand_type is DemandType.FAILURE
    avoidable = 1.0 if is_failure else (repeats_same / mature if mature else 0.0)
    rising = (contacts_4_weeks - contacts_4_weeks_before) / max(contacts_4_weeks_before, 1)
    return (
        avoidable * handle_seconds / 60 * 30 / STATS_DAYS,
        float(customers),
        repeats_any / mature if mature else 0.0,
        rising,
    )


def rank_among(value: float, others: list[float]) -> float:
    """Return the percentile rank (0–100) of `value` among `others`, which include it.

    Ties count half; alone it is 50.
    """
    if len(others) <= 1:
        return 50.0
    below = sum(other < value for other in others)
    equal = sum(other == value for other in others) - 1
    return 100.0 * (below + 0.5 * equal) / (len(others) - 1)


def priority_parts(
    values: tuple[float, ...], population: list[tuple[float, ...]]
) -> tuple[PriorityPart, ...]:
    """Return the arithmetic of one theme's priority against all that wait or are open.

    Parameters
    ----------
    values : tuple of float
        In the order of `PRIORITY_WEIGHTS`.
    population : list of tuple
        The same for every theme compared with, this one included.
    """
    return tuple(
        PriorityPart(
            name, values[i], rank_among(values[i], [other[i] for other in population]), weight
        )
        for i, (name, weight) in enumerate(PRIORITY_WEIGHTS)
    )


def priority_points(parts: tuple[PriorityPart, ...]) -> float:
    """Return the priority, 0–100."""
    return sum(part.points for part in parts)


FINENESS = {
    -2: "much coarser",
    -1: "coarser",
    0: "as the data say",
    1: "finer",
    2: "much finer",
}
"""How fine somebody wants the themes of a run, in steps from what the data say."""


def check_finer(steps: int | str) -> int:
    """Return the steps, also where they were sent as text, if there are so many.

    Raises
    ------
    Invalid
        Unless they are -2 to 2.
    """
    for known in FINENESS:
        if str(steps).strip() in (str(known), f"{known:+d}"):
            return known
    sentence = "Choose how fine the themes should be from -2 (much coarser) to 2 (much finer)."
    raise Invalid(sentence, {"finer": sentence})
