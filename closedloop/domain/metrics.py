"""Metrics: what each is called, its rule in words, what it needs, and how it is computed.

The arithmetic is in `metric_formulas`, the entries in `metric_repeats` and `metric_service`, the
whole list in `metric_table`. Pages, commands and the API show what stands there and compute
nothing of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from closedloop.domain.contacts import Window, window_for
from closedloop.domain.metric_formulas import Value

Counts = Mapping[str, float]
WINDOWED = frozenset(
    {
        *("any", "same", "opening_any", "opening_same", "resolved_any", "resolved_same"),
        "beyond_seconds",
    }
)
"""Counts that are kept for each window."""


class Unit(StrEnum):
    """What a value is measured in."""

    SHARE = "share"
    RATIO = "ratio"
    COUNT = "count"
    SECONDS = "seconds"
    MINUTES = "minutes"
    PER_1000 = "per_1000"
    PENCE = "pence"
    POINTS = "points"
    SCORE = "score"

    @property
    def words(self) -> str:
        """As shown beside a table."""
        return {
            Unit.SHARE: "share, 0 to 1",
            Unit.RATIO: "contacts",
            Unit.COUNT: "number",
            Unit.PER_1000: "contacts per 1,000",
            Unit.PENCE: "minor units of the currency",
            Unit.POINTS: "points, −100 to 100",
            Unit.SCORE: "1 to 7",
        }.get(self, self.value)

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value there can be, both inclusive."""
        return {
            Unit.SHARE: (0.0, 1.0),
            Unit.RATIO: (1.0, 1e6),
            Unit.POINTS: (-100.0, 100.0),
            Unit.SCORE: (1.0, 7.0),
        }.get(self, (0.0, 1e9))

    @property
    def adds_up(self) -> bool:
        """Whether a value over two days is the sum of both: part of a week looks like a fall."""
        return self in (Unit.COUNT, Unit.MINUTES)


class Better(StrEnum):
    """Which way is good."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Family(StrEnum):
    """Where a metric stands on the page."""

    REPEATS = "repeats"
    RESOLUTION = "resolution"
    DEMAND = "demand"
    HANDLING = "handling"
    VOICE = "voice"

    @property
    def label(self) -> str:
        """As a heading."""
        return {
            Family.REPEATS: "Repeats",
            Family.RESOLUTION: "Resolution",
            Family.DEMAND: "Demand",
            Family.HANDLING: "Handling and cost",
            Family.VOICE: "What customers say",
        }[self]


class Scope(StrEnum):
    """Which contacts the counts are of, and from where."""

    PLAIN = "plain"
    NET = "net"
    TEAMS = "teams"
    JUDGED = "judged"
    PRICED = "priced"
    DRIVEN = "driven"
    CUSTOMERS = "customers"


class ListKind(StrEnum):
    """Lists that are fixed in advance, each valid from a day."""

    NET_EXCLUSIONS = "net_exclusions"
    RESOLUTION_QUEUES = "resolution_queues"

    @property
    def label(self) -> str:
        """As shown."""
        if self is ListKind.NET_EXCLUSIONS:
            return "Wrap-up codes left out of net figures"
        return "Queues of resolution teams"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes
    ----------
    key : str
        As in addresses, goals and JSON.
    name : str
    family : Family
    unit : Unit
    better : Better
    rule : str
        Unit, window, reason, exclusions, maturity in words; "{window}" stands for the window.
    source : str
        Which figures it is made from.
    needs : str
        What the data must hold.
    counts : tuple of str
        Columns of the roll-up, those in `WINDOWED` without their window, and what a scope adds.
    compute : callable
        Plain counts to a `Value`.
    scope : Scope
    needs_window : bool
        Whether it depends on a repeat window.
    matures : bool
        Whether days whose window is still open stay out.
    fixed_window : str
        The one window it is defined for; empty when any may be chosen.
    why_empty : str
        What is said when the scope holds no contact at all.
    above, below, stands : str
        Which contacts are counted above and below the line, and which the value stands on where
        these are others than those below it. Words of `contacts_address`, or empty where no
        contacts are counted.
    parts : tuple of (label, words)
        Contacts that are counted besides.
    forks : str
        Other definitions under the same name, and why they are not taken.
    """

    key: str
    name: str
    family: Family
    unit: Unit
    better: Better
    rule: str
    source: str
    needs: str
    counts: tuple[str, ...]
    compute: Callable[[Counts], Value]
    scope: Scope = Scope.PLAIN
    needs_window: bool = False
    matures: bool = False
    fixed_window: str = ""
    why_empty: str = ""
    above: str = ""
    below: str = ""
    stands: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    forks: str = ""

    @property
    def stands_on(self) -> str:
        """Which contacts or answers the value stands on, in words of `contacts_address`."""
        return self.stands or self.below

    @property
    def all_contacts(self) -> str:
        """All contacts of the scope, counted or not, in words of `contacts_address`."""
        within = {Scope.NET: "in:net", Scope.TEAMS: "in:teams", Scope.DRIVEN: "in:volume"}
        return within.get(self.scope, "all")

    def window(self, asked: Window) -> Window:
        """Return the window that counts: the one asked for, unless there is only one."""
        return window_for(self.fixed_window) if self.fixed_window else asked

    def goal_window(self, asked: Window) -> str:
        """Return the key under which goals of this window are kept; empty without window."""
        return self.window(asked).key if self.needs_window else ""

    def rule_in_words(self, asked: Window) -> str:
        """Return the sentence that stands beside the number."""
        return self.rule.replace("{window}", self.window(asked).label)

    def columns(self, asked: Window) -> dict[str, str]:
        """Return the plain name of each count and the column that holds it."""
        key = self.window(asked).key
        return {name: f"{name}_{key}" if name in WINDOWED else name for name in self.counts}

    def of(self, counts: Counts, asked: Window) -> Value:
        """Return the value over counts under the names of their columns."""
        plain = {name: counts[column] for name, column in self.columns(asked).items()}
        found = self.compute(plain)
        is_empty = found.value is None and not plain["contacts"]
        return replace(found, why=self.why_empty) if is_empty and self.why_empty else found

    def meets(self, value: float, goal: float) -> bool:
        """Return whether a value is at the goal or on the good side of it."""
        return value <= goal if self.better is Better.LOWER else value >= goal


