"""How many processor threads finding themes takes, and for what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

MOST_THREADS = 2

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def one_thread_each(function: Callable[P, R]) -> Callable[P, R]:
    """Make linear algebra in a function compute in the thread that asks for it.

    Most tables here are small, and threads of the library wait for each other longer than they
    compute: they keep every processor busy with waiting. It is also the same on every machine.
    """

    @wraps(function)
    def calm(*args: P.args, **kwargs: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(1, user_api="blas"):
            return function(*args, **kwargs)

    return calm


def side_by_side(function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
    """Return what a function says of each part, in their order, two parts at a time."""
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        yield from pool.map(function, parts)
