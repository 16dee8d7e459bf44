"""A picture of texts in two dimensions: themes as islands, like themes near each other.

Themes are placed first, by how alike their centres are; then each text inside its theme, along
the directions in which the texts of that theme differ most, turned so that it leans towards the
themes it is like. Nothing is fitted by chance: the same vectors give the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata, spearmanr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STRESS_STEPS = 300
PUSH_STEPS = 400
FILLED = 0.4
"""Share of the picture that islands would cover if it were as wide as it is high."""

GAP = 1.1
"""Distance of two islands that touch, in sums of their radii."""

FITTED_ON = 3_000
SUBSPACE = 8
SUBSPACE_STEPS = 12
WOBBLE = 0.12
NEIGHBOURS = 10


@dataclass(frozen=True)
class Projection:
    """Where texts and themes lie.

    Attributes
    ----------
    positions : float (n, 2)
        Of the texts, in units of the radii.
    centres : float (n_themes, 2)
    radii : float (n_themes,)
        An island's area is its number of texts.
    agreement : float
        Share 0–1 of a text's ten nearest in the picture that are of its theme.
    faithfulness : float
        Rank correlation, -1 to 1, of distances between themes in the picture and of how unlike
        their centres are; nan with fewer than three themes.
    """

    positions: Floats
    centres: Floats
    radii: Floats
    agreement: float
    faithfulness: float


def project_themes(vectors: NDArray[np.float32], labels: Ints) -> Projection:
    """Place texts of themes in two dimensions.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1.
    labels : int (n,)
        Theme of each text, 0 to n_themes - 1, each at least once.

    Raises
    ------
    ValueError
        Without any text.
    """
    if not len(labels):
        raise ValueError("There is no text to place.")
    n_themes = int(labels.max()) + 1
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.searchsorted(labels[order], np.arange(1, n_themes)))
    means = np.stack([vectors[rows].mean(axis=0, dtype=np.float64) for rows in parts])
    unlike = _cosine_distances(means)
    radii = np.sqrt([len(rows) for rows in parts])
    centres = _spread(_place(unlike), radii)
    positions = np.zeros((len(labels), 2))
    for theme, rows in enumerate(parts):
        inside = _place_inside(vectors[rows], theme, means, centres)
        positions[rows] = centres[theme] + inside * radii[theme]
    return Projection(
        positions,
        centres,
        radii,
        label_agreement(positions, labels),
        _faithfulness(centres, unlike),
    )


def label_agreement(positions: Floats, labels: Ints, neighbours: int = NEIGHBOURS) -> float:
    """Return the share 0–1 of each text's nearest in the picture that carry its label."""
    k = min(neighbours, len(labels) - 1)
    if k < 1:
        return 1.0
    _, near = cKDTree(positions).query(positions, k=k + 1)
    same = labels[near] == labels[:, None]
    # The text itself is among them, somewhere: of points on one spot it need not come first.
    return float((same.sum(axis=1) - 1).clip(0).mean() / k)


def _faithfulness(centres: Floats, unlike: Floats) -> float:
    if len(centres) < 3:
        return float("nan")
    upper = np.triu_indices(len(centres), 1)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    if np.ptp(unlike[upper]) == 0 or np.ptp(apart[upper]) == 0:
        return float("nan")
    return float(spearmanr(apart[upper], unlike[upper]).statistic)


def _cosine_distances(means: Floats) -> Floats:
    """Return (n, n) 1 - cosine of the centres, without what all of them have in common."""
    own = means - means.mean(axis=0) if len(means) > 2 else means
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    distances = 1 - own @ own.T
    np.fill_diagonal(distances, 0)
    return np.asarray(np.clip((distances + distances.T) / 2, 0, None))


