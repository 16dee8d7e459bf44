"""What an impact estimate and a comeback watch say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
    """

    expected: float
    avoided: float
    avoided_low: float
    avoided_high: float
    p_value: float
    z: float
    could_have_seen: float
    verdict: Verdict


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
