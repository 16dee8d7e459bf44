"""What an impact estimate and a comeback watch say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


class Verdict(StrEnum):
    """The answer in a word; the first three are answers too."""

    TOO_EARLY = "too_early"
    NOT_ENOUGH_DATA = "not_enough_data"
    INCONCLUSIVE = "inconclusive"
    FELL = "fell"
    NO_CHANGE = "no_change"
    ROSE = "rose"


@dataclass(frozen=True)
class OwnHistory:
    """The same numbers from the theme's own history, without unaffected themes beside it.

    Attributes
    ----------
    expected, avoided, avoided_low, avoided_high : float
        Contacts over the counted days after the change.
    p_value : float
        Two-sided, 0..1.
    z : float
        Standard deviations of observed from expected, negative when fewer came.
    could_have_seen : float
        Share of expected, 0..1.
    verdict : Verdict
        What these numbers alone would say.
    gap_days : int
        Days before the change that may be a peak or a low; see `ImpactEstimate`.
    widened_by : float
        From 1 up: factor on every sd; see `ImpactEstimate`. With other themes beside it a theme
        is spared what all of them share, so the factor here is another one.
    """

    expected: float
    avoided: float
    avoided_low: float
    avoided_high: float
    p_value: float
    z: float
    could_have_seen: float
    verdict: Verdict
    gap_days: int = 0
    widened_by: float = 1.0


@dataclass(frozen=True)
class Rate:
    """Contacts a unit of the driver volume (an order, a customer) over the counted days.

    Attributes
    ----------
    volume : float
        Units of the driver on the counted days after the change.
    before : float
        Contacts a unit on the counted days before the change.
    observed : float
        Contacts a unit after it.
    expected, expected_low, expected_high : float
        Contacts a unit that would have come after it without the change, and their range.
    """

    volume: float
    before: float
    observed: float
    expected: float
    expected_low: float
    expected_high: float


@dataclass(frozen=True)
class Reached:
    """The effect on the customers whom a staged roll-out has reached.

    Attributes
    ----------
    share : float
        Share of customers reached, 0..1, averaged over the counted days after the change as
        the expected contacts weigh them.
    drop, drop_low, drop_high : float
        Share by which contacts of the customers reached fell, and its range; negative when
        more came. Above 1 when more fell than the customers reached can explain.
    """

    share: float
    drop: float
    drop_low: float
    drop_high: float


@dataclass(frozen=True)
class AtFewest:
    """What a history says that ended on a peak or a low, if the fewest were to be expected.

    Those are the contacts if the peak would have passed by itself, or the low have stayed.

    Attributes
    ----------
    avoided, avoided_low, avoided_high : float
        Contacts and their range, as in `ImpactEstimate`.
    """

    avoided: float
    avoided_low: float
    avoided_high: float


@dataclass(frozen=True, eq=False)
class ImpactEstimate:
    """Contacts avoided since a change, with the checks that go with the number.

    Attributes
    ----------
    observed : int
        Contacts that came on the counted days after the change.
    expected : float
        Contacts that would have come on those days without the change (median).
    avoided, avoided_low, avoided_high : float
        expected - observed and its range; negative when more came than expected.
    p_value : float
        Two-sided, 0..1: how often chance alone would look at least this unusual.
    z : float
        Standard deviations of observed from expected, negative when fewer came.
    verdict : Verdict
    reasons : tuple of str
        Sentences for a reader who is not a statistician, the verdict's first.
    could_have_seen : float
        Share of expected, 0..1: a true change of this size would have been noticed in
        four cases of five.
    n_pre, n_post : int
        Counted days before and after the change; skipped days are in neither.
    share_of_controls_moved : float or None
        Share, 0..1, of the unaffected themes tried that moved on the same date; None
        when there was none to try.
    controls_tried : int
        Unaffected themes that were checked for that, at most 20.
    controls_used : int
        Unaffected themes in the comparison; 0 means own history only.
    own_history : OwnHistory or None
        The numbers without unaffected themes; None when those numbers are the estimate.
    level : float
        Probability, 0..1, that every range here is meant to hold.
    expected_per_day, low_per_day, high_per_day : float array, shape (n_days,)
        Before the change what the model expected one day ahead, after it the forecast;
        low and high bound a single day's count. The expected of the counted days after
        the change add up to `expected`.
    avoided_cumulative, avoided_cumulative_low, avoided_cumulative_high : float array
        Shape (n_days after the change,): running totals, flat over skipped days; the last
        elements are avoided, avoided_low and avoided_high.
    method_version : str
    gap_days : int
        The last days before the change that ran so high that they may be a peak, or so low that
        contacts may have fallen before it already, 0 or 14. The range then holds both their
        passing by themselves and their staying.
    peak_passed : AtFewest or None
        Of a peak the first of the two by itself; None without one.
    low_stayed : AtFewest or None
        Of a low the second of the two by itself; None without one.
    widened_by : float
        From 1 up: factor on every sd, because unaffected themes strayed on the same date by
        more than the model says: from each other, or in an estimate on own history alone from
        their own histories.
    days_needed : int or None
        Of too_early and not_enough_data: days that have still to be counted after the change
        until it can be judged, at the contacts a day expected now; None when waiting does not
        help or is not needed.
    contacts_needed : int or None
        Of the same verdicts: contacts that have still to be expected; None when enough are.
    history_needed : int or None
        Of the same verdicts: days missing before the change; None when there are enough.
    rate : Rate or None
        Contacts a unit of the driver; None without one.
    reached : Reached or None
        Of a staged roll-out; None without stages.
    controls_left_out : tuple of int
        Columns of the controls that were left out of the comparison, because they moved on the
        same date, and apart from the others; see `share_of_controls_moved`.
    controls_apart : int
        Unaffected themes of those tried that strayed from the middle one of them: more than one
        in ten make the ranges of a comparison wider.
    """

    observed: int
    expected: float
    avoided: float
    avoided_low: float
    avoided_high: float
    p_value: float
    z: float
    verdict: Verdict
    reasons: tuple[str, ...]
    could_have_seen: float
    n_pre: int
    n_post: int
    share_of_controls_moved: float | None
    controls_tried: int
    controls_used: int
    own_history: OwnHistory | None
    level: float
    expected_per_day: Floats
    low_per_day: Floats
    high_per_day: Floats
    avoided_cumulative: Floats
    avoided_cumulative_low: Floats
    avoided_cumulative_high: Floats
    method_version: str
    gap_days: int = 0
    peak_passed: AtFewest | None = None
    low_stayed: AtFewest | None = None
    widened_by: float = 1.0
    days_needed: int | None = None
    contacts_needed: int | None = None
    history_needed: int | None = None
    rate: Rate | None = None
    reached: Reached | None = None
    controls_left_out: tuple[int, ...] = ()
    controls_apart: int = 0


@dataclass(frozen=True)
class ComebackWatch:
    """Whether contacts that a fix had removed are coming back.

    Attributes
    ----------
    alarm : bool
    alarm_day, since_day : int or None
        Index into the counts (not days since the fix) of the day of the first alarm, and of
        the day on which the rise behind it began.
    alarm_date, since_date : date or None
        The same two days as dates.
    alarm_days : tuple of int
        Every alarm: the watch starts afresh after each.
    excess : float
        Contacts from `since_day` to the last day, both counted, above what the fix had
        settled at; 0 without an alarm.
    days_watched : int
        Days on which an alarm could have been raised.
    reasons : tuple of str
        Sentences for a reader who is not a statistician.
    """

    alarm: bool
    alarm_day: int | None
    since_day: int | None
    alarm_date: date | None
    since_date: date | None
    alarm_days: tuple[int, ...]
    excess: float
    days_watched: int
    reasons: tuple[str, ...]
