"""What discovery hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.themes.model import ThemeModel


@dataclass(frozen=True)
class Theme:
    """One theme as a person reads it.

    Attributes
    ----------
    name : str
        Unique in its run.
    keywords : tuple of str
        Phrases that set the theme apart, the most telling first.
    exemplars : tuple of str
        Typical texts that differ from each other, as they were given.
    exemplar_indexes : tuple of int
        Where those texts stand in the input.
    size : int
        Texts in the theme, repeated ones counted each time.
    """

    name: str
    keywords: tuple[str, ...]
    exemplars: tuple[str, ...]
    exemplar_indexes: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class FoundThemes:
    """The themes of a collection of texts.

    Attributes
    ----------
    labels : int (n_texts,)
        Index into ``themes``; -1 is left over.
    confidence : float (n_texts,)
        From 0 (left over) to 1 (typical of its theme and of no other).
    themes : tuple of Theme
        By falling size.
    model : ThemeModel
        Recognises the same themes in other texts.
    parameters : dict
        All that is needed to repeat the run, and what it chose by itself; JSON values only.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    themes: tuple[Theme, ...]
    model: ThemeModel
    parameters: dict[str, Any]
