"""The steps of a long job of which one that fails does not stop those that can do without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from closedloop.domain.errors import Refusal
from closedloop.services.long_work import Cancelled

logger = logging.getLogger(__name__)
_NOTHING: Mapping[str, Any] = {}


class PartlyDone(Refusal):
    """Some steps failed; `result` is what the others did."""

    def __init__(self, sentence: str, result: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.result = result


class Steps:
    """Runs steps in order, and remembers which failed and why.

    Attributes
    ----------
    result : dict
        What the steps that were done gave back.
    failed : dict
        Why, by the name of the step.
    left_out : list of str
        Steps that need one that failed.
    """

    def __init__(self) -> None:
        self.result: dict[str, Any] = {}
        self.failed: dict[str, str] = {}
        self.left_out: list[str] = []

    def run(
        self,
        name: str,
        step: Callable[[], Mapping[str, Any] | None],
        *,
        needs: Collection[str] = (),
    ) -> None:
        """Do a step unless one that it needs was not done.

        Raises
        ------
        Cancelled
            When people asked to stop: then no other step is begun.
        """
        if any(other in self.failed or other in self.left_out for other in needs):
            self.left_out.append(name)
            return
        try:
            self.result.update(step() or _NOTHING)
        except Cancelled:
            raise
        except Refusal as refusal:
            logger.warning("not done: %s: %s", name, refusal.sentence)
            self.failed[name] = refusal.sentence
        except Exception as error:
            logger.exception("not done: %s", name)
            self.failed[name] = f"something went wrong on our side ({type(error).__name__})"

    def close(self) -> dict[str, Any]:
        """Return the result.

        Raises
        ------
        PartlyDone
            If a step failed, naming it and what was left out for it.
        """
        if not self.failed:
            return self.result
        said = [f"Not done: {name}: {why.rstrip('.')}." for name, why in self.failed.items()]
        if self.left_out:
            said.append(f"Left out because of that: {', '.join(self.left_out)}.")
        said.append("The rest is done; the log says more.")
        raise PartlyDone(" ".join(said), self.result)
