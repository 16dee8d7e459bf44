"""Puts themes together under a few coarse reasons, the contact drivers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.themes.graph import Floats, Ints
from ml.themes.label import Label, label_themes, may_lead, phrases
from ml.themes.vectors import unit

FEWEST_THEMES = 6
"""With fewer themes a level above them says nothing."""
FEWEST_DRIVERS, MOST_DRIVERS = 5, 15
THEMES_PER_DRIVER = 3
CODE_WEIGHT = 0.3
N_CLOUDS = 40
# Scores that differ by less are equal, and fewer drivers are easier to tell of.
EQUAL_WITHIN = 0.002

# A phrase that tells less than the one before it has to be said in more themes by so much.
NEXT_IS_WORTH = 0.8

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class FoundDrivers:
    """Which themes belong together.

    Attributes
    ----------
    labels : int (n_themes,)
        Driver of each theme. 0 to n_standing - 1 are the drivers that stood before, the next
        ones are new, in the order of their first theme; -1 where there are too few themes to say.
    scores : dict
        How much more than by chance the drivers stand apart, by their number as text, where no
        driver stood before.
    """

    labels: Ints
    scores: dict[str, float]


def find_drivers(
    centres: Floats,
    *,
    standing: Ints | None = None,
    codes: Floats | None = None,
    seed: int = 0,
) -> FoundDrivers:
    """Put themes that are alike on average under one driver; their number comes from the data.

    Themes are joined pair by pair, the two groups first that are most alike on average, in
    directions from the middle of all themes (average linkage). How many are left is where they
    stand apart the most beyond what themes of the same directions and spreads do by chance, as
    the resolution of themes is chosen. Drivers that stand are never joined with each other, and
    no theme leaves its own: themes without a driver join one, or each other, if they are as
    alike as the themes of a driver would be.

    The order of the themes changes nothing but the numbers of new drivers.

    Parameters
    ----------
    centres : float32 (n_themes, dimensions)
        What each theme is about, rows of length 1.
    standing : int (n_themes,), optional
        The driver a theme has, from 0 without gaps; -1 has none.
    codes : float32 (n_themes, n_codes), optional
        Share of each disposition among the contacts of a theme: a soft hint.
    seed : int
        Of the themes by chance.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """
    n_themes = len(centres)
    standing = np.full(n_themes, -1) if standing is None else np.asarray(standing, np.int64)
    if len(standing) != n_themes or (codes is not None and len(codes) != n_themes):
        raise ValueError(
            f"find_drivers() got {n_themes} centres, {len(standing)} standing drivers and "
            f"{n_themes if codes is None else len(codes)} rows of codes; give one of each a theme."
        )
    if n_themes < FEWEST_THEMES:
        return FoundDrivers(standing, {})
    rows = _directions(np.asarray(centres, np.float64), codes)
    # An order of their own, so that sums of floats and ties do not depend on the order given.
    order = np.lexsort(np.round(rows, 6).T[::-1])
    rows, given = rows[order], standing[order]
    distances = _distances(rows)
    level, scores = _choose_level(rows, distances, seed)
    groups = _join(distances, given, level)
    labels = np.empty(n_themes, np.int64)
    labels[order] = groups
    return FoundDrivers(_number(labels, standing), scores)


def _directions(centres: Doubles, codes: Floats | None) -> Doubles:
    """Return what themes differ in: what all of them share is taken out."""
    apart = np.asarray(unit(centres - centres.mean(axis=0)), np.float64)
    if codes is None or not codes.size:
        return apart
    # codes that all themes share alike say nothing either
    hints = np.asarray(unit(codes - codes.mean(axis=0)), np.float64)
    joined = np.hstack([apart, CODE_WEIGHT * hints])
    return np.asarray(unit(joined), np.float64)


def _distances(rows: Doubles) -> Doubles:
    found = np.maximum(1 - rows @ rows.T, 0)
    np.fill_diagonal(found, 0)
    return found


def _choose_level(rows: Doubles, distances: Doubles, seed: int) -> tuple[float, dict[str, float]]:
    """Return the distance up to which groups are joined, and the score of each number of them."""
    most = min(MOST_DRIVERS, len(rows) // THEMES_PER_DRIVER)
    numbers = list(range(min(FEWEST_DRIVERS, most), most + 1))
    heights, partitions = _partitions(distances, numbers)
    by_chance = np.zeros(len(numbers))
    generator = np.random.default_rng(seed)
    for _ in range(N_CLOUDS):
        cloud = _distances(_cloud(rows, generator))
        by_chance += [_silhouette(cloud, labels) for labels in _partitions(cloud, numbers)[1]]
    scores = np.array([_silhouette(distances, labels) for labels in partitions])
    scores -= by_chance / N_CLOUDS
    padded = np.concatenate([scores[:1], scores, scores[-1:]])
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    chosen = numbers[int((smooth >= smooth.max() - EQUAL_WITHIN).argmax())]
    # Half-way between the last pair that is joined and the first that is not.
    last = len(rows) - chosen
    level = float(heights[last - 1 : last + 1].mean())
    named = {str(n): round(float(s), 4) for n, s in zip(numbers, smooth, strict=True)}
    return level, named


def _partitions(distances: Doubles, numbers: Sequence[int]) -> tuple[Doubles, list[Ints]]:
    """Return the heights at which groups join (n - 1,), and the labels for each number wanted."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), "average")
    return tree[:, 2], [fcluster(tree, number, "maxclust") for number in numbers]


def _cloud(rows: Doubles, generator: np.random.Generator) -> Doubles:
    """Return as many directions drawn with the mean and the covariance of the rows."""
    mean = rows.mean(axis=0)
    drawn = generator.standard_normal((len(rows), len(rows))) / np.sqrt(len(rows) - 1)
    return np.asarray(unit(mean + drawn @ (rows - mean)), np.float64)


