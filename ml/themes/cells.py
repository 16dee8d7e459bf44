"""Nearest neighbours among many rows without comparing all with all."""

from __future__ import annotations

import numpy as np

from ml.themes.graph import Floats, Ints, nearest
from ml.themes.resolution import centres

# Below, comparing all with all takes no longer.
FEWEST_ROWS = 4_000
ROUNDS = 4
CELLS_SEARCHED = 8
ROWS_PER_BLOCK = 2_048


class CellIndex:
    """Rows parted into cells around centres; a row is looked for in the cells near its own.

    Parameters
    ----------
    rows : float32 (n, dimensions)
        Rows of length 1.
    seed : int
        The same rows and seed give the same answers.
    """

    def __init__(self, rows: Floats, seed: int) -> None:
        self._rows = rows
        if len(rows) < FEWEST_ROWS:
            return
        n_cells = round(len(rows) ** 0.5)
        generator = np.random.default_rng(seed)
        middles = rows[np.sort(generator.choice(len(rows), n_cells, replace=False))]
        for _ in range(ROUNDS):
            cells = _nearest_centre(rows, middles)
            is_empty = np.bincount(cells, minlength=n_cells) == 0
            middles = np.where(is_empty[:, None], middles, centres(rows, cells, n_cells))
        cells = _nearest_centre(rows, middles)
        self._centres = middles
        order = np.argsort(cells, kind="stable")
        self._members = np.split(order, np.searchsorted(cells[order], np.arange(1, n_cells)))
        self._near = np.argsort(-(middles @ middles.T), axis=1, kind="stable")[:, :CELLS_SEARCHED]

    def search(self, queries: Floats, n_neighbours: int) -> tuple[Floats, Ints]:
        """Find the most similar rows of each query, nearly always the very nearest.

        Parameters
        ----------
        queries : float32 (n_queries, dimensions)
        n_neighbours : int

        Returns
        -------
        similarities : float32 (n_queries, n_found)
            Falling; n_found is n_neighbours, or as many as there are rows. Where the cells near
            a query hold fewer, the last are 0.
        indexes : int (n_queries, n_found)
        """
        if len(self._rows) < FEWEST_ROWS:
            return nearest(queries, self._rows, n_neighbours, is_self=False)
        similarities = np.zeros((len(queries), n_neighbours), np.float32)
        indexes = np.zeros((len(queries), n_neighbours), np.int64)
        own = _nearest_centre(queries, self._centres)
        order = np.argsort(own, kind="stable")
        cuts = np.searchsorted(own[order], np.arange(1, len(self._centres)))
        for cell, asking in enumerate(np.split(order, cuts)):
            if len(asking) == 0:
                continue
            # in rising order, so that equal similarities stand in the order of the rows
            near = np.sort(np.concatenate([self._members[c] for c in self._near[cell]]))
            found, places = nearest(queries[asking], self._rows[near], n_neighbours, is_self=False)
            similarities[asking, : found.shape[1]] = found
            indexes[asking, : found.shape[1]] = near[places]
        return similarities, indexes


def _nearest_centre(rows: Floats, centres: Floats) -> Ints:
    return np.concatenate(
        [
            (rows[at : at + ROWS_PER_BLOCK] @ centres.T).argmax(axis=1)
            for at in range(0, len(rows), ROWS_PER_BLOCK)
        ]
    )
