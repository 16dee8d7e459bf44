"""How often the method cries wolf on a site's own days on which nothing was changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml.impact.calibration import MOST_TRIED
from ml.impact.cases import ImpactCase
from ml.impact.estimate import estimate_many
from ml.impact.types import Bools, ImpactEstimate, Verdict

LEAST_PRE = 74  # days of history that step 4 of the recipe asks for
LEAST_MEAN = 0.5  # contacts a day; sparser themes cannot be spoken about anyway
AFTER_DAYS = 84
RECENT_FIX_DAYS = 28  # a fix rolled out this shortly before still blurs a comparison
THEMES_A_DATE = 5  # themes that share a date share the look at their surroundings
CLAIMS = frozenset({Verdict.FELL, Verdict.ROSE})

Counts = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Panel:
    """A site's themes over the same days.

    Attributes
    ----------
    counts : int array, shape (n_days, n_themes)
        Contacts a day, without gaps.
    first_day : date
        The day of counts[0].
    fixes : tuple of tuples of (int, int, int)
        For each theme the stretches that something shipped disturbs: index of the day of going
        live, of the first day after its roll-out and of the last day that is still looked at.
    families : tuple of frozenset of int
        For each theme the columns that contacts may move to: never compared with.
    holidays : tuple of date
    lacking : tuple of int
        Indexes of days for which an import is missing; they are not counted.
    """

    counts: Counts
    first_day: date
    fixes: tuple[tuple[tuple[int, int, int], ...], ...]
    families: tuple[frozenset[int], ...]
    holidays: tuple[date, ...] = ()
    lacking: tuple[int, ...] = ()

    @property
    def n_days(self) -> int:
        """Days in all."""
        return int(self.counts.shape[0])

    def first_contact_days(self) -> list[int]:
        """Return the index of the first day with a contact of each theme; the end without any."""
        some = self.counts > 0
        first = np.where(some.any(axis=0), some.argmax(axis=0), self.n_days)
        return [int(day) for day in first]


@dataclass(frozen=True)
class Placebo:
    """A date on which nothing was shipped, and what the method made of it.

    Attributes
    ----------
    theme : int
        Column of the panel.
    day : int
        Index of the first day "with" the change.
    z : tuple of float
        One for each look that may speak, in the order of the looks.
    spoke : tuple of bool
        For each look, whether it may speak: enough days and contacts.
    claimed : tuple of bool
        For each look, whether it said `fell` or `rose`.
    covered : tuple of bool
        For each look, whether its range holds what came.
    """

    theme: int
    day: int
    z: tuple[float, ...]
    spoke: tuple[bool, ...]
    claimed: tuple[bool, ...]
    covered: tuple[bool, ...]

    @property
    def is_false_alarm(self) -> bool:
        """Whether any look claimed a change that was not there."""
        return any(self.claimed)


@dataclass(frozen=True)
class LookCheck:
    """What all placebos say about one look.

    Attributes
    ----------
    days : int
        Counted days after the date.
    n, n_claimed, n_covered : int
        Looks that could speak; of them those that claimed a change, and those whose range held.
    sd_z : float or None
        About 1 when ranges are as wide as they say; None with fewer than two.
    """

    days: int
    n: int
    n_claimed: int
    n_covered: int
    sd_z: float | None


@dataclass(frozen=True)
class PlaceboSummary:
    """How the method did on dates on which nothing was changed.

    Attributes
    ----------
    n_placebos, n_false : int
        Dates of themes; of them those on which any look claimed a change.
    sd_z, mean_z : float or None
        Over all looks that could speak; None with fewer than two.
    n_looks, n_covered : int
        Those looks; of them those whose range holds what came.
    looks : tuple of LookCheck
    """

    n_placebos: int
    n_false: int
    sd_z: float | None
    mean_z: float | None
    n_looks: int
    n_covered: int
    looks: tuple[LookCheck, ...]


def choose_placebos(
    panel: Panel, *, most: int, seed: int = 0, after: int = AFTER_DAYS
) -> list[tuple[int, int]]:
    """Choose dates on which nothing was shipped, spread over the days and the themes.

    Parameters
    ----------
    panel : Panel
    most : int
        Placebos at most.
    seed : int
        Same panel, same seed: same dates.
    after : int
        Days from a date on, it included, in which nothing may have been shipped either.

    Returns
    -------
    list of (int, int)
        Index of the day and column of the theme, ordered; no theme's stretches of days looked at
        overlap each other.
    """
    free = quiet_days(panel, after=after)
    rng = np.random.default_rng(seed)
    chosen: list[tuple[int, int]] = []
    while len(chosen) < most and free.any():
        day = int(rng.choice(np.flatnonzero(free.any(axis=1))))
        themes = rng.permutation(np.flatnonzero(free[day]))
        for theme in themes[: min(THEMES_A_DATE, most - len(chosen))]:
            chosen.append((day, int(theme)))
            free[max(0, day - after + 1) : day + after, theme] = False
        free[day] = False
    return sorted(chosen)


def quiet_days(panel: Panel, *, after: int = AFTER_DAYS) -> Bools:
    """Return for which day and theme a placebo may be set, shape (n_days, n_themes).

    It needs history since the theme's first contact, all days of the looks, contacts enough, and
    no fix of the theme between the date and the last day looked at, nor one still looked at on
    the date.
    """
    counts = panel.counts
    quiet = np.zeros(counts.shape, dtype=bool)
    quiet[LEAST_PRE : panel.n_days - after + 1] = True
    running = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    days = np.arange(1, panel.n_days + 1)[:, None]
    mean_before = running[:-1] / np.maximum(days - 1, 1)
    quiet &= mean_before >= LEAST_MEAN
    for theme, born in enumerate(panel.first_contact_days()):
        quiet[: born + LEAST_PRE, theme] = False
    for theme, stretches in enumerate(panel.fixes):
        for first, _, last in stretches:
            quiet[max(0, first - after + 1) : last + 1, theme] = False
    return quiet


def run_placebos(
    panel: Panel,
    chosen: Sequence[tuple[int, int]],
    *,
    look_days: Sequence[int] = (14, 28, 56, 84),
    alpha: float = 0.015,
    pre_days: int = 364,
    most_controls: int = 60,
    prior: ArrayLike | None = None,
) -> Iterator[list[Placebo]]:
    """Estimate at every chosen date as if something had been shipped, a date at a time.

    Themes of one date share how many unaffected themes moved on it, which is most of the work.

    Parameters
    ----------
    chosen : sequence of (int, int)
        Ordered by day; see `choose_placebos`.
    look_days : sequence of int
        Counted days of the looks.
    alpha : float
        Significance of one look.
    pre_days : int
        Days of history read at most.
    most_controls : int
        Unaffected themes compared with at most, the largest.
    prior : float array, shape (n_points,), optional
        Weights of the model's settings; None takes those delivered.

    Yields
    ------
    list of Placebo
        All of one date.
    """
    reading = _Reading(alpha, pre_days, most_controls, prior)
    for day, group in groupby(chosen, key=lambda one: one[0]):
        themes = [theme for _, theme in group]
        looks = [_estimate_date(panel, reading, day, themes, days) for days in look_days]
        yield [
            _placebo(theme, day, estimates)
            for theme, *estimates in zip(themes, *looks, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _Reading:
    """How every date is read; see `run_placebos`."""

    alpha: float
    pre_days: int
    most_controls: int
    prior: ArrayLike | None


def _estimate_date(
    panel: Panel, how: _Reading, day: int, themes: Sequence[int], days: int
) -> list[ImpactEstimate]:
    """Estimate one look of the themes of a date, each from its first contact on.

    They are compared with the same others, so that these are looked at once for all of them;
    where that would leave too few to look around, each with its own.
    """
    first, last = max(0, day - how.pre_days), day + days
    aside = frozenset(themes).union(*(panel.families[theme] for theme in themes))
    common = _eligible(panel, aside, day, last - 1, first, how.most_controls)
    born, cases = panel.first_contact_days(), []
    for theme in themes:
        begin, columns = max(first, born[theme]), common
        if begin > first:
            columns = _eligible(panel, aside, day, last - 1, begin, how.most_controls)
        if len(columns) < MOST_TRIED:
            columns = controls_of(panel, day, theme, last - 1, begin, how.most_controls)
        case = ImpactCase(
            panel.counts[begin:last, theme],
            day - begin,
            panel.first_day + timedelta(days=begin),
            controls=panel.counts[begin:last][:, columns] if columns else None,
            holidays=panel.holidays,
            skip=[lost - begin for lost in panel.lacking if begin <= lost < last],
            alpha=how.alpha,
            prior=how.prior,
        )
        cases.append(case)
    return estimate_many(cases)


def controls_of(
    panel: Panel, day: int, theme: int, last: int, first: int = 0, most: int = 60
) -> list[int]:
    """Return the columns compared with: no family, no fix since, none rolled out shortly before.

    Parameters
    ----------
    day, last, first : int
        Index of the date, of the last and of the first day read, inclusive.
    theme : int
        Column that is measured.
    most : int
        Columns at most, the largest before the date; given in order.
    """
    return _eligible(panel, panel.families[theme] | {theme}, day, last, first, most)


def _eligible(
    panel: Panel, aside: frozenset[int], day: int, last: int, first: int, most: int
) -> list[int]:
    """Return the columns compared with, without those aside; see `controls_of`."""
    means = panel.counts[first:day].mean(axis=0)
    eligible = [
        column
        for column in range(panel.counts.shape[1])
        if column not in aside
        and means[column] >= LEAST_MEAN
        and not any(
            live <= last and rolled_out >= day - RECENT_FIX_DAYS
            for live, rolled_out, _ in panel.fixes[column]
        )
    ]
    return sorted(sorted(eligible, key=lambda column: (-means[column], column))[:most])


def _placebo(theme: int, day: int, estimates: Sequence[ImpactEstimate]) -> Placebo:
    spoke = tuple(
        one.verdict not in (Verdict.TOO_EARLY, Verdict.NOT_ENOUGH_DATA) for one in estimates
    )
    return Placebo(
        theme=theme,
        day=day,
        z=tuple(one.z for one, may in zip(estimates, spoke, strict=True) if may),
        spoke=spoke,
        claimed=tuple(one.verdict in CLAIMS for one in estimates),
        covered=tuple(one.avoided_low <= 0 <= one.avoided_high for one in estimates),
    )


def sum_up(placebos: Sequence[Placebo], look_days: Sequence[int]) -> PlaceboSummary:
    """Sum up; a placebo of which no look could speak is in no number."""
    told = [one for one in placebos if any(one.spoke)]
    z = np.array([value for one in told for value in one.z])
    looks = tuple(_check_look(told, number, days) for number, days in enumerate(look_days))
    return PlaceboSummary(
        n_placebos=len(told),
        n_false=sum(one.is_false_alarm for one in told),
        sd_z=_sd(z),
        mean_z=float(z.mean()) if len(z) > 1 else None,
        n_looks=sum(look.n for look in looks),
        n_covered=sum(look.n_covered for look in looks),
        looks=looks,
    )


def _check_look(told: Sequence[Placebo], number: int, days: int) -> LookCheck:
    spoke = [one for one in told if one.spoke[number]]
    z = np.array([one.z[sum(one.spoke[:number])] for one in spoke])
    return LookCheck(
        days=days,
        n=len(spoke),
        n_claimed=sum(one.claimed[number] for one in spoke),
        n_covered=sum(one.covered[number] for one in spoke),
        sd_z=_sd(z),
    )


def _sd(z: NDArray[np.float64]) -> float | None:
    return float(z.std(ddof=1)) if len(z) > 1 else None
