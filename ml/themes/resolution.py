"""How fine the themes should be, chosen from the data without labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ml.themes.graph import Communities, Floats, Ints
from ml.themes.vectors import unit

RESOLUTIONS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
N_RESAMPLES = 3
SHARE_RESAMPLED = 0.8
# A working group can hold so many themes; beyond, each must earn its place a little more.
FEWEST_HANDY, MOST_HANDY = 10, 60
HANDINESS = 0.1


def choose_resolution(
    graph: sparse.csr_matrix, vectors: Floats, *, min_size: int, seed: int
) -> tuple[float, dict[str, float]]:
    """Choose the resolution whose themes come back on resamples and stand apart.

    Each resolution is scored by stability (how well its themes are found again in 80 % of the
    texts, as matched overlap) times separation (silhouette against the nearest other theme),
    eased towards a number of themes that people can handle. Scores are averaged with their
    neighbours, because one resample can favour one resolution by luck.

    Parameters
    ----------
    graph : sparse (n, n)
    vectors : float32 (n, dimensions)
        Rows of length 1.
    min_size : int
        Smaller communities are no themes.
    seed : int

    Returns
    -------
    resolution : float
    scores : dict
        Smoothed score by resolution as text.
    """
    generator = np.random.default_rng(seed)
    whole = Communities(graph, seed)
    kept = [
        np.flatnonzero(generator.random(graph.shape[0]) < SHARE_RESAMPLED)
        for _ in range(N_RESAMPLES)
    ]
    parts = [Communities(graph[rows][:, rows], seed + 1) for rows in kept]
    scores = np.empty(len(RESOLUTIONS))
    for place, resolution in enumerate(RESOLUTIONS):
        labels = whole.find(resolution)
        again = [
            overlap(labels[rows], part.find(resolution))
            for rows, part in zip(kept, parts, strict=True)
        ]
        score = float(np.mean(again)) * max(separation(vectors, labels), 0.01)
        scores[place] = score * _handiness(labels, min_size)
    padded = np.concatenate([scores[:1], scores, scores[-1:]])
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    named = {str(r): round(float(s), 4) for r, s in zip(RESOLUTIONS, smooth, strict=True)}
    return RESOLUTIONS[int(smooth.argmax())], named


def _handiness(labels: Ints, min_size: int) -> float:
    n_themes = max(1, int((np.bincount(labels) >= min_size).sum()))
    distance = max(1.0, n_themes / MOST_HANDY, FEWEST_HANDY / n_themes)
    return float(distance**-HANDINESS)


def overlap(labels: Ints, others: Ints) -> float:
    """Return how well communities are found again, 0 to 1.

    The Jaccard overlap of each community of ``labels`` (n,) with its best match in ``others``
    (n,), averaged over the nodes.
    """
    shape = (int(labels.max()) + 1, int(others.max()) + 1)
    both = sparse.csr_matrix((np.ones(len(labels)), (labels, others)), shape=shape).tocoo()
    both.sum_duplicates()
    sizes, other_sizes = np.bincount(labels), np.bincount(others)
    union = sizes[both.row] + other_sizes[both.col] - both.data
    best = np.zeros(shape[0])
    np.maximum.at(best, both.row, both.data / union)
    return float((best * sizes).sum() / len(labels))


def separation(vectors: Floats, labels: Ints) -> float:
    """Return the mean silhouette of (n, dimensions) unit vectors against centres, -1 to 1."""
    n_labels = int(labels.max()) + 1
    if n_labels < 2:
        return 0.0
    similarity = vectors @ centres(vectors, labels, n_labels).T
    rows = np.arange(len(labels))
    own = similarity[rows, labels]
    similarity[rows, labels] = -np.inf
    other = similarity.max(axis=1)
    return float(((own - other) / np.maximum(1 - np.minimum(own, other), 1e-6)).mean())


def centres(vectors: Floats, labels: Ints, n_labels: int) -> NDArray[np.float32]:
    """Return float32 (n_labels, dimensions): mean direction of each label; -1 is left out."""
    member = np.flatnonzero(labels >= 0)
    selector = sparse.csr_matrix(
        (np.ones(len(member), np.float32), (labels[member], member)),
        shape=(n_labels, len(labels)),
    )
    return unit(selector @ vectors)
