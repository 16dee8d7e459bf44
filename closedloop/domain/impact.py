"""Impact: the looks, the verdicts in words, and contacts turned into minutes and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import ThemeStatus

PRE_DAYS_MAX = 364
"""Days before the change that a measurement reads at most (whole weeks)."""

LOOK_DAYS: tuple[int, ...] = (14, 28, 56, 84, 175, 266, 357)
"""Counted days on which a verdict is spoken; between them the estimate is running.

Four looks decide, then one every 91 days follows up, to the end of 51 weeks.
"""

FIRST_LOOKS = 4
"""Looks that decide; the quarterly ones after them confirm or question."""

LOOK_ALPHA = 0.015
"""Significance of one of the first looks: all four together stay at 5 % (reference study)."""

QUARTER_ALPHA = 0.001
"""Significance that a quarterly look asks of a claim that no look before it has made."""

LOOK_Q = 0.10
"""Share of false ones among what the looks of one night claim (Benjamini and Hochberg)."""

FOLLOW_UP_DAYS = 180
"""Days after go-live for which the running estimate is renewed every night."""

RUNNING_EVERY_DAYS = 7
"""Days between two running estimates after that, to the last look."""

REMEASURE_DAYS: tuple[int, ...] = (30, 60, 90, 180)
"""Days after a look said that a theme held on which it is measured again."""

LATELY_DAYS = 28
"""Newest counted days of which it is asked whether a fall still stands."""

SIBLING_LIKENESS = 0.6
"""Cosine of two themes' centres from which contacts may move from one to the other."""

CONTROL_LEAST_MEAN = 0.5
"""Contacts a day before go-live that a theme needs to serve as comparison."""

MOST_CONTROLS = 60
"""Comparison themes that a measurement reads at most, the largest first."""

WARN_FROM_MOVED = 0.10
"""Share of the unaffected themes moved on the date of a change above which people are warned.

Above it false claims become half as frequent again (reference study); the method itself claims
nothing only above a larger share.
"""

MOST_MOVED = 0.20
"""Share of the unaffected themes moved on the date of a change above which nothing is claimed."""

LEAST_MOVED = 2
"""So many of them must have moved for that: one alone moves by chance."""

SHARE_MOVED = 1 / 3
"""Share of what one theme lost from which its siblings' gain counts as a move."""

RECENT_DAYS = 28
"""Days before go-live in which the roll-out of another change still blurs the picture."""


class Verdict(StrEnum):
    """What the interval lets us say."""

    TOO_EARLY = "too_early"
    NOT_ENOUGH_DATA = "not_enough_data"
    INCONCLUSIVE = "inconclusive"
    FELL = "fell"
    NO_CHANGE = "no_change"
    ROSE = "rose"

    @property
    def label(self) -> str:
        """The verdict in a word or three."""
        return self.value.replace("_", " ").capitalize()


ACTION_STATUS_FOR: dict[Verdict, ActionStatus] = {
    Verdict.TOO_EARLY: ActionStatus.SHIPPED,
    Verdict.NOT_ENOUGH_DATA: ActionStatus.CANNOT_TELL,
    Verdict.INCONCLUSIVE: ActionStatus.CANNOT_TELL,
    Verdict.FELL: ActionStatus.EFFECTIVE,
    Verdict.NO_CHANGE: ActionStatus.NOT_EFFECTIVE,
    Verdict.ROSE: ActionStatus.NOT_EFFECTIVE,
}


def counted_from(go_live: date, rollout_days: int) -> date:
    """Return the first day that counts: the first one after the roll-out."""
    return go_live + timedelta(days=rollout_days)


def looks(go_live: date, rollout_days: int) -> list[date]:
    """Return the last data day of each look, inclusive.

    Days are counted from the first day after the roll-out; look 14 reads 14 whole days.
    """
    start = counted_from(go_live, rollout_days)
    return [start + timedelta(days=days - 1) for days in LOOK_DAYS]


def look_number(go_live: date, rollout_days: int, as_of: date) -> int:
    """Return how many looks are complete with data to `as_of` inclusive (0 to 7)."""
    return sum(day <= as_of for day in looks(go_live, rollout_days))


@dataclass(frozen=True)
class MeasurementWindow:
    """Which days a measurement reads; both ends of each stretch inclusive.

    Attributes
    ----------
    first_day : date
    go_live : date
        First day of the roll-out; days before it are the baseline.
    rollout_days : int
        Days from go-live on that are read but not counted.
    as_of : date
        Last day read.
    """

    first_day: date
    go_live: date
    rollout_days: int
    as_of: date

    @property
    def n_pre(self) -> int:
        """Days before go-live."""
        return (self.go_live - self.first_day).days

    @property
    def n_post(self) -> int:
        """Days counted after the roll-out; 0 or less when it is not over."""
        return (self.as_of - self.go_live).days + 1 - self.rollout_days


def measurement_window(
    go_live: date, rollout_days: int, first_data_day: date, as_of: date
) -> MeasurementWindow:
    """Return the days to read: at most `PRE_DAYS_MAX` before go-live, from the first with data."""
    first_day = max(first_data_day, go_live - timedelta(days=PRE_DAYS_MAX))
    return MeasurementWindow(first_day, go_live, rollout_days, as_of)


def since_first_contact(
    window: MeasurementWindow, first_contact_on: date | None
) -> MeasurementWindow:
    """Return the window without the days before a theme's first contact: they are no history.

    The day before go-live always stays: it takes one to say how many are missing.

    Parameters
    ----------
    window : MeasurementWindow
    first_contact_on : date or None
        Of all themes that the change touches together; None without any.
    """
    last_before = window.go_live - timedelta(days=1)
    first_day = min(first_contact_on or last_before, last_before)
    return replace(window, first_day=max(window.first_day, first_day))


