"""Dense spots among texts that are in no theme, and whether their customers are becoming more.

HDBSCAN knows what discovery does not need to: that most of a pile of left-overs is noise. It
sees neither days nor customers, so a spot is not picked for rising, and the test of its rise is
an honest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from ml.text.clean import has_words
from ml.themes.graph import Floats, Ints
from ml.themes.label import Label, label_themes
from ml.themes.model import ThemeModel
from ml.themes.vectors import DenseSpace, unit

N_DIMENSIONS = 20
# A spot has at least so many texts, and more in a larger pile: this times the root of its size.
FEWEST_TEXTS, ROOT_SHARE = 10, 0.22
# Texts near a text that tell how dense it is there: fewer see spots in noise.
NEAR_TEXTS = 5
# Texts as near to the middle of a spot as three in four of those that HDBSCAN saw there are its
# own, too. Density alone draws its edge where the noise is thin, which splits a spot or takes in
# strangers; both hide a rise.
EDGE = 0.25
ROUNDING = 1e-5
"""How far apart two sums over the same numbers lie at most, which copies of a text do."""

MOST_CLUSTERED = 12_000
"""HDBSCAN reads at most so many texts, drawn with the seed; the model then reads the rest."""

FALSE_SHARE = 0.05
"""Of the spots said to rise, at most this share rises by chance alone, on average."""


@dataclass(frozen=True)
class EmergingSpot:
    """A dense spot whose customers become more.

    Attributes
    ----------
    name : str
        Empty where its texts share no words.
    keywords : tuple of str
    members : int (m,)
        Rows of the input, nearest to the middle first.
    prototype : float32 (dimensions,)
        Its middle, of length 1.
    customers, customers_before : int
        Distinct, in the later span and in the span before it.
    p_value : float
        Chance of such a rise, or a larger one, if customers came as evenly as all contacts.
    adjusted_p : float
        The same after Benjamini–Hochberg over all spots; `FALSE_SHARE` or less.
    """

    name: str
    keywords: tuple[str, ...]
    members: Ints
    prototype: Floats
    customers: int
    customers_before: int
    p_value: float
    adjusted_p: float


def rise_p_value(later: int, before: int, later_exposure: float, before_exposure: float) -> float:
    """Return the chance of so many or more in the later span, given the total and the exposure.

    Two Poisson counts given their sum are binomial: exact, one-sided.

    Parameters
    ----------
    later, before : int
        Counts of the two spans, 0 or more.
    later_exposure, before_exposure : float
        What the counts are held against, for example all contacts of each span.

    Returns
    -------
    float
        0 to 1; 1 where nothing was counted or a span has no exposure to compare with.
    """
    if later <= 0 or later_exposure <= 0 or before_exposure <= 0:
        return 1.0
    share = later_exposure / (later_exposure + before_exposure)
    return float(betainc(later, before + 1, share))


def adjust(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values (n,) adjusted by Benjamini and Hochberg for the share of false findings."""
    # Imported here: it takes most of a second to load, and only the night needs it.
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.asarray(p_values, np.float64)))


def find_emerging(
    vectors: Floats,
    days: Ints,
    customers: Ints,
    texts: Sequence[str],
    *,
    last_day: int,
    exposure: tuple[float, float],
    span_days: int = 28,
    fewest_customers: int = 5,
    seed: int = 0,
) -> list[EmergingSpot]:
    """Find the dense spots of a pile whose distinct customers rise beyond chance.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1 of the texts that are in no theme; a row of zeros says nothing.
    days : int (n,)
        Day number of each text.
    customers : int (n,)
        Who said it; a number of its own where nobody knows.
    texts : sequence of str, length n
        For the names; one without a word lies in no spot.
    last_day : int
        Last day of the later span, inclusive.
    exposure : (float, float)
        All contacts, in a theme or not, of the later span and of the span before.
    span_days : int
        Length of each span; texts outside both are looked at but not counted.
    fewest_customers : int
        A spot with fewer in the later span is not told of.
    seed : int
        Equal input and seed give equal spots.

    Returns
    -------
    list of EmergingSpot
        Most surely rising first; empty where nothing rises.
    """
    # Encoders give one vector to all emoji: a dense spot of texts that have nothing in common.
    vectors = np.where([[has_words(text)] for text in texts], vectors, np.float32(0))
    labels = find_spots(vectors, seed=seed)
    n_spots = int(labels.max(initial=-1)) + 1
    if n_spots == 0:
        return []
    later = (days > last_day - span_days) & (days <= last_day)
    before = (days > last_day - 2 * span_days) & (days <= last_day - span_days)
    now, then = (_count_people(labels, customers, span, n_spots) for span in (later, before))
    p_values = [rise_p_value(int(a), int(b), *exposure) for a, b in zip(now, then, strict=True)]
    adjusted = adjust(p_values)
    names = _names(texts, labels, n_spots)
    spots = [
        _spot(vectors, labels, i, names[i], int(now[i]), int(then[i]), p_values[i], adjusted[i])
        for i in range(n_spots)
        if adjusted[i] <= FALSE_SHARE and now[i] >= fewest_customers
    ]
    return sorted(spots, key=lambda spot: (spot.p_value, -len(spot.members), int(spot.members[0])))


