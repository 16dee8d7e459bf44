"""How fine the themes should be, chosen from the data without labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ml.themes.graph import Communities, Floats, Ints, nearest, neighbour_graph
from ml.themes.vectors import unit

RESOLUTIONS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
N_SHAPELESS = 4_000
# Scores that differ by less are equal, and the coarser themes are easier to handle.
EQUAL_WITHIN = 0.002


def choose_resolution(
    graph: sparse.csr_matrix, vectors: Floats, *, n_neighbours: int, seed: int, finer: int = 0
) -> tuple[float, dict[str, float]]:
    """Choose the resolution whose themes stand apart the most beyond what any data would give.

    Parting anything into more and smaller pieces makes the pieces stand apart, a cloud without
    any themes too. So each resolution is scored by its separation less that of themes with as
    many members in a cloud of the same directions and spreads (the gap statistic of Tibshirani,
    Walther and Hastie 2001, with the silhouette against centres). Scores are averaged with their
    neighbours, because one partition can be lucky.

    Parameters
    ----------
    graph : sparse (n, n)
    vectors : float32 (n, dimensions)
        Rows of length 1.
    n_neighbours : int
        The graph was made with.
    seed : int
    finer : int
        Steps that a person wants the themes finer (above 0) or coarser than the data say.

    Returns
    -------
    resolution : float
        One of `RESOLUTIONS`.
    scores : dict
        Smoothed score by resolution as text.
    """
    by_chance = _shapeless_separation(vectors, n_neighbours, seed)
    communities = Communities(graph, seed)
    scores = np.empty(len(RESOLUTIONS))
    for place, resolution in enumerate(RESOLUTIONS):
        labels = communities.find(resolution)
        members = len(labels) / (labels.max() + 1)
        scores[place] = separation(vectors, labels) - by_chance(members)
    padded = np.concatenate([scores[:1], scores, scores[-1:]])
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    named = {str(r): round(float(s), 4) for r, s in zip(RESOLUTIONS, smooth, strict=True)}
    best = int((smooth >= smooth.max() - EQUAL_WITHIN).argmax())
    chosen = int(np.clip(best + finer, 0, len(RESOLUTIONS) - 1))
    return RESOLUTIONS[chosen], named


def _shapeless_separation(
    vectors: Floats, n_neighbours: int, seed: int
) -> Callable[[float], float]:
    """Return the separation of themes by their mean number of members where there are none.

    Measured in a normal cloud with the mean and the covariance of the vectors.
    """
    n = min(len(vectors), N_SHAPELESS)
    mean = vectors.mean(axis=0, dtype=np.float64)
    spreads, directions = np.linalg.eigh(np.cov(vectors - mean, rowvar=False))
    drawn = np.random.default_rng(seed).standard_normal((n, len(spreads)))
    cloud = unit(mean + drawn * np.sqrt(np.maximum(spreads, 0)) @ directions.T)
    similarities, indexes = nearest(cloud, cloud, n_neighbours, is_self=True)
    communities = Communities(neighbour_graph(similarities, indexes), seed)
    found = [communities.find(resolution) for resolution in RESOLUTIONS]
    members = np.log([n / (labels.max() + 1) for labels in found])
    apart = np.array([separation(cloud, labels) for labels in found])
    order = np.argsort(members)
    return lambda size: float(np.interp(np.log(size), members[order], apart[order]))


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
