"""The level model's filter from day to day, for many fits side by side.

Of these only the totals are wanted, and there are many of them: all the themes that the change
does not touch. Side by side they share what a step from day to day costs, which for one fit by
itself is most of the work (`ml.impact.filtering` does that otherwise).

Only sums, products and quotients of single numbers run over several fits together, and the
cross products of each fit are taken over blocks of one size, so a fit's bits do not depend on
the fits that it shares the loop with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml.impact.blocks import Track
from ml.impact.filtering import Filtered, keep_freed_memory
from ml.impact.types import Floats

if TYPE_CHECKING:
    from ml.impact.grid import Grid

BLOCK_DAYS = 32  # days whose cross products are summed at once


def run_filters(tracks: Sequence[Track], grid: Grid) -> list[Filtered]:
    """Filter one track or more of one width side by side; their lengths may differ."""
    keep_freed_memory()
    variances, gains, covariances = _run_covariance(tracks, grid)
    recursion = _States(tracks, grid)
    recursion.run(gains, _whitening(tracks, variances))
    return [
        Filtered(
            cross=recursion.cross[number],
            squares=recursion.squares[number],
            log_variances=np.log(variances[: len(track.data), number][track.seen]).sum(0),
            state=np.ascontiguousarray(recursion.ends[:, number].transpose(0, 2, 1)),
            covariance=covariances[:, number],
            ahead=None,
        )
        for number, track in enumerate(tracks)
    ]


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

    def _data_over_days(self, longest: int) -> Floats:
        data = np.zeros((longest, len(self.tracks), self.width, 1))
        for number, track in enumerate(self.tracks):
            data[: len(track.data), number, :, 0] = track.data
        return data
