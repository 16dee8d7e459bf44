"""Compute many estimates: in this process, in processes beside it, or on a cluster.

Wherever they are computed they are the same to the bit. Measurements of the same days are computed
together, because what one finds out about an unaffected theme holds for all of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager

from closedloop.services.beside import Beside, HelperStopped
from closedloop.services.impact_estimates import Estimates, make_estimates, make_many
from closedloop.services.impact_packing import MeasurementInputs, pack_inputs, unpack_inputs

logger = logging.getLogger(__name__)

FEWEST_TO_SPREAD = 24
"""Measurements of a round from which processes of their own are worth their start."""

MOST_HELPERS = 8
MOST_IN_A_GROUP = 16  # of the same days; more go to several processes

Answer = Estimates | Exception


class Estimators:
    """Whoever computes the estimates of a round.

    Parameters
    ----------
    executor : Executor, optional
        Of a cluster; takes the place of processes beside.
    helpers : sequence of Beside, optional
        Processes beside; none computes in this one.
    """

    def __init__(self, executor: Executor | None = None, helpers: Sequence[Beside] = ()) -> None:
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
            for helper, share in zip(self._helpers, shares, strict=True):
                helper.hand_over(share)
            done = [helper.take_back() for helper in self._helpers]
        except HelperStopped:  # this process does its work, too
            logger.warning("A process that measures was stopped; its work is done here.")
            self._helpers = ()
            return _estimate_groups(tasks)
        except Exception:
            self._helpers = ()  # answers of the others wait there, and are of this round
            raise
        return [done[n % len(done)][n // len(done)] for n in range(len(tasks))]


@contextmanager
def open_estimators(number: int, executor: Executor | None = None) -> Iterator[Estimators]:
    """Open estimators for a round of so many measurements; their processes end with the block."""
    cores = min(os.cpu_count() or 1, MOST_HELPERS)
    if executor is not None or number < FEWEST_TO_SPREAD or cores < 2:
        yield Estimators(executor)
        return
    with ExitStack() as ending:
        helpers = [ending.enter_context(closing(open_helper())) for _ in range(cores)]
        yield Estimators(helpers=helpers)


def open_helper() -> Beside:
    """Start a process that computes what it is handed; the caller closes it."""
    return Beside(_begin_estimating)


def _begin_estimating() -> Callable[[list[list[bytes]]], list[list[Answer]]]:
    return _estimate_groups


def _estimate_groups(tasks: list[list[bytes]]) -> list[list[Answer]]:
    return [estimate_packed(task) for task in tasks]


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
