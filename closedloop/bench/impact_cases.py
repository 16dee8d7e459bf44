"""Made-up themes with a known truth: days as they would have gone, and changes laid over them.

A world is one contact centre: themes that share busy weeks, holidays and bad days, and each have a
week, a season, a drift, a memory, noise and spikes of their own. A case is a theme of a world, the
other themes beside it, and a date on which something was changed, or nothing. What a change takes
away is drawn from the contacts that would have come, so that the truth is a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

GENERATOR = "2"
"""Named in what is kept: rows of another generator are made anew."""

SIZES: dict[str, tuple[float, float]] = {
    "under 2": (0.3, 2.0),
    "2 to 10": (2.0, 10.0),
    "10 to 100": (10.0, 100.0),
    "over 100": (100.0, 2000.0),
}
"""Contacts on an ordinary day, smallest and largest; drawn evenly on the log scale."""

ANY_SIZE = (2.0, 2000.0)
N_OTHERS = 20
ROLLOUT_DAYS = 14
SHAPES = ("at once", f"over {ROLLOUT_DAYS} days", "5 days late")
POST_DAYS = (14, 28, 42, 60, 90)
LEAST_PRE, MOST_PRE = 60, 365

_DAYS_A_YEAR = 365.25
_HOLIDAYS: tuple[tuple[int, int], ...] = (
    *((1, 1), (1, 2), (4, 14), (4, 17), (5, 1), (5, 29), (7, 4), (8, 28)),
    *((12, 24), (12, 25), (12, 26)),
)
_WEEK = np.array([0.14, 0.05, 0.01, 0.0, -0.03, -0.36, -0.52])  # logs, Monday to Sunday
_DRIFTS, _DRIFT_SHARES = (0.001, 0.003, 0.006, 0.012), (0.25, 0.35, 0.25, 0.15)
_CLOSED_DAYS = 0.25  # share of days on which the sparsest themes get nothing
_FORTNIGHT, _PEAK_DAYS, _PEAK_FROM = 14, 300, 90

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class World:
    """Themes of one contact centre.

    Attributes
    ----------
    counts : int64, shape (n_days, n_themes)
        Contacts a day; the first theme has the size asked for.
    first_day : date
    holidays : tuple of date
        Those within the days.
    """

    counts: Counts
    first_day: date
    holidays: tuple[date, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """A theme around a date.

    Attributes
    ----------
    counts, without : int64, shape (n_days,)
        Contacts a day that came, and that would have come without the change.
    controls : int64, shape (n_days, n_others)
        Contacts a day of the other themes.
    n_pre : int
        Days before the date.
    shape : str
        One of `SHAPES`: how a change of this case sets in.
    first_day : date
    holidays : tuple of date
    rollout_days : int
        Days from the date on that were stated as its roll-out; they are not counted.
    """

    counts: Counts
    without: Counts
    controls: Counts
    n_pre: int
    shape: str
    first_day: date
    holidays: tuple[date, ...]
    rollout_days: int = 0

    @property
    def skip(self) -> range:
        """Days that are not counted."""
        return range(self.n_pre, self.n_pre + self.rollout_days)

    @property
    def avoided(self) -> int:
        """Contacts truly avoided on the counted days after the date."""
        return int((self.without - self.counts)[self.skip.stop :].sum())

    @property
    def due(self) -> int:
        """Contacts that would have come on them."""
        return int(self.without[self.skip.stop :].sum())


@dataclass(frozen=True, eq=False)
class _Calendar:
    """Days as columns, each of shape (n_days,)."""

    weekday: NDArray[np.int64]
    angle: Floats
    years: Floats
    is_holiday: Floats


def make_world(
    rng: np.random.Generator,
    size: tuple[float, float],
    n_days: int,
    n_others: int = N_OTHERS,
) -> World:
    """Make a contact centre up.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : tuple of float
        Smallest and largest contacts a day of the first theme.
    n_days : int
    n_others : int, optional
        Themes beside the first, of `ANY_SIZE`.
    """
    first_day = date(2021, 1, 1) + timedelta(days=int(rng.integers(3 * 365)))
    holidays = _holidays(first_day, n_days)
    calendar = _lay_out(first_day, n_days, holidays)
    n = n_others + 1
    level = np.concatenate([_log_even(rng, *size, 1), _log_even(rng, *ANY_SIZE, n_others)])
    shared = _shared(rng, calendar)[:, None] * rng.uniform(0.5, 1.3, n)
    log_means = level + shared + _week(rng, calendar, n) + _own(rng, calendar, n)
    roughness = np.exp(_log_even(rng, 8.0, 200.0, n))
    means = np.exp(log_means) * rng.gamma(roughness, 1 / roughness, log_means.shape)
    counts = rng.poisson(means).astype(np.int64)
    if size == SIZES["under 2"]:
        counts[:, 0] *= rng.random(n_days) > _CLOSED_DAYS
    return World(counts, first_day, holidays)


def _holidays(first_day: date, n_days: int) -> tuple[date, ...]:
    days = (first_day + timedelta(days=day) for day in range(n_days))
    return tuple(day for day in days if (day.month, day.day) in _HOLIDAYS)


def _lay_out(first_day: date, n_days: int, holidays: Sequence[date]) -> _Calendar:
    day = np.arange(n_days, dtype=np.int64)
    closed = np.zeros(n_days)
    closed[[(holiday - first_day).days for holiday in holidays]] = 1.0
    since_new_year = first_day.timetuple().tm_yday + day
    return _Calendar(
        weekday=(first_day.weekday() + day) % 7,
        angle=(2 * np.pi * since_new_year / _DAYS_A_YEAR).astype(np.float64),
        years=day / 365.0,
        is_holiday=closed,
    )


def _log_even(rng: np.random.Generator, low: float, high: float, n: int) -> Floats:
    """Draw logs evenly between those of two values, shape (n,)."""
    return rng.uniform(np.log(low), np.log(high), n)


def _shared(rng: np.random.Generator, calendar: _Calendar) -> Floats:
    """Return what moves all themes: slow waves, growth, a season and company-wide events."""
    n_days = len(calendar.years)
    wave = _remembering(rng, n_days, rng.uniform(0.02, 0.10, 1), rng.uniform(0.8, 0.97, 1))[:, 0]
    walk = np.cumsum(rng.normal(0.0, rng.uniform(0.001, 0.006), n_days))
    growth = rng.uniform(-0.15, 0.25) * calendar.years
    season = rng.uniform(0.0, 0.15) * np.cos(calendar.angle - rng.uniform(0, 2 * np.pi))
    found: Floats = wave + walk + growth + season + _bursts(rng, n_days, 2.0, 3, (1.2, 2.0))
    return found


def _week(rng: np.random.Generator, calendar: _Calendar, n: int) -> Floats:
    """Return each theme's week, shape (n_days, n): alike in one centre, never the same."""
    strength = rng.uniform(0.4, 2.0) * rng.uniform(0.6, 1.4, n)
    weeks: Floats = _WEEK[:, None] * strength + rng.normal(0.0, 0.05, (7, n))
    return weeks[calendar.weekday]


