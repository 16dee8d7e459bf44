"""Vectors to cluster by: what a text means beside which words it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ml.text.unspaced import close_gaps, pairs_apart
from ml.themes.counting import count_pieces, count_words

Floats = NDArray[np.float32]

N_LEXICAL = 128
# Directions drawn beyond those wanted, and how often they are turned towards the strongest.
N_SPARE = 10
POWER_ITERATIONS = 2
# As many as all data sets for tuning have: smaller collections are summed up in one go.
ROWS_PER_BLOCK = 32_768
# With fewer texts there is too little to learn a common direction or word weights from.
FEWEST_TEXTS = 60
# A direction that explains more of the differences than this tells large themes apart.
MOST_COMMON = 0.12
MOST_DISPOSITIONS = 200


def unit(rows: NDArray[np.floating[Any]]) -> Floats:
    """Return the rows, each scaled to length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


@dataclass(frozen=True)
class RowView:
    """Rows of a table in an order of their own, read where they are asked for.

    A million sentence vectors take 1.5 GB; what reads them block by block needs no second table.

    Attributes
    ----------
    table : float32 (n_table, dimensions)
    rows : int (n,)
        Which row of the table stands at each place.
    """

    table: Floats
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of dimensions."""
        return len(self.rows), self.table.shape[1]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: NDArray[Any] | slice) -> Floats:
        """Return a copy of the rows at those places."""
        return np.asarray(self.table[self.rows[places]], np.float32)


Rows = Floats | RowView


@dataclass(frozen=True)
class DenseSpace:
    """Takes from sentence vectors what all texts of a collection share.

    Attributes
    ----------
    mean : float32 (dimensions,)
    common : float32 (n_common, dimensions)
        Orthonormal directions that are removed; in conversations the first one tells how
        chatty a text is rather than what it is about.
    """

    mean: Floats
    common: Floats

    @classmethod
    def fit(cls, vectors: Rows) -> DenseSpace:
        """Learn from float32 (n, dimensions); too few vectors give a space that changes nothing."""
        dimensions = vectors.shape[1]
        if len(vectors) < FEWEST_TEXTS:
            return cls(np.zeros(dimensions, np.float32), np.zeros((0, dimensions), np.float32))
        mean = _mean(vectors)
        spread = np.zeros((dimensions, dimensions))
        for start in range(0, len(vectors), ROWS_PER_BLOCK):
            centred = vectors[start : start + ROWS_PER_BLOCK] - mean
            spread += centred.T @ centred
        strengths, directions = np.linalg.eigh(spread)
        is_common = strengths[-1] < MOST_COMMON * strengths.sum()
        common = directions[:, dimensions - is_common :].T
        return cls(mean.astype(np.float32), common.astype(np.float32))

    def transform(self, vectors: Floats) -> Floats:
        """Return float32 (n, dimensions), rows of length 1."""
        centred = vectors - self.mean
        return unit(centred - (centred @ self.common.T) @ self.common)


def _mean(vectors: Rows) -> NDArray[np.float64]:
    """Return the mean row, added up in the same order however many rows there are."""
    total = np.zeros((1, vectors.shape[1]))
    for start in range(0, len(vectors), ROWS_PER_BLOCK):
        block = vectors[start : start + ROWS_PER_BLOCK]
        total = np.vstack([total, block]).sum(axis=0, keepdims=True)
    return np.asarray(total[0] / len(vectors))


class LexicalSpace:
    """Words and their pieces, weighted by rarity and pressed into a few dimensions.

    Works in any language and keeps apart what a sentence model blurs: "top up by card" and
    "top up by transfer", product names, misspellings.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._directions = np.zeros((0, 0), np.float32)

    def fit_transform(self, texts: Sequence[str]) -> Floats:
        """Learn from the texts; return float32 (n, n_lexical), unit rows less their mean."""
        counts = _count(texts)
        self._rarity = [_rarity(part) for part in counts]
        weighted = self._weigh(counts)
        seen = np.bincount(weighted.indices, minlength=weighted.shape[1])
        self._kept = np.flatnonzero(seen >= 3)
        n_lexical = min(N_LEXICAL, len(self._kept) - 1, len(texts) - 1)
        if n_lexical < 2:
            return np.zeros((len(texts), 0), np.float32)
        kept = weighted[:, self._kept]
        self._directions = _main_directions(kept, n_lexical, self._seed)
        found = unit(kept @ self._directions)
        self._mean = found.mean(axis=0)
        return np.asarray(found - self._mean, np.float32)

    def transform(self, texts: Sequence[str]) -> Floats:
        """Return float32 (n, n_lexical) of other texts in the space that was learnt."""
        if not self._directions.size:
            return np.zeros((len(texts), 0), np.float32)
        kept = self._weigh(_count(texts))[:, self._kept]
        return np.asarray(unit(kept @ self._directions) - self._mean, np.float32)

    def _weigh(self, counts: Sequence[sparse.csr_matrix]) -> sparse.csr_matrix:
        pairs = zip(counts, self._rarity, strict=True)
        return sparse.hstack([_weighted(part, rarity) for part, rarity in pairs], format="csr")


