"""Gives texts that themes were not found in to the theme of their nearest sampled neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ml.themes.cells import CellIndex
from ml.themes.graph import Floats, Ints, vote
from ml.themes.threads import side_by_side
from ml.themes.vectors import DenseSpace, HybridSpace, Rows

N_VOTERS = 10
CLEAR_MAJORITY = 0.34
# Below this share of the votes by meaning alone, the words are looked at, too.
SURE_BY_MEANING = 0.7
# Large, because each block gathers the sampled rows of every cell anew.
ROWS_PER_BLOCK = 32_768


@dataclass(frozen=True)
class Texts:
    """Texts that stand beside each other in every array."""

    vectors: Rows  # (n, dimensions), as the encoder gives them
    texts: Sequence[str]
    counts: Ints  # (n,) how often each stands in the collection
    dispositions: Floats | None  # (n, n_dispositions)


class Joiner:
    """Knows the sampled texts and their themes, and asks them about others.

    Most texts are told by their meaning alone, since counting words takes longest; who has no
    clear majority is looked at again with its words. Both times only the cells near a text are
    searched, and block by block, so that time and memory grow with the texts alone.

    Parameters
    ----------
    space : DenseSpace
    hybrid : HybridSpace
        Fitted on the sample.
    dense, vectors : float32 (n_sample, ...)
        The sample in the one space and in the other, rows of length 1.
    labels : int (n_sample,)
        -1 is left over.
    threshold : float
        Mean similarity, in the hybrid space, below which a text without a clear majority is left
        over.
    seed : int
    """

    def __init__(
        self,
        space: DenseSpace,
        hybrid: HybridSpace,
        dense: Floats,
        vectors: Floats,
        labels: Ints,
        threshold: float,
        seed: int,
    ) -> None:
        self._space, self._hybrid, self._labels = space, hybrid, labels
        self._by_meaning, self._by_words = CellIndex(dense, seed), CellIndex(vectors, seed)
        self._n_labels = int(labels.max(initial=-1)) + 1
        self._threshold = threshold

    def join(self, others: Texts, rows: Ints) -> Ints:
        """Return labels int (n_rows,) of those rows of the others; -1 is left over."""
        parts = [rows[at : at + ROWS_PER_BLOCK] for at in range(0, len(rows), ROWS_PER_BLOCK)]
        blocks = list(side_by_side(partial(self._join_block, others), parts))
        return np.concatenate(blocks) if blocks else np.empty(0, np.int64)

    def _join_block(self, others: Texts, rows: Ints) -> Ints:
        dense = self._space.transform(others.vectors[rows])
        _, found, shares = self._ask(self._by_meaning, dense)
        unsure = np.flatnonzero(shares < SURE_BY_MEANING)
        if len(unsure) == 0:
            return found
        again = rows[unsure]
        codes = None if others.dispositions is None else others.dispositions[again]
        joined = self._hybrid.transform(dense[unsure], [others.texts[i] for i in again], codes)
        similarities, labels, shares = self._ask(self._by_words, joined)
        is_near = density(similarities, others.counts[again]) >= self._threshold
        found[unsure] = np.where(is_near | (shares >= CLEAR_MAJORITY), labels, -1)
        return found

    def _ask(self, index: CellIndex, rows: Floats) -> tuple[Floats, Ints, NDArray[np.float64]]:
        similarities, indexes = index.search(rows, N_VOTERS)
        labels, shares = vote(similarities, self._labels[indexes], self._n_labels)
        return similarities, labels, shares


def density(similarities: Floats, counts: Ints) -> NDArray[np.float64]:
    """Return the mean similarity of each node to its neighbours, copies of it among them.

    Parameters
    ----------
    similarities : float32 (n, n_neighbours)
        Falling.
    counts : int (n,)
        Texts with the same wording.
    """
    n_neighbours = similarities.shape[1]
    if n_neighbours == 0:
        return np.where(counts > 1, 1.0, 0.0)
    copies = np.minimum(counts - 1, n_neighbours)
    sums = np.cumsum(similarities, axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    others = sums[np.arange(len(sums)), n_neighbours - copies]
    return np.asarray((copies + others) / n_neighbours)
