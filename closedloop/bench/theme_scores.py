"""How near found themes come to known intents, to themselves on other samples, and to words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

Ints = NDArray[np.int64]
Report = dict[str, Any]

KEYWORDS_READ = 6
SHORTEST_WORD = 3
_SMALL_WORDS = frozenset({"the", "and", "for", "not", "with", "from", "into", "are", "was"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")


def score_labels(intents: Sequence[str], labels: Ints) -> Report:
    """Compare labels with known intents; what is left over (-1) counts as one theme of its own.

    Parameters
    ----------
    intents : sequence of str, length n
    labels : int (n,)

    Returns
    -------
    dict
        ``ami``, ``ari``, ``accuracy`` (share of texts that are right when each theme stands for
        one intent and each intent for one theme, matched in the best way; a left-over text is
        wrong), ``left_over`` (share), ``themes``, ``intents`` (numbers).
    """
    return {
        "ami": float(adjusted_mutual_info_score(list(intents), labels)),
        "ari": float(adjusted_rand_score(list(intents), labels)),
        "accuracy": one_to_one_accuracy(intents, labels),
        "left_over": float(np.mean(labels < 0)),
        "themes": len(set(labels[labels >= 0].tolist())),
        "intents": len(set(intents)),
    }


def one_to_one_accuracy(intents: Sequence[str], labels: Ints) -> float:
    """Return the share of texts that are right under the best one-to-one matching."""
    together = _count_together(np.unique(list(intents), return_inverse=True)[1], labels)
    rows, columns = linear_sum_assignment(-together)
    return float(together[rows, columns].sum() / len(labels))


def matched_stability(labels: Ints, others: Ints) -> float:
    """Return how much of each theme is found again by another run, 0 to 1.

    Parameters
    ----------
    labels, others : int (n,)
        Labels of the same texts by two runs; -1 is left over and belongs to no theme.

    Returns
    -------
    float
        The Jaccard overlap of each theme with its match, themes being matched one to one in the
        best way, averaged with their sizes as weights; 0 for a theme without a match.
    """
    together = _count_together(labels, others)
    sizes = np.bincount(labels[labels >= 0], minlength=len(together))
    other_sizes = np.bincount(others[others >= 0], minlength=together.shape[1])
    overlap = together / np.maximum(sizes[:, None] + other_sizes[None, :] - together, 1)
    rows, columns = linear_sum_assignment(-overlap)
    return float((overlap[rows, columns] * sizes[rows]).sum() / max(1, sizes.sum()))


def _count_together(one: Ints, two: Ints) -> NDArray[np.int64]:
    both = (one >= 0) & (two >= 0)
    counts = np.zeros((int(one.max(initial=0)) + 1, int(two.max(initial=0)) + 1), np.int64)
    np.add.at(counts, (one[both], two[both]), 1)
    return counts


def name_quality(
    intents: Sequence[str], labels: Ints, names: Sequence[Sequence[str]]
) -> float | None:
    """Return the share of themes whose name or first six keywords say a word of their intent.

    Parameters
    ----------
    intents : sequence of str, length n
    labels : int (n,)
    names : sequence of sequences of str
        Of each theme its name, then its keywords.

    Returns
    -------
    float or None
        None where themes have no names. The intent of a theme is that of most of its texts;
        small words of it ("to", "of") do not count, and endings may differ.
    """
    themes = [theme for theme in np.unique(labels[labels >= 0]).tolist() if theme < len(names)]
    if not themes:
        return None
    of_text = np.array(intents, object)
    good = 0
    for theme in themes:
        intent = Counter(of_text[labels == theme].tolist()).most_common(1)[0][0]
        said = _words(" ".join(names[theme][: 1 + KEYWORDS_READ]))
        good += any(_is_same(a, b) for a in _words(intent) for b in said)
    return good / len(themes)


def _words(text: str) -> set[str]:
    found = {word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text).replace("_", " "))}
    return {word for word in found if len(word) >= SHORTEST_WORD and word not in _SMALL_WORDS}


def _is_same(one: str, two: str) -> bool:
    """Whether two words are equal but for an ending: cancel and cancelling, bill and bills."""
    short, long = sorted((one, two), key=len)
    if short == long:
        return True
    stem = short.removesuffix("e").removesuffix("y")
    return len(stem) >= SHORTEST_WORD and long.startswith(stem) and len(long) - len(stem) <= 4
