"""Compute many estimates: in this process, in processes beside it, or on a cluster.

Wherever they are computed they are the same to the bit. Measurements of the same days are computed
together, because what one finds out about an unaffected theme holds for all of them.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from closedloop.services.impact_estimates import Estimates, make_estimates, make_many
from closedloop.services.impact_packing import MeasurementInputs, pack_inputs, unpack_inputs

logger = logging.getLogger(__name__)

FEWEST_TO_SPREAD = 24
"""Measurements of a round from which processes of their own are worth their start."""

MOST_HELPERS = 8
MOST_IN_A_GROUP = 16  # of the same days; more go to several processes

Answer = Estimates | Exception
_BEGIN = "from closedloop.services.impact_pool import serve; serve()"


class Estimators:
    """Whoever computes the estimates of a round.

    Parameters
    ----------
    executor : Executor, optional
        Of a cluster; takes the place of processes beside.
    helpers : sequence of Helper, optional
        Processes beside; none computes in this one.
    """

    def __init__(self, executor: Executor | None = None, helpers: Sequence[Helper] = ()) -> None:
        self._executor = executor
        self._helpers = helpers

    def estimate(self, inputs: Sequence[MeasurementInputs]) -> list[Answer]:
        """Return what each set of inputs says, or the error that it broke with, in order."""
        groups = _grouped(inputs)
        if self._executor is None and not self._helpers:
            answers = [_estimate_group([inputs[place] for place in group]) for group in groups]
        else:
            tasks = [[pack_inputs(inputs[place]) for place in group] for group in groups]
            answers = self._spread(tasks)
        found: list[Answer] = [ValueError("Nothing was computed.")] * len(inputs)
        for group, one in zip(groups, answers, strict=True):
            for place, answer in zip(group, one, strict=True):
                found[place] = answer
        return found

    def _spread(self, tasks: list[list[bytes]]) -> list[list[Answer]]:
        if self._executor is not None:
            return list(self._executor.map(estimate_packed, tasks))
        shares = [tasks[start :: len(self._helpers)] for start in range(len(self._helpers))]
        try:
            with ThreadPoolExecutor(len(self._helpers)) as threads:
                done = list(threads.map(Helper.estimate, self._helpers, shares))
        except (
            EOFError,
            OSError,
            pickle.UnpicklingError,
        ):  # a process beside was stopped: this one does its work, too
            logger.warning("A process that measures was stopped; its work is done here.")
            self._helpers = ()
            return [estimate_packed(task) for task in tasks]
        return [done[n % len(done)][n // len(done)] for n in range(len(tasks))]


@contextmanager
def open_estimators(number: int, executor: Executor | None = None) -> Iterator[Estimators]:
    """Give what computes a round of so many measurements, and end its processes afterwards."""
    cores = min(os.cpu_count() or 1, MOST_HELPERS)
    if executor is not None or number < FEWEST_TO_SPREAD or cores < 2:
        yield Estimators(executor)
        return
    helpers = [Helper() for _ in range(cores)]
    try:
        yield Estimators(helpers=helpers)
    finally:
        for helper in helpers:
            helper.close()


class Helper:
    """A Python process that computes what it is sent, and ends when nobody sends any more.

    Not of `multiprocessing`: that would run the main module again, whoever's it is.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this Python, words of ours
            [sys.executable, "-c", _BEGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def estimate(self, tasks: list[list[bytes]]) -> list[list[Answer]]:
        """Return the answers of each group, in order; it reads all before it answers."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:  # cannot be: both are pipes
            raise RuntimeError("A process that measures has no pipes.")
        pickle.dump(tasks, stdin)
        stdin.flush()
        answers: list[list[Answer]] = pickle.load(stdout)  # noqa: S301 - from our own process
        return answers

    def stop(self) -> None:
        """End the process at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it; what it was doing is of no use any more."""
        self.stop()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent any more
                    pipe.close()


def serve() -> None:
    """Compute what comes in until nothing comes any more; the process beside does nothing else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it decides
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            tasks: list[list[bytes]] = pickle.load(source)  # noqa: S301 - from who started it
        except EOFError:
            return
        pickle.dump([estimate_packed(task) for task in tasks], target)
        target.flush()


def estimate_packed(packed: Sequence[bytes]) -> list[Answer]:
    """Return what packed inputs of one group say; a cluster's workers call it."""
    return _estimate_group([unpack_inputs(one) for one in packed])


def _estimate_group(inputs: Sequence[MeasurementInputs]) -> list[Answer]:
    try:
        return list(make_many(inputs))
    except Exception:  # one of them broke: each by itself, so that the others are measured
        return [_estimate_one(one) for one in inputs]


def _estimate_one(inputs: MeasurementInputs) -> Answer:
    try:
        return make_estimates(inputs)
    except Exception as error:  # it belongs to the measurement that broke
        return error


def _grouped(inputs: Sequence[MeasurementInputs]) -> list[list[int]]:
    """Return places of inputs of the same days, in order."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(inputs):
        days = (one.first_day, one.n_pre, len(one.counts), one.skip)
        groups.setdefault(days, []).append(place)
    return [
        places[start : start + MOST_IN_A_GROUP]
        for places in groups.values()
        for start in range(0, len(places), MOST_IN_A_GROUP)
    ]