def _own(rng: np.random.Generator, calendar: _Calendar, n: int) -> Floats:
    """Return what moves one theme only: season, memory, drift, growth, holidays, spikes."""
    n_days = len(calendar.years)
    season = rng.uniform(0.0, 0.15, n) * np.cos(
        calendar.angle[:, None] - rng.uniform(0, 2 * np.pi, n)
    )
    memory = _remembering(rng, n_days, rng.uniform(0.02, 0.12, n), rng.uniform(0.4, 0.9, n))
    drift = np.cumsum(rng.normal(0.0, rng.choice(_DRIFTS, n, p=_DRIFT_SHARES), (n_days, n)), axis=0)
    growth = rng.uniform(-0.2, 0.2, n) * (calendar.years[:, None] - 0.5)
    holidays = calendar.is_holiday[:, None] * np.log(rng.uniform(0.35, 0.9, n))
    spikes = np.column_stack([_bursts(rng, n_days, 1.5, 2, (1.4, 4.0)) for _ in range(n)])
    own: Floats = season + memory + drift - drift.mean(0) + growth + holidays + spikes
    return own


def _remembering(rng: np.random.Generator, n_days: int, sd: Floats, memory: Floats) -> Floats:
    """Return stationary AR(1) series, shape (n_days, n)."""
    series = rng.standard_normal((n_days, len(sd))) * sd
    series[1:] *= np.sqrt(1 - memory**2)
    for day in range(1, n_days):
        series[day] += memory * series[day - 1]
    return series


