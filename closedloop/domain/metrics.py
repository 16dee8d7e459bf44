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
        None where fewer than k stand behind it.
    state : str
        "known", "few" (fewer than k), "cover" (hidden so that another cannot be derived),
        "under" or "over" (a share whose part or rest is below k: `bound` is its end), "none".
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
        """Whether too few stand behind it, or it covers another."""
        return self.state in ("few", "cover")


def show(found: Value, unit: Unit, k: int) -> Cell:
    """Return a value as it may be shown: never about 1 to k - 1 contacts."""
    if 0 < found.n < k:
        return Cell(None, None, "few", found)
    if found.value is None:
        return Cell(None, found.n, "none", found)
    if not any(0 < count < k for count in found.small):
        return Cell(found.value, found.n, "known", found)
    if unit is not Unit.SHARE:
        return Cell(None, found.n, "few", found)
    edge = k / found.denominator
    if edge >= 1:  # k of them are all of them: the bound would say nothing
        return Cell(None, found.n, "few", found)
    if 0 < found.numerator < k:
        return Cell(None, found.n, "under", found, edge)
    return Cell(None, found.n, "over", found, 1 - edge)


def show_all(found: Sequence[Value], unit: Unit, k: int) -> list[Cell]:
    """Return the cells of a breakdown; a lone hidden one takes the next smallest with it.

    With the total known, one hidden cell is the total less the others. So when exactly one is
    hidden, the smallest of those shown is hidden too.
    """
    cells = [show(value, unit, k) for value in found]
    counts = [value.n for value in found]
    hidden = _with_cover(counts, {i for i, cell in enumerate(cells) if cell.state == "few"})
    return [
        replace(cell, value=None, n=None, state="cover", bound=None)
        if i in hidden and cell.state != "few"
        else cell
        for i, cell in enumerate(cells)
    ]


def hidden_counts(counts: Sequence[int], k: int) -> set[int]:
    """Return the places of the counts that may not be shown: 1 to k - 1, and what covers them."""
    return _with_cover(counts, {i for i, count in enumerate(counts) if 0 < count < k})


def _with_cover(counts: Sequence[int], hidden: set[int]) -> set[int]:
    rest = [i for i, count in enumerate(counts) if i not in hidden and count > 0]
    if len(hidden) != 1 or not rest:
        return hidden
    return hidden | {min(rest, key=lambda i: counts[i])}


def is_goal(unit: Unit, goal: float) -> bool:
    """Return whether a goal lies where values of the unit can."""
    lowest, highest = unit.ends
    return math.isfinite(goal) and lowest <= goal <= highest
