"""A panel: daily contacts of themes in which nothing was changed, and where dates may be set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Panel:
    """Themes of one company over the same days.

    Attributes
    ----------
    name : str
    counts : int array, shape (n_days, n_themes)
    first_day : date
    days : tuple of int
        Indexes of the days on which a change that never was is set; empty is one a fortnight.
    themes : tuple of int
        Columns that are measured; empty is all of them.
    is_still : bool
        False where something else truly happened on the date, so that a claim is wrong as to its
        cause and the truth in the range means nothing.
    arrived : tuple of float
        Share of contacts that are there already of the newest days read, the last day last.
    world : int
        Panels of one name are independent when their worlds differ.
    """

    name: str
    counts: Counts
    first_day: date
    days: tuple[int, ...] = ()
    themes: tuple[int, ...] = ()
    is_still: bool = True
    arrived: tuple[float, ...] = ()
    world: int = 0
