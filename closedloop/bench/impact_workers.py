"""Hand chunks to this process, to a pool of processes, or to the workers of a Dask cluster."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from closedloop.adapters.cluster import open_executor

Task = TypeVar("Task")
Found = TypeVar("Found")


@contextmanager
def open_pool(processes: int) -> Iterator[Executor | None]:
    """Give a pool of so many fresh processes; None for one, which works in this one."""
    if processes < 2:
        yield None
        return
    fresh = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=fresh)
    try:
        yield pool
    finally:
        # what was not begun is not wanted any more when somebody stops the run
        pool.shutdown(cancel_futures=True)


def run_all(
    executor: Executor | None,
    work: Callable[[Task], Found],
    tasks: Iterable[Task],
    done: Callable[[int], None] = lambda _number: None,
) -> list[Found]:
    """Return what the work makes of each task, in the order of the tasks.

    Parameters
    ----------
    done : function of int
        Hears how many tasks are done, after each.
    """
    tasks = list(tasks)
    if executor is None:
        found = []
        for task in tasks:
            found.append(work(task))
            done(len(found))
        return found
    futures = [executor.submit(work, task) for task in tasks]
    for number, _ in enumerate(as_completed(futures), start=1):
        done(number)
    return [future.result() for future in futures]


@contextmanager
def open_cluster(scheduler: str, workers: int) -> Iterator[Executor | None]:
    """Give the executor of a named Dask cluster, else of one made here; None without Dask.

    Parameters
    ----------
    scheduler : str
        As in ``tcp://host:8786``; empty makes a cluster of processes on this machine.
    workers : int
        Processes of a cluster made here.
    """
    if scheduler:
        with open_executor(scheduler) as executor:
            yield executor
        return
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        yield None
        return
    cluster = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )
    try:
        with open_executor(cluster.scheduler_address) as executor:
            yield executor
    finally:
        cluster.close()
