"""Before shipping: could the drop that is expected be proven, and by which look?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import ceil, exp, log, log1p

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from ml.impact.answer import LEAST_EXPECTED, LEAST_POST_DAYS, LEAST_PRE_DAYS, POWER
from ml.impact.control import control_index, donors
from ml.impact.design import build_design
from ml.impact.grid import Forecast, fit_and_forecast
from ml.impact.inputs import Series, read_series
from ml.impact.mixture import Mixture
from ml.impact.response import Response, working_response
from ml.impact.types import Floats

LARGEST_DROP = 0.99
RECENT_DAYS = 56  # whole weeks that say how the other themes go on
HALVINGS = 40
WEEK = 7


@dataclass(frozen=True)
class LookPower:
    """What one look would see.

    Attributes
    ----------
    days : int
        Counted days after the roll-out.
    expected : float
        Contacts over them without the change (median).
    sd : float
        Of the log of that total.
    chance : float
        Probability, 0..1, that this look says `fell` if the drop is as expected.
    smallest_seen : float or None
        Share of expected, 0..1: a true drop of this size is noticed in four cases of five;
        None when not even a drop of 99 % is.
    speaks : bool
        Whether there are history, days and contacts enough for the look to say anything.
    """

    days: int
    expected: float
    sd: float
    chance: float
    smallest_seen: float | None
    speaks: bool


@dataclass(frozen=True)
class Power:
    """Whether an expected drop could be proven, and when.

    Attributes
    ----------
    drop : float
        Share of expected that is thought to go away, 0..1.
    looks : tuple of LookPower
        In the order asked for.
    proven_at : int or None
        Days of the first look that proves the drop in at least four cases of five.
    n_pre : int
        Days of history.
    history_lacking : int
        Days of history that are missing before any claim can be made; 0 when there are enough.
    per_day : float
        Contacts expected a day over the longest look.
    controls_used : int
        Unaffected themes in the comparison; 0 means own history only.
    """

    drop: float
    looks: tuple[LookPower, ...]
    proven_at: int | None
    n_pre: int
    history_lacking: int
    per_day: float
    controls_used: int


def could_be_proven(
    counts: ArrayLike,
    drop: float,
    first_day: date = date(2026, 1, 1),
    controls: ArrayLike | None = None,
    holidays: Collection[date] = (),
    *,
    look_days: Sequence[int] = (14, 28, 56, 84),
    rollout_days: int = 0,
    alpha: float = 0.015,
    level: float = 0.95,
    prior: ArrayLike | None = None,
) -> Power:
    """Say what each look would see if the change went live on the day after the counts.

    The model of `estimate_impact` is fitted once to the days so far and forecasts every look.
    With sd the spread of a look's forecast log total, a change is called when the total lies
    beyond the alpha / 2 quantile of the forecast; a true drop of d moves the log total by
    log(1 - d) and, since fewer contacts scatter more, adds 1 / left - 1 / expected to its
    variance. The chance is the share of the forecast mixture of t distributions, moved and
    widened so, that lies beyond the quantile. For a small sd this is the textbook rule that
    (z of alpha / 2 + z of .8) sd is seen in four cases of five (Bloom 1995, minimum detectable
    effects). Deterministic.

    The unaffected themes are taken to go on as in their last eight weeks. What cannot be known
    beforehand is left out: that something else moves all themes, that days are missing, that the
    contacts only move. So the chance is that of an undisturbed measurement.

    Parameters
    ----------
    counts : int array, shape (n_days,)
        Contacts a day so far, without gaps.
    drop : float
        Share of the contacts that is expected to go away, above 0 and below 1.
    first_day : date
        The day of counts[0].
    controls : int array, shape (n_days, n_series), optional
        Contacts a day of themes that the change does not touch.
    holidays : collection of date
        Those to come as well, as far as the looks reach.
    look_days : sequence of int
        Days counted after the roll-out, each from 1 up.
    rollout_days : int
        Days from going live on that are not counted, from 0 up.
    alpha : float
        Significance of one look, .0001 to .5.
    level : float
        Probability that the range is to hold, .5 to .999: `fell` needs zero outside it, too.
    prior : float array, shape (n_points,), optional
        Weights of the model's settings; None takes those delivered.

    Raises
    ------
    ValueError
        When the input cannot be meant; the message is a sentence.
    """
    _check(drop, look_days, rollout_days, alpha, level)
    horizon = rollout_days + max(look_days)
    series, index = _with_days_to_come(counts, first_day, controls, holidays, horizon, rollout_days)
    design = build_design(series, index)
    response = working_response(series, design)
    forecast = fit_and_forecast(series, design, response, prior=prior)
    lacking = max(0, LEAST_PRE_DAYS - series.n_pre)
    bar = min(alpha, 1 - level) / 2
    looks = tuple(
        _Look(forecast, response, rollout_days, days, bar).power(drop, is_mute=lacking > 0)
        for days in look_days
    )
    sure = [look.days for look in looks if look.chance >= POWER]
    longest = max(looks, key=lambda look: look.days)
    return Power(
        drop=float(drop),
        looks=looks,
        proven_at=min(sure, default=None),
        n_pre=series.n_pre,
        history_lacking=lacking,
        per_day=longest.expected / longest.days,
        controls_used=0 if index is None else int(donors(series).sum()),
    )


def _check(
    drop: float, look_days: Sequence[int], rollout_days: int, alpha: float, level: float
) -> None:
    if not 0 < drop < 1:
        raise ValueError(f"drop must be a share above 0 and below 1; got {drop}.")
    if not look_days or min(look_days) < 1:
        raise ValueError(f"look_days must be days from 1 up; got {list(look_days)}.")
    if rollout_days < 0:
        raise ValueError(f"rollout_days must be 0 or more; got {rollout_days}.")
    if not 0.0001 <= alpha <= 0.5:
        raise ValueError(f"alpha must lie between 0.0001 and 0.5; got {alpha}.")
    if not 0.5 <= level <= 0.999:
        raise ValueError(f"level must lie between 0.5 and 0.999; got {level}.")


def _with_days_to_come(
    counts: ArrayLike,
    first_day: date,
    controls: ArrayLike | None,
    holidays: Collection[date],
    horizon: int,
    rollout_days: int,
) -> tuple[Series, Floats | None]:
    """Return the days so far with those to come (counts of 0), and the control index over both."""
    so_far = read_series(
        counts, len(np.atleast_1d(counts)), first_day, controls=controls, holidays=holidays
    )
    n_pre = so_far.n_pre
    both = read_series(
        np.concatenate([so_far.counts, np.zeros(horizon)]),
        n_pre,
        first_day,
        holidays=holidays,
        skip=range(n_pre, n_pre + rollout_days),
    )
    # the controls of days to come are not known: only their index is carried on
    series = replace(
        both, controls=np.pad(so_far.controls, ((0, horizon), (0, 0)), constant_values=0.0)
    )
    index = control_index(so_far)
    return series, None if index is None else _go_on(index, horizon)


def _go_on(index: Floats, horizon: int) -> Floats:
    """Carry an index on: each day to come is the mean of its weekday in the last eight weeks."""
    recent = index[-RECENT_DAYS:]
    if len(recent) < WEEK:
        return np.concatenate([index, np.full(horizon, recent.mean())])
    to_come = [recent[len(recent) - WEEK + day % WEEK :: -WEEK].mean() for day in range(horizon)]
    return np.concatenate([index, to_come])


@dataclass(frozen=True, eq=False)
class _Look:
    """The forecast of one look, and what would be called a fall at it."""

    forecast: Forecast
    response: Response
    rollout_days: int
    days: int
    bar: float

    def power(self, drop: float, *, is_mute: bool) -> LookPower:
        """Return what the look sees; a look that may not speak proves nothing."""
        total = self._total
        expected = exp(total.quantile(0.5))
        highest = ceil(exp(total.quantile(self.bar)) - 0.5) - 1  # the largest total called a fall
        speaks = not is_mute and expected >= LEAST_EXPECTED and self.days >= LEAST_POST_DAYS
        chance = self._chance(total, expected, highest, drop) if speaks else 0.0
        seen = self._smallest_seen(total, expected, highest) if speaks else None
        return LookPower(self.days, expected, total.sd, chance, seen, speaks)

    @property
    def _total(self) -> Mixture:
        at = self.rollout_days + self.days - 1
        forecast = self.forecast
        return Mixture(
            forecast.weights,
            forecast.log_total[:, at],
            forecast.total_sd[:, at],
            forecast.freedom,
        )

    def _chance(self, total: Mixture, expected: float, highest: int, drop: float) -> float:
        """Probability that no more than `highest` contacts come when a share of them is gone."""
        if highest < 0:
            return 0.0
        # Poisson scatter of what is left; at the line itself once less than that is left, as
        # the log of a handful of contacts is no bell
        left = max(expected * (1 - drop), highest + 0.5)
        more_noise = self.response.spike_inflation * max(0.0, 1 / left - 1 / expected)
        sds = np.sqrt(total.sds**2 + log1p(more_noise))
        means = total.means + log(1 - drop)
        reached = stdtr(total.freedom, (log(highest + 0.5) - means) / sds)
        return min(1.0, max(0.0, float(total.weights @ reached)))

    def _smallest_seen(self, total: Mixture, expected: float, highest: int) -> float | None:
        """Halve the way to the drop that is noticed in four cases of five."""
        low, high = 0.0, LARGEST_DROP
        if self._chance(total, expected, highest, high) < POWER:
            return None
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if self._chance(total, expected, highest, middle) < POWER:
                low = middle
            else:
                high = middle
        return high