@dataclass(frozen=True)
class Range:
    """A 95 % range with its middle, in any unit."""

    low: float
    middle: float
    high: float

    def scaled(self, factor: float) -> Range:
        """Return the range in another unit."""
        ends = sorted((self.low * factor, self.high * factor))
        return Range(ends[0], self.middle * factor, ends[1])


def look_on(go_live: date, rollout_days: int, as_of: date) -> int | None:
    """Return the number of the look (1 to 7) whose last data day is `as_of`, None between looks."""
    days = looks(go_live, rollout_days)
    return days.index(as_of) + 1 if as_of in days else None


class Displacement(StrEnum):
    """Whether contacts that left a theme turned up in a theme beside it.

    NONE: they did not, or there is nothing beside it. POSSIBLE: over the family no fall can be
    shown, but nothing came up beside it either, so it may be noise. OPEN: they came up beside it if
    a theme there would have come down by itself from the peak it stood on before the change, or
    have stayed as low as it was, and nobody can tell whether it would. MOVED: see
    `judge_displacement`.
    """

    NONE = "none"
    POSSIBLE = "possible"
    OPEN = "open"
    MOVED = "moved"


@dataclass(frozen=True)
class Beside:
    """What was found about a sibling, or about theme and siblings together.

    Attributes
    ----------
    verdict : Verdict
        At the significance of the look.
    avoided : Range
        Contacts; negative when more came.
    at_fewest : Range or None
        The same if as few were to be expected as may be: a peak right before the change had passed
        by itself, a low would have stayed. None without either.
    """

    verdict: Verdict
    avoided: Range
    at_fewest: Range | None = None

    @property
    def fewest(self) -> Range:
        """Contacts avoided if as few were to be expected as may be."""
        return self.at_fewest or self.avoided


def judge_displacement(
    verdict: Verdict, avoided: float, net: Beside | None, siblings: Sequence[Beside]
) -> Displacement:
    """Say whether a fall is only a move to the themes beside it.

    A fix that sends the same contacts to a sibling has not removed them and must not be praised.
    When a theme alone is shown to have fallen, but not its whole family, the contacts moved if
    siblings whose own 95 % range says that more came took up more than `SHARE_MOVED` of what left,
    or if one of them was judged to have risen and the family's range holds zero. A sibling that may
    as well have stayed where it was only makes the move possible: it may be noise, or the trace of
    somebody else's change; but where it took up that much at the fewest that were to be expected
    of it (`Beside.fewest`), it is open.
    The verdict stays the theme's own when the contacts moved, but the action cannot be called
    effective, and the theme has not held; `verdict_beside` says what follows when it is open.

    Parameters
    ----------
    verdict : Verdict
        Of the theme alone.
    avoided : float
        Contacts avoided in the theme alone.
    net : Beside or None
        Of theme and siblings together; None without siblings.
    siblings : sequence of Beside
        Each sibling by itself.
    """
    if verdict is not Verdict.FELL or net is None or net.verdict is Verdict.FELL:
        return Displacement.NONE
    enough = SHARE_MOVED * avoided
    may_be_none = net.avoided.low <= 0
    if _taken_up([one.avoided for one in siblings]) > enough:
        return Displacement.MOVED
    if may_be_none and any(one.verdict is Verdict.ROSE for one in siblings):
        return Displacement.MOVED
    if _taken_up([one.fewest for one in siblings]) > enough:
        return Displacement.OPEN
    return Displacement.POSSIBLE if may_be_none else Displacement.NONE


def _taken_up(ranges: Sequence[Range]) -> float:
    """Return the contacts more about siblings of which the whole range says that more came."""
    return sum(-one.middle for one in ranges if one.high < 0)


def verdict_beside(verdict: Verdict, displacement: Displacement) -> Verdict:
    """Return the verdict to speak: a fall whose contacts may be beside it is no claim."""
    return Verdict.INCONCLUSIVE if displacement is Displacement.OPEN else verdict


def action_status_after_look(verdict: Verdict, displacement: Displacement) -> ActionStatus:
    """Return what a look makes of a shipped action; a fall that only moved is not effective."""
    if displacement is Displacement.MOVED:
        return ActionStatus.CANNOT_TELL
    return ACTION_STATUS_FOR[verdict]


def has_only_moved(status: ActionStatus, verdict: Verdict | None) -> bool:
    """Return whether the contacts of a shipped action fell on its theme but came up beside it."""
    return verdict is Verdict.FELL and status is ActionStatus.CANNOT_TELL


def theme_status_after_look(verdict: Verdict, displacement: Displacement, look: int) -> ThemeStatus:
    """Return what a look makes of a theme that is being measured.

    Parameters
    ----------
    look : int
        1 to 7; from the fourth on, a theme of which nothing can be told has not held.
    """
    if displacement is Displacement.MOVED or verdict in (Verdict.NO_CHANGE, Verdict.ROSE):
        return ThemeStatus.NOT_HELD
    if verdict is Verdict.FELL:
        return ThemeStatus.HELD
    return ThemeStatus.NOT_HELD if look >= FIRST_LOOKS else ThemeStatus.MEASURING


class CheckState(StrEnum):
    """How a check came out; OFF means that it could not be made."""

    OK = "ok"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True)
class Check:
    """Something else that could explain a number, and what was found.

    Attributes
    ----------
    name : str
        controls, many_looks, family, newborn, spill, channels, repeat_rate, together, other_fixes,
        own_history, regression_to_mean, few_days, earlier_trend, lately, smallest_drop,
        stages, holidays, driver_volume, data_gaps.
    state : CheckState
    sentence : str
    """

    name: str
    state: CheckState
    sentence: str
