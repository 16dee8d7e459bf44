"""The level model's filter, for one fit and all grid points at once.

The gains of the filter do not depend on the data. `ml.impact.blocks` says what comes of a unit of
each day; the days themselves, which the grid points share, then enter through products of
matrices.

No product is so large that the library would split it among threads, so a fit's bits do not
depend on how many there are; nor on other fits, as each is run by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ml.impact.blocks import (
    BLOCK_DAYS,
    STARTS,
    Answers,
    Blocks,
    Gains,
    Track,
    cut,
    run_answers,
    run_gains,
    run_starts,
)
from ml.impact.types import Floats

if TYPE_CHECKING:
    from ml.impact.grid import Grid

MOST_BLOCKS = 54  # run at once: more no longer fit the processor's cache
SUMMED_BLOCKS = 18  # whose products are summed at once: more would be split among threads
LARGEST_FREED = 16 * 1024**2  # bytes
FRACTION_BLOCKS = 8  # after so many both parts of a fraction are made small again
FADING_DAYS = 128  # summed at once: over more, what is left would be too small to divide by


@dataclass(frozen=True, eq=False)
class Ahead:
    """What is needed to look at each day one day ahead.

    Attributes
    ----------
    blocks : Blocks
    run : Gains
    starts : float array, shape (n_points, 2 * n_blocks, width)
        Walk and wobble before each block, one after the other, for other columns than the
        design's: the first seven are 1 on one day of the week.
    columns : float array, shape (width, width)
        How the design's columns come from those.
    """

    blocks: Blocks
    run: Gains
    starts: Floats
    columns: Floats


@dataclass(frozen=True, eq=False)
class Filtered:
    """The Kalman filter run over data and columns, for every grid point.

    Attributes
    ----------
    cross : float array, shape (n_points, width - 1, width)
        Cross products of the whitened columns with themselves and, last, with the response.
    squares : float array, shape (n_points,)
        Sum of squares of the whitened response.
    log_variances : float array, shape (n_points,)
        Sum over the days that teach of the log variance of the response, one day ahead.
    state : float array, shape (2, n_points, width)
        Walk and wobble on the last day before the change.
    covariance : float array, shape (3, n_points)
        Of walk, of both, and of wobble on that day.
    ahead : Ahead or None
        None where no day will be looked at.
    """

    cross: Floats
    squares: Floats
    log_variances: Floats
    state: Floats
    covariance: Floats
    ahead: Ahead | None


def run_filter(track: Track, grid: Grid) -> Filtered:
    """Filter one track."""
    keep_freed_memory()
    blocks = cut(track)
    run = run_gains(blocks, _covariance_before(blocks, grid), grid)
    cross, starts, end = _cross_products(blocks, run, grid)
    columns = np.eye(cross.shape[1])
    columns[:BLOCK_DAYS, :BLOCK_DAYS] = blocks.week
    cross = columns.T @ (cross @ columns)
    logs = np.log(run.variances)
    logs *= blocks.seen
    return Filtered(
        cross=cross[:, :-1],
        squares=cross[:, -1, -1],
        log_variances=logs.sum(axis=(0, 1)),
        state=end @ columns,
        covariance=run.ends[:, -1],
        ahead=Ahead(blocks, run, starts, columns),
    )


@cache
def keep_freed_memory() -> None:
    """Have the C library keep what is freed, for fresh pages cost a third of a fit.

    glibc keeps twice as much as the largest block that was ever freed, and no less than is asked
    for here; the block is not touched, and other libraries take no notice.
    """
    np.empty(LARGEST_FREED, dtype=np.uint8)


def look_ahead(ahead: Ahead, mix: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Filter once more, day by day, the one mix of columns that each grid point fits.

    Parameters
    ----------
    ahead : Ahead
    mix : float array, shape (n_points, width)
        What each column counts.
    grid : Grid

    Returns
    -------
    residuals, variances : float array, shape (n_pre, n_points)
        One day ahead.
    """
    blocks, gains = ahead.blocks, ahead.run.gains
    mix = mix @ ahead.columns.T
    starts = np.einsum("pbc,pc->pb", ahead.starts, mix).reshape(len(mix), blocks.many, 2)
    walk, wobble = state = np.ascontiguousarray(starts.transpose(2, 1, 0))
    residuals = (blocks.data @ mix[:, BLOCK_DAYS:].T).transpose(1, 0, 2)
    residuals = residuals + mix[:, :BLOCK_DAYS].T[:, None]
    memory, step = np.empty_like(walk), np.empty_like(state)
    memory[:] = grid.wobble_memory
    for residual, gain in zip(residuals, gains, strict=True):
        wobble *= memory
        residual -= walk
        residual -= wobble
        state += np.multiply(gain, residual, out=step)
    return _in_a_row(residuals, blocks.spare), _in_a_row(ahead.run.variances, blocks.spare)


