"""The day-by-day recursions of the level model, for many fits and all grid points at once.

Only sums, products and quotients of single numbers run over several fits together, and the
cross products of each fit are taken over blocks of one size, so a fit's bits do not depend on
the fits that it shares the loop with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.impact.types import Bools, Floats

if TYPE_CHECKING:
    from ml.impact.grid import Grid

BLOCK_DAYS = 32  # days whose cross products are summed at once
FADING_DAYS = 128  # summed at once: over more, what is left would be too small to divide by


@dataclass(frozen=True, eq=False)
class Track:
    """What one fit is run over.

    Attributes
    ----------
    data : float array, shape (n_pre, width)
        The design's columns and, last, the response.
    noise : float array, shape (n_pre,)
        Variance of the response around the level.
    seen : bool array, shape (n_pre,)
        False on days that teach nothing.
    keep : bool
        Whether to keep the residuals, which take most of the memory.
    """

    data: Floats
    noise: Floats
    seen: Bools
    keep: bool


@dataclass(frozen=True, eq=False)
class Filtered:
    """The Kalman filter run over data and columns, for every grid point.

    Attributes
    ----------
    cross : float array, shape (n_points, width - 1, width)
        Cross products of the whitened columns with themselves and, last, with the response.
    squares : float array, shape (n_points,)
        Sum of squares of the whitened response.
    variances : float array, shape (n_pre, n_points)
        Of the response, one day ahead.
    state : float array, shape (2, n_points, width)
        Walk and wobble on the last day before the change.
    covariance : float array, shape (3, n_points)
        Of walk, of both, and of wobble on that day.
    residuals : float array, shape (n_pre, width, n_points), or None
        One day ahead; None unless they were to be kept.
    """

    cross: Floats
    squares: Floats
    variances: Floats
    state: Floats
    covariance: Floats
    residuals: Floats | None


def run_filters(tracks: Sequence[Track], grid: Grid) -> list[Filtered]:
    """Filter one track or more of one width side by side; their lengths may differ."""
    variances, gains, covariances = _run_covariance(tracks, grid)
    recursion = _States(tracks, grid)
    recursion.run(gains, _whitening(tracks, variances))
    return [
        Filtered(
            cross=recursion.cross[number],
            squares=recursion.squares[number],
            variances=np.ascontiguousarray(variances[: len(track.data), number]),
            state=np.ascontiguousarray(recursion.ends[:, number].transpose(0, 2, 1)),
            covariance=covariances[:, number],
            residuals=recursion.kept[number] if track.keep else None,
        )
        for number, track in enumerate(tracks)
    ]


def carry_forward(weights: Floats, covariance: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Carry a fit's variance of the level over the days after the change.

    Parameters
    ----------
    weights : float array, shape (n_points, n_post)
        What each day adds to the running total for a unit of log level.
    covariance : float array, shape (3, n_points)
        On the last day before the change.

    Returns
    -------
    level_var, total_var : float array, shape (n_points, n_post)
        Variance of each day's log level, and of the running weighted sum of them.
    """
    day = np.arange(1, weights.shape[1] + 1)
    walk, both, wobble = covariance[:, :, None]
    memory, settled = grid.wobble_memory[:, None] ** day, grid.wobble_sd[:, None] ** 2
    walk = walk + grid.walk_sd[:, None] ** 2 * day
    both = both * memory
    wobble = settled + (wobble - settled) * memory**2
    level_var = walk + 2 * both + wobble
    # what the total of the days before has in common with a day's walk, and with its wobble
    of_walk = np.cumsum(weights * (walk + both), axis=1) - weights * (walk + both)
    shared = of_walk + _fading_sums(weights * (both + wobble), grid.wobble_memory)
    return level_var, np.cumsum(weights * (2 * shared + weights * level_var), axis=1)


def _fading_sums(values: Floats, memory: Floats) -> Floats:
    """Sum the values of the days before each day, each faded by the days in between.

    Parameters
    ----------
    values : float array, shape (n_points, n_days)
    memory : float array, shape (n_points,)
        What is left after a day, .1 to 1.
    """
    sums, carried = np.empty_like(values), np.zeros((len(values), 1))
    for start in range(0, values.shape[1], FADING_DAYS):
        block = values[:, start : start + FADING_DAYS]
        left = memory[:, None] ** np.arange(block.shape[1] + 1)
        running = np.cumsum(block / left[:, :-1], axis=1)
        sums[:, start : start + FADING_DAYS] = left[:, :-1] * (carried + running) - block
        carried = left[:, -1:] * (carried + running[:, -1:])
    return sums


def _transition(grid: Grid, n_tracks: int) -> tuple[Floats, Floats]:
    """What a night does to the covariance of walk and wobble: a factor and an addition.

    Each has shape (2, 2, n_tracks, n_points), written out in full: small arrays of one shape are
    dealt with faster.
    """
    memory = grid.wobble_memory
    fade, grow = np.ones((2, 2, n_tracks, len(memory))), np.zeros((2, 2, n_tracks, len(memory)))
    fade[0, 1], fade[1, 0], fade[1, 1] = memory, memory, memory**2
    grow[0, 0], grow[1, 1] = grid.walk_sd**2, grid.wobble_sd**2 * (1 - memory**2)
    return fade, grow