def find_spots(vectors: Floats, *, seed: int = 0) -> Ints:
    """Return the dense spot of each text: int (n,), 0, 1, …; -1 lies in none.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1; a row of zeros lies in none.
    seed : int
        Draws the texts that are clustered where there are more than `MOST_CLUSTERED`.
    """
    labels = np.full(len(vectors), -1, np.int64)
    rows = np.flatnonzero(np.abs(vectors).max(axis=1, initial=0) > 0)
    drawn = rows
    if len(rows) > MOST_CLUSTERED:
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.choice(rows, MOST_CLUSTERED, replace=False))
    smallest = max(FEWEST_TEXTS, round(ROOT_SHARE * len(drawn) ** 0.5))
    kept = _few_of_each(vectors[drawn], smallest)
    if len(kept) <= smallest:
        is_same = (vectors[rows] == vectors[drawn[:1]]).all(axis=1)
        if is_same[np.isin(rows, drawn)].all() and len(drawn) >= smallest:
            labels[rows[is_same]] = 0  # one text said over and over
        return labels
    space = DenseSpace.fit(vectors[drawn])
    directions = space.transform(vectors[drawn[kept]])
    found = _cluster(_reduce(directions), smallest)
    if (found >= 0).any():
        labels[rows] = _gather(directions, found, space.transform(vectors[rows]))
    return _renumber(labels)


def _gather(seen: Floats, found: Ints, directions: Floats) -> Ints:
    """Return the spot (n,) of each direction: that of the nearest middle, if near enough."""
    n_spots = int(found.max()) + 1
    middles = unit(np.stack([seen[found == spot].mean(axis=0) for spot in range(n_spots)]))
    nearness = seen @ middles.T
    edges = np.array([np.quantile(nearness[found == s, s], EDGE) for s in range(n_spots)])
    nearness = directions @ middles.T
    best = nearness.argmax(axis=1)
    # copies are what the edge is often drawn through, and none of them may fall outside
    is_near = nearness[np.arange(len(best)), best] >= edges[best] - ROUNDING
    return np.where(is_near, best, -1)


def _few_of_each(vectors: Floats, most: int) -> Ints:
    """Return rows without copies beyond `most` of one vector: a thousandth tells nothing new."""
    _, which = np.unique(vectors, axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    starts = np.flatnonzero(np.diff(which[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return np.sort(order[place < most])


def _reduce(directions: Floats) -> NDArray[np.float64]:
    """Return float (n, at most N_DIMENSIONS), rows of length 1: density means little in more."""
    dense = directions.astype(np.float64)
    _, axes = np.linalg.eigh(dense.T @ dense)
    return np.asarray(unit(dense @ axes[:, -N_DIMENSIONS:]), np.float64)


def _cluster(points: NDArray[np.float64], smallest: int) -> Ints:
    # Imported here: it takes seconds to load, and only the night needs it.
    import hdbscan

    clusterer = hdbscan.HDBSCAN(
        min_cluster_size=smallest,
        min_samples=NEAR_TEXTS,
        cluster_selection_method="leaf",  # the smallest spots, not what holds several
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
    )
    return np.asarray(clusterer.fit_predict(points), np.int64)


def _renumber(labels: Ints) -> Ints:
    """Number what is left 0, 1, … by its first row, so that no number is empty."""
    seen, first = np.unique(labels, return_index=True)
    seen, first = seen[seen >= 0], first[seen >= 0]
    new = np.full(int(labels.max(initial=-1)) + 2, -1)
    new[seen[np.argsort(first)]] = np.arange(len(seen))
    return np.asarray(new[labels], np.int64)


def _count_people(labels: Ints, customers: Ints, span: NDArray[np.bool_], n_spots: int) -> Ints:
    inside = span & (labels >= 0)
    pairs = np.unique(np.stack([labels[inside], customers[inside]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=n_spots)


def _names(texts: Sequence[str], labels: Ints, n_spots: int) -> list[Label]:
    """Name spots against each other and against the noise, which is the last of the groups."""
    noise = np.flatnonzero(labels < 0)
    groups = labels.copy()
    groups[noise] = n_spots
    return label_themes(texts, groups, n_spots + (len(noise) > 0))[:n_spots]


def _spot(
    vectors: Floats,
    labels: Ints,
    spot: int,
    label: Label,
    customers: int,
    before: int,
    p_value: float,
    adjusted: float,
) -> EmergingSpot:
    rows = np.flatnonzero(labels == spot)
    middle = unit(vectors[rows].mean(axis=0, dtype=np.float64)[None])[0]
    order = np.argsort(-(vectors[rows] @ middle), kind="stable")
    return EmergingSpot(
        name=label.name if label.keywords else "",  # else it would be somebody's own sentence
        keywords=label.keywords,
        members=rows[order],
        prototype=middle,
        customers=customers,
        customers_before=before,
        p_value=p_value,
        adjusted_p=float(adjusted),
    )


def fit_spot(members: Floats, strangers: Floats) -> ThemeModel:
    """Return a model of one theme, label 0, that claims what is like the members.

    Parameters
    ----------
    members : float32 (n, dimensions)
        At least one, rows of length 1.
    strangers : float32 (m, dimensions)
        What the theme is to leave alone; the more of it lies near, the narrower the theme.
    """
    vectors = np.vstack([members, strangers]) if len(strangers) else members
    labels = np.repeat([0, -1], [len(members), len(strangers)])
    return ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors))
