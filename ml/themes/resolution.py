"""How fine the themes should be, chosen from the data without labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ml.themes.graph import Communities, Floats, Ints, nearest, neighbour_graph
from ml.themes.vectors import unit

# Every one is tried, so they are few; what is chosen may lie between them.
RESOLUTIONS = (1.0, 2.0, 4.0, 8.0)
CLOUD_RESOLUTIONS = (1.0, 3.0, 10.0)
N_SHAPELESS = 4_000
# How fine themes usually are, and by what factor either way (in powers of e) that is uncertain.
USUAL, USUAL_SPREAD = 4.0, 0.6
# A score higher by this speaks for a resolution as much as a factor e of prior belief.
TELLING = 0.02
# By what factor a person's step makes them finer.
STEP = 1.4
# Partitions that are compared reach so far either way, in powers of e.
N_COMPARED, COMPARED_SPREAD = 12, 0.3
# The last one is the best of several, which other samples of the data come nearer to.
FINAL_TRIALS = 4
# A partition whose separation is lower by this counts a factor e less.
CLEARLY_LESS = 0.1


def choose_resolution(
    graph: sparse.csr_matrix, vectors: Floats, *, n_neighbours: int, seed: int
) -> tuple[float, dict[str, float]]:
    """Choose the resolution whose themes stand apart the most beyond what any data would give.

    Parting anything into more and smaller pieces makes the pieces stand apart, a cloud without
    any themes too. So each resolution is scored by its separation less that of themes with as
    many members in a cloud of the same directions and spreads (the gap statistic of Tibshirani,
    Walther and Hastie 2001, with the silhouette against centres). Scores are noisy and often
    nearly equal: the choice is the mean of all resolutions, weighted by how much the scores
    speak for each beside what is usual, so that other samples of the data choose nearly the same.

    Parameters
    ----------
    graph : sparse (n, n)
    vectors : float32 (n, dimensions)
        Rows of length 1.
    n_neighbours : int
        The graph was made with.
    seed : int

    Returns
    -------
    resolution : float
    scores : dict
        Score by resolution as text.
    """
    by_chance = _shapeless_separation(vectors, n_neighbours, seed)
    communities = Communities(graph, seed)
    scores = np.empty(len(RESOLUTIONS))
    for place, resolution in enumerate(RESOLUTIONS):
        labels = communities.find(resolution)
        members = len(labels) / (labels.max() + 1)
        scores[place] = separation(vectors, labels) - by_chance(members)
    places = np.log(RESOLUTIONS)
    belief = scores / TELLING - (places - np.log(USUAL)) ** 2 / (2 * USUAL_SPREAD**2)
    weights = np.exp(belief - belief.max())
    chosen = float(np.exp((weights * places).sum() / weights.sum()))
    named = {str(r): round(float(s), 4) for r, s in zip(RESOLUTIONS, scores, strict=True)}
    return round(chosen, 2), named


def agreed_communities(
    graph: sparse.csr_matrix, vectors: Floats, group: Ints, resolution: float, seed: int
) -> Ints:
    """Part nodes by what several partitions agree on.

    One partition puts nodes at the edge of a theme here or there, and other samples of the data
    put them elsewhere. So partitions coarser and finer than wanted are made from several seeds,
    each edge counts as much as both its ends are together in them, and the graph that is left is
    parted once more. A partition whose themes clearly stand less apart than those of the best
    one hardly counts: what is one clear group is not to be parted.

    Parameters
    ----------
    graph : sparse (n_groups, n_groups)
    vectors : float32 (n, dimensions)
        Rows of length 1.
    group : int (n,)
        Node of the graph each row belongs to.
    resolution : float
    seed : int

    Returns
    -------
    int (n_groups,)
        0, 1, ... by falling size.
    """
    if graph.nnz == 0:
        return np.arange(graph.shape[0])
    communities = Communities(graph, seed)
    shifts = np.exp(np.linspace(-COMPARED_SPREAD, COMPARED_SPREAD, N_COMPARED))
    partitions = [
        communities.find(resolution * float(shift), seed=seed + place)
        for place, shift in enumerate(shifts)
    ]
    apart = np.array([separation(vectors, labels[group]) for labels in partitions])
    says = np.exp((apart - apart.max()) / CLEARLY_LESS)
    edges = graph.tocoo()
    together = np.zeros(len(edges.data))
    for say, labels in zip(says / says.sum(), partitions, strict=True):
        together += say * (labels[edges.row] == labels[edges.col])
    weights = edges.data * together
    agreed = sparse.csr_matrix((weights, (edges.row, edges.col)), shape=graph.shape)
    agreed.eliminate_zeros()
    # Modularity asks for more than chance would join, of all the weight there was: with less of
    # it, as much resolution would part what is together in most partitions.
    share = float(weights.sum() / edges.data.sum())
    communities = Communities(agreed, seed)
    return communities.find(resolution * share, iterations=2, trials=FINAL_TRIALS)


def _shapeless_separation(
    vectors: Floats, n_neighbours: int, seed: int
) -> Callable[[float], float]:
    """Return the separation of themes by their mean number of members where there are none.

    Measured in a normal cloud with the mean and the covariance of the vectors.
    """
    generator = np.random.default_rng(seed)
    n = min(len(vectors), N_SHAPELESS)
    rows = vectors
    if n < len(vectors):
        rows = vectors[np.sort(generator.choice(len(vectors), n, replace=False))]
    mean = rows.mean(axis=0)
    spread = (rows - mean).T @ (rows - mean) / np.float32(max(1, n - 1))
    variances, directions = np.linalg.eigh(spread)
    drawn = generator.standard_normal(rows.shape, np.float32)
    cloud = unit(mean + (drawn * np.sqrt(np.maximum(variances, 0))) @ directions.T)
    similarities, indexes = nearest(cloud, cloud, n_neighbours, is_self=True)
    communities = Communities(neighbour_graph(similarities, indexes), seed)
    found = [communities.find(resolution) for resolution in CLOUD_RESOLUTIONS]
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
