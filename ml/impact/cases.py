"""What is handed in for one theme, and how many of them are spread over workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from numpy.typing import ArrayLike

from ml.impact.types import ImpactEstimate


@dataclass(frozen=True, eq=False)
class ImpactCase:
    """The arguments of `estimate_impact` for one theme; their meaning is told there."""

    counts: ArrayLike
    n_pre: int
    first_day: date = date(2026, 1, 1)
    controls: ArrayLike | None = None
    holidays: Collection[date] = ()
    skip: Collection[int] = ()
    level: float = 0.95
    alpha: float = 0.05
    same_controls_as: ImpactEstimate | None = None
    driver: ArrayLike | None = None
    stages: ArrayLike | None = None
    prior: ArrayLike | None = None
    calibrate: bool = True


class Spread(Protocol):
    """Anything that calls a function on each of many things, in their order, like map."""

    def __call__(
        self,
        function: Callable[[Sequence[ImpactCase]], list[ImpactEstimate]],
        chunks: Iterable[Sequence[ImpactCase]],
        /,
    ) -> Iterable[list[ImpactEstimate]]:
        """Return what the function says of each chunk, in the order of the chunks."""