def _in_a_row(values: Floats, spare: int) -> Floats:
    """Turn (BLOCK_DAYS, n_blocks, n_points) into (n_pre, n_points)."""
    return values.transpose(1, 0, 2).reshape(-1, values.shape[2])[spare:]


def _covariance_before(blocks: Blocks, grid: Grid) -> Floats:
    """Return the covariance on the day before each block, shape (3, n_blocks, n_points).

    Each block is run as if walk and wobble before it were known. Of a state with covariance P
    before a block that tells G of it, (1 / P + G) ** -1 is left, and the block carries that on. As
    a fraction both parts of which are linear in (1, P and its determinant), this is a product of
    a matrix and a vector a block.
    """
    alone = run_gains(blocks, np.zeros((3, blocks.many, len(grid.walk_sd))), grid)
    steps = _join(alone.ends, *run_starts(alone, blocks, grid))
    found = np.zeros((blocks.many, 5, len(grid.walk_sd)))
    found[0, 0] = 1.0  # nothing is known of the days before the first block, or asked
    for place, (step, before, after) in enumerate(zip(steps, found, found[1:], strict=False)):
        if place % FRACTION_BLOCKS == 0:
            before /= before[0].copy()
        np.einsum("ijp,jp->ip", step, before, out=after)
    found[:, 1:] /= found[:, :1]
    return np.ascontiguousarray(found[:, 1:4].transpose(1, 0, 2))


def _join(ends: Floats, carried: Floats, told: Floats) -> Floats:
    """Return each block's matrix on (1, walk, both, wobble, determinant).

    Shape (n_blocks, 5, 5, n_points). `ends` and `told` have shape (3, n_blocks, n_points),
    `carried` (2, 2, n_blocks, n_points).
    """
    (of_walk, of_both, of_wobble), (walk, wobble) = told, carried
    end_walk, end_both, end_wobble = ends
    steps = np.empty((5, 5, *of_walk.shape))
    below, *left, determinant = steps
    below[0] = 1.0
    below[1:4] = told
    below[2] += of_both
    below[4] = of_walk * of_wobble - of_both * of_both
    for row, one, other in zip(left, (walk, walk, wobble), (walk, wobble, wobble), strict=True):
        row[0] = 0.0
        np.multiply(one, other, out=row[1::2])
        row[2] = one[0] * other[1] + one[1] * other[0]
        row[4] = row[1] * of_wobble - row[2] * of_both + row[3] * of_walk
    np.multiply(end_wobble, left[0], out=determinant)
    determinant -= 2 * end_both * left[1]
    determinant += end_walk * left[2]
    determinant[4] += (walk[0] * wobble[1] - walk[1] * wobble[0]) ** 2
    determinant += (end_walk * end_wobble - end_both * end_both) * below
    for row, end in zip(left, ends, strict=True):
        row += end * below
    return np.ascontiguousarray(steps.transpose(2, 0, 1, 3))


def _told(answers: Answers) -> Floats:
    """What each block tells of walk, both and wobble before it, shape (3, n_blocks, n_points)."""
    starts = answers.residuals[:, :STARTS]
    told = np.empty((3, *starts.shape[2:]))
    np.einsum("dbp,dcbp->cbp", starts[:, 0], starts, out=told[:2])
    np.einsum("dbp,dbp->bp", starts[:, 1], starts[:, 1], out=told[2])
    return told


