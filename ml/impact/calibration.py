"""Two checks on the model's word: how the history ends, and themes that nothing touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import median

from ml.impact.answer import are_many
from ml.impact.inputs import Series

GAP_DAYS = 14
GAP_Z = 1.64  # what else was tried, and what it did: docs/impact/method.md
LOW_Z = 1.96  # nobody chooses a date for being quiet: what is low is mostly chance (ADR 20)
LEAST_DAYS_FOR_GAP = 74  # counted days before the change: 60 to forecast the last 14 from
MOST_TRIED = 20
MOVED_Z = 1.96
WIDEN_FROM = 0.10  # share of unaffected themes beyond 1.96 sd that the model need not explain
LEAVE_OUT_MOST = 0.50  # share moved from which it is not some themes but everything that moved
LARGEST_Z = 4.0  # a theme further out tells of something else than ranges that are too narrow
SHRINK = 8.0  # pseudo-themes saying that the model's ranges are right


@dataclass(frozen=True)
class Strays:
    """How far unaffected themes strayed on the date of the change.

    Attributes
    ----------
    tried, moved : int
        Themes looked at, and those of them beyond 1.96 sd of their own history.
    apart : int
        Those that lie so far from the middle one of them.
    widened_by, widened_alone : float
        Factor on every sd, from 1 up, of a comparison with the themes and of a theme's own
        history alone.
    left_out : tuple of int
        Columns of the themes that moved, and moved apart from the others, where they are too
        many for chance and too few for something that touched everything: they were hit by the
        change, or by another one.
    """

    tried: int = 0
    moved: int = 0
    apart: int = 0
    widened_by: float = 1.0
    widened_alone: float = 1.0
    left_out: tuple[int, ...] = ()

    @property
    def are_many(self) -> bool:
        """Whether so many moved that a comparison may not take out what happened."""
        return are_many(self.moved, self.tried)


def judge_strays(scores: Sequence[float], columns: Sequence[int]) -> Strays:
    """Turn the z of unaffected themes, and their columns, into what is made of them.

    A comparison with the themes takes out what they share on the date; how far they lie from
    each other tells whether its ranges are right. A theme's own history has no such help, and
    there it is how far they lie from theirs; so it is, too, where so many moved that something
    happened which a comparison may not take out.
    """
    if not scores:
        return Strays()
    middle = median(scores)
    apart = [score - middle for score in scores]
    moved, strayed = _beyond(scores), _beyond(apart)
    left_out = [
        column for column, one, other in zip(columns, moved, strayed, strict=True) if one and other
    ]
    few = len(left_out) <= WIDEN_FROM * len(scores)
    if few or sum(moved) > LEAVE_OUT_MOST * len(scores):
        left_out = []
    found = Strays(
        tried=len(scores),
        moved=sum(moved),
        apart=sum(strayed),
        widened_alone=_factor(scores),
        left_out=tuple(sorted(left_out)),
    )
    return replace(found, widened_by=_factor(scores if found.are_many else apart))


def _beyond(scores: Sequence[float]) -> list[bool]:
    return [abs(score) > MOVED_Z for score in scores]


def _factor(scores: Sequence[float]) -> float:
    """Widen ranges to what more than one in ten themes did.

    The root mean square of z (4 at most), with eight pseudo-themes of 1 beside it so that a few
    themes say little.
    """
    if sum(_beyond(scores)) <= WIDEN_FROM * len(scores):
        return 1.0
    squares = sum(min(abs(score), LARGEST_Z) ** 2 for score in scores)
    return max(1.0, sqrt((squares + SHRINK) / (len(scores) + SHRINK)))


def days_before_gap(series: Series) -> Series | None:
    """Return the days before the change, the last 14 of them as if a change had come there.

    None when there are too few days to forecast the last 14 from, or none of those counts.
    """
    start = series.n_pre - GAP_DAYS
    if series.seen.sum() < LEAST_DAYS_FOR_GAP or not series.seen[start:].any():
        return None
    days = slice(series.n_pre)
    return replace(
        series,
        counts=series.counts[days],
        n_pre=start,
        counted=series.counted[days],
        day_of_week=series.day_of_week[days],
        day_of_year=series.day_of_year[days],
        holiday=series.holiday[days],
        controls=series.controls[days],
        volume=None if series.volume is None else series.volume[days],
        offset=series.offset[days],
        reached=None,
    )


def is_high(score: float) -> bool:
    """Return whether the last days ran so high that the history may end on a peak.

    Changes are often decided on when things are worst; from there contacts fall by themselves.
    """
    return score > GAP_Z


def is_low(score: float) -> bool:
    """Return whether the last days ran so low that the history may end on a lull or a new level.

    Whatever brought contacts down before the change is not to be credited to it.
    """
    return score < -LOW_Z
