"""Customers who wait for something, however many: a byte for each id there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np


class Waiting:
    """Ids, each of them once.

    A set of some million would take hundreds of megabytes. Ids are given out one after the
    other, so that few numbers below the largest are no id.
    """

    def __init__(self) -> None:
        self._waits = np.zeros(0, dtype=bool)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._waits))

    def add(self, ids: Collection[int]) -> None:
        """Let further ones wait; those that wait already change nothing."""
        if not ids:
            return
        numbers = np.fromiter(ids, np.int64, len(ids))
        missing = int(numbers.max()) + 1 - len(self._waits)
        if missing > 0:
            room = max(missing, len(self._waits))  # twice as much, so that it is moved seldom
            self._waits = np.concatenate([self._waits, np.zeros(room, dtype=bool)])
        self._waits[numbers] = True

    def portions(self, size: int) -> Iterator[list[int]]:
        """Yield all of them in ascending order, at most `size` at once."""
        numbers = np.flatnonzero(self._waits)
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size].tolist()