def _bursts(
    rng: np.random.Generator,
    n_days: int,
    a_year: float,
    longest: int,
    factors: tuple[float, float],
) -> Floats:
    """Return logs of short rises at random days, shape (n_days,)."""
    found = np.zeros(n_days)
    for _ in range(rng.poisson(a_year * n_days / 365)):
        start = int(rng.integers(n_days))
        found[start : start + int(rng.integers(1, longest + 1))] += np.log(rng.uniform(*factors))
    return found


def make_case(rng: np.random.Generator, size: str) -> Case:
    """Make a theme of a size and a date on which nothing happened."""
    n_pre, n_post = int(rng.integers(LEAST_PRE, MOST_PRE + 1)), int(rng.choice(POST_DAYS))
    return place(rng, make_world(rng, SIZES[size], n_pre + n_post), n_pre)


def place(rng: np.random.Generator, world: World, n_pre: int) -> Case:
    """Take the first theme of a world, with the others beside it and nothing changed."""
    theme = world.counts[:, 0]
    shape = str(rng.choice(SHAPES))
    return Case(theme, theme, world.counts[:, 1:], n_pre, shape, world.first_day, world.holidays)


def make_shipped(rng: np.random.Generator, size: str) -> Case:
    """Make a theme and a change of which is stated how long its roll-out takes.

    As when an action is shipped: days of a roll-out are not counted, and as many as elsewhere
    are counted after it. That a change sets in late is not known to anybody.
    """
    shape = str(rng.choice(SHAPES))
    rollout_days = ROLLOUT_DAYS if shape == SHAPES[1] else 0
    n_pre, n_post = int(rng.integers(LEAST_PRE, MOST_PRE + 1)), int(rng.choice(POST_DAYS))
    world = make_world(rng, SIZES[size], n_pre + rollout_days + n_post)
    return replace(place(rng, world, n_pre), shape=shape, rollout_days=rollout_days)


def after_worst_fortnight(rng: np.random.Generator, size: str) -> Case:
    """Make a theme whose date was set the day after its fullest fortnight; nothing changed."""
    n_post = int(rng.choice(POST_DAYS[1:]))
    case = place(rng, make_world(rng, SIZES[size], _PEAK_DAYS + n_post), _PEAK_FROM)
    totals = np.convolve(case.counts[:_PEAK_DAYS], np.ones(_FORTNIGHT), "valid")
    ends = np.arange(len(totals)) + _FORTNIGHT
    late = ends >= _PEAK_FROM
    n_pre = int(ends[late][np.argmax(totals[late])])
    days = slice(0, n_pre + n_post)
    return replace(
        case,
        counts=case.counts[days],
        without=case.without[days],
        controls=case.controls[days],
        n_pre=n_pre,
    )


def share_changed(shape: str, n_post: int) -> Floats:
    """Return how much of a change has set in on each day after the date, 0..1."""
    day = np.arange(n_post)
    if shape == SHAPES[1]:
        return np.minimum(1.0, (day + 1) / ROLLOUT_DAYS)
    return np.where(day >= (5 if shape == SHAPES[2] else 0), 1.0, 0.0)


