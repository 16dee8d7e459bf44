"""Tell the log of a trouble that goes on once, and when it is over, instead of every second."""

from __future__ import annotations

import logging
import time

from closedloop.services.import_faults import may_pass

TOLD_EVERY_SECONDS = 600.0


class Trouble:
    """What keeps something from being done again and again.

    Parameters
    ----------
    logger : logging.Logger
        Of whoever tries.
    what : str
        Cannot be done, as in "the worker cannot reach its queue".
    """

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger, self._what = logger, what
        self._kind: tuple[type[Exception], str] | None = None
        self._began = self._told = 0.0

    def met(self, error: Exception) -> None:
        """Note a failed try; one like the last is told again after a while only."""
        now = time.monotonic()
        said = str(error).partition("\n")[0]
        kind = (type(error), said)
        if self._kind is None:
            self._began = now
        elif kind == self._kind and now - self._told < TOLD_EVERY_SECONDS:
            return
        self._kind, self._told = kind, now
        if may_pass(error):  # the database is away: where it was asked says nothing
            self._logger.error("%s and tries on: %s", self._what, said)
        else:
            self._logger.error("%s and tries on", self._what, exc_info=error)

    def over(self) -> None:
        """Note a try that worked."""
        if self._kind is not None:
            seconds = time.monotonic() - self._began
            self._logger.warning("over after %.0f seconds: %s", seconds, self._what)
            self._kind = None
