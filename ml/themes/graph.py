"""Nearest neighbours and the communities they form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ROWS_PER_BLOCK = 1024
COLUMNS_OF_HEAD = 4096
# Rows with more candidates than this for their highest are all but equal to many others.
MOST_CANDIDATES = 64
# With fewer neighbours, as small collections have, edges weigh by the similarity itself: its square
# parts them too finely.
NEIGHBOURS_FOR_SQUARES = 20
# Pairs that are kept at once where that is more; 20 bytes each.
MOST_PAIRS = 8_000_000


def nearest(
    rows: Floats, others: Floats, n_neighbours: int, *, is_self: bool
) -> tuple[Floats, Ints]:
    """Find the most similar others of each row, exactly.

    Parameters
    ----------
    rows : float32 (n_rows, dimensions)
    others : float32 (n_others, dimensions)
    n_neighbours : int
    is_self : bool
        Rows and others are the same; a row is not its own neighbour.

    Returns
    -------
    similarities : float32 (n_rows, n_found)
        Falling; n_found is n_neighbours, or as many as there are.
    indexes : int (n_rows, n_found)
    """
    n_found = max(0, min(n_neighbours, len(others) - is_self))
    similarities = np.zeros((len(rows), n_found), np.float32)
    indexes = np.zeros((len(rows), n_found), np.int64)
    if n_found == 0:
        return similarities, indexes
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        block = rows[start : start + ROWS_PER_BLOCK] @ others.T
        if is_self:
            own = np.arange(len(block))
            block[own, start + own] = -np.inf
        stop = start + len(block)
        similarities[start:stop], indexes[start:stop] = _highest(block, n_found)
    return similarities, indexes


def neighbours(rows: Floats, n_neighbours: int) -> tuple[Floats, Ints]:
    """Find the most similar other rows of each row, exactly, as `nearest` does.

    Every pair of rows is compared once for both of them. What can be among the highest of a row
    is known from its similarity to the first rows. Where that rules out too little, as among
    many equal rows, all are compared block by block: memory grows with the rows alone.

    Parameters
    ----------
    rows : float32 (n, dimensions)
    n_neighbours : int

    Returns
    -------
    similarities : float32 (n, n_found)
        Falling; n_found is n_neighbours, or as many as there are.
    indexes : int (n, n_found)
    """
    n_rows = len(rows)
    if n_rows <= 2 * COLUMNS_OF_HEAD or n_neighbours > MOST_CANDIDATES:
        return nearest(rows, rows, n_neighbours, is_self=True)
    head = min(COLUMNS_OF_HEAD, n_rows // 5)
    least = _least(rows, head, n_neighbours)
    found: list[tuple[Ints, Ints, Floats]] = []
    # every head of columns has as many as the first, and twice that is not unusual
    expected = 2 * n_neighbours * n_rows**2 // head
    left = max(max(MOST_CANDIDATES, 4 * n_neighbours) * n_rows, min(expected, MOST_PAIRS))
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        stop = min(start + ROWS_PER_BLOCK, n_rows)
        block = rows[start:stop] @ rows[start:].T
        own = np.arange(stop - start)
        block[own, own] = -np.inf
        for is_high, is_turned in (
            (block >= least[start:stop, None], False),
            (block[:, stop - start :] >= least[stop:], True),
        ):
            left -= int(np.count_nonzero(is_high))
            if left < 0:
                return nearest(rows, rows, n_neighbours, is_self=True)
            row, column = np.divmod(np.flatnonzero(is_high), is_high.shape[1])
            shift = stop if is_turned else start
            values = block[row, column + shift - start]
            pair = (row + start, column + shift)
            found.append((*(pair[::-1] if is_turned else pair), values))
    row, column, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return _highest_of_rows(row, column, values, (n_rows, n_neighbours))


def _highest_of_rows(
    row: Ints, column: Ints, values: Floats, shape: tuple[int, int]
) -> tuple[Floats, Ints]:
    """Return the highest values of each row and their columns, falling, the first of equals.

    Each row has as many as are asked for, or more. Row, value and column are sorted as one number
    where they fit into it, which takes a tenth of the time.
    """
    n_rows, n_found = shape
    places = np.arange(n_found)
    if max(row.max(), column.max()) >= 2**16:
        order = np.lexsort((column, -values, row))
        taken = order[np.searchsorted(row[order], np.arange(n_rows))[:, None] + places]
        return values[taken], column[taken]
    # the bits of floats sort like whole numbers, those below zero the other way round
    bits = (0 - values).view(np.uint32)  # one zero, not two
    rank = np.where(bits >> 31, ~bits, bits | np.uint32(2**31)).astype(np.uint64)
    high, low = np.uint64(48), np.uint64(16)
    keys = row.astype(np.uint64) << high | rank << low | column.astype(np.uint64)
    keys.sort()
    first = np.searchsorted(keys, np.arange(n_rows, dtype=np.uint64) << high)
    taken = keys[first[:, None] + places]
    rank = (taken >> low).astype(np.uint32)
    bits = np.where(rank >> 31, rank & np.uint32(2**31 - 1), ~rank)
    return 0 - bits.view(np.float32), (taken & np.uint64(2**16 - 1)).astype(np.int64)


def _least(rows: Floats, head: int, n_neighbours: int) -> Floats:
    """Return a similarity (n,) that at least so many of the first rows reach of each row.

    The highest of each group of the first rows are that many different ones, and found far
    faster than the highest of all.
    """
    found = np.empty(len(rows), np.float32)
    n_groups = max(4 * n_neighbours, 64)
    size = max(1, head // n_groups)
    first = rows[: size * n_groups].T
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        block = (rows[start : start + ROWS_PER_BLOCK] @ first).reshape(-1, size, n_groups)
        # one more, because the row itself may be among them; rounding may differ by a little
        place = n_groups - n_neighbours - 1
        highest = np.partition(block.max(axis=1), place, axis=1)[:, place]
        found[start : start + len(block)] = highest
    return found - np.float32(1e-5)


def _highest(block: Floats, n_found: int) -> tuple[Floats, Ints]:
    """Return the highest values of each row and where they stand, falling, the first of equals.

    Most values are ruled out by one comparison: with what the last of the highest is in the
    first columns, which it can only exceed in all of them.
    """
    n_rows, n_columns = block.shape
    head = min(n_columns, max(COLUMNS_OF_HEAD, n_found + 1))
    place = head - n_found
    least = np.partition(block[:, :head], place, axis=1)[:, place]
    is_high = block >= least[:, None]
    crowded = np.flatnonzero(np.count_nonzero(is_high, axis=1) > max(MOST_CANDIDATES, 4 * n_found))
    for i in crowded.tolist():
        is_high[i] = False
        is_high[i, _first_of_highest(block[i], n_found)] = True
    survivors = np.flatnonzero(is_high)
    row, column = np.divmod(survivors, n_columns)
    values = block.ravel()[survivors]
    order = np.lexsort((column, -values, row))
    first = np.searchsorted(row, np.arange(n_rows))
    taken = order[(first[:, None] + np.arange(n_found)).ravel()]
    shape = (n_rows, n_found)
    return values[taken].reshape(shape), column[taken].reshape(shape)


def _first_of_highest(values: Floats, n_found: int) -> Ints:
    """Return where the highest of one row stand, the first of equals."""
    least = np.partition(values, len(values) - n_found)[len(values) - n_found]
    above = np.flatnonzero(values > least)
    equal = np.flatnonzero(values == least)[: n_found - len(above)]
    return np.concatenate([above, equal])


def neighbour_graph(similarities: Floats, indexes: Ints) -> sparse.csr_matrix:
    """Join each node with its neighbours: symmetric float64 (n, n), none below zero.

    An edge weighs the square of the similarity, so that near neighbours count for more beside
    those that are just near enough; with fewer than 20 neighbours it weighs the similarity.
    """
    n_nodes, n_neighbours = indexes.shape
    rows = np.repeat(np.arange(n_nodes), n_neighbours)
    weights = np.maximum(similarities.ravel(), 0).astype(np.float64)
    if n_neighbours >= NEIGHBOURS_FOR_SQUARES:
        weights **= 2
    graph = sparse.csr_matrix((weights, (rows, indexes.ravel())), shape=(n_nodes, n_nodes))
    graph.eliminate_zeros()
    return graph.maximum(graph.T).tocsr()


class Communities:
    """Parts the nodes of a graph by Leiden on modularity.

    Parameters
    ----------
    graph : sparse (n, n)
        Symmetric weights; loops are left out.
    seed : int
    """

    def __init__(self, graph: sparse.csr_matrix, seed: int) -> None:
        upper = sparse.triu(graph, 1, format="csr")
        joined = (upper + upper.T).tocsr()
        self._n_nodes = joined.shape[0]
        self._seed = seed
        # the types that the library reads without copying
        self._edges = (
            joined.indptr.astype(np.int64),
            joined.indices.astype(np.int32),
            joined.data.astype(np.float64),
        )

    def find(
        self, resolution: float, *, seed: int | None = None, iterations: int = 1, trials: int = 1
    ) -> Ints:
        """Return communities int (n,): 0, 1, ... by falling size.

        Parameters
        ----------
        resolution : float
            Higher gives more and smaller communities.
        seed : int, optional
            Instead of that of the others.
        iterations, trials : int
            How often what was found is improved on, and how often all is begun anew; the best
            of the trials is taken.
        """
        import graspologic_native

        if len(self._edges[1]) == 0:
            return np.arange(self._n_nodes)
        _, found = graspologic_native.leiden_csr(
            *self._edges,
            self._n_nodes,
            resolution=resolution,
            randomness=0.001,
            iterations=iterations,
            use_modularity=True,
            seed=self._seed if seed is None else seed,
            trials=trials,
        )
        labels = [found[node] for node in range(self._n_nodes)]
        return by_size(np.array(labels, np.int64))


def by_size(labels: Ints, weights: NDArray[np.float64] | None = None) -> Ints:
    """Renumber labels 0, 1, ... by falling (weighted) size, equals by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    sizes = np.bincount(inverse, weights=weights)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return np.asarray(rank[inverse], np.int64)


def vote(similarities: Floats, labels: Ints, n_labels: int) -> tuple[Ints, NDArray[np.float64]]:
    """Give each row the label that its neighbours favour, weighted by similarity.

    Parameters
    ----------
    similarities : float32 (n_rows, n_neighbours)
    labels : int (n_rows, n_neighbours)
        Label of each neighbour; -1 (left over) votes too.
    n_labels : int

    Returns
    -------
    labels : int (n_rows,)
        The lower label of equals; -1 where no neighbour is similar at all.
    shares : float (n_rows,)
        Share of the votes that the label got, 0 to 1.
    """
    n_rows = len(labels)
    weights = np.maximum(similarities, 0).astype(np.float64)
    flat = (np.arange(n_rows)[:, None] * (n_labels + 1) + labels + 1).ravel()
    totals = np.bincount(flat, weights.ravel(), minlength=n_rows * (n_labels + 1))
    totals = totals.reshape(n_rows, n_labels + 1)
    shares = totals.max(axis=1) / np.maximum(totals.sum(axis=1), 1e-9)
    return np.asarray(totals.argmax(axis=1) - 1, np.int64), shares
