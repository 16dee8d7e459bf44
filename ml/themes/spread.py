"""One model at work in many processes: any executor, on this machine or on several."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import lru_cache
from typing import Any, TypeVar

from ml.themes.graph import Floats

MOST_WAITING = 32
"""Blocks handed on and not answered yet: enough for many workers, few enough for the memory."""

Key = TypeVar("Key")
Assigned = tuple[Any, Any]


def assign_spread(
    model: Any, executor: Executor, blocks: Iterable[tuple[Key, Floats]]
) -> Iterator[tuple[Key, Assigned]]:
    """Assign blocks of vectors in tasks of an executor, and give the answers in their order.

    Parameters
    ----------
    model : ThemeModel
        Anything with `assign` that can be pickled; is sent with each task, and read once in each
        process.
    executor : Executor
        Of processes, or a Dask client's; one that hands lost tasks to other workers lets the work
        survive the death of some.
    blocks : iterable of (key, float32 (n, dimensions))
        Read as they are handed on, `MOST_WAITING` ahead at most.

    Yields
    ------
    key
        Of the block.
    assigned : (int (n,), float (n,))
        What `model.assign` says of it, in whatever process.
    """
    packed = pickle.dumps(model)
    waiting: deque[tuple[Key, Future[Assigned]]] = deque()
    for key, vectors in blocks:
        waiting.append((key, executor.submit(assign_part, packed, vectors)))
        if len(waiting) >= MOST_WAITING:
            first, task = waiting.popleft()
            yield first, task.result()
    for key, task in waiting:
        yield key, task.result()


def assign_part(packed: bytes, vectors: Floats) -> Assigned:
    """Assign some vectors in the process this runs in, with the model that was sent."""
    labels, confidence = _unpack(packed).assign(vectors)
    return labels, confidence


@lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 - our own process packed it