def _silhouette(distances: Doubles, labels: Ints) -> float:
    """Return the mean silhouette, -1 to 1; a theme alone in its driver counts 0."""
    _, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return 0.0
    sums = distances @ np.eye(len(sizes))[own]
    rows = np.arange(len(labels))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = sums / sizes
    others[rows, own] = np.inf
    nearest = others.min(axis=1)
    found = (nearest - within) / np.maximum(np.maximum(nearest, within), 1e-9)
    return float(np.where(sizes[own] > 1, found, 0).mean())


def _join(distances: Doubles, standing: Ints, level: float) -> Ints:
    """Return a group for each theme: pairs of groups are joined up to a mean distance.

    Groups are numbered by one of their themes; two that hold standing drivers are never joined.
    """
    groups = np.arange(len(standing))
    for driver in np.unique(standing[standing >= 0]):
        own = np.flatnonzero(standing == driver)
        groups[own] = own[0]
    while True:
        heads = np.unique(groups)
        member = (groups[:, None] == heads).astype(np.float64)
        means = member.T @ distances @ member / np.outer(member.sum(0), member.sum(0))
        is_fixed = (member.T @ (standing >= 0)) > 0
        means[np.outer(is_fixed, is_fixed)] = np.inf
        np.fill_diagonal(means, np.inf)
        first, second = divmod(int(means.argmin()), len(heads))
        if means[first, second] > level:
            return groups
        groups[groups == heads[second]] = heads[first]


def _number(groups: Ints, standing: Ints) -> Ints:
    """Return drivers: those that stand keep their number, new ones follow by their first theme."""
    labels = standing.copy()
    upcoming = int(standing.max(initial=-1)) + 1
    for theme in np.flatnonzero(standing < 0).tolist():
        if labels[theme] >= 0:
            continue
        own = groups == groups[theme]
        known = standing[own & (standing >= 0)]
        if len(known):
            labels[theme] = known[0]
        else:
            labels[own] = upcoming
            upcoming += 1
    return labels


def name_drivers(
    texts: Sequence[str], labels: Ints, drivers: Ints, theme_names: Sequence[str]
) -> list[Label]:
    """Name drivers by what the texts of their themes say and others do not, as themes are named.

    Of the phrases that set a driver apart those come first that most of its themes say: what
    only one of them says is a name for that theme.

    Parameters
    ----------
    texts : sequence of str, length n
        Distinct texts of the themes.
    labels : int (n,)
        Theme of each text.
    drivers : int (n_themes,)
        Driver of each theme, from 0 without gaps; -1 is left out.
    theme_names : sequence of str, length n_themes
        A driver of one theme has its name; no other driver has the name of one of its themes.

    Returns
    -------
    list of Label, a driver each
        Names differ, unless themes of different drivers have the same.
    """
    n_drivers = int(drivers.max(initial=-1)) + 1
    named = label_themes(texts, drivers[labels], n_drivers)
    taken: set[str] = set()
    found = []
    for driver, label in enumerate(named):
        themes = np.flatnonzero(drivers == driver).tolist()
        names = [theme_names[theme] for theme in themes]
        if len(themes) == 1:
            name, keywords = names[0], label.keywords
        else:
            members = [
                [texts[i] for i in np.flatnonzero(labels == theme).tolist()] for theme in themes
            ]
            keywords = _by_spread(label.keywords, members)
            name = _join_phrases(keywords, members, {n.casefold() for n in names} | taken)
        name = name or label.name
        taken.add(name.casefold())
        found.append(Label(name, keywords))
    return found


def _by_spread(keywords: Sequence[str], themes: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the phrases, those first that tell most and are said in most of the themes.

    What says nothing by itself comes last, however often it is said.
    """
    said = [[(phrases(text).keys(), text.casefold()) for text in texts] for texts in themes]

    def spread(keyword: str) -> float:
        stem = max(phrases(keyword), key=len, default=keyword)
        shares = [
            sum(stem in stems or keyword in text for stems, text in theme) / max(len(theme), 1)
            for theme in said
        ]
        # A root makes a few texts in every theme weigh more than many in one of them.
        return float(np.sqrt(shares).mean())

    worth = {
        keyword: spread(keyword) * NEXT_IS_WORTH**place for place, keyword in enumerate(keywords)
    }
    return tuple(sorted(keywords, key=lambda keyword: (not may_lead(keyword), -worth[keyword])))


def _join_phrases(
    keywords: Sequence[str], themes: Sequence[Sequence[str]], taken: Collection[str]
) -> str:
    """Return the first phrase, with the next ones while it is one bare word or given away."""
    name = ""
    for keyword in keywords:
        if name and " " in name and name.casefold() not in taken:
            break
        if not set(keyword.split()) & set(re.findall(r"\w+", name.casefold())):
            name = f"{name}, {keyword}" if name else keyword
    if name.casefold() in taken:
        name = f"{name} and more"
    return _as_written(name, [text for texts in themes for text in texts])


def _as_written(name: str, texts: Sequence[str]) -> str:
    """Return the name with the capitals its words mostly have, and a large first letter."""

    def form(match: re.Match[str]) -> str:
        own = re.compile(rf"\b{re.escape(match[0])}\b", re.IGNORECASE)
        forms = Counter(found for text in texts for found in own.findall(text))
        return min(forms.items(), key=lambda item: (-item[1], item[0]))[0] if forms else match[0]

    written = re.sub(r"[\w'’-]+", form, name)
    return written[:1].upper() + written[1:]
