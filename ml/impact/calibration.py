"""Two checks on the model's word: a high end of the history, and themes that nothing touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from ml.impact.inputs import Series

GAP_DAYS = 14
GAP_Z = 1.5  # what else was tried, and what it did: docs/impact/method.md
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
    widened_by : float
        Factor on every sd, from 1 up.
    left_out : tuple of int
        Columns of the themes that moved, where they are too many for chance and too few for
        something that touched everything: they were hit by the change, or by another one.
    """

    tried: int = 0
    moved: int = 0
    widened_by: float = 1.0
    left_out: tuple[int, ...] = ()


def judge_strays(scores: Sequence[float], columns: Sequence[int]) -> Strays:
    """Turn the z of unaffected themes, and their columns, into what is made of them.

    When more than one in ten lie beyond 1.96 sd, ranges are widened to what was seen: the root
    mean square of z (4 at most), with eight pseudo-themes of 1 beside it so that a few themes
    say little.
    """
    tried, moved = len(scores), sum(abs(score) > MOVED_Z for score in scores)
    if moved <= WIDEN_FROM * tried:
        return Strays(tried, moved)
    left_out = [
        column for column, score in zip(columns, scores, strict=True) if abs(score) > MOVED_Z
    ]
    if moved > LEAVE_OUT_MOST * tried:
        left_out = []
    squares = sum(min(abs(score), LARGEST_Z) ** 2 for score in scores)
    mean_square = (squares + SHRINK) / (tried + SHRINK)
    return Strays(tried, moved, max(1.0, sqrt(mean_square)), tuple(sorted(left_out)))


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
    """Say whether the last days ran so high that the history may end on a peak.

    Changes are often decided on when things are worst; from there contacts fall by themselves.
    """
    return score > GAP_Z
