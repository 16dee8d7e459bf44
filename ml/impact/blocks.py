"""Short blocks of days, all of a fit's at once: how each answers to its days and to its start.

A filter goes from day to day, and in numpy each step costs more than its sums. So a history is
cut into blocks of a week which are run side by side. That asks for the level's covariance
at the start of each block; it comes from running every block as if the level before it were
known and joining the blocks, one after the other, in closed form. Nothing is left out: the
gains are those of the filter that goes from day to day, up to rounding.

Points of the grid lie along the last axis of all arrays, and each step is one sum or product over
all of them and all blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.impact.design import WEEKLY
from ml.impact.types import Bools, Floats

if TYPE_CHECKING:
    from ml.impact.grid import Grid

BLOCK_DAYS = WEEKLY  # a week, so that what repeats every week is the same in each block
STARTS = 2  # of the columns a block answers to: the walk and the wobble before its first day
COLUMNS = STARTS + BLOCK_DAYS


@dataclass(frozen=True, eq=False)
class Track:
    """What one fit is run over.

    Attributes
    ----------
    data : float array, shape (n_pre, width)
        The design's columns, those first that are the same in each week, and, last, the response.
    noise : float array, shape (n_pre,)
        Variance of the response around the level.
    seen : bool array, shape (n_pre,)
        False on days that teach nothing.
    """

    data: Floats
    noise: Floats
    seen: Bools


@dataclass(frozen=True, eq=False)
class Blocks:
    """A track cut into blocks; the last ends on its last day.

    Attributes
    ----------
    week : float array, shape (BLOCK_DAYS, BLOCK_DAYS)
        The columns that are the same in each week, on the days of a block.
    data : float array, shape (n_blocks, BLOCK_DAYS, n_others)
        The others.
    noise, seen : float array, shape (BLOCK_DAYS, n_blocks, 1)
        Day by day within the blocks; `seen` is 1 or 0.
    spare : int
        Days of the first block that lie before the first day and teach nothing.
    """

    week: Floats
    data: Floats
    noise: Floats
    seen: Floats
    spare: int

    @property
    def many(self) -> int:
        """Number of blocks."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Gains:
    """What a filter run over the covariance leaves, day by day within the blocks.

    Attributes
    ----------
    variances : float array, shape (BLOCK_DAYS, n_blocks, n_points)
        Of the response, one day ahead.
    gains : float array, shape (BLOCK_DAYS, 2, n_blocks, n_points)
        What walk and wobble take of a residual; 0 on days that teach nothing.
    ends : float array, shape (3, n_blocks, n_points)
        Covariance on each block's last day: of walk, of both, and of wobble.
    """

    variances: Floats
    gains: Floats
    ends: Floats

    def whitening(self, blocks: Blocks) -> Floats:
        """One over the sd of each day's residual, 0 on days that teach nothing."""
        scale: Floats = blocks.seen / np.sqrt(self.variances)
        return scale


@dataclass(frozen=True, eq=False)
class Answers:
    """How residuals and end of each block answer to the walk and wobble before it and to its days.

    Attributes
    ----------
    residuals : float array, shape (BLOCK_DAYS, n_columns, n_blocks, n_points)
        Whitened; the columns are walk, wobble and each of the block's days.
        Columns of days after the residual's hold anything.
    ends : float array, shape (2, n_columns, n_blocks, n_points)
        Walk and wobble on the last day.
    """

    residuals: Floats
    ends: Floats


