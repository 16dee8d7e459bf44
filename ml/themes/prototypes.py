"""A few typical directions for each theme, and how near to them its texts lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ml.themes.graph import Floats, Ints
from ml.themes.vectors import DenseSpace, Rows, unit

MOST_PROTOTYPES = 8
TEXTS_PER_PROTOTYPE = 5
ROUNDS = 8
ROWS_PER_BLOCK = 4096
# Of its own members a theme may turn away between 1 % and 10 %, to keep strangers out.
LEAST_TURNED_AWAY, MOST_TURNED_AWAY, USUALLY_TURNED_AWAY = 0.01, 0.10, 0.02
# Texts that prototypes were fitted on lie nearer to them than new texts will.
OPTIMISM = 0.03
# A theme of so many texts trusts its own threshold as much as that of all themes.
TRUSTED_SIZE = 20


def fit_prototypes(
    vectors: Rows, labels: Ints, n_themes: int, space: DenseSpace
) -> tuple[Floats, Ints]:
    """Return prototypes float32 (p, dimensions) of length 1 and their themes int (p,), sorted."""
    found: list[Floats] = []
    owners: list[int] = []
    for theme in range(n_themes):
        members = np.flatnonzero(labels == theme)
        wanted = min(MOST_PROTOTYPES, max(1, len(members) // TEXTS_PER_PROTOTYPE))
        nearest = _spread(space.transform(vectors[members]), wanted)
        for number in np.unique(nearest):
            found.append(vectors[members[nearest == number]].mean(axis=0))
            owners.append(theme)
    return unit(np.array(found, np.float32)), np.array(owners, np.int64)


def _spread(rows: Floats, n_centres: int) -> Ints:
    """Part unit rows (n, dimensions) around centres chosen far apart; return int (n,)."""
    middle = rows.mean(axis=0)
    chosen = [int((rows @ middle).argmax())]
    closest = rows @ rows[chosen[0]]
    while len(chosen) < n_centres:
        chosen.append(int(closest.argmin()))
        closest = np.maximum(closest, rows @ rows[chosen[-1]])
    centres = rows[chosen]
    for _ in range(ROUNDS):
        nearest = (rows @ centres.T).argmax(axis=1)
        for number in range(n_centres):
            if (nearest == number).any():
                centres[number] = unit(rows[nearest == number].mean(axis=0)[None])[0]
    return np.asarray((rows @ centres.T).argmax(axis=1), np.int64)


def fit_thresholds(
    similarity: Callable[[Floats], Floats], vectors: Rows, labels: Ints, n_themes: int
) -> tuple[Floats, Floats]:
    """Return the least and the median similarity of members: float32 (n_themes,) each.

    The least is where turning away strangers (texts left over that are nearest to the theme)
    costs fewest members, within bounds; small themes lean on what is usual for all.
    """
    own, nearest, top = _similarities(similarity, vectors, labels)
    is_member = labels >= 0
    usual = float(np.quantile(own[is_member], USUALLY_TURNED_AWAY))
    least = np.empty(n_themes, np.float32)
    typical = np.empty(n_themes, np.float32)
    for theme in range(n_themes):
        members = np.sort(own[labels == theme])
        cut = _best_cut(members, np.sort(top[~is_member & (nearest == theme)]))
        trust = len(members) / (len(members) + TRUSTED_SIZE)
        least[theme] = trust * cut + (1 - trust) * min(usual, cut) - OPTIMISM
        typical[theme] = np.median(members)
    return least, typical


def _similarities(
    similarity: Callable[[Floats], Floats], vectors: Rows, labels: Ints
) -> tuple[Floats, Ints, Floats]:
    """Return similarity to the own theme (0 if left over), the nearest theme, similarity to it."""
    own = np.zeros(len(labels), np.float32)
    top = np.zeros(len(labels), np.float32)
    nearest = np.zeros(len(labels), np.int64)
    for start in range(0, len(labels), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        found = similarity(vectors[block])
        rows = np.arange(len(found))
        own[block] = np.where(labels[block] >= 0, found[rows, labels[block]], 0)
        nearest[block] = found.argmax(axis=1)
        top[block] = found.max(axis=1)
    return own, nearest, top


def _best_cut(members: Floats, strangers: Floats) -> float:
    """Return the similarity that keeps most members and fewest strangers; both are sorted."""
    if len(strangers) == 0:
        return float(np.quantile(members, USUALLY_TURNED_AWAY))
    lowest, highest = np.quantile(members, [LEAST_TURNED_AWAY, MOST_TURNED_AWAY])
    cuts = np.linspace(lowest, highest, 20)
    right = len(members) - np.searchsorted(members, cuts) + np.searchsorted(strangers, cuts)
    return float(cuts[int(right.argmax())])