@dataclass(frozen=True)
class Cell:
    """A value as it may be shown.

    Attributes
    ----------
    value : float or None
        None where it may not be shown or is not known.
    n : int or None
        None where it may not be shown.
    state : str
        "known", "few" (of fewer than k people), "unsure" (of how many people was not counted),
        "cover" (hidden so that another cannot be derived), "under" or "over" (a share whose part
        or rest is below k: `bound` is its end), "none".
    bound : float or None
    found : Value
        As computed; for links and comparisons, never for showing.
    """

    value: float | None
    n: int | None
    state: str
    found: Value
    bound: float | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether too few people stand behind it, or it covers another."""
        return self.state in ("few", "unsure", "cover")


def show(found: Value, unit: Unit, k: int) -> Cell:
    """Return a value as it may be shown: never about fewer than k distinct people."""
    if _is_small(found, 0, k):
        return Cell(None, None, _why_hidden(found, (0,)), found)
    if found.value is None:
        return Cell(None, found.n, "none", found)
    places = [i for i in range(1, len(found.small) + 1) if _is_small(found, i, k)]
    if not places:
        return Cell(found.value, found.n, "known", found)
    few_contacts = all(found.small[i - 1] < k for i in places)
    edge = k / found.denominator if found.denominator else 1.0
    # a bound counts contacts: many contacts of few people lie beyond it, and k of all says nothing
    if unit is not Unit.SHARE or not few_contacts or edge >= 1:
        return Cell(None, found.n, _why_hidden(found, places), found)
    if 0 < found.numerator < k:
        return Cell(None, found.n, "under", found, edge)
    return Cell(None, found.n, "over", found, 1 - edge)


def _is_small(found: Value, place: int, k: int) -> bool:
    """Return whether a count is of somebody, but not surely of k people."""
    count, people = (found.n, *found.small)[place], found.people_in(place)
    return count > 0 and (count < k or people is None or people < k)


def _why_hidden(found: Value, places: Sequence[int]) -> str:
    """Return "few", or "unsure" where it was not counted how many people they are."""
    return "unsure" if any(_is_unsure(found, i) for i in places) else "few"


def _is_unsure(found: Value, place: int) -> bool:
    return found.people_in(place) is None


def show_all(found: Sequence[Value], unit: Unit, k: int) -> list[Cell]:
    """Return the cells of a breakdown; where the hidden ones are too few, another covers them.

    With the total known, what is hidden is the total less the others. So what is hidden must
    together be of at least k people, or the smallest cell that is shown is hidden too. That holds
    for what stands behind the cells, and for the part that a share would give away.
    """
    cells = [show(value, unit, k) for value in found]
    covered = hidden_counts(found, k)
    cells = [
        replace(cell, value=None, n=None, state="cover", bound=None)
        if i in covered and cell.n is not None
        else cell
        for i, cell in enumerate(cells)
    ]
    cover = _cover_of_parts(cells, k)
    return [
        replace(cell, value=None, state="cover", bound=None) if i == cover else cell
        for i, cell in enumerate(cells)
    ]


def hidden_counts(found: Sequence[Value], k: int) -> set[int]:
    """Return the places of the counts `n` that may not be shown, and of what covers them."""
    hidden = {i for i, value in enumerate(found) if _is_small(value, 0, k)}
    rest = [i for i, value in enumerate(found) if i not in hidden and value.n > 0]
    if not hidden or not rest:
        return hidden
    if len(hidden) > 1 and sum(found[i].spread_of(0) for i in hidden) >= k:
        return hidden
    return hidden | {min(rest, key=lambda i: found[i].n)}


def _cover_of_parts(cells: Sequence[Cell], k: int) -> int | None:
    """Return one more cell to hide: or a hidden one would be the total less all the others."""
    hidden = [cell for cell in cells if cell.state in ("few", "unsure", "cover", "under", "over")]
    shown = [i for i, cell in enumerate(cells) if cell.state == "known"]
    places = range(1, max((len(cell.found.small) for cell in cells), default=0) + 1)
    if not hidden or not shown or not places:
        return None
    if all(_covers(hidden, place, k) for place in places):
        return None
    with_part = [i for i in shown if all(cells[i].found.small)]
    return min(with_part or shown, key=lambda i: cells[i].found.n)


def _covers(hidden: Sequence[Cell], place: int, k: int) -> bool:
    """Return whether the hidden parts together are of k people, or there is no small one."""
    parts = [cell.found for cell in hidden if len(cell.found.small) >= place]
    if not any(_is_small(found, place, k) for found in parts):
        return True
    if any(found.small[place - 1] and not _is_small(found, place, k) for found in parts):
        return True
    return len(parts) > 1 and sum(found.spread_of(place) for found in parts) >= k


def is_goal(unit: Unit, goal: float) -> bool:
    """Return whether a goal lies where values of the unit can."""
    lowest, highest = unit.ends
    return math.isfinite(goal) and lowest <= goal <= highest