def _cross_products(blocks: Blocks, run: Gains, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """Return the cross products of all whitened columns, the starts of blocks and the end.

    Columns are those of `Ahead`. Shapes (n_points, width, width), (n_points, 2 * n_blocks, width)
    and (2, n_points, width).
    """
    many, n_points, others = blocks.many, len(grid.walk_sd), blocks.data.shape[2]
    width = BLOCK_DAYS + others
    # what each day of a block, and walk and wobble before it, add to: the products with its
    # starts, two rows, and to walk and wobble at its end
    of_days = np.empty((many, BLOCK_DAYS, 4, n_points))
    of_starts = np.empty((many, n_points, 4, 2))
    cross, whitening = np.zeros((n_points, width, width)), run.whitening(blocks)
    for start in range(0, many, MOST_BLOCKS):
        some = slice(start, start + MOST_BLOCKS)
        gains = np.ascontiguousarray(run.gains[:, :, some])
        answers = run_answers(gains, whitening[:, some], grid)
        products = _half_products(answers)
        of_days[some, :, :2] = products[:, :STARTS].transpose(2, 0, 1, 3)
        of_days[some, :, 2:] = answers.ends[:, STARTS:].transpose(2, 1, 0, 3)
        of_starts[some, :, :2] = 0.5 * _told(answers)[[[0, 1], [1, 2]]].transpose(2, 3, 0, 1)
        of_starts[some, :, 2:] = answers.ends[:, :STARTS].transpose(2, 3, 0, 1)
        _add_days(cross, blocks.data[some], products[:, STARTS:])
    path = _path(blocks.data, of_days, of_starts)
    # for each point, block after block: the starts, and what they are to be multiplied with
    starts, partners = (
        np.ascontiguousarray(part.transpose(1, 0, 2, 3)).reshape(n_points, -1, width)
        for part in (path[:-1, :, 2:], path[1:, :, :2])
    )
    half = partners.transpose(0, 2, 1) @ starts
    cross += half
    cross += half.transpose(0, 2, 1)
    return cross, starts, np.ascontiguousarray(path[-1, :, 2:].transpose(1, 0, 2))


def _half_products(answers: Answers) -> Floats:
    """Products of the residuals of a unit of each day with those of starts and of days up to it.

    Shape (BLOCK_DAYS, n_columns, n_blocks, n_points); half of a day's with itself, so that these
    and their mirror image add up to all.
    """
    residuals = answers.residuals.reshape(*answers.residuals.shape[:2], -1)
    products = np.empty_like(residuals)
    for day, product in enumerate(products):
        up_to = STARTS + day + 1
        since = residuals[day:]
        np.einsum("dl,dcl->cl", since[:, up_to - 1], since[:, :up_to], out=product[:up_to])
        product[up_to - 1] *= 0.5
        product[up_to:] = 0.0
    return products.reshape(answers.residuals.shape)


def _add_days(cross: Floats, data: Floats, products: Floats) -> None:
    """Add to the cross products what the days of some blocks give, starts left out.

    A day of the week meets a block's own day alone, so that of these nothing but sums is left.
    """
    many, days, others = data.shape
    n_points = products.shape[3]
    laid = np.ascontiguousarray(products.transpose(2, 0, 1, 3))
    laid += products.transpose(2, 1, 0, 3)
    weighed = laid.reshape(many, days, -1).transpose(0, 2, 1) @ data
    half = products.sum(2).transpose(2, 0, 1)
    cross[:, :days, :days] += half + half.transpose(0, 2, 1)
    mixed = weighed.sum(0).reshape(days, n_points, others)
    cross[:, :days, days:] += mixed.transpose(1, 0, 2)
    cross[:, days:, :days] += mixed.transpose(1, 2, 0)
    weighed = weighed.reshape(many, days, n_points * others)
    for start in range(0, many, SUMMED_BLOCKS):
        some = slice(start, start + SUMMED_BLOCKS)
        summed = data[some].reshape(-1, others).T @ weighed[some].reshape(-1, n_points * others)
        cross[:, days:, days:] += summed.reshape(others, n_points, others).transpose(1, 0, 2)


def _path(data: Floats, of_days: Floats, of_starts: Floats) -> Floats:
    """Go from block to block: shape (n_blocks + 1, n_points, 4, width).

    The last two rows of each are walk and wobble before the block, the first two of the one after
    it what they are to be multiplied with.
    """
    many, days, _, n_points = of_days.shape
    added = of_days.reshape(many, days, -1).transpose(0, 2, 1) @ data
    path = np.empty((many + 1, n_points, 4, days + data.shape[2]))
    path[0] = 0.0
    path[1:, :, :, :days] = of_days.transpose(0, 3, 2, 1)
    path[1:, :, :, days:] = added.reshape(many, 4, n_points, -1).transpose(0, 2, 1, 3)
    room = np.empty_like(path[0])
    for way, before, after in zip(of_starts, path, path[1:], strict=False):
        after += np.matmul(way, before[:, 2:], out=room)
    return path


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
