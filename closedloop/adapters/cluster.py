"""Where heavy work runs: in this process, or on the workers of a Dask cluster."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from closedloop.domain.errors import Unavailable

CONNECT_SECONDS = 10
TIMES_TRIED = 3


@contextmanager
def open_executor(scheduler: str) -> Iterator[Executor | None]:
    """Give the executor of the cluster with that scheduler; None where no scheduler is named.

    What a worker was doing when it died is done again by another.

    Parameters
    ----------
    scheduler : str
        As in ``tcp://host:8786``.

    Raises
    ------
    Unavailable
        If the Dask library is not installed, or nobody answers there.
    """
    if not scheduler:
        yield None
        return
    client = _connect(scheduler)
    try:
        yield client.get_executor(pure=False, retries=TIMES_TRIED)
    finally:
        client.close()


def _connect(scheduler: str) -> Any:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise Unavailable(
            "CLOSEDLOOP_DASK_SCHEDULER names a cluster, but the Dask library is not installed "
            "here. Install it with: pip install closedloop[dask]"
        ) from None
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"No Dask scheduler answers at {scheduler}. Start it, or take "
            "CLOSEDLOOP_DASK_SCHEDULER out to work in this process."
        ) from error