def change(rng: np.random.Generator, case: Case, effect: float) -> Case:
    """Let a share of the theme's contacts after the date not come.

    Parameters
    ----------
    effect : float
        Such as -.2: one in five does not come once the change has set in; at most 0.
    """
    return replace(case, counts=_thinned(rng, case.without, case, effect))


def _thinned(rng: np.random.Generator, counts: Counts, case: Case, effect: float) -> Counts:
    after = counts[case.n_pre :]
    share = abs(effect) * share_changed(case.shape, len(after))
    kept: Counts = counts.copy()
    kept[case.n_pre :] -= rng.binomial(after, share)
    return kept


def contaminate(rng: np.random.Generator, case: Case, effect: float) -> Case:
    """Let the change hit the theme and the largest others, which hold half of all volume."""
    means = case.controls[: case.n_pre].mean(0)
    order = np.argsort(-means, kind="stable")
    reached = int(np.searchsorted(np.cumsum(means[order]) / means.sum(), 0.5))
    controls = case.controls.copy()
    for column in order[: reached + 1]:
        controls[:, column] = _thinned(rng, controls[:, column], case, effect)
    return replace(change(rng, case, effect), controls=controls)


def displace(rng: np.random.Generator, case: Case, effect: float) -> tuple[Case, Case]:
    """Let half of what leaves the theme come under a sibling instead.

    Returns
    -------
    own, net : Case
        The theme, and theme and sibling added up; the sibling is not among the others.
    """
    sibling = int(rng.integers(case.controls.shape[1]))
    beside = case.controls[:, sibling]
    others = np.delete(case.controls, sibling, axis=1)
    own = replace(change(rng, case, effect), controls=others)
    moved = rng.binomial(own.without - own.counts, 0.5)
    net = replace(own, counts=own.counts + beside + moved, without=own.without + beside)
    return own, net


@dataclass(frozen=True, eq=False)
class Tenant:
    """Themes of one centre, looked at on one date.

    Attributes
    ----------
    cases : tuple of Case
        Each with the same unaffected themes beside it.
    fell : bool, shape (n_cases,)
        Which of them truly fell.
    """

    cases: tuple[Case, ...]
    fell: NDArray[np.bool_]


def make_tenant(rng: np.random.Generator, n_themes: int = 20) -> Tenant:
    """Make a centre in which one to two in ten of the themes looked at truly fell."""
    n_pre, n_post = int(rng.integers(120, MOST_PRE + 1)), int(rng.choice(POST_DAYS[1:]))
    world = make_world(rng, ANY_SIZE, n_pre + n_post, n_themes - 1 + N_OTHERS)
    n_fell = int(rng.integers(round(0.1 * n_themes), round(0.2 * n_themes) + 1))
    fell = rng.permutation(n_themes) < n_fell
    cases = []
    for column, falls in enumerate(fell):
        beside = np.column_stack([world.counts[:, column], world.counts[:, n_themes:]])
        case = place(rng, replace(world, counts=beside), n_pre)
        effect = float(rng.choice([-0.2, -0.3, -0.5]))
        cases.append(change(rng, case, effect) if falls else case)
    return Tenant(tuple(cases), fell)


def make_watched(
    rng: np.random.Generator, size: str, *, n_pre: int, n_post: int, back_on: int | None
) -> Case:
    """Make a theme that a change took 30 % from, at once.

    Parameters
    ----------
    n_pre, n_post : int
        Days before and after the change.
    back_on : int or None
        Day after the change, from 0, on which all of it is back; None if it stays away.
    """
    case = place(rng, make_world(rng, SIZES[size], n_pre + n_post), n_pre)
    changed = change(rng, replace(case, shape=SHAPES[0]), -0.3)
    if back_on is not None:
        changed.counts[n_pre + back_on :] = case.without[n_pre + back_on :]
    return changed