def cut(track: Track) -> Blocks:
    """Cut a track into blocks."""
    n_pre, width = track.data.shape
    many = -(-n_pre // BLOCK_DAYS)
    spare = many * BLOCK_DAYS - n_pre
    data = np.zeros((many * BLOCK_DAYS, width))
    data[spare:] = track.data
    return Blocks(
        data[-BLOCK_DAYS:, :WEEKLY],
        data[:, WEEKLY:].reshape(many, BLOCK_DAYS, width - WEEKLY),
        _by_day(track.noise, spare, 1.0),
        _by_day(track.seen, spare, 0.0),
        spare,
    )


def _by_day(values: Floats | Bools, spare: int, fill: float) -> Floats:
    """Lay one value a day out as (BLOCK_DAYS, n_blocks, 1)."""
    filled = np.concatenate([np.full(spare, fill), values])
    return np.ascontiguousarray(filled.reshape(-1, BLOCK_DAYS).T)[:, :, None]


def run_gains(blocks: Blocks, starts: Floats, grid: Grid) -> Gains:
    """Run the covariance through all blocks at once: it does not depend on the data.

    Parameters
    ----------
    blocks : Blocks
    starts : float array, shape (3, n_blocks, n_points)
        Covariance on the day before each block; that of the first is not read.
    grid : Grid
    """
    covariance = starts.copy()
    each = covariance.shape[1:]
    variances, gains = np.empty((BLOCK_DAYS, *each)), np.empty((BLOCK_DAYS, 2, *each))
    fade, grow = _overnight(grid, each)
    shared, taken = np.empty((2, *each)), np.empty((3, *each))
    faded, grown = covariance[1:], covariance[::2]
    all_seen = np.all(blocks.seen, axis=(1, 2)).tolist()
    for day, (variance, gain) in enumerate(zip(variances, gains, strict=True)):
        faded *= fade
        grown += grow
        if day == blocks.spare:  # the first day of all, to which nothing has happened yet
            covariance[:, 0] = 0.0
            covariance[2, 0] = grid.wobble_sd**2
        np.add(covariance[:2], covariance[1:], out=shared)
        np.add(shared[0], blocks.noise[day], out=variance)
        variance += shared[1]
        np.divide(shared, variance, out=gain)
        if not all_seen[day]:
            gain *= blocks.seen[day]
        np.multiply(gain, shared, out=taken[::2])
        np.multiply(gain[0], shared[1], out=taken[1])
        covariance -= taken
    return Gains(variances, gains, covariance)


def _overnight(grid: Grid, each: tuple[int, int]) -> tuple[Floats, Floats]:
    """What a night does: a factor on covariance and wobble, an addition to walk and wobble."""
    memory = grid.wobble_memory
    fade, grow = np.empty((2, *each)), np.empty((2, *each))
    fade[0], fade[1] = memory, memory**2
    grow[0], grow[1] = grid.walk_sd**2, grid.wobble_sd**2 * (1 - memory**2)
    return fade, grow


def run_starts(run: Gains, blocks: Blocks, grid: Grid) -> tuple[Floats, Floats]:
    """Run what comes of a unit of walk and of wobble before each block.

    Returns
    -------
    ends : float array, shape (2, 2, n_blocks, n_points)
        Walk and wobble on the last day, for each of the two.
    told : float array, shape (3, n_blocks, n_points)
        What the block tells of the walk, of both and of the wobble: the products of the residuals.
    """
    each = run.variances.shape[1:]
    state, step = np.zeros((2, 2, *each)), np.empty((2, 2, *each))
    state[0, 0] = state[1, 1] = 1.0
    levels, memory = np.empty((BLOCK_DAYS, 2, *each)), np.empty(each)
    memory[:] = grid.wobble_memory
    walk, wobble = state
    for level, gain in zip(levels, run.gains[:, :, None], strict=True):
        wobble *= memory
        np.add(walk, wobble, out=level)
        state -= np.multiply(gain, level, out=step)
    weighed, told = levels * (blocks.seen / run.variances)[:, None], np.empty((3, *each))
    np.einsum("dbp,dcbp->cbp", levels[:, 0], weighed, out=told[:2])
    np.einsum("dbp,dbp->bp", levels[:, 1], weighed[:, 1], out=told[2])
    return state, told


def run_answers(gains: Floats, whitening: Floats, grid: Grid) -> Answers:
    """Run what comes of a unit of each start and of each day.

    A residual follows from the two before it: walk and wobble leave a second-order recursion of
    which the gains are the coefficients. Two more days that teach nothing tell the end apart
    into walk and wobble, since the wobble fades and the walk does not.

    Parameters
    ----------
    gains : float array, shape (BLOCK_DAYS, 2, n_blocks, n_points)
    whitening : float array, shape (BLOCK_DAYS, n_blocks, n_points)
    grid : Grid
    """
    many, n_points = gains.shape[2:]
    lanes = many * n_points
    memory = np.empty((many, n_points))
    memory[:] = grid.wobble_memory
    memory = memory.reshape(lanes)
    weights, drops = _recursion(gains.reshape(BLOCK_DAYS, 2, lanes), memory)
    # what a day does to residuals before it is nothing; that is never written, and never read
    residuals = np.empty((BLOCK_DAYS + 2, COLUMNS, lanes))
    residuals[0, 0], residuals[0, 1] = -1.0, -memory
    residuals[1, 0], residuals[1, 1] = drops[0] - 1.0, memory * (drops[0] - memory)
    place = np.arange(BLOCK_DAYS)
    residuals[place, STARTS + place] = 1.0
    residuals[place + 1, STARTS + place] = -drops
    for day in range(2, BLOCK_DAYS + 2):
        known = STARTS + day - 1
        before, today = residuals[day - 2 : day, :known], residuals[day, :known]
        np.einsum("dl,dcl->cl", weights[day - 2], before, out=today)
        today[-1] += memory
    wobble = (residuals[-1] - residuals[-2]) / (memory - memory * memory)
    ends = np.empty((2, COLUMNS, lanes))
    ends[1] = wobble
    np.multiply(wobble, -memory, out=ends[0])
    ends[0] -= residuals[-2]
    for day, scale in enumerate(whitening.reshape(BLOCK_DAYS, lanes)):
        residuals[day, : STARTS + day + 1] *= scale
    return Answers(
        residuals[:-2].reshape(BLOCK_DAYS, COLUMNS, many, n_points),
        ends.reshape(2, COLUMNS, many, n_points),
    )


def _recursion(gains: Floats, memory: Floats) -> tuple[Floats, Floats]:
    """Return the weights of the two residuals before a day's, and what one takes off the next.

    Returns
    -------
    weights : float array, shape (BLOCK_DAYS, 2, n_lanes)
        From the third day on, two days beyond the end included.
    drops : float array, shape (BLOCK_DAYS, n_lanes)
    """
    drops = gains[:, 0] + memory * gains[:, 1]
    weights = np.empty_like(gains)
    np.add(gains[:, 0], gains[:, 1], out=weights[:, 0])
    weights[:, 0] -= 1.0
    weights[:, 0] *= memory
    np.subtract(1.0 + memory, drops[1:], out=weights[:-1, 1])
    weights[-1, 1] = 1.0 + memory  # the day after the end takes nothing
    return weights, drops
