"""Finds themes in texts: vectors, nearest neighbours, communities, names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ml.text.clean import has_words, normalise, wording
from ml.text.embed import Encoder
from ml.themes.constraints import Constraints, Pairs
from ml.themes.graph import Floats, Ints, by_size, neighbour_graph, neighbours, vote
from ml.themes.joining import CLEAR_MAJORITY, Joiner, Texts, density
from ml.themes.label import label_themes, pick_exemplars
from ml.themes.model import ThemeModel
from ml.themes.resolution import STEP, agreed_communities, choose_resolution
from ml.themes.threads import one_thread_each
from ml.themes.tongues import n_languages, spoken_in, weight_of_words
from ml.themes.types import FoundThemes, Theme
from ml.themes.vectors import (
    FEWEST_TEXTS,
    DenseSpace,
    HybridSpace,
    Rows,
    RowView,
    disposition_shares,
)

METHOD = "leiden-hybrid/8"
N_NEIGHBOURS, N_NEIGHBOURS_OF_FEW = 20, 15
LEXICAL_WEIGHT = 0.55
DISPOSITION_WEIGHT = 0.3
# A text whose neighbours are nearer to chance than this share of the way to usual is left over.
LEFT_OVER_AT = 0.4
MOST_LEFT_OVER = 0.25
# With few texts nothing is centred, and unrelated English sentences reach about this cosine.
UNRELATED_COSINE = 0.35
N_PAIRS = 60_000
# Comparing each with each takes less time than drawing pairs.
FEW = 1_000


@dataclass(frozen=True)
class _Settings:
    """Everything that steers a run; None is chosen from the data."""

    seed: int
    n_languages: int
    lexical_weight: float
    resolution: float | None
    n_neighbours: int
    min_size: int
    max_fit: int
    finer: int


@dataclass(frozen=True)
class _Nodes:
    """The distinct texts, and what is known of each."""

    of_text: Ints  # (n_texts,)
    texts: list[str]
    first: Ints  # (n_nodes,) a text with that wording
    counts: Ints  # (n_nodes,) texts with that wording
    vectors: Rows  # (n_nodes, dimensions)
    dispositions: Floats | None  # (n_nodes, n_dispositions)

    def take(self, rows: Ints) -> _Nodes:
        """Keep some of them; what texts they stand for is forgotten."""
        return replace(
            self,
            of_text=np.empty(0, np.int64),
            texts=[self.texts[row] for row in rows],
            first=self.first[rows],
            counts=self.counts[rows],
            vectors=self.vectors[rows],
            dispositions=None if self.dispositions is None else self.dispositions[rows],
        )


@one_thread_each
def discover_themes(
    texts: Sequence[str],
    encoder: Encoder | None = None,
    seed: int = 0,
    *,
    embeddings: Floats | None = None,
    dispositions: Sequence[str | None] | None = None,
    must_link: Pairs | None = None,
    cannot_link: Pairs | None = None,
    min_size: int | None = None,
    max_fit: int = 25_000,
    lexical_weight: float | None = None,
    resolution: float | None = None,
    n_neighbours: int | None = None,
    finer: int = 0,
) -> FoundThemes:
    """Find the themes in a collection of texts, name them, and learn to recognise them.

    Texts that say the same word for word (after `wording`: whatever their case, punctuation and
    spacing) always share a theme. The same input and seed give the same answer, in any process.

    Parameters
    ----------
    texts : sequence of str, length n_texts
        One issue each; see `ml.text.clean.issue_text`. Those without a word are left over.
    encoder : Encoder, optional
        Needed unless ``embeddings`` are given.
    seed : int
    embeddings : float32 (n_texts, dimensions), optional
        Vectors of the normalised texts, rows of length 1.
    dispositions : sequence of str or None, length n_texts, optional
        What agents chose; a hint that pulls texts together, never a wall.
    must_link, cannot_link : sequence of (int, int), optional
        Pairs of texts that people put together or kept apart. They are honoured; who cannot be
        put anywhere without breaking a pair is left over.
    min_size : int, optional
        Fewest texts in a theme; by default 3 below 60 distinct texts, else 5 or 0.1 % of texts.
    max_fit : int
        Themes are found in at most so many distinct texts, and the rest join by vote.
    lexical_weight : float, optional
        Weight of the words beside the meaning. By default 0.55; another where the encoder does not
        know the language, or meets several languages (`weight_of_words`).
    resolution : float, optional
        How fine the themes are before `finer` steps; by default chosen from the data, and divided
        by the root of the number of main languages: each has words of its own for everything,
        which looks like more themes than there are.
    n_neighbours : int, optional
        By default 20, fewer with few texts.
    finer : int
        Steps by which somebody wants the themes finer (above 0) or coarser (below 0) than the
        data, or the resolution given, say; each is a factor of `STEP`.

    Raises
    ------
    ValueError
        If lengths disagree, a pair names no text, pairs contradict each other, neither
        encoder nor embeddings are given, or embeddings are no table of finite numbers.
    """
    nodes = _distinct(texts, encoder, embeddings, dispositions)
    n_nodes = len(nodes.texts)
    spoken = spoken_in(nodes.texts)
    settings = _Settings(
        seed,
        n_languages(spoken),
        _lexical_weight(spoken, encoder) if lexical_weight is None else lexical_weight,
        resolution,
        n_neighbours or _default_n_neighbours(n_nodes),
        min_size or _default_min_size(n_nodes, len(texts)),
        max_fit,
        finer,
    )
    limits = Constraints(must_link, cannot_link, nodes.of_text, n_nodes)
    space = DenseSpace.fit(nodes.vectors)
    labels, chosen = _label_nodes(nodes, space, limits, settings)
    model = ThemeModel.fit(nodes.vectors, labels, space)
    confidence = model.confidence(nodes.vectors, labels)
    parameters = {
        "method": METHOD,
        "encoder": getattr(encoder, "name", None),
        "n_texts": len(texts),
        "n_distinct": n_nodes,
        "uses_dispositions": dispositions is not None,
        "n_must_link": len(must_link or ()),
        "n_cannot_link": len(cannot_link or ()),
        **{name: getattr(settings, name) for name in settings.__dataclass_fields__},
        **chosen,
        "left_over_rate": float(np.mean(labels[nodes.of_text] < 0)) if len(texts) else 0.0,
    }
    return FoundThemes(
        labels[nodes.of_text],
        confidence[nodes.of_text],
        _describe(texts, nodes, labels, space),
        model,
        parameters,
    )


def _lexical_weight(spoken: Counter[str], encoder: Encoder | None) -> float:
    weight = weight_of_words(
        spoken,
        getattr(encoder, "languages", None),
        is_multilingual=getattr(encoder, "is_multilingual", False),
    )
    return LEXICAL_WEIGHT if weight is None else weight


def _default_n_neighbours(n_nodes: int) -> int:
    few = max(5, min(N_NEIGHBOURS_OF_FEW, n_nodes // 4))
    return max(few, min(N_NEIGHBOURS, n_nodes // 20))


def _default_min_size(n_nodes: int, n_texts: int) -> int:
    return 3 if n_nodes < FEWEST_TEXTS else max(5, round(n_texts / 1000))


def _distinct(
    texts: Sequence[str],
    encoder: Encoder | None,
    embeddings: Floats | None,
    dispositions: Sequence[str | None] | None,
) -> _Nodes:
    if encoder is None and embeddings is None:
        raise ValueError("discover_themes() needs an encoder or the embeddings of the texts.")
    for name, given in (("embeddings", embeddings), ("dispositions", dispositions)):
        if given is not None and len(given) != len(texts):
            raise ValueError(
                f"There are {len(texts)} texts and {len(given)} {name}; give one for each text."
            )
    plain = [normalise(text) for text in texts]
    usual = _usual_spellings(plain)
    spelt = [usual[text] for text in plain]
    # An order of their own, so that the order in which texts come in changes nothing.
    names = sorted(set(spelt), key=_shuffled)
    place = {text: node for node, text in enumerate(names)}
    of_text = np.array([place[text] for text in spelt], np.int64)
    at = {text: i for i, text in reversed(list(enumerate(plain)))}
    first = np.array([at[text] for text in names], np.int64)
    if embeddings is not None:
        # as given: they are read in the order of the nodes, and not copied into it
        vectors: Rows = RowView(_finite(np.asarray(embeddings, np.float32)), first)
    elif encoder is not None:
        vectors = encoder.encode(names)
    codes = None
    if dispositions is not None:
        codes = disposition_shares(dispositions, of_text, len(names))
    counts = np.bincount(of_text, minlength=len(names))
    return _Nodes(of_text, names, first, counts, vectors, codes)


def _usual_spellings(plain: Sequence[str]) -> dict[str, str]:
    """Return for each text how most write what it says, of equally many the first by letters."""
    spellings: dict[str, list[tuple[int, str]]] = {}
    for text, n in Counter(plain).items():
        spellings.setdefault(wording(text), []).append((-n, text))
    return {text: min(alike)[1] for alike in spellings.values() for _, text in alike}


def _shuffled(text: str) -> tuple[int, str]:
    """Sort by this for an order that depends on the texts alone and puts no like beside like."""
    return crc32(text.encode()), text


def _finite(vectors: Floats) -> Floats:
    if vectors.ndim != 2:
        raise ValueError(
            f"The embeddings have shape {vectors.shape}; give one row of numbers for each text."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        is_broken = ~np.isfinite(vectors.sum(axis=1))
    if is_broken.any():
        raise ValueError(
            f"The vector of text {int(is_broken.argmax())} holds a value that is no number (NaN "
            "or infinite). Encode that text again."
        )
    return vectors


def _label_nodes(
    nodes: _Nodes, space: DenseSpace, limits: Constraints, settings: _Settings
) -> tuple[Ints, dict[str, Any]]:
    """Return labels (n_nodes,) by falling size, and what was chosen on the way."""
    fitted = _sample(nodes, limits, settings)
    sample = nodes.take(fitted)
    if len(fitted) == 0:
        return np.full(len(nodes.texts), -1, np.int64), {"n_fitted": 0}
    hybrid = HybridSpace(settings.seed, settings.lexical_weight, DISPOSITION_WEIGHT)
    dense = space.transform(sample.vectors[:])
    vectors = hybrid.fit_transform(dense, sample.texts, sample.dispositions)
    # A theme is as much smaller in the sample as the sample is smaller than the whole.
    share = sample.counts.sum() / max(1, nodes.counts.sum())
    fewest = max(min(3, settings.min_size), round(settings.min_size * share))
    found, chosen = _fit(sample, vectors, limits, fitted, replace(settings, min_size=fewest))
    labels = np.full(len(nodes.texts), -1, np.int64)
    labels[fitted] = found
    rest = np.setdiff1d(_with_words(nodes), fitted)
    if len(rest):
        joiner = Joiner(
            space, hybrid, dense, vectors, found, chosen["left_over_below"], settings.seed
        )
        others = Texts(nodes.vectors, nodes.texts, nodes.counts, nodes.dispositions)
        labels[rest] = joiner.join(others, rest)
    labels = limits.settle(labels)
    labels = _drop_small(labels, nodes.counts, settings.min_size)
    return labels, {"n_fitted": len(fitted), **chosen}


def _with_words(nodes: _Nodes) -> Ints:
    return np.array([row for row, text in enumerate(nodes.texts) if has_words(text)], np.int64)


def _sample(nodes: _Nodes, limits: Constraints, settings: _Settings) -> Ints:
    """Choose which nodes themes are found in: all with words, or as many as allowed."""
    usable = _with_words(nodes)
    if len(usable) <= settings.max_fit:
        return usable
    # Nodes that people spoke about are always among them.
    named = np.intersect1d(limits.named, usable)
    others = np.setdiff1d(usable, named)
    generator = np.random.default_rng(settings.seed)
    n_others = max(0, settings.max_fit - len(named))
    return np.sort(np.concatenate([named, generator.choice(others, n_others, replace=False)]))


def _fit(
    sample: _Nodes, vectors: Floats, limits: Constraints, fitted: Ints, settings: _Settings
) -> tuple[Ints, dict[str, Any]]:
    """Find communities among the sampled nodes: labels (n_sample,), -1 is left over."""
    similarities, indexes = neighbours(vectors, settings.n_neighbours)
    crowd = density(similarities, sample.counts)
    by_chance = _similar_by_chance(vectors, settings)
    threshold = _left_over_below(by_chance, crowd)
    is_named = np.isin(fitted, limits.named)
    is_dense = (crowd >= threshold) | is_named
    # What is said often and like nothing else is a theme by itself.
    alone = density(similarities, np.ones_like(sample.counts)) < threshold
    alone &= (sample.counts >= settings.min_size) & ~is_named
    # What is no nearer than chance is no neighbour.
    is_near = (similarities > by_chance) & ~alone[:, None] & ~alone[indexes]
    similarities = np.where(is_near, similarities, 0).astype(np.float32)
    graph = neighbour_graph(similarities, indexes)
    kept = np.flatnonzero(is_dense)
    inner = graph[kept][:, kept]
    resolution = settings.resolution
    scores: dict[str, float] = {}
    if resolution is None:
        resolution = 1.0
        if len(kept) >= FEWEST_TEXTS:
            resolution, scores = choose_resolution(
                inner,
                vectors[kept],
                n_neighbours=settings.n_neighbours,
                seed=settings.seed,
            )
            resolution = round(resolution / math.sqrt(settings.n_languages), 2)
    used = round(resolution * STEP**settings.finer, 4)
    labels = np.full(len(vectors), -1, np.int64)
    labels[kept] = _communities(inner, vectors[kept], limits, fitted[kept], used, settings)
    labels = _drop_small(labels, sample.counts, settings.min_size)
    labels = _adopt(labels, similarities, indexes)
    return labels, {
        "resolution": resolution,
        "resolution_used": used,
        "resolution_scores": scores,
        "left_over_below": round(threshold, 6),
        "n_set_aside": int(len(vectors) - len(kept)),
    }


def _communities(
    graph: Any,
    vectors: Floats,
    limits: Constraints,
    nodes: Ints,
    resolution: float,
    settings: _Settings,
) -> Ints:
    """Part the kept nodes into communities, honouring what people said about pairs."""
    local = limits.among(nodes)
    inner = local.contract(graph)
    grouped = agreed_communities(inner, vectors, local.group, resolution, settings.seed)
    return local.part(grouped[local.group], vectors)


def _similar_by_chance(vectors: Floats, settings: _Settings) -> float:
    """Estimate how similar the nearest of so many texts are though they are unrelated.

    The more texts there are, the nearer the nearest few come by chance alone: the mean of the
    upper tail of a normal distribution that fits the similarities of pairs.
    """
    n_nodes = len(vectors)
    if n_nodes < FEWEST_TEXTS:
        return UNRELATED_COSINE
    pairs = _similarities_of_pairs(vectors, settings.seed)
    middle = np.median(pairs)
    spread = 1.4826 * np.median(np.abs(pairs - middle))
    share = min(0.5, settings.n_neighbours / n_nodes)
    normal = NormalDist()
    return float(middle + spread * normal.pdf(normal.inv_cdf(1 - share)) / share)


def _similarities_of_pairs(vectors: Floats, seed: int) -> Floats:
    """Return the similarity of each pair of few texts, of a draw of pairs of many."""
    n_nodes = len(vectors)
    if n_nodes <= FEW:
        return np.asarray((vectors @ vectors.T)[np.triu_indices(n_nodes, 1)])
    left, right = np.random.default_rng(seed).integers(0, n_nodes, (2, N_PAIRS))
    parts = [
        np.einsum("ij,ij->i", vectors[left[at : at + 8192]], vectors[right[at : at + 8192]])
        for at in range(0, N_PAIRS, 8192)
    ]
    return np.asarray(np.concatenate(parts)[left != right])


def _left_over_below(by_chance: float, crowd: NDArray[np.float64]) -> float:
    """Estimate the neighbour similarity below which a text belongs to no theme.

    A text nearer to chance than to what is usual here is left over.
    """
    if len(crowd) < FEWEST_TEXTS:
        return by_chance
    usual = float(np.median(crowd))
    threshold = by_chance + LEFT_OVER_AT * max(0.0, usual - by_chance)
    return float(min(threshold, np.quantile(crowd, MOST_LEFT_OVER)))


def _drop_small(labels: Ints, counts: Ints, min_size: int) -> Ints:
    """Take labels of too few texts away and number the rest by falling size."""
    n_labels = int(labels.max(initial=-1)) + 1
    is_member = labels >= 0
    sizes = np.bincount(labels[is_member], counts[is_member], minlength=n_labels)
    kept = is_member & np.append(sizes >= min_size, False)[labels]
    found = np.full(len(labels), -1, np.int64)
    found[kept] = by_size(labels[kept], counts[kept].astype(np.float64))
    return found


def _adopt(labels: Ints, similarities: Floats, indexes: Ints) -> Ints:
    """Let nodes without a theme join one that holds a clear majority of their neighbours.

    A text set aside for being unusual often lies at the edge of one theme; the neighbours of a
    stranger are of many themes, or strangers themselves.
    """
    alone = np.flatnonzero(labels < 0)
    if len(alone) == len(labels) or len(alone) == 0:
        return labels
    found, shares = vote(similarities[alone], labels[indexes[alone]], int(labels.max()) + 1)
    labels = labels.copy()
    labels[alone] = np.where(shares >= CLEAR_MAJORITY, found, -1)
    return labels


def _describe(
    texts: Sequence[str], nodes: _Nodes, labels: Ints, space: DenseSpace
) -> tuple[Theme, ...]:
    n_themes = int(labels.max(initial=-1)) + 1
    named = label_themes(nodes.texts, labels, n_themes)
    exemplars = pick_exemplars(nodes.vectors, labels, n_themes, space)
    themes = []
    for theme, (label, chosen) in enumerate(zip(named, exemplars, strict=True)):
        indexes = tuple(int(nodes.first[node]) for node in chosen)
        size = int(nodes.counts[labels == theme].sum())
        quotes = tuple(texts[index] for index in indexes)
        themes.append(Theme(label.name, label.keywords, quotes, indexes, size))
    return tuple(themes)