def _place(distances: Floats) -> Floats:
    """Return (n, 2): classical scaling first, then less and less stress (SMACOF)."""
    n = len(distances)
    if n == 1:
        return np.zeros((1, 2))
    centring = np.eye(n) - 1 / n
    values, axes = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    best = np.argsort(values)[::-1][:2]
    axes = _point_up(axes[:, best])
    x = axes * np.sqrt(np.maximum(values[best], 1e-12))
    x += 1e-6 * _sunflower(n)  # no two on one spot, or nothing would move them apart
    for _ in range(STRESS_STEPS):
        apart = np.linalg.norm(x[:, None] - x[None], axis=2)
        ratio = np.divide(distances, apart, out=np.zeros_like(apart), where=apart > 1e-12)
        pull = -ratio
        np.fill_diagonal(pull, ratio.sum(axis=1))
        x = pull @ x / n
    x = x - x.mean(axis=0)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    return np.asarray(x @ _point_up(axes.T))  # the longer way lies flat, as screens do


def _point_up(axes: Floats) -> Floats:
    """Turn each column so that its largest entry is positive: eigenvectors have no sign."""
    largest = np.abs(axes).argmax(axis=0)
    signs = np.sign(axes[largest, np.arange(axes.shape[1])])
    return np.asarray(axes * np.where(signs == 0, 1, signs))


def _spread(centres: Floats, radii: Floats) -> Floats:
    """Return the centres to the scale of the radii, pushed apart until no islands overlap."""
    extent = max(float(np.ptp(centres, axis=0).max()), 1e-9)
    x = centres * (np.sqrt(np.pi * (radii**2).sum() / FILLED) / extent)
    reach = GAP * (radii[:, None] + radii[None])
    np.fill_diagonal(reach, 0)
    for _ in range(PUSH_STEPS):
        away = x[:, None] - x[None]
        apart = np.linalg.norm(away, axis=2)
        overlap = np.clip(reach - apart, 0, None)
        if not (overlap > 1e-3 * reach).any():
            break
        unit = away / np.maximum(apart, 1e-9)[:, :, None]
        x = x + 0.5 * (unit * overlap[:, :, None]).sum(axis=1)
    return np.asarray(x - x.mean(axis=0))


def _place_inside(
    vectors: NDArray[np.float32], theme: int, means: Floats, centres: Floats
) -> Floats:
    """Return (n, 2) inside a circle of radius 1, filled evenly."""
    n = len(vectors)
    own = vectors.astype(np.float64) - means[theme]
    fitted = own[:: -(-n // FITTED_ON)]
    axes = _main_axes(fitted)
    scores = own @ axes
    if axes.shape[1] < 2 or scores.std(axis=0).min() <= 1e-5:
        return _sunflower(n)
    scores = scores / np.maximum(scores.std(axis=0), 1e-12)
    scores = scores + WOBBLE * np.random.default_rng(0).normal(size=scores.shape)
    if len(centres) > 2:
        scores = scores @ _turn(scores, own, theme, means, centres)
    far = np.linalg.norm(scores, axis=1)
    rank = (rankdata(far, method="ordinal") - 0.5) / n
    return np.asarray(scores / np.maximum(far, 1e-12)[:, None] * np.sqrt(rank)[:, None])


def _main_axes(rows: Floats) -> Floats:
    """Return (dimensions, 2): the directions in which the rows differ most.

    By subspace iteration: a few products with a narrow matrix, where all directions would be a
    whole decomposition for each theme.
    """
    width = min(SUBSPACE, *rows.shape)
    axes = np.random.default_rng(0).normal(size=(rows.shape[1], width))
    for _ in range(SUBSPACE_STEPS):
        axes, _ = np.linalg.qr(rows.T @ (rows @ axes))
    _, _, turned = np.linalg.svd(rows @ axes, full_matrices=False)
    return _point_up(axes @ turned[:2].T)


def _turn(scores: Floats, own: Floats, theme: int, means: Floats, centres: Floats) -> Floats:
    """Return the (2, 2) turn or reflection that leans texts towards the themes they are like."""
    others = np.arange(len(centres)) != theme
    towards = centres[others] - centres[theme]
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    directions = means[others] - means[theme]
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    likeness = own @ directions.T
    pull = (likeness - likeness.mean(axis=0)) @ towards
    left, _, right = np.linalg.svd(scores.T @ pull)
    return np.asarray(left @ right)


def _sunflower(n: int) -> Floats:
    """Return (n, 2) points that fill a circle of radius 1 evenly."""
    i = np.arange(n)
    angle = i * np.pi * (3 - np.sqrt(5))
    return np.asarray(
        np.sqrt((i + 0.5) / n)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    )
