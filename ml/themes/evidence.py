"""Which contacts to show beside a theme, so that a person can judge it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ml.themes.graph import Floats

DIVERSITY = 0.4
"""How much likeness to a row picked before costs, against the worth of the row itself (MMR)."""

NEARLY_SAME = 0.85
"""Cosine from which two rows say the same: stricter than for a name, since people read these."""

KEYWORD_WORTH = 0.3
SURENESS_WORTH = 0.1
"""What the theme's own words and a clear assignment add to nearness, which is a cosine."""

STEM_CUT = 3
SHORTEST_STEM = 4
WORDS_BETWEEN = 3
"""Words that may stand between those of a keyword: names are made without the small ones."""


@dataclass(frozen=True)
class Evidence:
    """Rows to show beside one theme, the first to show first.

    Attributes
    ----------
    typical : tuple of int
        Members near the middle of the theme that hold its words and differ from each other.
    boundary : tuple of int
        Members that the model is least sure of.
    contrary : tuple of int
        Rows nearest to the theme that do not belong to it.
    """

    typical: tuple[int, ...]
    boundary: tuple[int, ...]
    contrary: tuple[int, ...]


def keyword_fit(text: str, keywords: Sequence[str]) -> float:
    """Return how much of a theme's keywords a text holds, 0–1.

    The first keyword weighs most (1, 1/2, 1/3, …). A keyword of several words counts when they
    stand near each other in this order, also with other endings; one of a script that writes
    without spaces counts wherever it stands.

    Parameters
    ----------
    text : str
    keywords : sequence of str
        Most telling first.
    """
    weights = [1 / (place + 1) for place in range(len(keywords))]
    said = text.casefold()
    held = sum(
        weight
        for weight, keyword in zip(weights, keywords, strict=True)
        if keyword.strip() and _pattern(keyword.casefold()).search(said)
    )
    return held / sum(weights) if keywords else 0.0


@lru_cache(maxsize=4096)
def _pattern(keyword: str) -> re.Pattern[str]:
    between = rf"\W+(?:\w+\W+){{0,{WORDS_BETWEEN}}}"
    return re.compile(between.join(_word_pattern(word) for word in keyword.split()))


def _word_pattern(word: str) -> str:
    if not word.isascii() and len(word) <= SHORTEST_STEM:
        return re.escape(word)
    if len(word) < SHORTEST_STEM:
        return rf"\b{re.escape(word)}s?\b"
    return rf"\b{re.escape(word[: max(SHORTEST_STEM, len(word) - STEM_CUT)])}\w*"


def pick_evidence(
    vectors: Floats,
    prototypes: Floats,
    confidence: NDArray[np.float64],
    is_member: NDArray[np.bool_],
    *,
    n_each: int = 5,
    n_spare: int = 0,
    fit: NDArray[np.float64] | None = None,
    people: NDArray[np.int64] | None = None,
) -> Evidence:
    """Choose typical, boundary and contrary rows for one theme.

    No two rows, of whatever kind, are nearly the same or of one person.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1, as the encoder gives them.
    prototypes : float32 (n_prototypes, dimensions)
        Of the theme, from `ThemeModel.prototypes`: what is contrary lies near one of them.
        Typical rows lie near the middle of the members instead, for a theme of many prototypes
        also has some at its edge.
    confidence : float (n,)
        That a row belongs where it was put.
    is_member : bool (n,)
        Whether a row was put in this theme.
    n_each : int
        Most rows of each kind; there are fewer where the theme has fewer different ones.
    n_spare : int
        So many more of each kind stand behind those, to take the place of one that a person
        rejects. They are picked last, so that no kind takes what another shows.
    fit : float (n,), optional
        `keyword_fit` of each row with the theme's keywords; typical rows have a high one.
    people : int (n,), optional
        Who each row is of; without it each row is of somebody else.
    """
    nearness = (vectors @ prototypes.T).max(axis=1, initial=-1.0)
    fit = np.zeros(len(vectors)) if fit is None else fit
    people = np.arange(len(vectors)) if people is None else people
    picker = _Picker(vectors, people, np.ones(len(vectors), np.bool_))
    middle = vectors[is_member].sum(axis=0)
    central = vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-9))
    inside = central + KEYWORD_WORTH * fit + SURENESS_WORTH * confidence
    typical: list[int] = []
    boundary: list[int] = []
    contrary: list[int] = []
    for most in (n_each, n_each + n_spare):
        picker.add(typical, inside, is_member, most)
        picker.add(boundary, 1.0 - confidence, is_member, most)
        picker.add(contrary, nearness, ~is_member, most)
    return Evidence(tuple(typical), tuple(boundary), tuple(contrary))


@dataclass
class _Picker:
    """Picks rows one by one, each the best that is still allowed: maximal marginal relevance."""

    vectors: Floats
    people: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    likeness: dict[int, Floats] = field(default_factory=dict)

    def add(
        self, rows: list[int], worth: NDArray[np.float64], among: NDArray[np.bool_], most: int
    ) -> None:
        """Fill `rows` up to `most`; of equal worth the first row is taken."""
        while len(rows) < most and (self.allowed & among).any():
            value = (1 - DIVERSITY) * worth
            if rows:
                value = value - DIVERSITY * np.max([self.likeness[row] for row in rows], axis=0)
            best = int(np.argmax(np.where(self.allowed & among, value, -np.inf)))
            rows.append(best)
            self.likeness[best] = self.vectors @ self.vectors[best]
            self.allowed &= self.likeness[best] < NEARLY_SAME
            self.allowed &= self.people != self.people[best]
            self.allowed[best] = False
