"""Which contacts to show beside a theme, so that a person can judge it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.themes.graph import Floats
from ml.themes.label import different


@dataclass(frozen=True)
class Evidence:
    """Rows to show beside one theme.

    Attributes
    ----------
    typical : tuple of int
        Members nearest to the theme, no two nearly the same.
    boundary : tuple of int
        Members that the model is least sure of.
    contrary : tuple of int
        Rows nearest to the theme that do not belong to it.
    """

    typical: tuple[int, ...]
    boundary: tuple[int, ...]
    contrary: tuple[int, ...]


def pick_evidence(
    vectors: Floats,
    prototypes: Floats,
    confidence: NDArray[np.float64],
    is_member: NDArray[np.bool_],
    *,
    n_each: int = 5,
) -> Evidence:
    """Choose typical, boundary and contrary rows for one theme.

    Parameters
    ----------
    vectors : float32 (n, dimensions)
        Rows of length 1, as the encoder gives them.
    prototypes : float32 (n_prototypes, dimensions)
        Of the theme, from `ThemeModel.prototypes`.
    confidence : float (n,)
        That a row belongs where it was put.
    is_member : bool (n,)
        Whether a row was put in this theme.
    n_each : int
        Most rows of each kind; there are fewer where the theme has fewer different ones. No row
        is both typical and boundary.
    """
    nearness = (vectors @ prototypes.T).max(axis=1, initial=-1.0)
    members = np.flatnonzero(is_member)
    strangers = np.flatnonzero(~is_member)
    central = members[np.lexsort((members, -nearness[members]))]
    typical = different(vectors, central, n_each)
    doubtful = members[np.lexsort((members, confidence[members]))]
    doubtful = doubtful[~np.isin(doubtful, typical)]
    near = strangers[np.lexsort((strangers, -nearness[strangers]))]
    return Evidence(
        tuple(typical),
        tuple(different(vectors, doubtful, n_each)),
        tuple(different(vectors, near, n_each)),
    )
