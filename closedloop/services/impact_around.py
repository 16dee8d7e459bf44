"""What stands around an estimate: what checks are made of, and how they write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from closedloop.domain.impact_overlap import Overlap
from closedloop.domain.impact_stages import Stage
from closedloop.queries.series import SameThemeRepeats
from closedloop.services.impact_gaps import EmptyDays
from closedloop.services.impact_inputs import OtherFix, ThemeName
from closedloop.services.impact_newborn import Newborn


@dataclass(frozen=True)
class DriverUsed:
    """A driver volume that effects were to be held against.

    Attributes
    ----------
    name : str
    missing : int
        Days read on which no volume is known, or none above zero.
    days : int
        Days read.
    is_used : bool
        Whether enough days have one.
    """

    name: str
    missing: int
    days: int
    is_used: bool


@dataclass(frozen=True)
class Surroundings:
    """What stands around an estimate and is not part of it.

    Attributes
    ----------
    theme : ThemeName
    siblings : tuple of ThemeName
        In the order of the estimates.
    other_fixes : tuple of OtherFix
    country : str
        Code of the calendar asked for; empty is none.
    holidays : tuple of (date, str) or None
        None when there is no such calendar.
    first_day : date
        First day read.
    counted_from : date
        First counted day: after the roll-out, or that of the first stage.
    repeats_before, repeats_after : SameThemeRepeats
        7-day repeats of mature days.
    smallest_drop : float or None
        Share worth having, as planned.
    empty : EmptyDays
    touched : tuple of ThemeName
        What is added up, the action's own theme first, in the order of the parts.
    overlap : Overlap or None
        Other changes to the same themes.
    driver : DriverUsed or None
    stages : tuple of Stage
    before : tuple of int
        Contacts a day before go-live, from the first day read on.
    since : tuple of int or None
        Contacts a day from go-live on, None on days that are not counted.
    is_young : bool
        Contacts of other themes reach further back than the first about those touched.
    newborn : tuple of Newborn
        Themes in a sum that began shortly before the change, or after it.
    """

    theme: ThemeName
    siblings: tuple[ThemeName, ...]
    other_fixes: tuple[OtherFix, ...]
    country: str
    holidays: tuple[tuple[date, str], ...] | None
    first_day: date
    counted_from: date
    repeats_before: SameThemeRepeats
    repeats_after: SameThemeRepeats
    smallest_drop: float | None
    empty: EmptyDays
    touched: tuple[ThemeName, ...] = ()
    overlap: Overlap | None = None
    driver: DriverUsed | None = None
    stages: tuple[Stage, ...] = ()
    before: tuple[int, ...] = ()
    since: tuple[int | None, ...] = ()
    is_young: bool = False
    newborn: tuple[Newborn, ...] = ()


def signed(value: float) -> str:
    """Write a number of contacts with thousands and a true minus sign."""
    text = f"{abs(value):,.0f}"
    return f"−{text}" if value < 0 and text != "0" else text


def listed(names: Sequence[str]) -> str:
    """Write names as a list: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