def _run_covariance(tracks: Sequence[Track], grid: Grid) -> tuple[Floats, Floats, Floats]:
    """Run the covariance alone: it does not depend on the data.

    Returns variances (n_days, n_tracks, n_points), gains (n_days, 2, n_tracks, n_points) and
    the covariance at each track's end (3, n_tracks, n_points).
    """
    noise, seen = _over_days(tracks, "noise", fill=1.0), _over_days(tracks, "seen", fill=0.0)
    all_seen = np.all(seen, axis=(1, 2)).tolist()
    each = (len(tracks), len(grid.walk_sd))
    variances, gains = np.empty((len(noise), *each)), np.empty((len(noise), 2, *each))
    variances[:] = noise
    fade, grow = _transition(grid, len(tracks))
    covariance, taken = np.zeros((2, 2, *each)), np.empty((2, 2, *each))  # walk and wobble, twice
    covariance[1, 1] = grid.wobble_sd**2
    shared, ends = np.empty((2, *each)), np.empty((3, *each))
    closing = _closing_days(tracks)
    (with_walk, with_wobble), (of_walk, of_wobble) = covariance, shared
    for day, (variance, gain, column) in enumerate(
        zip(variances, gains, gains[:, :, None], strict=True)
    ):
        if day:
            covariance *= fade
            covariance += grow
        np.add(with_walk, with_wobble, out=shared)
        variance += of_walk
        variance += of_wobble
        np.divide(shared, variance, out=gain)
        if not all_seen[day]:
            gain *= seen[day]
        covariance -= np.multiply(column, shared, out=taken)
        for number in closing.get(day, ()):
            ends[:, number] = covariance[(0, 0, 1), (0, 1, 1), number]
    return variances, gains, ends


def _over_days(tracks: Sequence[Track], name: str, *, fill: float) -> Floats:
    """Lay one value a day of each track side by side, (n_days, n_tracks, 1)."""
    longest = max(len(track.data) for track in tracks)
    values = np.full((longest, len(tracks), 1), fill)
    for number, track in enumerate(tracks):
        values[: len(track.data), number, 0] = getattr(track, name)
    return values


def _closing_days(tracks: Sequence[Track]) -> dict[int, list[int]]:
    """Which tracks end on which day."""
    closing: dict[int, list[int]] = {}
    for number, track in enumerate(tracks):
        closing.setdefault(len(track.data) - 1, []).append(number)
    return closing


def _whitening(tracks: Sequence[Track], variances: Floats) -> Floats:
    """One over the sd of each day's residual, 0 on days that teach nothing or lie past the end."""
    return _over_days(tracks, "seen", fill=0.0) / np.sqrt(variances)


class _States:
    """The states of walk and wobble for every column, and the cross products on the way."""

    def __init__(self, tracks: Sequence[Track], grid: Grid) -> None:
        self.tracks = tracks
        self.n_points = len(grid.walk_sd)
        self.width = tracks[0].data.shape[1]
        each = (len(tracks), self.width, self.n_points)
        self.memory = np.empty(each)
        self.memory[:] = grid.wobble_memory
        self.ends = np.empty((2, *each))
        self.cross = np.zeros((len(tracks), self.n_points, self.width - 1, self.width))
        self.squares = np.zeros((len(tracks), self.n_points))
        # room that every block uses anew: fresh pages cost more than the sums
        self.scaled = np.empty((BLOCK_DAYS, self.width, self.n_points))
        self.white = np.empty((self.n_points, BLOCK_DAYS, self.width))
        self.kept = [
            np.empty((len(track.data) if track.keep else 0, self.width, self.n_points))
            for track in tracks
        ]

    def run(self, gains: Floats, whitening: Floats) -> None:
        """Run all days, block after block; see `_run_covariance` for the shapes."""
        state = np.zeros_like(self.ends)
        block = np.empty((BLOCK_DAYS, *self.memory.shape))
        data, closing = self._data_over_days(len(gains)), _closing_days(self.tracks)
        for start in range(0, len(gains), BLOCK_DAYS):
            days = slice(start, start + BLOCK_DAYS)
            self._run_block(block, state, data[days], gains[days], closing, start)
            self._take_in(block, whitening, start)

    def _run_block(
        self,
        block: Floats,
        state: Floats,
        data: Floats,
        gains: Floats,
        closing: dict[int, list[int]],
        start: int,
    ) -> None:
        walk, wobble = state
        step, memory = np.empty_like(state), self.memory
        # the inmost loop of the whole method: one call a line is what it costs
        for place, (today, gain, residual) in enumerate(
            zip(data, gains[:, :, :, None], block, strict=False), start
        ):
            wobble *= memory
            np.subtract(today, walk, out=residual)
            residual -= wobble
            state += np.multiply(gain, residual, out=step)
            for number in closing.get(place, ()):
                self.ends[:, number] = state[:, number]

    def _take_in(self, block: Floats, whitening: Floats, start: int) -> None:
        """Add a block's cross products; days past a track's end count as nothing."""
        white = self.white
        for number, track in enumerate(self.tracks):
            days = min(len(track.data) - start, BLOCK_DAYS)
            if days <= 0:
                continue
            residuals, scale = block[:days, number], whitening[start : start + days, number]
            scaled = np.multiply(residuals, scale[:, None], out=self.scaled[:days])
            white[:, :days] = scaled.transpose(2, 0, 1)
            white[:, days:] = 0.0
            self.cross[number] += white[:, :, :-1].transpose(0, 2, 1) @ white
            self.squares[number] += (white[:, :, -1] ** 2).sum(1)
            if track.keep:
                self.kept[number][start : start + days] = residuals

    def _data_over_days(self, longest: int) -> Floats:
        data = np.zeros((longest, len(self.tracks), self.width, 1))
        for number, track in enumerate(self.tracks):
            data[: len(track.data), number, :, 0] = track.data
        return data