def _count(texts: Sequence[str]) -> list[sparse.csr_matrix]:
    # A sentence without spaces would be one word; in others nothing changes.
    words = count_words([pairs_apart(text) for text in texts])
    return [words, count_pieces([close_gaps(text) for text in texts])]


def _rarity(counts: sparse.csr_matrix) -> Floats:
    """Return the inverse document frequency of each feature, float32 (n_features,)."""
    n_texts, n_features = counts.shape
    seen = np.bincount(counts.indices, minlength=n_features)
    return np.asarray(np.log((1 + n_texts) / (1 + seen)) + 1, np.float32)


def _weighted(counts: sparse.csr_matrix, rarity: Floats) -> sparse.csr_matrix:
    """Return the logarithm of the counts times the rarity, rows of length 1."""
    weights = (np.log(counts.data) + 1) * rarity[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, weights.astype(np.float64) ** 2, counts.shape[0]))
    weights /= lengths[rows].astype(np.float32)
    return sparse.csr_matrix((weights, counts.indices, counts.indptr), counts.shape)


def _main_directions(rows: sparse.csr_matrix, n_directions: int, seed: int) -> Floats:
    """Return the strongest right singular directions, float32 (n_features, n_directions).

    By the randomised method of Halko, Martinsson and Tropp (2011) with power iterations.
    """
    n_drawn = min(n_directions + N_SPARE, *rows.shape)
    generator = np.random.default_rng(seed)
    columns = rows.T.tocsr()
    drawn = generator.standard_normal((rows.shape[0], n_drawn), np.float32)
    for _ in range(1 + POWER_ITERATIONS):
        # what is small beside the first direction would drown in rounding without this
        drawn = np.linalg.qr(rows @ (columns @ drawn))[0]
    spread = columns @ drawn
    strengths, turned = np.linalg.eigh((spread.T @ spread).astype(np.float64))
    chosen = slice(None, -n_directions - 1, -1)  # strengths rise
    scaled = turned[:, chosen] / np.sqrt(np.maximum(strengths[chosen], 1e-9))
    return np.asarray(spread @ scaled.astype(np.float32), np.float32)


class HybridSpace:
    """Sentence vectors, words and dispositions side by side.

    Parameters
    ----------
    seed : int
    lexical_weight, disposition_weight : float
        Lengths of the lexical and the disposition part beside a dense part of length 1.
    """

    def __init__(self, seed: int, lexical_weight: float, disposition_weight: float) -> None:
        self._lexical = LexicalSpace(seed)
        self._lexical_weight = lexical_weight
        self._disposition_weight = disposition_weight

    def fit_transform(
        self, dense: Floats, texts: Sequence[str], dispositions: Floats | None
    ) -> Floats:
        """Return float32 (n, n_hybrid), rows of length 1.

        Parameters
        ----------
        dense : float32 (n, dimensions)
            Rows of length 1 out of `DenseSpace`.
        texts : sequence of str, length n
        dispositions : float32 (n, n_dispositions), optional
            Share of each disposition among the contacts with that text.
        """
        uses_words = self._lexical_weight > 0 and len(texts) >= FEWEST_TEXTS
        words = self._lexical.fit_transform(texts) if uses_words else None
        return self._join(dense, words, dispositions)

    def transform(self, dense: Floats, texts: Sequence[str], dispositions: Floats | None) -> Floats:
        """Return float32 (n, n_hybrid) of other texts, as `fit_transform` did."""
        return self._join(dense, self._lexical.transform(texts), dispositions)

    def _join(self, dense: Floats, words: Floats | None, codes: Floats | None) -> Floats:
        parts = [dense]
        if words is not None:
            parts.append(self._lexical_weight * words)
        if codes is not None:
            parts.append(self._disposition_weight * codes)
        return unit(np.hstack(parts)) if len(parts) > 1 else dense


def disposition_shares(
    dispositions: Sequence[str | None], nodes: NDArray[np.int64], n_nodes: int
) -> Floats:
    """Return how the contacts of each node spread over the most frequent dispositions.

    Parameters
    ----------
    dispositions : sequence of str or None, length n_texts
    nodes : int (n_texts,)
        Node of each text.
    n_nodes : int

    Returns
    -------
    float32 (n_nodes, at most 200)
        Rows sum to at most 1.
    """
    codes = np.array([code or "" for code in dispositions], dtype=object).astype(str)
    names, column, counts = np.unique(codes, return_inverse=True, return_counts=True)
    order = [i for i in np.lexsort((names, -counts)) if names[i]][:MOST_DISPOSITIONS]
    place = np.full(len(names), -1)
    place[order] = np.arange(len(order))
    shares = np.zeros((n_nodes, len(order)), np.float32)
    known = place[column] >= 0
    np.add.at(shares, (nodes[known], place[column[known]]), 1.0)
    totals = np.bincount(nodes, minlength=n_nodes)[:, None]
    return np.asarray(shares / np.maximum(totals, 1), np.float32)
