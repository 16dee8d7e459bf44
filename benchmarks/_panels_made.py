"""Made-up panels with one trait each that the generator of `closedloop bench impact` has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from benchmarks._panels import Counts, Floats, Panel

N_THEMES, MEASURED = 12, 3
N_PRE, N_POST = 300, 84
WEEK = np.array([0.14, 0.05, 0.01, 0.0, -0.03, -0.36, -0.52])


@dataclass(eq=False)
class World:
    """An even-tempered company, before a trait is laid over it; `logs` is (n_days, n_themes)."""

    rng: np.random.Generator
    first_day: date
    n_pre: int = N_PRE
    n_themes: int = N_THEMES
    excess: float = 0.02
    size: tuple[float, float] = (3.0, 150.0)
    logs: Floats = field(init=False)

    def __post_init__(self) -> None:
        days, rng = self.n_pre + N_POST, self.rng
        shared = _wander(rng, days, 1, 0.05, 0.9, 0.002)
        own = _wander(rng, days, self.n_themes, 0.05, 0.7, 0.003)
        level = rng.uniform(*np.log(self.size), self.n_themes)
        week = WEEK[:, None] * rng.uniform(0.5, 1.5, self.n_themes)
        self.logs = level + shared + own + week[self.weekday]

    @property
    def dates(self) -> list[date]:
        return [self.first_day + timedelta(days=day) for day in range(self.n_pre + N_POST)]

    @property
    def weekday(self) -> Counts:
        return np.array([day.weekday() for day in self.dates])

    @property
    def day_of_month(self) -> Counts:
        return np.array([day.day for day in self.dates])

    @property
    def day_of_year(self) -> Counts:
        return np.array([day.timetuple().tm_yday for day in self.dates])

    @property
    def since(self) -> Counts:
        """Days since the date, below 0 before it."""
        return np.arange(-self.n_pre, N_POST)

    def draw(self) -> Counts:
        means = np.exp(self.logs)
        if self.excess:
            means = means * self.rng.gamma(1 / self.excess, self.excess, means.shape)
        return self.rng.poisson(means).astype(np.int64)

    def one_in(self, n: int) -> Counts:
        """Return the measured themes and, beside them, every n-th other."""
        return np.unique([*range(MEASURED), *range(MEASURED, self.n_themes, n)])


def _wander(
    rng: np.random.Generator, days: int, n: int, sd: float, memory: float, step: float
) -> Floats:
    found = rng.standard_normal((days, n)) * sd * np.sqrt(1 - memory**2)
    for day in range(1, days):
        found[day] += memory * found[day - 1]
    return found + np.cumsum(rng.normal(0, step, (days, n)), axis=0)


def calm(world: World) -> Counts:
    return world.draw()


def own_season(world: World) -> Counts:
    phase = world.rng.uniform(0, 2 * np.pi, world.n_themes)
    world.logs += 0.5 * np.cos(2 * np.pi * world.day_of_year[:, None] / 365.25 - phase)
    return world.draw()


def shared_season(world: World) -> Counts:
    angle = 2 * np.pi * world.day_of_year / 365.25 - world.rng.uniform(0, 2 * np.pi)
    world.logs += 0.5 * np.cos(angle)[:, None]
    return world.draw()


def closed_at_weekends(world: World) -> Counts:
    counts = world.draw()
    counts[world.weekday >= 5] = 0
    return counts


def weekly_newsletter(world: World) -> Counts:
    sent = world.weekday == int(world.rng.integers(5))
    world.logs[np.ix_(sent, world.one_in(3))] += np.log(5)
    return world.draw()


def month_end_bills(world: World) -> Counts:
    billed = (world.day_of_month >= 28) | (world.day_of_month <= 3)
    world.logs[np.ix_(billed, world.one_in(3))] += np.log(2.5)
    return world.draw()


def month_start_of_one(world: World) -> Counts:
    world.logs[world.day_of_month <= 3, 0] += np.log(4)
    return world.draw()


def surge_of_one(world: World) -> Counts:
    world.logs[:, 0] += _surge(world)
    return world.draw()


def surge_of_all(world: World) -> Counts:
    world.logs += _surge(world)[:, None] * world.rng.uniform(0.3, 1.2, world.n_themes)
    return world.draw()


def _surge(world: World) -> Floats:
    began = world.since + world.rng.integers(20, 90)
    return np.where(began >= 0, 1.5 * np.exp(-began / 60), 1.5 * np.exp(began / 4))


def school_holidays(world: World) -> Counts:
    starts = world.since - int(world.rng.integers(-20, 40))
    off = (starts >= 0) & (starts < 42) | (starts >= -120) & (starts < -106)
    world.logs[np.ix_(off, world.one_in(4))] += np.log(0.7)
    return world.draw()


def doubling_in_a_year(world: World) -> Counts:
    world.logs += np.log(2) * world.since[:, None] / 365
    return world.draw()


def doubling_of_one(world: World) -> Counts:
    world.logs[:, 0] += np.log(2) * world.since / 365
    return world.draw()


def halving_of_one(world: World) -> Counts:
    world.logs[:, 0] -= np.log(2) * world.since / 365
    return world.draw()


def outage_after(world: World) -> Counts:
    began = int(world.rng.integers(2, 12))
    hit = (world.since >= began) & (world.since < began + 3)
    world.logs[hit, 0] += np.log(5)
    return world.draw()


def outage_before(world: World) -> Counts:
    began = -int(world.rng.integers(3, 40))
    hit = (world.since >= began) & (world.since < began + 3)
    world.logs[hit, 0] += np.log(5)
    return world.draw()


def replaced_slowly(world: World) -> Counts:
    gone = 0.8 / (1 + np.exp(-(world.since - world.rng.integers(-60, 30)) / 40))
    taken = np.exp(world.logs[:, 0]) * gone
    world.logs[:, 0] += np.log(1 - gone)
    world.logs[:, 1] = np.log(np.exp(world.logs[:, 1]) + taken)
    return world.draw()


def mostly_zero(world: World) -> Counts:
    world.logs[:, :MEASURED] = np.log(world.rng.uniform(1, 6, MEASURED))
    counts = world.draw()
    counts[:, :MEASURED] *= world.rng.random((len(counts), MEASURED)) > 0.7
    return counts


def a_huge_control(world: World) -> Counts:
    world.logs[:, -1] = (
        np.log(20_000) + _wander(world.rng, len(world.logs), 1, 0.1, 0.9, 0.02)[:, 0]
    )
    return world.draw()


def opposite_controls(world: World) -> Counts:
    wave = 0.3 * np.sin(
        2 * np.pi * world.since / world.rng.uniform(40, 150) + world.rng.uniform(0, 6)
    )
    world.logs[:, :MEASURED] += wave[:, None]
    world.logs[:, MEASURED:] -= wave[:, None]
    return world.draw()


def a_control_ends(world: World) -> Counts:
    counts = world.draw()
    counts[world.since >= -int(world.rng.integers(-7, 8)), MEASURED] = 0
    return counts


def three_controls_end(world: World) -> Counts:
    counts = world.draw()
    counts[world.since >= 0, MEASURED : MEASURED + 3] = 0
    return counts


def a_channel_off(world: World) -> Counts:
    counts = world.draw()
    off = world.since >= int(world.rng.integers(0, 7))
    counts[off] = world.rng.binomial(counts[off], 0.5)
    return counts


def a_channel_off_unevenly(world: World) -> Counts:
    """A channel is closed that some themes come by more than others: 20 to 80 % of each is gone."""
    counts = world.draw()
    off = world.since >= int(world.rng.integers(0, 7))
    counts[off] = world.rng.binomial(counts[off], world.rng.uniform(0.2, 0.8, world.n_themes))
    return counts


def rough(world: World) -> Counts:
    world.excess = 0.3
    return world.draw()


def bursts_of_a_week(world: World) -> Counts:
    for theme in range(world.n_themes):
        for start in np.flatnonzero(world.rng.random(len(world.logs)) < 6 / 365):
            world.logs[start : start + 7, theme] += np.log(2)
    return world.draw()


def few_others(world: World) -> Counts:
    return world.draw()[:, : MEASURED + 2]


def half_imported(world: World) -> Counts:
    """Most of what should be imported is missing on three days after the date."""
    counts = world.draw()
    lost = np.isin(world.since, world.rng.choice(14, 3, replace=False))
    counts[lost] = world.rng.binomial(counts[lost], 0.3)
    return counts


def steps_at_random(world: World) -> Counts:
    """Every theme steps up or down by a third or so, some three times a year, for good."""
    for theme in range(world.n_themes):
        for start in np.flatnonzero(world.rng.random(len(world.logs)) < 3 / 365):
            world.logs[start:, theme] += world.rng.normal(0, 0.3)
    return world.draw()


def fell_before(world: World) -> Counts:
    """The theme falls by 40 % for good, 4 to 28 days before the date."""
    world.logs[world.since >= -int(world.rng.integers(4, 29)), 0] += np.log(0.6)
    return world.draw()


def rose_before(world: World) -> Counts:
    """The same upwards, to one and two thirds."""
    world.logs[world.since >= -int(world.rng.integers(4, 29)), 0] -= np.log(0.6)
    return world.draw()


Trait = Callable[[World], Counts]


@dataclass(frozen=True)
class Recipe:
    """A trait with what its worlds need."""

    name: str
    trait: Trait
    n_pre: int = N_PRE
    n_themes: int = N_THEMES
    is_still: bool = True
    arrived: tuple[float, ...] = ()
    is_alone: bool = False  # the trait is that of one theme, which is measured by itself


RECIPES: tuple[Recipe, ...] = (
    Recipe("even-tempered", calm),
    Recipe("even-tempered, 61 days before", calm, n_pre=61),
    Recipe("season of each theme, 200 days before", own_season, n_pre=200),
    Recipe("season of each theme, 364 days before", own_season, n_pre=364),
    Recipe("season in common, 200 days before", shared_season, n_pre=200),
    Recipe("closed at weekends", closed_at_weekends),
    Recipe("five times as many on one weekday", weekly_newsletter),
    Recipe("bills at the turn of the month", month_end_bills),
    Recipe("four times as many on the 1st to 3rd, theme alone", month_start_of_one, is_alone=True),
    Recipe("surge that decays, theme alone", surge_of_one, is_alone=True),
    Recipe("surge that decays, all", surge_of_all),
    Recipe("school holidays", school_holidays),
    Recipe("doubling in a year, all", doubling_in_a_year),
    Recipe("doubling in a year, theme alone", doubling_of_one, is_alone=True),
    Recipe("halving in a year, theme alone", halving_of_one, is_alone=True),
    Recipe("outage of 3 days before the date", outage_before, is_alone=True),
    Recipe("outage of 3 days after the date", outage_after, is_still=False, is_alone=True),
    Recipe("one theme slowly replaces another", replaced_slowly),
    Recipe("themes with 7 of 10 days empty", mostly_zero),
    Recipe("one huge unsteady control", a_huge_control),
    Recipe("controls that go the other way", opposite_controls),
    Recipe("one of 9 controls ends", a_control_ends),
    Recipe("three of 9 controls end", three_controls_end),
    Recipe("all halved: a channel closed", a_channel_off, is_still=False),
    Recipe("a channel closed, 20 to 80 % of each theme", a_channel_off_unevenly, is_still=False),
    Recipe("three days after it lack most contacts", half_imported, is_still=False),
    Recipe("newest 3 days incomplete", calm, arrived=(0.8, 0.5, 0.2)),
    Recipe("excess of .3", rough),
    Recipe("bursts of a week", bursts_of_a_week),
    Recipe("fell by 40 % for good 4 to 28 days before", fell_before, is_alone=True),
    Recipe("rose by 67 % for good 4 to 28 days before", rose_before, is_alone=True),
    Recipe("lasting steps at random", steps_at_random),
    Recipe("few others to compare with", few_others),
)


def made_panels(recipe: Recipe, worlds: int, seed: int) -> list[Panel]:
    """Make so many independent companies with one trait up; the date is after `n_pre` days.

    Of those that measure one theme there are three times as many.
    """
    found = []
    for number in range(worlds * (MEASURED if recipe.is_alone else 1)):
        rng = np.random.default_rng([seed, RECIPES.index(recipe), number])
        first_day = date(2021, 1, 1) + timedelta(days=int(rng.integers(3 * 365)))
        world = World(rng, first_day, recipe.n_pre, recipe.n_themes)
        found.append(
            Panel(
                recipe.name,
                recipe.trait(world),
                first_day,
                days=(recipe.n_pre,),
                themes=(0,) if recipe.is_alone else tuple(range(MEASURED)),
                is_still=recipe.is_still,
                arrived=recipe.arrived,
                world=number,
            )
        )
    return found
